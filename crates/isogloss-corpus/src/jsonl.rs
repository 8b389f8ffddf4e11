//! A JSON object on each line.

use std::path::Path;

use isogloss_core::LanguageTag;
use serde_json::Value;

use crate::lines::Lines;
use crate::{CorpusReadError, ReadOptions, Text};

/// Reads the text in one field of each line's object; other fields are not looked at.
///
/// # Errors
///
/// [`CorpusReadError::Io`] where the file cannot be opened; as items, [`CorpusReadError::Json`] for
/// a line that is no object or has no text in the field.
pub fn open_jsonl(
    path: &Path,
    language: LanguageTag,
    field: &str,
    options: ReadOptions,
) -> Result<JsonlReader, CorpusReadError> {
    // A mark may be written as an escape, and is composed when it is no longer one.
    let lines = Lines::open(path, ReadOptions::default())?;
    Ok(JsonlReader { lines, language, field: field.to_owned(), options })
}

/// The texts of a file, read as they are asked for.
#[derive(Debug)]
pub struct JsonlReader {
    lines: Lines,
    language: LanguageTag,
    field: String,
    options: ReadOptions,
}

impl JsonlReader {
    fn record(&self, line: &str) -> Result<Text, CorpusReadError> {
        let fault = |fault: String| CorpusReadError::Json {
            path: self.lines.path().to_owned(),
            line: self.lines.line(),
            field: self.field.clone(),
            fault,
        };
        let value: Value = serde_json::from_str(line).map_err(|error| fault(error.to_string()))?;
        match value.get(&self.field) {
            Some(Value::String(text)) => {
                Ok(Text { language: self.language.clone(), text: self.options.apply(text) })
            }
            Some(other) => Err(fault(format!("`{}` is {other}", self.field))),
            None => Err(fault(format!("no `{}`", self.field))),
        }
    }
}

impl Iterator for JsonlReader {
    type Item = Result<Text, CorpusReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.lines.next_line().transpose()?;
        Some(line.and_then(|line| self.record(&line)))
    }
}
