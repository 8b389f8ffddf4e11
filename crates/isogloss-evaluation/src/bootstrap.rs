//! Intervals and differences by resampling.

use isogloss_core::Seed;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::{Estimate, EvaluationError, Metric};

/// How often to resample, and how wide an interval is.
///
/// # Source
///
/// Efron and Tibshirani (1993), "An Introduction to the Bootstrap", chapter 13 (the percentile
/// interval). Paired: Koehn (2004), "Statistical Significance Tests for Machine Translation
/// Evaluation", <https://aclanthology.org/W04-3250>.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct BootstrapConfig {
    /// Resamples. Default: 1,000.
    pub resamples: usize,
    /// The share of resamples inside the interval, in `(0, 1)`. Default: 0.95.
    pub level: f64,
    /// The seed of the resamples; systems that are compared must share it.
    pub seed: Seed,
}

/// How much better one system is than another on the same items.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PairedDifference {
    /// First minus second, with its interval.
    pub difference: Estimate,
    /// Twice the share of resamples in which the difference has the other sign or none, at most 1:
    /// small where the sign is certain.
    pub p_value: f64,
}

impl BootstrapConfig {
    /// A thousand resamples and an interval of 95 %.
    pub fn new(seed: Seed) -> Self {
        Self { resamples: 1_000, level: 0.95, seed }
    }

    /// Sets the number of resamples.
    #[must_use]
    pub fn with_resamples(mut self, resamples: usize) -> Self {
        self.resamples = resamples;
        self
    }

    /// The score of all items, with the percentile interval of the scores of resamples.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Empty`] without items or where the metric has no value on them,
    /// [`EvaluationError::Config`] for a setting out of its range.
    pub fn estimate<M: Metric>(
        &self,
        metric: &M,
        items: &[M::Item],
    ) -> Result<Estimate, EvaluationError> {
        self.check()?;
        let value = metric
            .aggregate(&mut items.iter())
            .ok_or(EvaluationError::Empty { what: "estimate" })?;
        let mut scores = Vec::with_capacity(self.resamples);
        self.resample(items.len(), |draws| {
            scores.extend(metric.aggregate(&mut draws.iter().map(|draw| &items[*draw])));
        });
        Ok(Estimate::new(value, self.interval(&mut scores, value), items.len()))
    }

    /// The difference of two systems' scores on the same items, in the same order.
    ///
    /// # Errors
    ///
    /// As those of [`estimate`](Self::estimate), and [`EvaluationError::Length`] where the systems
    /// have not equally many items.
    pub fn paired<M: Metric>(
        &self,
        metric: &M,
        first: &[M::Item],
        second: &[M::Item],
    ) -> Result<PairedDifference, EvaluationError> {
        self.check()?;
        if first.len() != second.len() {
            let (found, expected) = (second.len(), first.len());
            return Err(EvaluationError::Length { what: "second system", found, expected });
        }
        let score = |items: &[M::Item], draws: &mut dyn Iterator<Item = usize>| {
            metric.aggregate(&mut draws.map(|draw| &items[draw]))
        };
        let all = 0..first.len();
        let value = score(first, &mut all.clone())
            .zip(score(second, &mut all.clone()))
            .map(|(first, second)| first - second)
            .ok_or(EvaluationError::Empty { what: "paired difference" })?;
        let mut differences = Vec::with_capacity(self.resamples);
        self.resample(first.len(), |draws| {
            let first = score(first, &mut draws.iter().copied());
            let second = score(second, &mut draws.iter().copied());
            differences.extend(first.zip(second).map(|(first, second)| first - second));
        });
        let contrary = differences.iter().filter(|d| **d * value.signum() <= 0.0).count();
        let p_value = if value == 0.0 || differences.is_empty() {
            1.0
        } else {
            (2.0 * contrary as f64 / differences.len() as f64).min(1.0)
        };
        let interval = self.interval(&mut differences, value);
        Ok(PairedDifference { difference: Estimate::new(value, interval, first.len()), p_value })
    }

    fn resample(&self, items: usize, mut each: impl FnMut(&[usize])) {
        let mut draws = vec![0; items];
        for resample in 0..self.resamples {
            // A generator for each, so that a resample does not depend on those before it.
            let mut rng = self.seed.at(resample as u64).rng();
            draws.fill_with(|| rng.random_range(0..items));
            each(&draws);
        }
    }

    /// The ends between which the level's share of the scores lies, by linear interpolation.
    fn interval(&self, scores: &mut [f64], value: f64) -> [f64; 2] {
        scores.sort_by(f64::total_cmp);
        let tail = (1.0 - self.level) / 2.0;
        [tail, 1.0 - tail].map(|share| {
            let place = share * scores.len().saturating_sub(1) as f64;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "at least 0 and less than the number of scores"
            )]
            let below = place.floor() as usize;
            match (scores.get(below), scores.get(below + 1)) {
                (Some(low), Some(high)) => low + (high - low) * place.fract(),
                (Some(low), None) => *low,
                _ => value,
            }
        })
    }

    fn check(&self) -> Result<(), EvaluationError> {
        if self.resamples == 0 {
            let (found, expected) = ("0".to_owned(), "at least 1");
            return Err(EvaluationError::Config { field: "resamples", found, expected });
        }
        if !(self.level > 0.0 && self.level < 1.0) {
            let (found, expected) = (self.level.to_string(), "0 < level < 1");
            return Err(EvaluationError::Config { field: "level", found, expected });
        }
        Ok(())
    }
}
