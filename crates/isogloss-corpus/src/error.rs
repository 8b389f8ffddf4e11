//! What can be wrong with a corpus on disk, a filter and an identifier.

use std::fmt;
use std::io;
use std::path::PathBuf;

use isogloss_core::{LanguageTag, WriteError};
use isogloss_governance::{TermsError, TermsFileError};
use thiserror::Error;

use crate::FilterReason;

/// Why a record could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CorpusReadError {
    /// The file cannot be opened or read.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// `open` or `read`.
        action: &'static str,
        /// Why.
        source: io::Error,
    },

    /// A line is not UTF-8.
    #[error("{}, line {line}: byte {byte} is not UTF-8, expected UTF-8 text", path.display())]
    Utf8 {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// The first byte at fault, counted from 1.
        byte: usize,
    },

    /// A row has another number of fields than the header.
    #[error("{}, line {line}: {found} fields, expected {expected}", path.display())]
    Ragged {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// Its fields.
        found: usize,
        /// Those of the header.
        expected: usize,
    },

    /// The header lacks a column.
    #[error("{}, line 1: no column `{column}`, expected it among {}", path.display(), found.join(", "))]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// The column that was asked for.
        column: String,
        /// The columns there are.
        found: Vec<String>,
    },

    /// A line is not the JSON that it should be.
    #[error("{}, line {line}: {fault}, expected an object with text in `{field}`", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// The field that was asked for.
        field: String,
        /// What is wrong.
        fault: String,
    },

    /// A line is not what its format has there.
    #[error("{}, line {line}: {found}, expected {expected}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// What stands there.
        found: String,
        /// What may stand there.
        expected: &'static str,
    },

    /// One of two parallel files ends before the other.
    #[error(
        "{} ends after line {lines}, and {} goes on: expected equally many lines",
        short.display(),
        long.display()
    )]
    Unaligned {
        /// The file that ends.
        short: PathBuf,
        /// The file that goes on.
        long: PathBuf,
        /// The lines of the first.
        lines: u64,
    },

    /// A file is not what it was when it was indexed.
    #[error("{}: changed since it was indexed, expected it as it was", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },

    /// A packed file could not be unpacked to be read in another order.
    #[error("cannot unpack {} to a temporary file", path.display())]
    Unpack {
        /// The packed file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },

    /// A part has another number of segments than its manifest states.
    #[error("{}: {found} segments, expected {expected} (as the manifest states)", path.display())]
    Segments {
        /// The file.
        path: PathBuf,
        /// The segments that were read.
        found: u64,
        /// Those that the manifest states.
        expected: u64,
    },
}

/// Why a manifest could not be opened, or a part of it not read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The manifest cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The manifest.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },

    /// It is not TOML, or has a kind of part that manifests do not have.
    #[error("{}: not a manifest: {}", path.display(), source.message())]
    Parse {
        /// The manifest.
        path: PathBuf,
        /// The line, and what was expected there.
        source: Box<toml::de::Error>,
    },

    /// A part lacks a key, or has one that its kind does not have.
    #[error("{}, part {part}: {}", path.display(), source.message())]
    Part {
        /// The manifest.
        path: PathBuf,
        /// The part, as `[[text]] 1`.
        part: String,
        /// What is wrong with it.
        source: Box<toml::de::Error>,
    },

    /// There are not so many parts of that kind.
    #[error("{}: no part {part}, expected one of {parts}", path.display())]
    NoPart {
        /// The manifest.
        path: PathBuf,
        /// The part that was asked for, as `[[text]] 1`.
        part: String,
        /// How many there are of its kind.
        parts: usize,
    },

    /// A part says nothing of its terms, or says two things.
    #[error(
        "{}, part {part}: {fault}, expected `terms = \"FILE\"`, `terms = \"unstated\"`, or `licence` \
         with `source`",
        path.display()
    )]
    Terms {
        /// The manifest.
        path: PathBuf,
        /// The part, as `[[text]] 1`.
        part: String,
        /// What it says.
        fault: &'static str,
    },

    /// A file of terms is at fault.
    #[error("{}, part {part}", path.display())]
    TermsFile {
        /// The manifest.
        path: PathBuf,
        /// The part.
        part: String,
        /// What is wrong with the file.
        source: TermsFileError,
    },

    /// The terms do not permit the purpose.
    #[error("{}, part {part}: {source}", path.display())]
    Refused {
        /// The manifest.
        path: PathBuf,
        /// The part.
        part: String,
        /// The clause.
        source: TermsError,
    },

    /// A record of the part could not be read.
    #[error(transparent)]
    Record(#[from] CorpusReadError),

    /// A text has something that its file could not give back.
    #[error("{}: text {index} has {found}, expected none", path.display())]
    Unwritable {
        /// The file that was to be written.
        path: PathBuf,
        /// The text, counted from 1.
        index: usize,
        /// What it has.
        found: &'static str,
    },

    /// Two parts would be written to one file.
    #[error("{}: written by an earlier part, expected another name", path.display())]
    Taken {
        /// The file.
        path: PathBuf,
    },

    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Why a filter was not made, or removed nothing.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum FilterError {
    /// The configuration asks for something that cannot be.
    #[error("filter: {}", joined(faults))]
    Config {
        /// Every fault.
        faults: Vec<ConfigFault>,
    },

    /// A variety would lose more of its texts than it may.
    #[error("{}, expected at most {:.1} % (nothing was removed)", joined(losses), 100.0 * limit)]
    Loss {
        /// The largest share that a variety may lose.
        limit: f64,
        /// Each variety over it, that with the largest share first.
        losses: Vec<VarietyLoss>,
    },
}

/// A field of a configuration that cannot be as it is.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ConfigFault {
    /// The field.
    pub field: &'static str,
    /// What it has.
    pub found: String,
    /// What it may have.
    pub expected: &'static str,
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is `{}`, expected {}", self.field, self.found, self.expected)
    }
}

/// A variety that would lose more of its texts than it may.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct VarietyLoss {
    /// The variety.
    pub language: LanguageTag,
    /// How many texts would be removed.
    pub removed: u64,
    /// Of how many.
    pub seen: u64,
    /// The reason for most of them.
    pub reason: Option<FilterReason>,
}

impl fmt::Display for VarietyLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = 100.0 * self.removed as f64 / self.seen.max(1) as f64;
        let Self { language, removed, seen, .. } = self;
        write!(f, "{language}: would lose {removed} of {seen} texts ({share:.1} %)")?;
        self.reason.map_or(Ok(()), |reason| write!(f, ", mostly for `{reason}`"))
    }
}

fn joined<T: fmt::Display>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join("; ")
}

/// Why an identifier could not be made.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum IdentifierError {
    /// A field of the configuration is out of its range.
    #[error("identifier: `{field}` is `{found}`, expected {expected}")]
    Config {
        /// The field.
        field: &'static str,
        /// What it has.
        found: String,
        /// What it may have.
        expected: &'static str,
    },

    /// There are too few languages to tell one from another.
    #[error("identifier: {found} languages, expected 2 or more")]
    TooFewLanguages {
        /// How many there are.
        found: usize,
    },

    /// There is nothing to learn a language from.
    #[error("identifier: {language}: no letter in its texts, expected some")]
    NoLetters {
        /// The language.
        language: LanguageTag,
    },

    /// A language was asked for that an identifier does not have.
    #[error("identifier: {language}: not in `{identifier}`, expected a language that is")]
    NotCovered {
        /// The identifier.
        identifier: &'static str,
        /// The language.
        language: LanguageTag,
    },
}
