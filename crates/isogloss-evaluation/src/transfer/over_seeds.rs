//! One number of several seeds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Cell, Estimate, EvaluationError, Run, mean_over_seeds};

/// A number that each seed gives anew: its mean, and the interval that the seeds allow.
///
/// The interval is that of [`mean_over_seeds`].
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct OverSeeds {
    /// The mean over seeds.
    pub mean: f64,
    /// The interval: over seeds where there are two or more; with one seed that over the run's
    /// items, if the run has one; else none.
    pub interval: Option<[f64; 2]>,
    /// The number for each seed; empty for what was computed from the means of languages that do not
    /// share two seeds.
    pub by_seed: BTreeMap<u64, f64>,
    /// How many items were scored in each run; `None` where a run does not say.
    pub items: Option<usize>,
}

impl OverSeeds {
    /// Puts the numbers of seeds together.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Empty`] without seeds, [`EvaluationError::NotFinite`] for a value that is
    /// no number, [`EvaluationError::Config`] for a level outside `(0, 1)`.
    pub fn try_new(by_seed: BTreeMap<u64, f64>, level: f64) -> Result<Self, EvaluationError> {
        if !(level > 0.0 && level < 1.0) {
            let (found, expected) = (level.to_string(), "0 < level < 1");
            return Err(EvaluationError::Config { field: "level", found, expected });
        }
        if by_seed.is_empty() {
            return Err(EvaluationError::Empty { what: "seeds" });
        }
        if let Some((index, found)) = by_seed.values().enumerate().find(|(_, v)| !v.is_finite()) {
            let what = "value of seed";
            return Err(EvaluationError::NotFinite { what, index, found: *found });
        }
        let values: Vec<f64> = by_seed.values().copied().collect();
        let (mean, interval) = if let [value] = values.as_slice() {
            (*value, None)
        } else {
            let Estimate { value, low, high, .. } = mean_over_seeds(&values, level)?;
            (value, Some([low, high]))
        };
        Ok(Self { mean, interval, by_seed, items: None })
    }

    /// Seeds under the number; 0 where it was computed from means.
    pub fn seeds(&self) -> usize {
        self.by_seed.len()
    }

    /// The standard deviation over seeds; `None` for fewer than two.
    pub fn sd(&self) -> Option<f64> {
        let seeds = self.by_seed.len();
        let squares: f64 = self.by_seed.values().map(|value| (value - self.mean).powi(2)).sum();
        (seeds > 1).then(|| (squares / (seeds - 1) as f64).sqrt())
    }

    /// The number as a score with its interval, which has no width where there is none. Its items
    /// are those that were scored or, where the runs do not say, the seeds.
    pub fn estimate(&self) -> Estimate {
        let interval = self.interval.unwrap_or([self.mean, self.mean]);
        Estimate::new(self.mean, interval, self.items.unwrap_or(self.by_seed.len()))
    }

    /// Some number of each run, over their seeds; `None` where no run has it.
    pub(crate) fn of_runs<'a>(
        runs: impl Iterator<Item = &'a Run>,
        level: f64,
        value: impl Fn(&Run) -> Option<f64>,
    ) -> Result<Option<Self>, EvaluationError> {
        let found: Vec<(&Run, f64)> =
            runs.filter_map(|run| value(run).map(|value| (run, value))).collect();
        let by_seed: BTreeMap<u64, f64> =
            found.iter().map(|(run, value)| (run.seed, *value)).collect();
        if by_seed.is_empty() {
            return Ok(None);
        }
        let mut made = Self::try_new(by_seed, level)?;
        let items: Option<Vec<usize>> = found.iter().map(|(run, _)| run.items).collect();
        made.items = items.and_then(|items| items.into_iter().min());
        Ok(Some(made))
    }

    /// What follows from several numbers, as of several languages, or the difference of two systems.
    ///
    /// It is computed for each seed that all have, so that its interval follows; where all share
    /// fewer than two and not all have that one, from their means, without an interval. `None` without
    /// numbers, and where it has no value.
    ///
    /// # Errors
    ///
    /// Those of [`try_new`](Self::try_new).
    pub fn of_all(
        parts: &[&Self],
        level: f64,
        value: impl Fn(&[f64]) -> Option<f64>,
    ) -> Result<Option<Self>, EvaluationError> {
        let Some(first) = parts.first() else { return Ok(None) };
        let has_all = |seed: &&u64| parts.iter().all(|part| part.by_seed.contains_key(*seed));
        let shared: Vec<u64> = first.by_seed.keys().filter(has_all).copied().collect();
        let is_same = parts.iter().all(|part| part.by_seed.len() == shared.len());
        if shared.len() > 1 || (is_same && !shared.is_empty()) {
            let values = shared.iter().map(|seed| {
                let values: Vec<f64> =
                    parts.iter().filter_map(|part| part.by_seed.get(seed).copied()).collect();
                value(&values).map(|value| (*seed, value))
            });
            return match values.collect::<Option<BTreeMap<u64, f64>>>() {
                Some(by_seed) => Self::try_new(by_seed, level).map(Some),
                None => Ok(None),
            };
        }
        let means: Vec<f64> = parts.iter().map(|part| part.mean).collect();
        Ok(value(&means).map(|mean| Self {
            mean,
            interval: None,
            by_seed: BTreeMap::new(),
            items: None,
        }))
    }

    /// As it stands in a table: with its interval, where there is one.
    pub fn cell(&self) -> Cell {
        match self.interval {
            Some(_) => self.estimate().into(),
            None => self.mean.into(),
        }
    }
}
