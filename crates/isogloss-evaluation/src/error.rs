//! What can be wrong with what is to be scored or shown.

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

    /// A run is not as it must be.
    #[error("{place}: {reason}")]
    Run {
        /// Its file, and its place there.
        place: String,
        /// The field at fault, and what was expected.
        reason: String,
    },

    /// Two runs are of the same conditions.
    #[error("{first} and {second} are both of {run}, expected one run for each seed")]
    DuplicateRun {
        /// Where the first stands.
        first: String,
        /// Where the second stands.
        second: String,
        /// What both are runs of.
        run: String,
    },

    /// No score has an interval.
    #[error(
        "{what}: no score has an interval, expected runs of two seeds or more, or runs with `low` and `high`, or a table without intervals asked for"
    )]
    NoIntervals {
        /// What was to be reported.
        what: String,
    },

    /// A file or directory could not be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },

    /// Vectors could not be compared.
    #[error(transparent)]
    Mining(#[from] MiningError),

    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}
