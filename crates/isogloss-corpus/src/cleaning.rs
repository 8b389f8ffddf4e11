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
    /// Segments that the same language has had before, up to white space and case.
    pub drop_duplicates: bool,
    /// Segments with fewer characters.
    pub min_characters: Option<usize>,
    /// Segments with more characters.
    pub max_characters: Option<usize>,
}

/// What was left out of each language, and why.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CleaningReport {
    /// By language: segments kept, empty, repeated, too short, too long.
    pub languages: BTreeMap<LanguageTag, [u64; 5]>,
}

impl CleaningConfig {
    /// Leaves out empty and repeated segments.
    pub fn usual() -> Self {
        Self { drop_empty: true, drop_duplicates: true, ..Self::default() }
    }

    /// Sets the fewest and the most characters.
    #[must_use]
    pub fn with_characters(mut self, min: usize, max: usize) -> Self {
        (self.min_characters, self.max_characters) = (Some(min), Some(max));
        self
    }
}

impl CleaningReport {
    /// How many segments were left out of a language.
    pub fn removed(&self, language: &LanguageTag) -> u64 {
        self.languages.get(language).map_or(0, |counts| counts[1..].iter().sum())
    }
}

/// Leaves out what the configuration says; no segment is changed.
pub fn clean(
    texts: impl IntoIterator<Item = Text>,
    config: &CleaningConfig,
) -> (Vec<Text>, CleaningReport) {
    let mut report = CleaningReport::default();
    let mut seen: HashSet<(LanguageTag, String)> = HashSet::new();
    let mut kept = Vec::new();
    for text in texts {
        let characters = text.text.chars().count();
        let is_empty = config.drop_empty && text.text.trim().is_empty();
        let mut is_duplicate = || {
            let words: Vec<String> = text.text.split_whitespace().map(str::to_lowercase).collect();
            !seen.insert((text.language.clone(), words.join(" ")))
        };
        let fate = if is_empty {
            1
        } else if config.min_characters.is_some_and(|min| characters < min) {
            3
        } else if config.max_characters.is_some_and(|max| characters > max) {
            4
        } else if config.drop_duplicates && is_duplicate() {
            2
        } else {
            0
        };
        report.languages.entry(text.language.clone()).or_default()[fate] += 1;
        if fate == 0 {
            kept.push(text);
        }
    }
    (kept, report)
}
