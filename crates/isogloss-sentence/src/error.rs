//! What can be wrong with a sentence encoder, or with a text for it.

use std::io;
use std::path::PathBuf;

use isogloss_core::WriteError;
use isogloss_tokenization::{EncodeError, TokenizerFileError};
use isogloss_transformer::{BatchError, CheckpointError, EncoderConfigError};
use thiserror::Error;

/// Why sentences could not be turned into vectors.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SentenceError {
    /// The model could not be opened or written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),

    /// The tokenizer could not be opened or written.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerFileError),

    /// A file could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },

    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),

    /// A file is not what its name says.
    #[error("{} is not as sentence-transformers writes it", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where, and what was expected.
        source: serde_json::Error,
    },

    /// A field of a file has a value that is not supported.
    #[error("{}: `{field}` is {found}, expected {expected}", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// The field.
        field: String,
        /// Its value.
        found: String,
        /// What would be supported.
        expected: String,
    },

    /// The tokenizer has ids that the model has no row for.
    #[error(
        "{}: the tokenizer has {tokens} tokens, expected at most {rows}, the rows of the embedding",
        path.display()
    )]
    Vocabulary {
        /// The directory.
        path: PathBuf,
        /// The tokens of the tokenizer.
        tokens: usize,
        /// The rows of the embedding.
        rows: usize,
    },

    /// Tokenizer and model disagree about padding.
    #[error("{}: the padding id does not suit the model", path.display())]
    Padding {
        /// The directory.
        path: PathBuf,
        /// What the model expects.
        source: EncoderConfigError,
    },

    /// No prompt has that name.
    #[error("no prompt is called `{name}`; there are: {known}")]
    Prompt {
        /// The name.
        name: String,
        /// The names there are.
        known: String,
    },

    /// A text does not fit, and is not to be cut.
    #[error("text {index}: {tokens} tokens, expected at most {max_tokens}")]
    LongText {
        /// Which text, counted from 0.
        index: usize,
        /// Its tokens, delimiters and prompt included.
        tokens: usize,
        /// How many the model reads at once.
        max_tokens: usize,
    },

    /// A window leaves no room for text, or does not move.
    #[error("`{field}` is {found}, expected {expected}")]
    Config {
        /// The field.
        field: &'static str,
        /// Its value.
        found: usize,
        /// What it may be.
        expected: String,
    },

    /// A text could not be turned into tokens.
    #[error("a text cannot be encoded")]
    Encode(#[from] EncodeError),

    /// The system gives no threads to compute on.
    #[error("no threads to read batches on")]
    Threads(#[source] rayon::ThreadPoolBuildError),

    /// The model cannot read a text.
    #[error("a text cannot be read")]
    Batch(#[from] BatchError),
}
