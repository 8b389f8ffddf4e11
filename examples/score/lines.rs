//! Files of a segment on each line.

use std::path::{Path, PathBuf};

use isogloss_examples::{Outcome, read_lines};
use rayon::prelude::*;

/// The segments of a file, and which.
pub(crate) struct Lines {
    pub(crate) path: PathBuf,
    pub(crate) lines: Vec<String>,
}

impl Lines {
    /// Reads files of at least one line, and as many as the first has, all at the same time.
    pub(crate) fn read(paths: &[&Path]) -> Outcome<Vec<Self>> {
        let read = |path: &&Path| read_lines(path).map_err(|error| error.to_string());
        let contents: Vec<Result<Vec<String>, String>> = paths.par_iter().map(read).collect();
        let mut all: Vec<Self> = Vec::with_capacity(paths.len());
        for (path, lines) in paths.iter().zip(contents) {
            let lines = Self::of(path, lines?)?;
            if let Some(first) = all.first() {
                lines.check_beside(first)?;
            }
            all.push(lines);
        }
        Ok(all)
    }

    fn of(path: &Path, lines: Vec<String>) -> Outcome<Self> {
        if lines.is_empty() {
            return Err(format!("{}: no lines, expected a segment on each", path.display()).into());
        }
        Ok(Self { path: path.to_owned(), lines })
    }

    /// There are as many lines as in another file.
    fn check_beside(&self, other: &Self) -> Outcome<()> {
        let (found, expected) = (self.lines.len(), other.lines.len());
        if found != expected {
            let (longer, line) = if found > expected { (self, expected) } else { (other, found) };
            return Err(format!(
                "{}: {found} lines, expected {expected} as in {}; line {} of {} has no counterpart",
                self.path.display(),
                other.path.display(),
                line + 1,
                longer.path.display(),
            )
            .into());
        }
        Ok(())
    }

    /// The segments without the white space at their ends.
    pub(crate) fn texts(&self) -> Vec<&str> {
        let is_space = |c: char| c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}');
        self.lines.iter().map(|line| line.trim_end_matches(is_space)).collect()
    }
}
