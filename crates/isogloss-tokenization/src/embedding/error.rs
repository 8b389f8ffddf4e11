//! What can be wrong with embedding rows, static vectors and what is made of them.

use thiserror::Error;

/// Why values are not an [`EmbeddingMatrix`](super::EmbeddingMatrix), or rows of it cannot be used.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum EmbeddingMatrixError {
    /// There are no columns.
    #[error("an embedding matrix has 0 columns, expected at least 1")]
    NoColumns,

    /// The number of values does not fit the shape.
    #[error("an embedding matrix of {rows} rows and {dim} columns has {found} values, expected {}", rows.saturating_mul(*dim))]
    Length {
        /// Its rows.
        rows: usize,
        /// Its columns.
        dim: usize,
        /// Its values.
        found: usize,
    },

    /// A value is infinite or not a number.
    #[error(
        "row {row}, column {column} of an embedding matrix is {found}, expected a finite number"
    )]
    NotFinite {
        /// The row, counted from 0.
        row: usize,
        /// The column, counted from 0.
        column: usize,
        /// The value.
        found: f32,
    },

    /// An id is not a row.
    #[error("id {id} is not a row of an embedding matrix, expected below {rows}")]
    NoRow {
        /// The id.
        id: u32,
        /// The rows there are.
        rows: usize,
    },

    /// A mean or a deviation was asked of too few rows.
    #[error("a {statistic} over {found} rows of an embedding matrix, expected at least {expected}")]
    TooFewRows {
        /// What was asked for.
        statistic: &'static str,
        /// The rows given.
        found: usize,
        /// The rows needed.
        expected: usize,
    },
}

/// Why static vectors could not be trained or put together.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum StaticVectorsError {
    /// A field of the configuration is outside its range.
    #[error("`{field}` is {found}, expected {expected}")]
    Config {
        /// The field.
        field: &'static str,
        /// Its value.
        found: String,
        /// What it may be.
        expected: &'static str,
    },

    /// Too few tokens are frequent enough: negative sampling needs a second one.
    #[error(
        "{found} of {distinct} distinct tokens occur at least {min_count} times, expected 2 or \
         more (lower `min_count`, or give more text)"
    )]
    Vocabulary {
        /// Tokens that are frequent enough.
        found: usize,
        /// Distinct tokens in all.
        distinct: usize,
        /// The least count.
        min_count: u64,
    },

    /// The corpus gave other tokens the second time.
    #[error("epoch {epoch} read {found} tokens, expected {expected} as in the first pass")]
    CorpusChanged {
        /// The epoch, counted from 1.
        epoch: u32,
        /// Tokens it read.
        found: u64,
        /// Tokens of the pass that counted them.
        expected: u64,
    },

    /// Training left the finite numbers.
    #[error(
        "the vector of `{token}` is not finite, expected a lower `learning_rate` than {learning_rate}"
    )]
    Diverged {
        /// The first token it happened to.
        token: String,
        /// The rate.
        learning_rate: f32,
    },

    /// A vector given from outside has another length than the first.
    #[error("the vector of `{token}` has {found} values, expected {expected}")]
    Length {
        /// The token.
        token: String,
        /// Its values.
        found: usize,
        /// The values of the others.
        expected: usize,
    },

    /// A vector given from outside holds a value that is no number.
    #[error("value {column} of the vector of `{token}` is {found}, expected a finite number")]
    NotFinite {
        /// The token.
        token: String,
        /// The place, counted from 0.
        column: usize,
        /// The value.
        found: f32,
    },

    /// A token was given twice.
    #[error("`{token}` has two vectors, expected one")]
    Duplicate {
        /// The token.
        token: String,
    },
}

/// Why rows could not be initialised, vectors aligned, or a matrix factorised.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum InitialisationError {
    /// A row of the old matrix is missing, or too few are real.
    #[error(transparent)]
    Matrix(#[from] EmbeddingMatrixError),

    /// A parameter is outside its range.
    #[error("`{field}` is {found}, expected {expected}")]
    Parameter {
        /// The parameter.
        field: &'static str,
        /// Its value.
        found: String,
        /// What it may be.
        expected: String,
    },

    /// Two inputs that stand side by side differ in number or width.
    #[error("{what}: found {found}, expected {expected}")]
    Shape {
        /// Which input, and what of it.
        what: &'static str,
        /// Its size.
        found: usize,
        /// The size it must have.
        expected: usize,
    },

    /// A new token names an old one that is not there.
    #[error("new token {token} takes from old id {id}, expected below {rows}")]
    OldId {
        /// The new token, counted from 0.
        token: usize,
        /// The old id.
        id: u32,
        /// The rows of the old matrix.
        rows: usize,
    },

    /// Nothing is there to take from.
    #[error("{what} has a vector, expected at least one")]
    NoVectors {
        /// What has none, e.g. `no token of the overlap`.
        what: &'static str,
    },

    /// A dictionary joins no two words that have vectors.
    #[error(
        "none of {entries} dictionary entries has vectors on both sides, expected at least one"
    )]
    NoDictionaryPair {
        /// The entries.
        entries: usize,
    },

    /// The decomposition of a matrix did not come to an end, or its result fails its check.
    #[error("the {decomposition} of a {rows} × {columns} matrix did not converge")]
    NotConverged {
        /// Which.
        decomposition: &'static str,
        /// Rows.
        rows: usize,
        /// Columns.
        columns: usize,
    },
}
