//! What adaptation costs: in scores that are lost, in parameters, in hours.

use std::collections::{BTreeMap, BTreeSet};

use isogloss_core::LanguageTag;
use serde::{Deserialize, Serialize};

use super::run::check_runs;
use super::table::mean;
use crate::{EvaluationError, OverSeeds, Run, Setting};

/// What a language lost by an adaptation.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Forgetting {
    /// The task.
    pub task: String,
    /// The metric.
    pub metric: String,
    /// The model.
    pub model: String,
    /// How the target was reached.
    pub setting: Setting,
    /// The languages learnt from.
    pub sources: Vec<LanguageTag>,
    /// Labelled examples of the language tested.
    pub shots: u64,
    /// The language tested.
    pub target: LanguageTag,
    /// The score before.
    pub before: OverSeeds,
    /// The score after.
    pub after: OverSeeds,
    /// Before minus after, seed by seed: below 0 where the language gained.
    pub lost: OverSeeds,
}

/// What each language lost, of all runs that say what was before; the greatest loss first.
///
/// `level` is the share that intervals over seeds cover, in `(0, 1)`.
///
/// # Errors
///
/// Those of [`check_runs`] and [`OverSeeds::try_new`].
///
/// # Source
///
/// The negative of the backward transfer of Lopez-Paz and Ranzato (2017), "Gradient Episodic Memory
/// for Continual Learning", <https://arxiv.org/abs/1706.08840>.
pub fn forgetting(runs: &[Run], level: f64) -> Result<Vec<Forgetting>, EvaluationError> {
    check_runs(runs)?;
    let mut groups: BTreeMap<_, Vec<&Run>> = BTreeMap::new();
    for run in runs.iter().filter(|run| run.before.is_some()) {
        groups.entry((run.condition(), run.shots, &run.target)).or_default().push(run);
    }
    let mut all = Vec::new();
    for ((condition, shots, target), runs) in groups {
        let over = |value: fn(&Run) -> Option<f64>| {
            OverSeeds::of_runs(runs.iter().copied(), level, value)?
                .ok_or(EvaluationError::Empty { what: "runs" })
        };
        all.push(Forgetting {
            before: over(|run| run.before)?,
            after: over(|run| Some(run.score))?,
            lost: over(|run| run.before.map(|before| before - run.score))?,
            task: condition.task,
            metric: condition.metric,
            model: condition.model,
            setting: condition.setting,
            sources: condition.sources,
            shots,
            target: target.clone(),
        });
    }
    all.sort_by(|a, b| b.lost.mean.total_cmp(&a.lost.mean));
    Ok(all)
}

/// What is gained for what is spent: the mean over target languages, each counting the same.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Efficiency {
    /// The task.
    pub task: String,
    /// The metric.
    pub metric: String,
    /// The model.
    pub model: String,
    /// How the targets were reached.
    pub setting: Setting,
    /// The languages learnt from.
    pub sources: Vec<LanguageTag>,
    /// Labelled examples of the target language.
    pub shots: u64,
    /// The target languages that say what was before.
    pub languages: usize,
    /// Score minus score before.
    pub gain: OverSeeds,
    /// The gain for each million of trained parameters; of the languages that say how many.
    pub per_million_parameters: Option<OverSeeds>,
    /// The gain for each hour of training; of the languages that say how many.
    pub per_hour: Option<OverSeeds>,
}

/// Gains by cost, of all runs that say what was before; the greatest gain for each million of
/// parameters first, what does not say how many last.
///
/// The gain is counted from [`Run::before`]: without it a large share of every score would be what
/// the model knew already. `level` is the share that intervals over seeds cover, in `(0, 1)`.
///
/// # Errors
///
/// Those of [`check_runs`] and [`OverSeeds::try_new`].
pub fn efficiencies(runs: &[Run], level: f64) -> Result<Vec<Efficiency>, EvaluationError> {
    check_runs(runs)?;
    let gain = |run: &Run| run.before.map(|before| run.score - before);
    let keys: BTreeSet<_> = runs
        .iter()
        .filter(|run| run.before.is_some())
        .map(|run| (run.condition(), run.shots))
        .collect();
    let mut all = Vec::new();
    for (condition, shots) in keys {
        let mut targets: BTreeMap<&LanguageTag, Vec<&Run>> = BTreeMap::new();
        for run in runs.iter().filter(|run| condition.belongs(run) && run.shots == shots) {
            targets.entry(&run.target).or_default().push(run);
        }
        let over_targets = |value: &dyn Fn(&Run) -> Option<f64>| {
            let mut parts = Vec::new();
            for runs in targets.values() {
                parts.extend(OverSeeds::of_runs(runs.iter().copied(), level, value)?);
            }
            let parts: Vec<&OverSeeds> = parts.iter().collect();
            Ok::<_, EvaluationError>((parts.len(), OverSeeds::of_all(&parts, level, mean)?))
        };
        let (languages, Some(all_gains)) = over_targets(&gain)? else { continue };
        let (_, per_million_parameters) =
            over_targets(&|run| Some(gain(run)? / (run.trainable_parameters? as f64 / 1e6)))?;
        let (_, per_hour) = over_targets(&|run| Some(gain(run)? / run.hours?))?;
        all.push(Efficiency {
            task: condition.task,
            metric: condition.metric,
            model: condition.model,
            setting: condition.setting,
            sources: condition.sources,
            shots,
            languages,
            gain: all_gains,
            per_million_parameters,
            per_hour,
        });
    }
    let order = |e: &Efficiency| {
        e.per_million_parameters.as_ref().map_or(f64::NEG_INFINITY, |over| over.mean)
    };
    all.sort_by(|a, b| order(b).total_cmp(&order(a)));
    Ok(all)
}
