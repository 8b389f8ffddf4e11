//! What can be wrong with the shared types.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a text is not a [`LanguageTag`](crate::LanguageTag).
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum LanguageTagError {
    /// The text is empty.
    #[error("language tag is empty, expected a language of 2 or 3 letters, e.g. `yo`")]
    Empty,

    /// The text names no language: `und`, `mul`, `mis` or `zxx`.
    #[error("language tag `{tag}` names no single language, expected one, e.g. `yo`")]
    NoLanguage {
        /// The whole text, as it was given.
        tag: String,
    },

    /// A subtag has a shape that its place does not allow.
    #[error("language tag `{tag}`: subtag {position} is `{found}`, expected {expected}")]
    Subtag {
        /// The whole text, as it was given.
        tag: String,
        /// Which subtag, counted from 1.
        position: usize,
        /// The subtag at fault.
        found: String,
        /// What would have been accepted in its place.
        expected: &'static str,
    },
}

/// Why a file or directory could not be put in its place. What stood there before is untouched.
#[derive(Debug, Error)]
#[error("cannot {action} {}", path.display())]
#[non_exhaustive]
pub struct WriteError {
    /// The destination.
    pub path: PathBuf,
    /// What was being done: `create`, `write`, `sync` or `rename`.
    pub action: &'static str,
    /// What the operating system, or the caller's writer, said.
    pub source: io::Error,
}

impl WriteError {
    /// For writers outside this crate that write into a directory or file of ours.
    pub fn new(path: impl Into<PathBuf>, action: &'static str, source: io::Error) -> Self {
        Self { path: path.into(), action, source }
    }
}
