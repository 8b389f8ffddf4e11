//! Scores by the number of labelled examples.

use std::collections::BTreeMap;

use isogloss_core::LanguageTag;
use serde::{Deserialize, Serialize};

use super::run::check_runs;
use crate::{EvaluationError, OverSeeds, Run, Setting};

/// What a language gains from labelled examples of its own.
///
/// # Source
///
/// Lauscher et al. (2020), "From Zero to Hero: On the Limitations of Zero-Shot Language Transfer
/// with Multilingual Transformers", <https://aclanthology.org/2020.emnlp-main.363>.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FewShotCurve {
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
    /// The language tested.
    pub target: LanguageTag,
    /// The score by the number of shots, over seeds; two points or more.
    pub points: BTreeMap<u64, OverSeeds>,
}

/// The curves of all that was run with two or more numbers of shots.
///
/// `level` is the share that intervals over seeds cover, in `(0, 1)`.
///
/// # Errors
///
/// Those of [`check_runs`] and [`OverSeeds::try_new`].
pub fn few_shot_curves(runs: &[Run], level: f64) -> Result<Vec<FewShotCurve>, EvaluationError> {
    check_runs(runs)?;
    let mut groups: BTreeMap<_, BTreeMap<u64, Vec<&Run>>> = BTreeMap::new();
    for run in runs {
        let points = groups.entry((run.condition(), &run.target)).or_default();
        points.entry(run.shots).or_default().push(run);
    }
    groups.retain(|_, points| points.len() > 1);
    groups
        .into_iter()
        .map(|((condition, target), points)| {
            let points = points
                .into_iter()
                .map(|(shots, runs)| OverSeeds::of_cell(&runs, level).map(|score| (shots, score)));
            Ok(FewShotCurve {
                points: points.collect::<Result<_, EvaluationError>>()?,
                task: condition.task,
                metric: condition.metric,
                model: condition.model,
                setting: condition.setting,
                sources: condition.sources,
                target: target.clone(),
            })
        })
        .collect()
}
