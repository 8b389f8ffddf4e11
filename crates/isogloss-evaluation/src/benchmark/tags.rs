//! Words with tags: WikiANN, MasakhaNER.

use std::path::Path;

use super::files::{fault, lines, read_text};
use crate::tagging::TaggedSentence;
use crate::{EvaluationError, TaggedFile};

/// A word and its tag on each line, with `separator` between, an empty line between sentences.
///
/// WikiANN puts `CODE:` before each word. Words stay as they are; those that are empty, as two of MasakhaNER 2.0 are, are
/// left out and counted.
pub(super) fn read(
    path: &Path,
    separator: char,
    prefix: Option<&str>,
) -> Result<(TaggedFile, usize), EvaluationError> {
    let text = read_text(path)?;
    let mut sentences: Vec<TaggedSentence> = Vec::new();
    let (mut is_open, mut empty) = (false, 0);
    for (line, row) in lines(&text) {
        if row.trim_matches([' ', '\t']).is_empty() {
            is_open = false;
            continue;
        }
        let (word, tag) = row.rsplit_once(separator).ok_or_else(|| {
            let text = format!("`{row}`, expected a word, {separator:?} and a tag");
            fault(path, line, text)
        })?;
        let word = match prefix {
            Some(prefix) => word.strip_prefix(prefix).ok_or_else(|| {
                fault(
                    path,
                    line,
                    format!("word `{word}`, expected one that begins with `{prefix}`"),
                )
            })?,
            None => word,
        };
        if word.is_empty() && tag.trim_end() == "O" {
            empty += 1;
            continue;
        }
        if word.is_empty() || tag.is_empty() {
            return Err(fault(path, line, format!("`{row}`, expected a word and a tag")));
        }
        if !is_open {
            sentences.push(TaggedSentence { line, words: Vec::new(), tags: Vec::new() });
            is_open = true;
        }
        if let Some(sentence) = sentences.last_mut() {
            sentence.words.push(word.to_owned());
            sentence.tags.push(tag.trim_end().to_owned());
        }
    }
    Ok((TaggedFile { path: path.to_owned(), sentences }, empty))
}

/// How many tags go on with an entity that was not begun.
pub(super) fn begun_in_the_middle(file: &TaggedFile) -> usize {
    let count = |tags: &[String]| {
        let mut before = "O";
        let mut count = 0;
        for tag in tags {
            if let Some(kind) = tag.strip_prefix("I-") {
                let is_begun = [before.strip_prefix("B-"), before.strip_prefix("I-")]
                    .into_iter()
                    .flatten()
                    .any(|of_before| of_before == kind);
                count += usize::from(!is_begun);
            }
            before = tag;
        }
        count
    };
    file.sentences.iter().map(|sentence| count(&sentence.tags)).sum()
}
