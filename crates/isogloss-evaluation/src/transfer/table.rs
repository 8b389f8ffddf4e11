//! The matrix of sources and targets.

use std::collections::{BTreeMap, BTreeSet};

use isogloss_core::LanguageTag;
use serde::{Deserialize, Serialize};

use super::run::{check_runs, joined};
use crate::{EvaluationError, OverSeeds, Run, Setting};

/// What a model that learnt in one language scores in another: one task, one metric, one model.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TransferTable {
    /// The task.
    pub task: String,
    /// The metric.
    pub metric: String,
    /// The model.
    pub model: String,
    /// How the targets were reached.
    pub setting: Setting,
    /// Labelled examples of the target language; 0 is zero-shot.
    pub shots: u64,
    /// The rows: one or several languages that were learnt from.
    pub sources: Vec<Vec<LanguageTag>>,
    /// The columns.
    pub targets: Vec<LanguageTag>,
    /// `cells[source][target]`; `None` where there is no run.
    pub cells: Vec<Vec<Option<OverSeeds>>>,
    /// The share that intervals cover.
    pub level: f64,
}

/// The tables of all tasks, metrics, models, settings and numbers of shots, in this order.
///
/// `level` is the share that intervals over seeds cover, in `(0, 1)`.
///
/// # Errors
///
/// Those of [`check_runs`] and [`OverSeeds::try_new`].
pub fn transfer_tables(runs: &[Run], level: f64) -> Result<Vec<TransferTable>, EvaluationError> {
    check_runs(runs)?;
    let mut groups: BTreeMap<_, Vec<&Run>> = BTreeMap::new();
    for run in runs {
        let key = (&run.task, &run.metric, &run.model, run.setting, run.shots);
        groups.entry(key).or_default().push(run);
    }
    groups
        .into_iter()
        .map(|((task, metric, model, setting, shots), runs)| {
            let mut cells: BTreeMap<(Vec<LanguageTag>, &LanguageTag), Vec<&Run>> = BTreeMap::new();
            for run in runs {
                let key = (run.condition().sources, &run.target);
                cells.entry(key).or_default().push(run);
            }
            let sources: BTreeSet<_> = cells.keys().map(|(sources, _)| sources.clone()).collect();
            let targets: BTreeSet<_> = cells.keys().map(|(_, target)| *target).collect();
            let row = |source: &Vec<LanguageTag>| -> Result<Vec<_>, EvaluationError> {
                let cell = |target: &&LanguageTag| {
                    let Some(runs) = cells.get(&(source.clone(), *target)) else {
                        return Ok(None);
                    };
                    OverSeeds::of_cell(runs, level).map(Some)
                };
                targets.iter().map(cell).collect()
            };
            Ok(TransferTable {
                task: task.clone(),
                metric: metric.clone(),
                model: model.clone(),
                setting,
                shots,
                cells: sources.iter().map(row).collect::<Result<_, _>>()?,
                sources: sources.into_iter().collect(),
                targets: targets.into_iter().cloned().collect(),
                level,
            })
        })
        .collect()
}

impl OverSeeds {
    /// The scores of one source and target; a single run lends the interval over its items.
    pub(crate) fn of_cell(runs: &[&Run], level: f64) -> Result<Self, EvaluationError> {
        let made = Self::of_runs(runs.iter().copied(), level, |run| Some(run.score))?;
        let mut made = made.ok_or(EvaluationError::Empty { what: "runs" })?;
        if let [run] = runs {
            made.interval = run.interval();
        }
        Ok(made)
    }
}

impl TransferTable {
    /// The scores of a source, by target.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Config`] for a source that the table has not.
    pub fn of_source(
        &self,
        sources: &[LanguageTag],
    ) -> Result<BTreeMap<LanguageTag, OverSeeds>, EvaluationError> {
        let row = self.sources.iter().position(|known| known == sources).ok_or_else(|| {
            let (found, expected) = (joined(sources), "a source of the table");
            EvaluationError::Config { field: "sources", found, expected }
        })?;
        let cells = self.targets.iter().zip(&self.cells[row]);
        Ok(cells.filter_map(|(t, cell)| cell.clone().map(|cell| (t.clone(), cell))).collect())
    }

    /// The mean over target languages, each counting the same; over the seeds that all have.
    ///
    /// # Errors
    ///
    /// As those of [`of_source`](Self::of_source).
    pub fn macro_average(&self, sources: &[LanguageTag]) -> Result<OverSeeds, EvaluationError> {
        let scores = self.of_source(sources)?;
        let parts: Vec<&OverSeeds> = scores.values().collect();
        OverSeeds::of_all(&parts, self.level, mean)?.ok_or(EvaluationError::Empty { what: "row" })
    }

    /// The zero-shot gap: `score(source) - mean(other languages)`; `None` where the source was not
    /// tested or nothing else was, or where there are several sources.
    ///
    /// # Errors
    ///
    /// As those of [`of_source`](Self::of_source).
    ///
    /// # Source
    ///
    /// Hu et al. (2020), "XTREME: A Massively Multilingual Multi-task Benchmark for Evaluating
    /// Cross-lingual Generalization", section 5, <https://arxiv.org/abs/2003.11080>.
    pub fn zero_shot_gap(
        &self,
        sources: &[LanguageTag],
    ) -> Result<Option<OverSeeds>, EvaluationError> {
        let mut others = self.of_source(sources)?;
        let [source] = sources else { return Ok(None) };
        let Some(own) = others.remove(source) else { return Ok(None) };
        let parts: Vec<&OverSeeds> = std::iter::once(&own).chain(others.values()).collect();
        OverSeeds::of_all(&parts, self.level, |values| {
            let (own, others) = values.split_first()?;
            Some(own - mean(others)?)
        })
    }

    /// The sources of a row, joined by `+`.
    pub fn source_name(sources: &[LanguageTag]) -> String {
        joined(sources)
    }
}

/// The mean of some numbers.
pub(crate) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
