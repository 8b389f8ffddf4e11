//! What can be wrong with a mixture of languages.

use isogloss_core::LanguageTag;
use thiserror::Error;

use crate::SizeUnit;

/// Why a [`LanguageDistribution`](crate::LanguageDistribution) could not be made.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum DistributionError {
    /// The exponent is outside the range in which it smooths.
    #[error("alpha is {found}, expected 0 <= alpha <= 1 (a temperature T is alpha = 1/T)")]
    Alpha {
        /// The exponent that was configured.
        found: f64,
    },

    /// There is nothing to draw from.
    #[error("no languages, expected at least one")]
    NoLanguages,

    /// A language has no text, so drawing it could not return any.
    #[error("language `{language}` (entry {index}) has 0 {unit}, expected at least 1")]
    EmptyLanguage {
        /// The language without text.
        language: LanguageTag,
        /// What was counted.
        unit: SizeUnit,
        /// Its place in the sizes, counted from 0.
        index: usize,
    },

    /// A language is listed more than once, so its size is ambiguous.
    #[error("language `{language}` is listed twice, as entries {first} and {second}")]
    DuplicateLanguage {
        /// The repeated language.
        language: LanguageTag,
        /// The first place it stands, counted from 0.
        first: usize,
        /// The second place it stands, counted from 0.
        second: usize,
    },

    /// A language has no weight that could draw it.
    #[error(
        "the weight of `{language}` is {}, expected a finite number above 0",
        found.map_or_else(|| "absent".to_owned(), |weight| weight.to_string())
    )]
    Weight {
        /// The language.
        language: LanguageTag,
        /// Its weight, if any.
        found: Option<f64>,
    },

    /// A weight is given for a language that has no text.
    #[error("`{language}` has a weight and no text, expected both or neither")]
    NoText {
        /// The language.
        language: LanguageTag,
    },
}

/// Why a stream could not be made, or brought to where it was.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum StreamError {
    /// Sources and distribution do not list the same languages in the same order.
    #[error("source {index} is `{found}`, expected `{expected}` (the order of the distribution)")]
    Sources {
        /// The place in both lists, counted from 0.
        index: usize,
        /// The language of the source, or `absent`.
        found: String,
        /// The language of the distribution, or `absent`.
        expected: String,
    },

    /// A source has no text.
    #[error("source `{language}` has no text, expected at least one")]
    Empty {
        /// The language.
        language: LanguageTag,
    },

    /// The state is of a stream over other texts, with another seed, or another mixture.
    #[error("stream state: {field} is {found} there and {expected} here")]
    OtherStream {
        /// What differs.
        field: String,
        /// What the state was taken from.
        found: String,
        /// What this stream is.
        expected: String,
    },
}
