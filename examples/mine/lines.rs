//! The sentences of a file, each once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use isogloss_examples::{Outcome, read_lines};

/// The lines of a file, and which of them are sentences of their own.
pub(crate) struct Lines {
    path: PathBuf,
    all: Vec<String>,
    // The lines that count, by their index.
    firsts: Vec<usize>,
    // For each line its sentence; none for an empty one.
    places: Vec<Option<usize>>,
}

impl Lines {
    pub(crate) fn read(path: &Path) -> Outcome<Self> {
        let lines = read_lines(path)?;
        let mut known: HashMap<&str, usize> = HashMap::new();
        let (mut firsts, mut places) = (Vec::new(), Vec::with_capacity(lines.len()));
        for (index, line) in lines.iter().enumerate() {
            let text = line.trim();
            if text.is_empty() {
                places.push(None);
                continue;
            }
            let place = *known.entry(text).or_insert_with(|| {
                firsts.push(index);
                firsts.len() - 1
            });
            places.push(Some(place));
        }
        if firsts.is_empty() {
            return Err(
                format!("{}: no line with text, expected at least one", path.display()).into()
            );
        }
        Ok(Self { path: path.to_owned(), firsts, places, all: lines })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// How many lines there are.
    pub(crate) fn all(&self) -> usize {
        self.all.len()
    }

    /// How many sentences.
    pub(crate) fn len(&self) -> usize {
        self.firsts.len()
    }

    pub(crate) fn texts(&self) -> Vec<&str> {
        (0..self.len()).map(|sentence| self.text(sentence)).collect()
    }

    pub(crate) fn text(&self, sentence: usize) -> &str {
        self.all[self.firsts[sentence]].trim()
    }

    /// The number of a sentence's first line, counted from 1.
    pub(crate) fn number(&self, sentence: usize) -> usize {
        self.firsts[sentence] + 1
    }

    /// The sentence of each line.
    pub(crate) fn places(&self) -> &[Option<usize>] {
        &self.places
    }
}
