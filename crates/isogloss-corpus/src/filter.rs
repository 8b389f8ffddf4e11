//! Web text: leaving out noise and what is in another language, and saying so.

mod code_switching;
mod config;
mod faults;
mod language;
mod machine_translation;
mod near_duplicates;
mod pass;
mod repetition;
mod report;
mod script;
mod variety;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use code_switching::{CodeSwitchingCheck, SwitchedBy};
pub use config::FilterConfig;
pub use language::LanguageCheck;
pub use machine_translation::{MachineTranslationCheck, MultiWay};
pub use near_duplicates::{MinHashSignature, NearDuplicateCheck, Shingle};
pub use pass::FilterPass;
pub use repetition::{NgramLimit, RepetitionCheck};
pub use report::{FilterReport, FilterSample, ReasonReport, VarietyReport};
pub use script::ScriptCheck;

use crate::{FilterError, LanguageIdentifier, Text};

/// Why a text was removed, flagged or not judged, in the order in which it is checked.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FilterReason {
    /// White space alone.
    Empty,
    /// Too few characters or words.
    TooShort,
    /// Too many characters or words.
    TooLong,
    /// The same as an earlier text of the variety.
    Duplicate,
    /// [`ScriptCheck`].
    Script,
    /// [`RepetitionCheck`].
    Repetition,
    /// [`LanguageCheck`].
    Language,
    /// [`CodeSwitchingCheck`].
    CodeSwitching,
    /// [`MachineTranslationCheck`].
    MachineTranslation,
    /// [`NearDuplicateCheck`].
    NearDuplicate,
}

/// What is wrong with a text.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Fault {
    /// Which heuristic found it.
    pub reason: FilterReason,
    /// What was found, and what was expected.
    pub detail: String,
}

/// What the filter makes of a text.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Verdict {
    /// Why it is removed; `None` where it is kept.
    pub removed: Option<Fault>,
    /// What was found without removing it.
    pub flagged: Vec<Fault>,
    /// The heuristics that could not judge it.
    pub unjudged: Vec<FilterReason>,
}

/// What one heuristic makes of a text.
#[derive(Debug)]
enum Finding {
    Fine,
    Unjudged,
    Fault(String),
}

/// A filter whose configuration was checked.
#[derive(Clone, Debug)]
pub struct Filter<'i> {
    // Invariant: where a heuristic needs an identifier, there is one.
    config: FilterConfig,
    identifier: Option<&'i dyn LanguageIdentifier>,
}

impl Filter<'_> {
    /// Says what [`apply`](Self::apply) would remove, and removes nothing.
    pub fn dry_run(&self, texts: &[Text]) -> FilterReport {
        self.verdicts(texts).1
    }

    /// Removes from the texts what the configuration says. No text is changed.
    ///
    /// # Errors
    ///
    /// [`FilterError::Loss`] where a variety would lose more than it may; the texts are then as they
    /// were.
    pub fn apply(&self, texts: &mut Vec<Text>) -> Result<FilterReport, FilterError> {
        let (is_kept, report) = self.verdicts(texts);
        report.check_loss()?;
        let mut is_kept = is_kept.into_iter();
        texts.retain(|_| is_kept.next().unwrap_or(true));
        Ok(report)
    }

    /// Begins to go through texts one at a time, for a corpus that is larger than memory.
    pub fn begin(&self) -> FilterPass<'_> {
        FilterPass::new(&self.config, self.identifier)
    }

    fn verdicts(&self, texts: &[Text]) -> (Vec<bool>, FilterReport) {
        let mut pass = self.begin();
        for text in texts {
            pass.survey(text);
        }
        let is_kept = texts.iter().map(|text| pass.judge(text).is_kept()).collect();
        (is_kept, pass.finish())
    }
}

impl Verdict {
    /// Whether the text is kept.
    pub fn is_kept(&self) -> bool {
        self.removed.is_none()
    }
}

impl fmt::Display for FilterReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Empty => "empty",
            Self::TooShort => "too-short",
            Self::TooLong => "too-long",
            Self::Duplicate => "duplicate",
            Self::Script => "script",
            Self::Repetition => "repetition",
            Self::Language => "language",
            Self::CodeSwitching => "code-switching",
            Self::MachineTranslation => "machine-translation",
            Self::NearDuplicate => "near-duplicate",
        })
    }
}
