//! Leaving out what is no text, and saying what was left out.

use std::collections::{BTreeMap, HashSet};

use isogloss_core::LanguageTag;
use serde::{Deserialize, Serialize};

use crate::Text;

/// What to leave out. By default nothing.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct CleaningConfig {
    /// Segments of white space alone.
    pub drop_empty: bool,
    /// Segments that the same language has had before.
    pub duplicates: Duplicates,
    /// Segments with fewer characters.
    pub min_characters: Option<usize>,
    /// Segments with more characters.
    pub max_characters: Option<usize>,
}

/// When a segment repeats an earlier one of its language.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Duplicates {
    /// Never: repetitions stay.
    #[default]
    Keep,
    /// Where it has the same characters.
    DropExact,
    /// Where it differs in white space and case alone.
    DropFolded,
}

/// What became of the segments of a language.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CleaningCounts {
    /// Kept.
    pub kept: u64,
    /// Left out as white space alone.
    pub empty: u64,
    /// Left out as repeated.
    pub duplicate: u64,
    /// Left out as too short.
    pub too_short: u64,
    /// Left out as too long.
    pub too_long: u64,
}

/// What was left out of each language, and why.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CleaningReport {
    /// The counts of each language that was seen.
    pub languages: BTreeMap<LanguageTag, CleaningCounts>,
}

impl CleaningConfig {
    /// Leaves out empty segments, and those that repeat an earlier one exactly.
    pub fn usual() -> Self {
        Self { drop_empty: true, duplicates: Duplicates::DropExact, ..Self::default() }
    }

    /// Sets which repetitions to leave out.
    #[must_use]
    pub fn with_duplicates(mut self, duplicates: Duplicates) -> Self {
        self.duplicates = duplicates;
        self
    }

    /// Sets the fewest and the most characters.
    #[must_use]
    pub fn with_characters(mut self, min: usize, max: usize) -> Self {
        (self.min_characters, self.max_characters) = (Some(min), Some(max));
        self
    }
}

impl CleaningCounts {
    /// How many segments were left out.
    pub fn removed(&self) -> u64 {
        self.empty + self.duplicate + self.too_short + self.too_long
    }
}

impl CleaningReport {
    /// How many segments were left out of a language.
    pub fn removed(&self, language: &LanguageTag) -> u64 {
        self.languages.get(language).map_or(0, CleaningCounts::removed)
    }
}

/// Leaves out what the configuration says; no segment is changed.
///
/// A segment that has several faults is counted under the first of: empty, too short, too long,
/// repeated.
pub fn clean(
    texts: impl IntoIterator<Item = Text>,
    config: &CleaningConfig,
) -> (Vec<Text>, CleaningReport) {
    let mut report = CleaningReport::default();
    // Asked for membership alone, never iterated: its order cannot show.
    let mut seen: HashSet<(LanguageTag, String)> = HashSet::new();
    let mut kept = Vec::new();
    for text in texts {
        let characters = text.text.chars().count();
        let is_duplicate = |seen: &mut HashSet<(LanguageTag, String)>| {
            let form = match config.duplicates {
                Duplicates::Keep => return false,
                Duplicates::DropExact => text.text.clone(),
                Duplicates::DropFolded => {
                    let words = text.text.split_whitespace().map(str::to_lowercase);
                    words.collect::<Vec<_>>().join(" ")
                }
            };
            !seen.insert((text.language.clone(), form))
        };
        let counts = report.languages.entry(text.language.clone()).or_default();
        if config.drop_empty && text.text.trim().is_empty() {
            counts.empty += 1;
        } else if config.min_characters.is_some_and(|min| characters < min) {
            counts.too_short += 1;
        } else if config.max_characters.is_some_and(|max| characters > max) {
            counts.too_long += 1;
        } else if is_duplicate(&mut seen) {
            counts.duplicate += 1;
        } else {
            counts.kept += 1;
            kept.push(text);
        }
    }
    (kept, report)
}
