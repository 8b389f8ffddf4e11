//! What can be wrong with a vocabulary, its file, or a text.

use std::path::PathBuf;

use isogloss_core::{LanguageTag, WriteError};
use isogloss_corpus::CorpusReadError;
use thiserror::Error;

use crate::GateFailure;

/// Why a vocabulary could not be trained.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A field of the configuration is outside its range.
    #[error("`{field}` is {found}, expected {expected}")]
    Config {
        /// The field.
        field: &'static str,
        /// Its value.
        found: String,
        /// What it may be.
        expected: String,
    },

    /// There is nothing to train on.
    #[error("the texts hold no word, expected at least one")]
    NoText,

    /// A text of a sampled stream could not be read.
    #[error("a text to train on cannot be read")]
    Read(#[from] CorpusReadError),

    /// The `tokenizers` crate refused.
    #[error("the vocabulary could not be put together")]
    Library(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why a vocabulary could not be extended.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExtendError {
    /// A field of the configuration is outside its range.
    #[error("`{field}` is {found}, expected at least 1")]
    Config {
        /// The field.
        field: &'static str,
        /// Its value.
        found: usize,
    },

    /// There is nothing to learn from.
    #[error("the texts hold no word, expected at least one")]
    NoText,

    /// The text holds nothing that the vocabulary lacks, or only what may not be added.
    #[error("nothing to add: {}", match left_out.len() {
        0 => "the texts hold no piece that the vocabulary lacks".to_owned(),
        found => format!("{found} pieces were found, and all of them would change text that is kept"),
    })]
    Nothing {
        /// What was found and left out.
        left_out: Vec<String>,
    },

    /// The model is of a kind that cannot be extended.
    #[error("the model is {found}, expected Unigram, BPE or WordPiece")]
    Model {
        /// What it is.
        found: &'static str,
    },

    /// A kept word would be cut otherwise, though no new piece stands in it.
    #[error("`{word}` would be cut otherwise, though no new piece stands in it")]
    Unexplained {
        /// The word.
        word: String,
    },

    /// New pieces could not be trained.
    #[error("new pieces cannot be learned")]
    Train(#[from] TrainError),

    /// A word could not be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),

    /// The tokenizer has no JSON form.
    #[error(transparent)]
    File(#[from] TokenizerFileError),

    /// The vocabulary could not be put into JSON.
    #[error("the vocabulary cannot be written as JSON")]
    Json(#[from] serde_json::Error),

    /// The `tokenizers` crate refused.
    #[error("the vocabulary could not be put together")]
    Library(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why a text could not be encoded.
#[derive(Debug, Error)]
#[error("`{text}` cannot be encoded")]
#[non_exhaustive]
pub struct EncodeError {
    /// The word at fault.
    pub text: String,
    /// What the model said.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Why a `tokenizer.json` could not be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TokenizerFileError {
    /// The file cannot be read as a tokenizer.
    #[error("cannot read {} as a tokenizer", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// The file is no SentencePiece model, or one of another kind.
    #[error("cannot read {} as a SentencePiece model: {fault}", path.display())]
    SentencePiece {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        fault: String,
    },

    /// A directory holds no vocabulary that is known.
    #[error(
        "{}: neither `tokenizer.json` nor a `.model` of SentencePiece, expected one",
        path.display()
    )]
    Missing {
        /// The directory.
        path: PathBuf,
    },

    /// A directory has a vocabulary that would be opened in the place of what is to be saved there.
    #[error("{} is there, and would be opened instead, expected a directory without it", path.display())]
    InTheWay {
        /// The file that is there.
        path: PathBuf,
    },

    /// A directory cannot be made.
    #[error("cannot make {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },

    /// The tokenizer has no JSON form.
    #[error("the tokenizer cannot be written as JSON")]
    Serialize(#[source] Box<dyn std::error::Error + Send + Sync>),

    /// The file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Why the cost of a vocabulary could not be told.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FairnessError {
    /// A language has no text.
    #[error("`{language}` has no text, expected at least one")]
    NoText {
        /// The language.
        language: LanguageTag,
    },

    /// Parallel texts differ in number.
    #[error("`{language}` has {found} parallel texts, expected {expected}")]
    NotParallel {
        /// The language.
        language: LanguageTag,
        /// Its texts.
        found: usize,
        /// Those of the reference.
        expected: usize,
    },

    /// A vocabulary does not keep the limits that were set for it.
    #[error(
        "the vocabulary fails {}",
        failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    )]
    Gate {
        /// Each language, with what it fails by.
        failures: Vec<GateFailure>,
    },

    /// A text could not be encoded.
    #[error("a text of `{language}` cannot be encoded")]
    Encode {
        /// The language.
        language: LanguageTag,
        /// Why.
        source: EncodeError,
    },
}
