//! Dependency trees in CoNLL-U, with the lines they are on.
//!
//! The reader of `isogloss-corpus` keeps neither lines nor multiword tokens: a scorer needs both, to say where two files
//! part.

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

use crate::EvaluationError;

/// A sentence with a head and a relation for each word.
///
/// A parser's output is scored by setting those of the words of the gold sentence to what was predicted.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct DependencySentence {
    /// The comment `sent_id`, where there is one.
    pub id: Option<String>,
    /// The words, in order.
    pub words: Vec<DependencyWord>,
    /// The tokens that are written as one and stand for several words, in order.
    pub multiword_tokens: Vec<MultiwordToken>,
}

/// A word of a dependency tree.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct DependencyWord {
    /// The word, without spaces in it.
    pub form: String,
    /// The universal part of speech, `_` where there is none.
    pub upos: String,
    /// The number of the word it depends on, counted from 1; 0 for the root.
    pub head: usize,
    /// The relation to the head, with its subtype.
    pub relation: String,
    /// Its line in the file, counted from 1.
    pub line: usize,
}

/// Several words that are written as one, as Spanish `vámonos` is `vamos` and `nos`.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct MultiwordToken {
    /// What is written, without spaces in it.
    pub form: String,
    /// The number of its first word, counted from 1.
    pub first: usize,
    /// The number of its last word.
    pub last: usize,
    /// Its line in the file, counted from 1.
    pub line: usize,
}

/// Reads the sentences of a text in CoNLL-U: ten tab-separated columns for each word, comments that begin with `#`, an
/// empty line after each sentence.
///
/// Empty nodes (`2.1`) are read over, for only enhanced graphs have them. A tree may have cycles and several roots here;
/// the scorer checks it.
///
/// # Source
///
/// <https://universaldependencies.org/format.html>
///
/// # Errors
///
/// [`EvaluationError::Conllu`], with line and column, for a row without ten columns, an id, head or range of ids that is
/// none, and an empty form or relation.
pub fn parse_conllu(text: &str) -> Result<Vec<DependencySentence>, EvaluationError> {
    let mut sentences = Vec::new();
    let mut sentence = DependencySentence::empty();
    for (number, row) in text.lines().enumerate() {
        let line = number + 1;
        if row.is_empty() {
            sentence.close_into(&mut sentences)?;
        } else if let Some(comment) = row.strip_prefix('#') {
            let value = comment.trim_start().strip_prefix("sent_id").map(str::trim_start);
            if let Some(id) = value.and_then(|value| value.strip_prefix('=')) {
                sentence.id = Some(id.trim().to_owned());
            }
        } else {
            sentence.read_row(row, line)?;
        }
    }
    sentence.close_into(&mut sentences)?;
    Ok(sentences)
}

fn fault(line: usize, field: &'static str, found: &str, expected: &'static str) -> EvaluationError {
    EvaluationError::Conllu { line, field, found: format!("`{found}`"), expected }
}

impl DependencySentence {
    fn empty() -> Self {
        Self { id: None, words: Vec::new(), multiword_tokens: Vec::new() }
    }

    fn read_row(&mut self, row: &str, line: usize) -> Result<(), EvaluationError> {
        let fields: Vec<&str> = row.split('\t').collect();
        let [id, form, _, upos, _, _, head, relation, _, _] = fields[..] else {
            let found = format!("{} columns", fields.len());
            let expected = "ten columns with a tab between each";
            return Err(EvaluationError::Conllu { line, field: "row", found, expected });
        };
        let next = self.words.len() + 1;
        if let Some((before, place)) = id.split_once('.') {
            let is_place = place.parse().is_ok_and(|place: usize| place > 0);
            if before.parse() != Ok(next - 1) || !is_place {
                let expected = "the number of the word before the empty node, a point and a number";
                return Err(fault(line, "ID", id, expected));
            }
            return Ok(());
        }
        // As in the scorer of CoNLL 2018, which tells apart neither `10 000` nor `10000`.
        let is_space = |c: &char| c.general_category() == GeneralCategory::SpaceSeparator;
        let form: String = form.chars().filter(|c| !is_space(c)).collect();
        if form.is_empty() {
            return Err(fault(line, "FORM", "", "a word"));
        }
        if let Some((first, last)) = id.split_once('-') {
            let free = self.multiword_tokens.last().map_or(1, |token| token.last + 1);
            match (first.parse(), last.parse()) {
                (Ok(first), Ok(last)) if first == next && first >= free && last > first => {
                    self.multiword_tokens.push(MultiwordToken { form, first, last, line });
                    return Ok(());
                }
                _ => {
                    let expected = "the next word's number, a hyphen and a greater one, \
                                    outside of other multiword tokens";
                    return Err(fault(line, "ID", id, expected));
                }
            }
        }
        if id.parse() != Ok(next) {
            return Err(fault(line, "ID", id, "the number of the word in its sentence"));
        }
        let head = head
            .parse()
            .map_err(|_| fault(line, "HEAD", head, "the number of a word of the sentence, or 0"))?;
        if relation.is_empty() {
            return Err(fault(line, "DEPREL", relation, "a relation"));
        }
        let (upos, relation) = (upos.to_owned(), relation.to_owned());
        self.words.push(DependencyWord { form, upos, head, relation, line });
        Ok(())
    }

    /// Moves what was read to the sentences, where it has words.
    fn close_into(&mut self, sentences: &mut Vec<Self>) -> Result<(), EvaluationError> {
        let sentence = std::mem::replace(self, Self::empty());
        let count = sentence.words.len();
        if let Some(token) = sentence.multiword_tokens.last().filter(|token| token.last > count) {
            let id = format!("{}-{}", token.first, token.last);
            return Err(fault(token.line, "ID", &id, "words of the sentence"));
        }
        if let Some(word) = sentence.words.iter().find(|word| word.head > count) {
            let expected = "the number of a word of the sentence, or 0";
            return Err(fault(word.line, "HEAD", &word.head.to_string(), expected));
        }
        if count > 0 {
            sentences.push(sentence);
        }
        Ok(())
    }

    /// What is written, token by token: the form, the words it stands for, its line.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = (&str, usize, usize)> {
        let mut multiword = self.multiword_tokens.iter().peekable();
        let mut next = 1;
        std::iter::from_fn(move || {
            if let Some(token) = multiword.next_if(|token| token.first == next) {
                next = token.last + 1;
                return Some((token.form.as_str(), token.last - token.first + 1, token.line));
            }
            let word = self.words.get(next - 1)?;
            next += 1;
            Some((word.form.as_str(), 1, word.line))
        })
    }
}
