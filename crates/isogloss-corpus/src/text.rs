//! Plain text: a segment on each line.

use std::path::Path;

use isogloss_core::LanguageTag;

use crate::lines::Lines;
use crate::{CorpusReadError, ReadOptions, Text};

/// Reads a file of segments in one language, one on each line. An empty line is an empty segment.
///
/// # Errors
///
/// [`CorpusReadError::Io`] where it cannot be opened; as items, [`CorpusReadError::Utf8`] and
/// [`CorpusReadError::Io`].
pub fn open_text(
    path: &Path,
    language: LanguageTag,
    options: ReadOptions,
) -> Result<TextReader, CorpusReadError> {
    Ok(TextReader { lines: Lines::open(path, options)?, language })
}

/// The segments of a file, read as they are asked for.
#[derive(Debug)]
pub struct TextReader {
    lines: Lines,
    language: LanguageTag,
}

impl Iterator for TextReader {
    type Item = Result<Text, CorpusReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.lines.next_line().transpose()?;
        Some(line.map(|text| Text { language: self.language.clone(), text }))
    }
}
