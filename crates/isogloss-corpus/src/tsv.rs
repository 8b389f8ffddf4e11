//! Tab-separated columns under a header.

use std::path::Path;

use isogloss_core::LanguageTag;

use crate::lines::Lines;
use crate::{CorpusReadError, LabelledText, ReadOptions};

/// Reads a file whose first line names its columns, and takes text and label from two of them.
///
/// A field is what stands between tabs: quotes mean nothing, so that text may have them.
///
/// # Errors
///
/// [`CorpusReadError::NoColumn`] where the header lacks one of them, and those of a line; as items,
/// [`CorpusReadError::Ragged`] for a row of another length than the header.
pub fn open_tsv(
    path: &Path,
    language: LanguageTag,
    [text, label]: [&str; 2],
    options: ReadOptions,
) -> Result<TsvReader, CorpusReadError> {
    let mut lines = Lines::open(path, options)?;
    let header = lines.next_line()?.unwrap_or_default();
    let columns: Vec<&str> = header.split('\t').collect();
    let place = |column: &str| {
        columns.iter().position(|found| *found == column).ok_or_else(|| CorpusReadError::NoColumn {
            path: path.to_owned(),
            column: column.to_owned(),
            found: columns.iter().map(|column| format!("`{column}`")).collect(),
        })
    };
    let (text, label, width) = (place(text)?, place(label)?, columns.len());
    Ok(TsvReader { lines, language, text, label, width })
}

/// The rows of a file, read as they are asked for.
#[derive(Debug)]
pub struct TsvReader {
    lines: Lines,
    language: LanguageTag,
    text: usize,
    label: usize,
    width: usize,
}

impl TsvReader {
    fn record(&self, line: &str) -> Result<LabelledText, CorpusReadError> {
        let fields: Vec<&str> = line.split('\t').collect();
        match (fields.len() == self.width, fields.get(self.text), fields.get(self.label)) {
            (true, Some(text), Some(label)) => Ok(LabelledText {
                language: self.language.clone(),
                text: (*text).to_owned(),
                label: (*label).to_owned(),
            }),
            _ => Err(CorpusReadError::Ragged {
                path: self.lines.path().to_owned(),
                line: self.lines.line(),
                found: fields.len(),
                expected: self.width,
            }),
        }
    }
}

impl Iterator for TsvReader {
    type Item = Result<LabelledText, CorpusReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.lines.next_line().transpose()?;
        Some(line.and_then(|line| self.record(&line)))
    }
}
