//! What can be wrong with a mixture of languages.

use isogloss_core::LanguageTag;
use thiserror::Error;

use crate::{BlockShuffle, SizeUnit};

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

    /// Another field of a configuration is outside its range.
    #[error("`{field}` is {found}, expected {expected}")]
    Field {
        /// The field.
        field: &'static str,
        /// Its value.
        found: String,
        /// What it may be.
        expected: String,
    },

    /// All languages together are repeated as often as is allowed, and do not fill the budget.
    #[error(
        "the budget is {budget} {unit} and at most {max_epochs} epochs of all languages are \
         {available}; expected a smaller budget or more epochs"
    )]
    Shortfall {
        /// What was to be drawn.
        budget: u64,
        /// How often a text may be drawn.
        max_epochs: f64,
        /// What may be drawn.
        available: u64,
        /// What is counted.
        unit: SizeUnit,
    },

    /// A weight is so far below the largest that its language would never be drawn.
    #[error(
        "the weight of `{language}` is 10^{exponent} of the largest, which a probability cannot \
         hold; expected 10^-300 or more"
    )]
    Underflow {
        /// The language.
        language: LanguageTag,
        /// The ratio's power of ten, rounded.
        exponent: i64,
    },

    /// A language is in no group.
    #[error("`{language}` has no {grouping}, expected one for each language")]
    NoGroup {
        /// The language.
        language: LanguageTag,
        /// What languages are grouped by.
        grouping: &'static str,
    },

    /// A loss has nothing to be compared with.
    #[error("`{language}` has a loss and no reference, expected both")]
    NoReference {
        /// The language.
        language: LanguageTag,
    },

    /// A loss that is to weigh a language is none.
    #[error("the loss of `{language}` is {found}, expected a finite number")]
    Loss {
        /// The language.
        language: LanguageTag,
        /// The loss.
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

    /// A worker that is none of those there are.
    #[error("worker {index} of {count}, expected an index below the count")]
    Shard {
        /// The worker, counted from 0.
        index: u32,
        /// How many there are.
        count: u32,
    },

    /// A shuffle that holds nothing.
    #[error("a shuffle of {shuffle}, expected at least 1 of each")]
    Shuffle {
        /// The shuffle.
        shuffle: BlockShuffle,
    },

    /// A source has no text.
    #[error("source `{language}` has no text, expected at least one")]
    Empty {
        /// The language.
        language: LanguageTag,
    },

    /// A source has more texts than a stream counts.
    #[error(
        "source `{language}` has {found} texts, expected at most {}",
        crate::MixtureState::MOST_DRAWS
    )]
    TooLarge {
        /// The language.
        language: LanguageTag,
        /// How many it has.
        found: u64,
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
