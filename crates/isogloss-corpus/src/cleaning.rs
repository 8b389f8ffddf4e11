//! Leaving out what is no text, and saying what was left out.

use std::collections::{BTreeMap, HashSet};

use isogloss_core::LanguageTag;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::Text;
use crate::words::{folded, words};

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
    /// Segments with fewer words: what stands between spaces, or characters in scripts without
    /// spaces.
    pub min_words: Option<usize>,
    /// Segments with more words.
    pub max_words: Option<usize>,
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

    /// Sets the fewest and the most words.
    #[must_use]
    pub fn with_words(mut self, min: usize, max: usize) -> Self {
        (self.min_words, self.max_words) = (Some(min), Some(max));
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
/// repeated. [`FilterConfig`](crate::FilterConfig) has these rules among others, with samples of
/// what was left out and a dry run.
pub fn clean(
    texts: impl IntoIterator<Item = Text>,
    config: &CleaningConfig,
) -> (Vec<Text>, CleaningReport) {
    let mut report = CleaningReport::default();
    let mut seen = SeenTexts::default();
    let mut kept = Vec::new();
    for text in texts {
        let counts = report.languages.entry(text.language.clone()).or_default();
        match config.fault(&text, &seen) {
            Some(CleaningFault::Empty) => counts.empty += 1,
            Some(CleaningFault::TooShort(_)) => counts.too_short += 1,
            Some(CleaningFault::TooLong(_)) => counts.too_long += 1,
            Some(CleaningFault::Duplicate) => counts.duplicate += 1,
            None => {
                counts.kept += 1;
                seen.insert(&text, config.duplicates);
                kept.push(text);
            }
        }
    }
    (kept, report)
}

/// Why a segment is left out, with what was found and what was expected.
pub(crate) enum CleaningFault {
    Empty,
    TooShort(String),
    TooLong(String),
    Duplicate,
}

impl CleaningConfig {
    /// The first fault of a segment, given those that were kept before it.
    pub(crate) fn fault(&self, text: &Text, seen: &SeenTexts) -> Option<CleaningFault> {
        if self.drop_empty && text.text.trim().is_empty() {
            return Some(CleaningFault::Empty);
        }
        let characters = text.text.chars().count();
        let has_word_limit = self.min_words.is_some() || self.max_words.is_some();
        let words = if has_word_limit { words(&text.text, &text.language).len() } else { 0 };
        let measures = [
            ("characters", characters, self.min_characters, self.max_characters),
            ("words", words, self.min_words, self.max_words),
        ];
        for (unit, found, min, _) in measures {
            if let Some(min) = min.filter(|min| found < *min) {
                let detail = format!("{found} {unit}, expected at least {min}");
                return Some(CleaningFault::TooShort(detail));
            }
        }
        for (unit, found, _, max) in measures {
            if let Some(max) = max.filter(|max| found > *max) {
                let detail = format!("{found} {unit}, expected at most {max}");
                return Some(CleaningFault::TooLong(detail));
            }
        }
        seen.contains(text, self.duplicates).then_some(CleaningFault::Duplicate)
    }
}

/// The segments of each language that were kept.
#[derive(Debug, Default)]
pub(crate) struct SeenTexts {
    // Hashes of 128 bits, so that a corpus is not kept twice: among 10^12 segments, two share one by
    // chance once in 10^15 corpora. Asked for membership alone: its order cannot show.
    hashes: HashSet<u128>,
}

impl SeenTexts {
    fn contains(&self, text: &Text, duplicates: Duplicates) -> bool {
        Self::hash(text, duplicates).is_some_and(|hash| self.hashes.contains(&hash))
    }

    pub(crate) fn insert(&mut self, text: &Text, duplicates: Duplicates) {
        self.hashes.extend(Self::hash(text, duplicates));
    }

    /// `None` where repetitions stay.
    fn hash(text: &Text, duplicates: Duplicates) -> Option<u128> {
        // No tag has a line break, so that tag and segment cannot run into each other.
        let hash = |form: &str| xxh3_128(format!("{}\n{form}", text.language).as_bytes());
        match duplicates {
            Duplicates::Keep => None,
            Duplicates::DropExact => Some(hash(&text.text)),
            Duplicates::DropFolded => Some(hash(&folded(&text.text))),
        }
    }
}
