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

    /// A line is not what CoNLL-U has there.
    #[error("CoNLL-U, line {line}, {field}: {found}, expected {expected}")]
    Conllu {
        /// The line, counted from 1.
        line: usize,
        /// The column at fault.
        field: &'static str,
        /// What it is.
        found: String,
        /// What it may be.
        expected: &'static str,
    },

    /// Two annotations of a sentence have not the same tokens and words.
    #[error(
        "sentence {sentence}: {system} in line {system_line} of the system, \
         expected {gold} as in line {gold_line} of gold"
    )]
    Segmentation {
        /// The place of the sentence, counted from 1, with its id.
        sentence: String,
        /// The line of gold where they part, counted from 1.
        gold_line: usize,
        /// What gold has there.
        gold: String,
        /// The line of the system where they part, counted from 1.
        system_line: usize,
        /// What the system has there.
        system: String,
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
