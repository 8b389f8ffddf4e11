//! The moving average of a model's parameters.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::TrainingError;

/// An exponential moving average of the trained parameters, which is often better than where they stand.
///
/// ```text
/// θ̄ ← d θ̄ + (1 - d) θ        d = min(decay^every, (1 + n) / (10 + n))
/// ```
///
/// at the `n`-th time, counted from 1, so that the first parameters are soon forgotten. Each time is a pass over all
/// trained parameters, and the average is held beside them.
///
/// # Source
///
/// Polyak and Juditsky (1992), "Acceleration of Stochastic Approximation by Averaging",
/// <https://doi.org/10.1137/0330046>; the smaller `d` at the beginning is that of TensorFlow's
/// `ExponentialMovingAverage` with `num_updates`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct AveragingConfig {
    /// How much of the average stays at each step, at least 0 and less than 1. Default: 0.999.
    pub decay: f64,
    /// Steps from one time to the next. Default: 1.
    pub every: u64,
}

impl Default for AveragingConfig {
    fn default() -> Self {
        Self { decay: 0.999, every: 1 }
    }
}

impl AveragingConfig {
    /// An average of which so much stays at each step.
    pub fn new(decay: f64) -> Self {
        Self { decay, ..Self::default() }
    }

    /// Sets the steps from one time to the next.
    #[must_use]
    pub fn with_every(self, every: u64) -> Self {
        Self { every, ..self }
    }

    pub(crate) fn check(&self) -> Result<(), TrainingError> {
        let fault =
            |field, found: String, expected| Err(TrainingError::Config { field, found, expected });
        if !(0.0..1.0).contains(&self.decay) {
            return fault("averaging.decay", self.decay.to_string(), "at least 0 and less than 1");
        }
        if self.every == 0 {
            return fault("averaging.every", "0".to_owned(), "at least 1");
        }
        Ok(())
    }

    /// How much of the average stays at the `n`-th time.
    fn kept(&self, n: u64) -> f64 {
        let n = n as f64;
        self.decay.powf(self.every as f64).min((1.0 + n) / (10.0 + n))
    }
}

/// A model whose parameters are averages, on the device without gradients.
#[derive(Clone, Debug)]
pub(crate) struct Averaged<M> {
    pub(crate) config: AveragingConfig,
    pub(crate) model: M,
    /// How many times it was brought up to date.
    pub(crate) times: u64,
}

impl<M: Module> Averaged<M> {
    /// Begins with a model as it stands.
    pub(crate) fn new(config: AveragingConfig, model: &M) -> Self {
        Self { config, model: model.valid(), times: 0 }
    }

    /// Takes in a model that was trained; `is_trained` says which of its parameters were.
    pub(crate) fn update(mut self, model: &M, is_trained: impl Fn(u64) -> bool) -> Self {
        let mut trained = Trained { of: is_trained, values: GradientsParams::new() };
        model.visit(&mut trained);
        self.times += 1;
        let kept = self.config.kept(self.times);
        self.model = self.model.map(&mut Mix { values: trained.values, kept });
        self
    }
}

/// The values of parameters, by their ids. What holds gradients holds any tensor of a parameter's shape.
struct Trained<F> {
    of: F,
    values: GradientsParams,
}

impl<F: Fn(u64) -> bool> ModuleVisitor for Trained<F> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if (self.of)(param.id.val()) {
            self.values.register(param.id, param.val().inner());
        }
    }
}

struct Mix {
    values: GradientsParams,
    kept: f64,
}

impl ModuleMapper for Mix {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(value) = self.values.remove::<D>(param.id) else { return param };
        let (id, average, mapper) = param.consume();
        let average = average.mul_scalar(self.kept) + value.mul_scalar(1.0 - self.kept);
        Param::from_mapped_value(id, average, mapper)
    }
}

#[cfg(test)]
mod tests {
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn averages_are_those_worked_out_by_hand() {
        let device = Device::flex().autodiff();
        let with = |value: f32| {
            let mut linear: Linear = LinearConfig::new(1, 1).with_bias(false).init(&device);
            linear.weight = linear.weight.map(|weight| weight.full_like(value));
            linear
        };
        let mut model = with(1.0);
        let mut averaged = Averaged::new(AveragingConfig::new(0.2), &model);
        let value = |linear: &Linear| f64::from(linear.weight.val().into_scalar::<f32>());
        assert!((value(&averaged.model) - 1.0).abs() < 1e-7);
        // d is 2 / 11, then 0.2, which is less than 3 / 12.
        let mut expected = 1.0;
        for (to, kept) in [(3.0, 2.0 / 11.0), (-1.0, 0.2)] {
            model.weight = model.weight.map(|weight| weight.full_like(to));
            averaged = averaged.update(&model, |_| true);
            expected = kept * expected + (1.0 - kept) * to;
            assert!((value(&averaged.model) - expected).abs() < 1e-6);
        }
        assert_eq!(averaged.times, 2);
        let every_other = AveragingConfig::new(0.2).with_every(2);
        assert!((every_other.kept(100) - 0.04).abs() < 1e-12);
        // What is not trained stays.
        let untouched = averaged.clone().update(&with(9.0), |_| false);
        assert!((value(&untouched.model) - expected).abs() < 1e-6);
    }
}
