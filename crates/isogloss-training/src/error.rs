//! What can go wrong while a model grows and trains.

use std::io;
use std::path::PathBuf;

use isogloss_core::{LanguageTag, WriteError};
use isogloss_tokenization::FairnessError;
use isogloss_tokenization::embedding::InitialisationError;
use isogloss_transformer::VocabularyRowsError;
use thiserror::Error;

/// Why a run could not start, go on, or be resumed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrainingError {
    /// A field of a configuration is outside its range.
    #[error("`{field}` is {found}, expected {expected}")]
    Config {
        /// The field, with the path to it.
        field: &'static str,
        /// Its value.
        found: String,
        /// What it may be.
        expected: &'static str,
    },

    /// There is nothing to train.
    #[error("no {what}, expected at least one")]
    Nothing {
        /// What is missing: tasks, trainable parameters, texts.
        what: &'static str,
    },

    /// The loss or the gradients are not numbers any more. The model was not updated with them.
    #[error(
        "step {step}: {what} of `{task}` is {found}, expected a finite number (the last good \
         checkpoint is {})",
        checkpoint.as_ref().map_or_else(|| "none".to_owned(), |path| path.display().to_string())
    )]
    NotFinite {
        /// The step that failed, counted from 1.
        step: u64,
        /// The task whose batch it was.
        task: String,
        /// `loss` or `gradient norm`.
        what: &'static str,
        /// Its value.
        found: f64,
        /// The newest checkpoint, which is from before this step.
        checkpoint: Option<PathBuf>,
    },

    /// A device that computed a share of a step gave up, as one of another machine does that is gone.
    #[error(
        "step {step}: {device} failed: {reason} (the last good checkpoint is {})",
        checkpoint.as_ref().map_or_else(|| "none".to_owned(), |path| path.display().to_string())
    )]
    Device {
        /// The step that failed, counted from 1.
        step: u64,
        /// The device.
        device: String,
        /// What was said of it.
        reason: String,
        /// The newest checkpoint, which is from before this step.
        checkpoint: Option<PathBuf>,
    },

    /// A batch could not be made.
    #[error("cannot make a batch for `{task}`")]
    Batch {
        /// The task it was for.
        task: String,
        /// What was wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// A text could not be turned into ids.
    #[error("text {index} of `{language}` cannot be encoded")]
    Encode {
        /// The language of the text.
        language: LanguageTag,
        /// Its place, counted from 0.
        index: usize,
        /// What the encoder said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// A text is longer than its layout lets it be, and would be cut.
    #[error(
        "text {index} of `{language}` has {found} tokens, expected at most {limit} (split long \
         texts, or raise `max_side_tokens`)"
    )]
    TooLong {
        /// The language of the text.
        language: LanguageTag,
        /// Its place, counted from 0.
        index: usize,
        /// Its tokens.
        found: usize,
        /// The most that fit.
        limit: usize,
    },

    /// A teacher's vectors do not fit the pairs or the student.
    #[error(
        "the teacher's vectors of language {language}, counted from 0, are {found} numbers, expected \
         {expected}, {width} for each pair"
    )]
    Teacher {
        /// Which language, in the order of the texts.
        language: usize,
        /// How many numbers there are.
        found: usize,
        /// How many there should be.
        expected: usize,
        /// The width of the student's vectors.
        width: usize,
    },

    /// The vocabulary does not keep the limits that were set for it.
    #[error(transparent)]
    Vocabulary(#[from] FairnessError),

    /// A limit is set for the vocabulary, and nobody measured whether it keeps it.
    #[error(
        "it was not measured what the vocabulary costs {}, expected a row for each language of the \
         run, with a premium where that has a limit",
        unmeasured.iter().map(LanguageTag::as_str).collect::<Vec<_>>().join(", ")
    )]
    Unmeasured {
        /// The languages.
        unmeasured: Vec<LanguageTag>,
    },

    /// A file of a checkpoint could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },

    /// A file of a checkpoint does not hold what it should.
    #[error("{}: {fault}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what was expected.
        fault: String,
    },

    /// A file of texts as ids does not hold what it should.
    #[error("{}: {fault}", path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what was expected.
        fault: String,
    },

    /// The checkpoint is of another run.
    #[error("{}: `{field}` is {found} there and {expected} here (a resumed run keeps its configuration)", path.display())]
    OtherRun {
        /// The checkpoint's state file.
        path: PathBuf,
        /// The first field that differs.
        field: String,
        /// Its value in the checkpoint.
        found: String,
        /// Its value in this run.
        expected: String,
    },

    /// A checkpoint could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Why a model could not take in new tokens.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum ModelExtensionError {
    /// The vocabulary, or the rows, do not fit the model.
    #[error(transparent)]
    Rows(#[from] VocabularyRowsError),

    /// The method makes rows for other tokens.
    #[error(
        "the initialisation makes {found} rows, expected {new_tokens}, one for each new token, or \
         {all}, one for each token"
    )]
    Tokens {
        /// The rows that it makes.
        found: usize,
        /// The new tokens.
        new_tokens: usize,
        /// All tokens, old and new.
        all: usize,
    },

    /// The rows could not be made.
    #[error(transparent)]
    Initialise(#[from] InitialisationError),
}
