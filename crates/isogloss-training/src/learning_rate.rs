//! The learning rate as a function of the step alone, so that a resumed run needs no state of it.

use serde::{Deserialize, Serialize};

use crate::TrainingError;

/// Linear warm-up to a peak, then decay.
///
/// At step `t = 1, 2, …, N`, with `w` steps of warm-up,
///
/// ```text
/// lr(t) = peak · t / w                      t <= w
/// lr(t) = peak · decay((t - w) / (N - w))   t > w
/// ```
///
/// Steps count from 1, so the first update already has a rate above 0 (transformers counts from 0,
/// and its first update does nothing).
///
/// # Source
///
/// Linear decay is that of BERT, Devlin et al. (2019), <https://arxiv.org/abs/1810.04805>; the
/// inverse square root that of Vaswani et al. (2017), <https://arxiv.org/abs/1706.03762>.
///
/// # Examples
///
/// ```
/// use isogloss_training::LearningRateConfig;
///
/// let schedule = LearningRateConfig::new(1e-3).with_warmup_steps(10);
/// assert!((schedule.at(5, 100) - 5e-4).abs() < 1e-12);
/// assert!((schedule.at(10, 100) - 1e-3).abs() < 1e-12);
/// assert!((schedule.at(55, 100) - 5e-4).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct LearningRateConfig {
    /// The highest rate. Default: 1e-3.
    pub peak: f64,
    /// Steps of warm-up. Default: 0.
    pub warmup_steps: u64,
    /// What follows the warm-up. Default: linear.
    pub decay: Decay,
}

/// How a learning rate falls from its peak.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Decay {
    /// It stays.
    Constant,
    /// `1 - p`, to 0 at the last step.
    #[default]
    Linear,
    /// `(1 + cos πp) / 2`, to 0 at the last step and not up again beyond it.
    Cosine,
    /// `√(w / t)`, whatever the number of steps; without warm-up, `w` is 1.
    InverseSqrt,
}

impl LearningRateConfig {
    /// A linear schedule without warm-up.
    pub fn new(peak: f64) -> Self {
        Self { peak, ..Self::default() }
    }

    /// Sets the steps of warm-up.
    #[must_use]
    pub fn with_warmup_steps(mut self, steps: u64) -> Self {
        self.warmup_steps = steps;
        self
    }

    /// Sets how the rate falls.
    #[must_use]
    pub fn with_decay(mut self, decay: Decay) -> Self {
        self.decay = decay;
        self
    }

    /// The rate of the `step`-th update of `steps`, counted from 1.
    pub fn at(&self, step: u64, steps: u64) -> f64 {
        if step <= self.warmup_steps {
            return self.peak * step as f64 / self.warmup_steps as f64;
        }
        let decayed = (step - self.warmup_steps) as f64;
        let progress = (decayed / steps.saturating_sub(self.warmup_steps) as f64).min(1.0);
        let factor = match self.decay {
            Decay::Constant => 1.0,
            Decay::Linear => 1.0 - progress,
            Decay::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * progress).cos()),
            Decay::InverseSqrt => (self.warmup_steps.max(1) as f64 / step as f64).sqrt(),
        };
        self.peak * factor
    }

    pub(crate) fn check(&self, steps: u64) -> Result<(), TrainingError> {
        if !(self.peak.is_finite() && self.peak > 0.0) {
            return Err(TrainingError::Config {
                field: "learning_rate.peak",
                found: self.peak.to_string(),
                expected: "a finite number above 0",
            });
        }
        if self.warmup_steps > steps {
            return Err(TrainingError::Config {
                field: "learning_rate.warmup_steps",
                found: self.warmup_steps.to_string(),
                expected: "no more than `steps`",
            });
        }
        Ok(())
    }
}

impl Default for LearningRateConfig {
    fn default() -> Self {
        Self { peak: 1e-3, warmup_steps: 0, decay: Decay::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_match_the_formulas_worked_by_hand() {
        // w = 10, N = 100: at 55, p = 45 / 90 = 0.5.
        for (decay, step, factor) in [
            (Decay::Linear, 1, 0.1),
            (Decay::Linear, 10, 1.0),
            (Decay::Linear, 55, 0.5),
            (Decay::Linear, 100, 0.0),
            (Decay::Cosine, 55, 0.5),
            (Decay::Cosine, 100, 0.0),
            (Decay::Cosine, 120, 0.0),
            (Decay::Constant, 55, 1.0),
            (Decay::InverseSqrt, 55, 0.426_401_432_711_220_9),
            (Decay::InverseSqrt, 100, 0.316_227_766_016_837_94),
        ] {
            let schedule = LearningRateConfig::new(2.0).with_warmup_steps(10).with_decay(decay);
            let found = schedule.at(step, 100) / 2.0;
            assert!((found - factor).abs() < 1e-12, "{decay:?} at {step}: {found}");
        }
    }
}
