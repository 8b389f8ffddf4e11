//! The record of one run.

use std::collections::BTreeSet;
use std::fmt;

use isogloss_core::LanguageTag;
use serde::{Deserialize, Serialize};

use crate::{Estimate, EvaluationError};

/// What a model scored on one task in one language, and what it was trained on.
///
/// Higher scores are better; a score of which less is better (perplexity, TER) is to be turned
/// before it is recorded.
///
/// # Examples
///
/// ```
/// use isogloss_evaluation::Run;
///
/// let run: Run = serde_json::from_str(
///     r#"{"task": "NLI", "metric": "accuracy", "model": "XLM-R", "sources": ["en"],
///         "target": "yo", "shots": 0, "seed": 1, "score": 0.62}"#,
/// )?;
/// assert_eq!(run.target.name(), "Yoruba");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Run {
    /// The task, such as `NLI`.
    pub task: String,
    /// The metric of `score`, such as `accuracy`.
    pub metric: String,
    /// The model, with the method of its adaptation.
    pub model: String,
    /// The languages with labelled examples from which is transferred.
    pub sources: Vec<LanguageTag>,
    /// The language that was tested.
    pub target: LanguageTag,
    /// How the target language was reached. Default: [`Setting::Transfer`].
    #[serde(default)]
    pub setting: Setting,
    /// Labelled examples of the target language that were trained on; 0 is zero-shot.
    pub shots: u64,
    /// The seed of the run.
    pub seed: u64,
    /// The score.
    pub score: f64,
    /// The lower end of the score's interval over test items, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// Its upper end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// How many test items were scored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<usize>,
    /// Parameters that were trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trainable_parameters: Option<u64>,
    /// Hours that training took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<f64>,
    /// The score of the same language and task before the adaptation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<f64>,
}

/// How a target language was reached.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Setting {
    /// The model carries over what it learnt from the sources, with `shots` examples or none.
    #[default]
    Transfer,
    /// The training set was translated into the target language.
    TranslateTrain,
    /// The test set was translated into a source language.
    TranslateTest,
}

/// What runs have in common that differ only in target, shots and seed.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Condition {
    pub(crate) task: String,
    pub(crate) metric: String,
    pub(crate) model: String,
    pub(crate) setting: Setting,
    pub(crate) sources: Vec<LanguageTag>,
}

impl Run {
    /// A zero-shot run of one source language.
    pub fn new(
        [task, metric, model]: [&str; 3],
        source: LanguageTag,
        target: LanguageTag,
        seed: u64,
        score: f64,
    ) -> Self {
        Self {
            task: task.to_owned(),
            metric: metric.to_owned(),
            model: model.to_owned(),
            sources: vec![source],
            target,
            setting: Setting::Transfer,
            shots: 0,
            seed,
            score,
            low: None,
            high: None,
            items: None,
            trainable_parameters: None,
            hours: None,
            before: None,
        }
    }

    /// Sets the score's interval over items, and their number.
    #[must_use]
    pub fn with_items(mut self, estimate: Estimate) -> Self {
        self.score = estimate.value;
        (self.low, self.high) = (Some(estimate.low), Some(estimate.high));
        self.items = Some(estimate.items);
        self
    }

    pub(crate) fn condition(&self) -> Condition {
        let sources: BTreeSet<_> = self.sources.iter().cloned().collect();
        Condition {
            task: self.task.clone(),
            metric: self.metric.clone(),
            model: self.model.clone(),
            setting: self.setting,
            sources: sources.into_iter().collect(),
        }
    }

    /// The score's interval over items, if it has both ends.
    pub(crate) fn interval(&self) -> Option<[f64; 2]> {
        self.low.zip(self.high).map(|(low, high)| [low, high])
    }

    /// The field at fault and what it was expected to be.
    pub(crate) fn fault(&self) -> Option<String> {
        let fault = |field: &str, found: &dyn fmt::Display, expected: &str| {
            Some(format!("`{field}` is {found}, expected {expected}"))
        };
        for (field, text) in
            [("task", &self.task), ("metric", &self.metric), ("model", &self.model)]
        {
            if text.trim().is_empty() {
                return fault(field, &"empty", "a name");
            }
        }
        if self.sources.is_empty() {
            return fault("sources", &"empty", "at least one language");
        }
        if !self.score.is_finite() {
            return fault("score", &self.score, "a finite number");
        }
        if let Some(before) = self.before.filter(|before| !before.is_finite()) {
            return fault("before", &before, "a finite number");
        }
        match (self.low, self.high) {
            (Some(low), Some(high)) => {
                if !(low <= self.score && low.is_finite()) {
                    return fault("low", &low, "a number that is at most `score`");
                }
                if !(high >= self.score && high.is_finite()) {
                    return fault("high", &high, "a number that is at least `score`");
                }
            }
            (Some(_), None) => return fault("high", &"missing", "a number, since `low` is one"),
            (None, Some(_)) => return fault("low", &"missing", "a number, since `high` is one"),
            (None, None) => {}
        }
        if self.trainable_parameters == Some(0) {
            return fault("trainable_parameters", &0, "at least 1, or nothing");
        }
        if let Some(hours) = self.hours.filter(|hours| !(*hours > 0.0 && hours.is_finite())) {
            return fault("hours", &hours, "a number above 0, or nothing");
        }
        None
    }
}

/// Checks that each run is whole and that none stands there twice.
///
/// # Errors
///
/// [`EvaluationError::Empty`] without runs, [`EvaluationError::Run`] for a run with a field that is
/// at fault, [`EvaluationError::DuplicateRun`] for two of the same task, metric, model, setting,
/// sources, target, shots and seed.
pub fn check_runs(runs: &[Run]) -> Result<(), EvaluationError> {
    if runs.is_empty() {
        return Err(EvaluationError::Empty { what: "runs" });
    }
    let places: Vec<String> = (1..=runs.len()).map(|place| format!("run {place}")).collect();
    check_at(runs, &places)
}

/// As [`check_runs`], with the place of each run in words.
pub(crate) fn check_at(runs: &[Run], places: &[String]) -> Result<(), EvaluationError> {
    let mut seen = std::collections::BTreeMap::new();
    for (run, place) in runs.iter().zip(places) {
        if let Some(reason) = run.fault() {
            return Err(EvaluationError::Run { place: place.clone(), reason });
        }
        let key = (run.condition(), &run.target, run.shots, run.seed);
        if let Some(first) = seen.insert(key, place) {
            let (first, second) = (String::clone(first), place.clone());
            return Err(EvaluationError::DuplicateRun { first, second, run: run.to_string() });
        }
    }
    Ok(())
}

impl Condition {
    pub(crate) fn belongs(&self, run: &Run) -> bool {
        *self == run.condition()
    }
}

/// Language tags, joined by `+`.
pub(crate) fn joined(languages: &[LanguageTag]) -> String {
    let languages: Vec<&str> = languages.iter().map(LanguageTag::as_str).collect();
    languages.join("+")
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Transfer => "transfer",
            Self::TranslateTrain => "translate-train",
            Self::TranslateTest => "translate-test",
        })
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { task, metric, model, target, setting, shots, seed, .. } = self;
        let sources = joined(&self.sources);
        write!(
            f,
            "{task}, {metric}, {model}, {sources} to {target}, {setting}, {shots} shots, seed {seed}"
        )
    }
}
