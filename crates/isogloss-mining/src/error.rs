//! What can be wrong with vectors, or with what is asked of them.

use thiserror::Error;

/// Why neighbours could not be found, or pairs not mined or scored.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum MiningError {
    /// There is nothing to work on.
    #[error("{what}: no items, expected at least one")]
    Empty {
        /// What is empty.
        what: &'static str,
    },

    /// Two things that belong together differ in length.
    #[error("{what}: {found}, expected {expected}")]
    Length {
        /// Which of them.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length of the other.
        expected: usize,
    },

    /// A number is not one.
    #[error("{what} {index} is {found}, expected a finite number")]
    NotFinite {
        /// What the number is.
        what: &'static str,
        /// Its place, counted from 0.
        index: usize,
        /// Its value.
        found: f64,
    },

    /// A setting is outside its range.
    #[error("`{field}` is {found}, expected {expected}")]
    Config {
        /// The field.
        field: &'static str,
        /// Its value.
        found: String,
        /// What it may be.
        expected: &'static str,
    },

    /// The index of approximate search gives up.
    #[cfg(feature = "hnsw")]
    #[error("the graph of vectors: {message}")]
    Index {
        /// What usearch says.
        message: String,
    },

    /// An index points past the end.
    #[error("{what} {index} is {found}, expected less than {bound}")]
    OutOfRange {
        /// What points.
        what: &'static str,
        /// Its place, counted from 0.
        index: usize,
        /// Where it points.
        found: usize,
        /// The number of items there are.
        bound: usize,
    },

    /// A ratio margin would divide by a number that is not positive.
    #[error(
        "source {src} and target {tgt}: the mean cosine of their neighbours is {mean}, expected a \
         number above 0 for the ratio margin (the distance margin takes any)"
    )]
    Ratio {
        /// The row of the source, counted from 0.
        src: usize,
        /// The row of the target, counted from 0.
        tgt: usize,
        /// The mean by which the cosine would be divided.
        mean: f64,
    },

    /// No threshold separates the right pairs from the wrong ones.
    #[error("none of {found} mined pairs is in the gold list, expected at least one")]
    NoneCorrect {
        /// How many pairs were mined.
        found: usize,
    },
}
