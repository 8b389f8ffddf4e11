//! What can be wrong with what is to be scored or shown.

use std::path::PathBuf;

use isogloss_core::WriteError;
use isogloss_mining::MiningError;
use thiserror::Error;

/// Why a score could not be computed, or a report not written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EvaluationError {
    /// There is nothing to score.
    #[error("{what}: no items, expected at least one")]
    Empty {
        /// What was to be scored.
        what: &'static str,
    },

    /// Two lists that belong together differ in length.
    #[error("{what}: {found}, expected {expected}")]
    Length {
        /// Which list.
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

    /// A file could not be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },

    /// A line of a file does not hold what it should.
    #[error("{}, line {line}: {fault}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is at fault, and what was expected.
        fault: String,
    },

    /// A file inside an archive does not hold what it should.
    #[error("{}, `{member}`: {fault}", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// The file in it.
        member: String,
        /// What is at fault, and what was expected.
        fault: String,
    },

    /// Something is not known of a language.
    #[error("language `{language}` has no {missing}, expected {expected}")]
    Language {
        /// The language, as it was named.
        language: String,
        /// What is missing.
        missing: String,
        /// Where it was to be found.
        expected: String,
    },

    /// A number that its items do not have.
    #[error("{what} is not defined: {reason}")]
    Undefined {
        /// The number.
        what: &'static str,
        /// Why.
        reason: String,
    },

    /// A table has a row of another length than its head.
    #[error("table `{table}`, row {row}: {found} cells, expected {expected}")]
    Row {
        /// The caption of the table.
        table: String,
        /// The row, counted from 1.
        row: usize,
        /// Its cells.
        found: usize,
        /// The columns of the table.
        expected: usize,
    },

    /// A plot could not be drawn.
    #[error("plot `{plot}` cannot be drawn: {reason}")]
    Plot {
        /// The title of the plot.
        plot: String,
        /// Why.
        reason: String,
    },

    /// Vectors could not be compared.
    #[error(transparent)]
    Mining(#[from] MiningError),

    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}
