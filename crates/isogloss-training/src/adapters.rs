//! What adapters need of training beyond a loss.

use std::path::Path;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use isogloss_core::Seed;
use isogloss_peft::{AdapterHost, RankAllocation, penalty, skip_layers};
use isogloss_transformer::{LossSum, LossValue, Objective};
use rand::RngExt;

use crate::StepHook;

/// An objective as adapters are trained for it: with the [penalty](isogloss_peft::penalty) of those that have one,
/// and, where that is asked for, without those of the lowest layers.
///
/// Losses that are looked at are the objective's own.
#[derive(Clone, Debug)]
pub struct AdapterObjective<O> {
    objective: O,
    dropped_layers: usize,
}

impl<O> AdapterObjective<O> {
    /// The objective with the penalty.
    pub fn new(objective: O) -> Self {
        Self { objective, dropped_layers: 0 }
    }

    /// Leaves the adapters of the first `n` layers out, where `n` is drawn for each batch, from 0 up to this
    /// number: those of the layers above then do without them when they have to. 0 leaves none out.
    ///
    /// # Source
    ///
    /// Rücklé et al. (2021), "AdapterDrop", section 3, <https://arxiv.org/abs/2010.11918>, where it is up to 11
    /// of 12.
    #[must_use]
    pub fn with_dropped_layers(mut self, up_to: usize) -> Self {
        self.dropped_layers = up_to;
        self
    }
}

impl<M, O> Objective<M> for AdapterObjective<O>
where
    M: AdapterHost + Module,
    O: Objective<M>,
{
    type Batch = O::Batch;

    fn loss(&self, model: &M, batch: &Self::Batch) -> LossSum {
        self.objective.loss(model, batch)
    }

    fn accumulate(
        &self,
        model: &M,
        batch: &Self::Batch,
        seed: Seed,
        backward: &mut dyn FnMut(Tensor<1>),
    ) -> LossValue {
        let below = match self.dropped_layers {
            0 => 0,
            up_to => seed.derive("adapter drop").rng().random_range(0..=up_to),
        };
        let value = if below == 0 {
            self.objective.accumulate(model, batch, seed, backward)
        } else {
            let thinned = skip_layers(model.clone(), below);
            self.objective.accumulate(&thinned, batch, seed, backward)
        };
        if let (Some(penalty), true) = (penalty(model), value.count > 0) {
            // A step divides by the targets of all its batches: once in the sum, it is once in the mean.
            backward(penalty.mul_scalar(value.count as f64));
        }
        value
    }
}

/// Ranks of an AdaLoRA are taken while it is trained.
impl<M: AdapterHost + Module> StepHook<M> for RankAllocation {
    fn before(&mut self, model: &M, gradients: &GradientsParams) {
        self.observe(model, gradients);
    }

    fn after(&mut self, model: M, step: u64) -> M {
        self.allocate(model, step)
    }

    fn save(&self, dir: &Path) -> Result<(), String> {
        Self::save(self, dir).map_err(|error| error.to_string())
    }

    fn load(&mut self, model: M, dir: &Path) -> Result<M, String> {
        Self::load(self, model, dir).map_err(|error| error.to_string())
    }
}
