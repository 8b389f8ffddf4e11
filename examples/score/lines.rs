//! Files of a segment on each line.

use std::path::{Path, PathBuf};

use isogloss_examples::{Outcome, read_lines};

/// The segments of a file, and which.
pub(crate) struct Lines {
    pub(crate) path: PathBuf,
    pub(crate) lines: Vec<String>,
}

impl Lines {
    /// Reads a file of at least one line.
    pub(crate) fn read(path: &Path) -> Outcome<Self> {
        let lines = read_lines(path)?;
        if lines.is_empty() {
            return Err(format!("{}: no lines, expected a segment on each", path.display()).into());
        }
        Ok(Self { path: path.to_owned(), lines })
    }

    /// Reads a file of as many lines as another.
    pub(crate) fn read_beside(path: &Path, other: &Self) -> Outcome<Self> {
        let read = Self::read(path)?;
        let (found, expected) = (read.lines.len(), other.lines.len());
        if found != expected {
            let (longer, line) = if found > expected { (&read, expected) } else { (other, found) };
            return Err(format!(
                "{}: {found} lines, expected {expected} as in {}; line {} of {} has no counterpart",
                path.display(),
                other.path.display(),
                line + 1,
                longer.path.display(),
            )
            .into());
        }
        Ok(read)
    }

    /// The segments without the white space at their ends.
    pub(crate) fn texts(&self) -> Vec<&str> {
        let is_space = |c: char| c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}');
        self.lines.iter().map(|line| line.trim_end_matches(is_space)).collect()
    }
}
