//! Annotated sentences in the format of Universal Dependencies.

use std::path::Path;

use isogloss_core::LanguageTag;

use crate::lines::Lines;
use crate::{CorpusReadError, ReadOptions, Sentence, Word};

/// Reads sentences in CoNLL-U: ten tab-separated columns for each word, comments that begin with
/// `#`, an empty line after each sentence.
///
/// # Source
///
/// <https://universaldependencies.org/format.html>
///
/// # Errors
///
/// [`CorpusReadError::Io`] where the file cannot be opened; as items, [`CorpusReadError::Ragged`]
/// for a row without ten columns and [`CorpusReadError::Syntax`] for an id or head that is none.
pub fn open_conllu(
    path: &Path,
    language: LanguageTag,
    options: ReadOptions,
) -> Result<ConlluReader, CorpusReadError> {
    Ok(ConlluReader { lines: Lines::open(path, options)?, language, ended: false })
}

/// The sentences of a file, read as they are asked for.
#[derive(Debug)]
pub struct ConlluReader {
    lines: Lines,
    language: LanguageTag,
    ended: bool,
}

const COLUMNS: usize = 10;

impl ConlluReader {
    fn next_sentence(&mut self) -> Result<Option<Sentence>, CorpusReadError> {
        let (mut text, mut words) = (None, Vec::new());
        loop {
            let Some(line) = self.lines.next_line()? else {
                self.ended = true;
                break;
            };
            if line.is_empty() {
                // Several empty lines end one sentence, not several.
                if words.is_empty() {
                    continue;
                }
                break;
            }
            if let Some(comment) = line.strip_prefix('#') {
                if let Some(value) = comment.trim_start().strip_prefix("text =") {
                    text = Some(value.trim().to_owned());
                }
            } else if let Some(word) = self.word(&line, words.len() + 1)? {
                words.push(word);
            }
        }
        let language = self.language.clone();
        Ok((!words.is_empty()).then_some(Sentence { language, text, words }))
    }

    /// The word of a row; `None` for a span of several words or an empty node.
    fn word(&self, line: &str, number: usize) -> Result<Option<Word>, CorpusReadError> {
        let path = || self.lines.path().to_owned();
        let fields: Vec<&str> = line.split('\t').collect();
        let [id, form, lemma, upos, _, _, head, deprel, _, _] = fields[..] else {
            let (line, found) = (self.lines.line(), fields.len());
            return Err(CorpusReadError::Ragged { path: path(), line, found, expected: COLUMNS });
        };
        if id.contains(['-', '.']) {
            return Ok(None);
        }
        let syntax = |found: &str, expected| CorpusReadError::Syntax {
            path: path(),
            line: self.lines.line(),
            found: format!("`{found}`"),
            expected,
        };
        if id.parse() != Ok(number) {
            return Err(syntax(id, "the number of the word in its sentence"));
        }
        let given = |field: &str| (field != "_").then(|| field.to_owned());
        let head = match head {
            "_" => None,
            head => {
                Some(head.parse().map_err(|_| syntax(head, "the number of a word, 0, or `_`"))?)
            }
        };
        // A word may be an underscore itself: the form is always given.
        let (lemma, upos, deprel) = (given(lemma), given(upos), given(deprel));
        Ok(Some(Word { form: form.to_owned(), lemma, upos, head, deprel }))
    }
}

impl Iterator for ConlluReader {
    type Item = Result<Sentence, CorpusReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let sentence = self.next_sentence().transpose();
        self.ended |= matches!(sentence, Some(Err(_)));
        sentence
    }
}
