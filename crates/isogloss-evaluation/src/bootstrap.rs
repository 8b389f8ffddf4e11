//! Intervals and differences by resampling.

use isogloss_core::Seed;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::{Estimate, EvaluationError, Interval, Metric, bca_interval, percentile_interval};

/// How often to resample, and how wide an interval is.
///
/// # Source
///
/// Efron and Tibshirani (1993), "An Introduction to the Bootstrap", chapter 13 (the percentile
/// interval); that of the other is with [`bca_interval`]. Paired: Koehn (2004), "Statistical
/// Significance Tests for Machine Translation Evaluation", <https://aclanthology.org/W04-3250>.
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
    /// How the scores of resamples become an interval. Default: [`Interval::Percentile`].
    #[serde(default)]
    pub interval: Interval,
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

/// A score of all items with its interval, and the scores of resamples.
struct Resampled {
    estimate: Estimate,
    scores: Vec<f64>,
}

impl BootstrapConfig {
    /// A thousand resamples and an interval of 95 %.
    pub fn new(seed: Seed) -> Self {
        Self { resamples: 1_000, level: 0.95, seed, interval: Interval::Percentile }
    }

    /// Sets the number of resamples.
    #[must_use]
    pub fn with_resamples(mut self, resamples: usize) -> Self {
        self.resamples = resamples;
        self
    }

    /// Sets the share of resamples inside the interval.
    #[must_use]
    pub fn with_level(mut self, level: f64) -> Self {
        self.level = level;
        self
    }

    /// Sets how the scores of resamples become an interval.
    #[must_use]
    pub fn with_interval(mut self, interval: Interval) -> Self {
        self.interval = interval;
        self
    }

    /// The score of all items, with the interval of the scores of resamples.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Empty`] without items or where the metric has no value on them,
    /// [`EvaluationError::Config`] for a setting out of its range, [`EvaluationError::NotFinite`] where a resample has
    /// a score that is not a number; with [`Interval::Bca`], [`EvaluationError::Undefined`] where the items have no
    /// such interval, as where all are equal, or the metric no value without one of them.
    pub fn estimate<M: Metric>(
        &self,
        metric: &M,
        items: &[M::Item],
    ) -> Result<Estimate, EvaluationError> {
        let score = |draws: &[usize]| metric.aggregate(&mut draws.iter().map(|draw| &items[*draw]));
        self.resampled("estimate", items.len(), score).map(|it| it.estimate)
    }

    /// Several scores at once, as [`estimate`](Self::estimate) has one, from the same draws; `None` for a score that
    /// has no value on all items. `statistics` gets the places of items, which may repeat.
    ///
    /// # Errors
    ///
    /// As those of [`estimate`](Self::estimate); [`EvaluationError::Length`] where a draw has not as many scores. With
    /// [`Interval::Bca`] all fail with the first that has no such interval.
    pub fn estimate_all(
        &self,
        items: usize,
        statistics: impl Fn(&[usize]) -> Vec<Option<f64>>,
    ) -> Result<Vec<Option<Estimate>>, EvaluationError> {
        let found = self.resampled_all("estimates", items, statistics)?;
        Ok(found.into_iter().map(|found| found.map(|it| it.estimate)).collect())
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
        let Resampled { estimate: difference, scores: differences } =
            self.resampled("paired difference", first.len(), |draws| {
                let score = |items: &[M::Item]| {
                    metric.aggregate(&mut draws.iter().map(|draw| &items[*draw]))
                };
                score(first).zip(score(second)).map(|(first, second)| first - second)
            })?;
        let value = difference.value;
        let contrary = differences.iter().filter(|d| **d * value.signum() <= 0.0).count();
        let p_value = if value == 0.0 || differences.is_empty() {
            1.0
        } else {
            (2.0 * contrary as f64 / differences.len() as f64).min(1.0)
        };
        Ok(PairedDifference { difference, p_value })
    }

    /// The score of all items with its interval, and the scores of resamples.
    fn resampled(
        &self,
        what: &'static str,
        items: usize,
        score: impl Fn(&[usize]) -> Option<f64>,
    ) -> Result<Resampled, EvaluationError> {
        let mut found = self.resampled_all(what, items, |draws| vec![score(draws)])?;
        found.pop().flatten().ok_or(EvaluationError::Empty { what })
    }

    /// The same for several scores, and none for a score that has no value on all items.
    fn resampled_all(
        &self,
        what: &'static str,
        items: usize,
        statistics: impl Fn(&[usize]) -> Vec<Option<f64>>,
    ) -> Result<Vec<Option<Resampled>>, EvaluationError> {
        self.check()?;
        if items == 0 {
            return Err(EvaluationError::Empty { what });
        }
        let mut draws: Vec<usize> = (0..items).collect();
        let values = statistics(&draws);
        let expected = values.len();
        let statistics = |draws: &[usize]| {
            let scores = statistics(draws);
            let found = scores.len();
            if found == expected {
                return Ok(scores);
            }
            Err(EvaluationError::Length { what: "scores of a draw", found, expected })
        };
        // By score.
        let mut without_each = vec![Vec::new(); expected];
        if self.interval == Interval::Bca {
            let mut others: Vec<usize> = (1..items).collect();
            for item in 0..items {
                for (place, score) in statistics(&others)?.into_iter().enumerate() {
                    without_each[place].push(score.ok_or(item));
                }
                // The next one is left out, and this one is back.
                if let Some(place) = others.get_mut(item) {
                    *place = item;
                }
            }
        }
        let mut scores = vec![Vec::with_capacity(self.resamples); expected];
        for resample in 0..self.resamples {
            // A generator for each, so that a resample does not depend on those before it.
            let mut rng = self.seed.at(resample as u64).rng();
            draws.fill_with(|| rng.random_range(0..items));
            for (scores, score) in scores.iter_mut().zip(statistics(&draws)?) {
                scores.extend(score);
            }
        }
        let each = values.into_iter().zip(scores).zip(without_each);
        let estimate = |((value, scores), without_each): ((Option<f64>, Vec<f64>), Vec<_>)| {
            let Some(value) = value else { return Ok(None) };
            let interval = self.interval_of(value, &scores, without_each)?;
            Ok(Some(Resampled { estimate: Estimate::new(value, interval, items), scores }))
        };
        each.map(estimate).collect()
    }

    /// `without_each` has the place of an item without which there is no score.
    fn interval_of(
        &self,
        value: f64,
        scores: &[f64],
        without_each: Vec<Result<f64, usize>>,
    ) -> Result<[f64; 2], EvaluationError> {
        let undefined = |item| EvaluationError::Undefined {
            what: "BCa interval",
            reason: format!("the metric has no value without item {item}"),
        };
        let without_each =
            without_each.into_iter().collect::<Result<Vec<_>, _>>().map_err(undefined)?;
        match self.interval {
            // Where no resample has a value, nothing is known of its spread.
            _ if scores.is_empty() => Ok([value; 2]),
            Interval::Percentile => percentile_interval(scores, self.level),
            Interval::Bca => bca_interval(scores, value, &without_each, self.level),
        }
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
