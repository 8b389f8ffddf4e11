//! AdamW, by the kernel.

use burn::optim::{AdamWState, AdaptiveMomentumState, LearningRate, Optimizer};
use burn::tensor::{Device, Tensor};
use isogloss_kernels::{AdamWStep, adamw};

use crate::AdamWSettings;

/// Updates a parameter as Burn's own AdamW does, whose state it keeps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdamW {
    pub(crate) settings: AdamWSettings,
    /// By what the learning rate is multiplied.
    pub(crate) factor: f64,
}

impl AdamWSettings {
    /// The first step at a rate.
    pub(crate) fn step(self, learning_rate: f64) -> AdamWStep {
        let Self { beta_1, beta_2, epsilon, weight_decay } = self;
        AdamWStep { learning_rate, betas: [beta_1, beta_2], epsilon, weight_decay, time: 1 }
    }
}

impl Optimizer for AdamW {
    type State<const D: usize> = AdamWState<D>;

    fn step<const D: usize>(
        &self,
        learning_rate: LearningRate,
        parameter: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let momentum = state.map(|state| state.momentum);
        let count = momentum.as_ref().map_or(0, |momentum| momentum.time) + 1;
        let moments = momentum.map(|momentum| [momentum.moment_1, momentum.moment_2]);
        // Beyond 2³¹ steps the corrections have long been 1.
        let time = i32::try_from(count).unwrap_or(i32::MAX);
        let step = AdamWStep { time, ..self.settings.step(learning_rate * self.factor) };
        let (parameter, [m, v]) = adamw(parameter, gradient, moments, step);
        (parameter, Some(AdamWState::new(AdaptiveMomentumState::new(count, m, v))))
    }

    fn to_device<const D: usize>(mut state: Self::State<D>, device: &Device) -> Self::State<D> {
        state.momentum = state.momentum.to_device(device);
        state
    }
}
