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

    /// A vocabulary could not take a text apart.
    #[error("tokenizer `{tokenizer}` fails on `{text}`: {reason}")]
    Tokenizer {
        /// The tokeniser.
        tokenizer: String,
        /// The text.
        text: String,
        /// What it says.
        reason: String,
    },

    /// A file could not be read.
    #[error("{} cannot be read", path.display())]
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

    /// Two files that belong together part.
    #[error(
        "{}, line {gold_line}, and {}, line {predicted_line}: {fault}, expected the same",
        gold.display(),
        predicted.display()
    )]
    Lines {
        /// The file of what is right.
        gold: PathBuf,
        /// Its line, counted from 1.
        gold_line: usize,
        /// The file of what was predicted.
        predicted: PathBuf,
        /// Its line, counted from 1.
        predicted_line: usize,
        /// How they differ.
        fault: String,
    },

    /// A class has a name that is not in the set.
    #[error("{side} label `{label}` of item {item}, expected one of {expected}")]
    Label {
        /// Gold or predicted.
        side: &'static str,
        /// The label.
        label: String,
        /// Its item, counted from 0.
        item: usize,
        /// The labels of the set.
        expected: String,
    },

    /// A tag is none that its reading knows.
    #[error("{sentence}, word {word}: tag `{tag}`, expected {expected}")]
    Tag {
        /// The sentence, counted from 0, and its side where there are two.
        sentence: String,
        /// The word, counted from 0.
        word: usize,
        /// Its tag.
        tag: String,
        /// What it may be.
        expected: String,
    },

    /// Tags do not tell their scheme.
    #[error(
        "tags with the prefixes {prefixes} tell no scheme, expected those of IOB2, IOE2, IOBES or BILOU: name the scheme"
    )]
    Scheme {
        /// The prefixes of all tags.
        prefixes: String,
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

    /// A file of a dictionary does not hold what it should.
    #[error("{}: {fault}", path.display())]
    Dictionary {
        /// The file.
        path: PathBuf,
        /// What is at fault, and what was expected.
        fault: String,
    },

    /// A directory does not hold a test set as it is published.
    #[error("{}: no {what}, expected {expected}", dir.display())]
    TestSet {
        /// The directory.
        dir: PathBuf,
        /// The test set, its part and language.
        what: String,
        /// The files or languages that there could be.
        expected: String,
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

    /// Vectors could not be compared.
    #[error(transparent)]
    Mining(#[from] MiningError),

    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}
