//! Files of words with their tags.

use std::path::{Path, PathBuf};

use super::report::lenient;
use super::{TagReading, TagScheme};
use crate::EvaluationError;

/// A file of tagged sentences: each line a word, a tab and a tag; an empty line ends a sentence.
///
/// The tag is what follows the last tab, so that columns between are left out: the word is what stands before the
/// first. A line of nothing but spaces is empty, several are as one, and the last sentence needs none behind it. Lines
/// end in `\n` or `\r\n`; a byte order mark is skipped. Words are not normalised.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct TaggedFile {
    /// Where it was read from; named in errors.
    pub path: PathBuf,
    /// Its sentences, each of at least one word.
    pub sentences: Vec<TaggedSentence>,
}

/// Words and the tag of each.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct TaggedSentence {
    /// The line of the first word, counted from 1; the others are on the lines that follow.
    pub line: usize,
    /// The words.
    pub words: Vec<String>,
    /// As many tags.
    pub tags: Vec<String>,
}

impl TaggedFile {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Read`] where it cannot be read, and those of [`try_parse`](Self::try_parse).
    pub fn read(path: impl AsRef<Path>) -> Result<Self, EvaluationError> {
        let path = path.as_ref();
        let bytes = std::fs::read(path)
            .map_err(|source| EvaluationError::Read { path: path.to_owned(), source })?;
        Self::try_parse(path, &bytes)
    }

    /// Reads what a file holds; errors name the path.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Line`] for a line without a word or without a tag, one that is not UTF-8, and where there
    /// is no sentence.
    ///
    /// # Examples
    ///
    /// ```
    /// use isogloss_evaluation::TaggedFile;
    ///
    /// let file = TaggedFile::try_parse("dev.tsv", "Adé\tB-PER\nwá\tO\n\nÈkó\tB-LOC\n")?;
    /// assert_eq!(file.sentences[0].words, ["Adé", "wá"]);
    /// assert_eq!((file.sentences[1].line, &*file.sentences[1].tags[0]), (4, "B-LOC"));
    /// # Ok::<(), isogloss_evaluation::EvaluationError>(())
    /// ```
    pub fn try_parse(
        path: impl Into<PathBuf>,
        content: impl AsRef<[u8]>,
    ) -> Result<Self, EvaluationError> {
        let path = path.into();
        let fault = |line: usize, fault: &str| EvaluationError::Line {
            path: path.clone(),
            line,
            fault: fault.to_owned(),
        };
        let content = content.as_ref();
        let text = str::from_utf8(content).map_err(|error| {
            let before = &content[..error.valid_up_to()];
            fault(before.split(|byte| *byte == b'\n').count(), "not UTF-8")
        })?;
        let mut sentences: Vec<TaggedSentence> = Vec::new();
        let mut is_open = false;
        for (line, text) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let line = line + 1;
            if text.trim_matches(' ').is_empty() {
                is_open = false;
                continue;
            }
            let (before, tag) = text
                .rsplit_once('\t')
                .ok_or_else(|| fault(line, "no tag, expected a word, a tab and a tag"))?;
            let word = before.split_once('\t').map_or(before, |(word, _)| word);
            let (word, tag) = (word.trim_matches(' '), tag.trim());
            if word.is_empty() {
                return Err(fault(line, "no word, expected a word, a tab and a tag"));
            }
            if tag.is_empty() {
                return Err(fault(line, "no tag behind the tab"));
            }
            if !is_open {
                sentences.push(TaggedSentence { line, words: Vec::new(), tags: Vec::new() });
                is_open = true;
            }
            if let Some(sentence) = sentences.last_mut() {
                sentence.words.push(word.to_owned());
                sentence.tags.push(tag.to_owned());
            }
        }
        if sentences.is_empty() {
            return Err(fault(1, "no sentence, expected words with their tags"));
        }
        Ok(Self { path, sentences })
    }

    /// Refuses tags that a reading does not have, by their lines, and types that are not among `kinds`, where these are
    /// given.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Line`] of the first such tag; [`EvaluationError::Scheme`] where the scheme is to be detected
    /// and is not.
    pub fn check(
        &self,
        reading: TagReading,
        kinds: Option<&[String]>,
    ) -> Result<(), EvaluationError> {
        let scheme = match reading {
            TagReading::Strict(scheme) => Some(scheme),
            TagReading::Detected => {
                Some(TagScheme::detect(self.sentences.iter().map(|it| &it.tags))?)
            }
            TagReading::Lenient | TagReading::Known => None,
        };
        for TaggedSentence { line, tags, .. } in &self.sentences {
            let fault = |word: usize, expected: &str| EvaluationError::Line {
                path: self.path.clone(),
                line: line + word,
                fault: format!("tag `{}`, expected {expected}", tags[word]),
            };
            let found = match scheme {
                Some(scheme) => {
                    scheme.find(tags).map_err(|word| fault(word, &scheme.expected()))?
                }
                None => lenient(tags, reading == TagReading::Known)
                    .map_err(|(word, expected)| fault(word, expected))?,
            };
            let Some(kinds) = kinds else { continue };
            if let Some(entity) = found.iter().find(|entity| !kinds.contains(&entity.kind)) {
                return Err(fault(entity.first, &format!("one of the types {}", kinds.join(", "))));
            }
        }
        Ok(())
    }

    /// The tags of each sentence, `[gold, predicted]`, after a check that both files have the same words.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Lines`] with the first line of each at which they part.
    pub fn tags_beside(&self, predicted: &Self) -> Result<Vec<[Vec<String>; 2]>, EvaluationError> {
        let fault = |lines: [usize; 2], fault: String| EvaluationError::Lines {
            gold: self.path.clone(),
            gold_line: lines[0],
            predicted: predicted.path.clone(),
            predicted_line: lines[1],
            fault,
        };
        let mut pairs = Vec::with_capacity(self.sentences.len());
        for (gold, said) in self.sentences.iter().zip(&predicted.sentences) {
            let at = |word: usize| [gold.line + word, said.line + word];
            for (place, words) in gold.words.iter().zip(&said.words).enumerate() {
                if words.0 != words.1 {
                    let text = format!("word `{}` against `{}`", words.0, words.1);
                    return Err(fault(at(place), text));
                }
            }
            let counts = [gold.words.len(), said.words.len()];
            if counts[0] != counts[1] {
                let text = format!("a sentence of {} words against {}", counts[0], counts[1]);
                return Err(fault(at(counts[0].min(counts[1])), text));
            }
            pairs.push([gold.tags.clone(), said.tags.clone()]);
        }
        let counts = [self.sentences.len(), predicted.sentences.len()];
        if counts[0] != counts[1] {
            let text = format!("{} sentences against {}", counts[0], counts[1]);
            // The first sentence that the other file lacks, and the end of that file.
            let line = |file: &Self| {
                let next = file.sentences.get(pairs.len()).map(|it| it.line);
                let end = file.sentences.last().map_or(1, |it| it.line + it.words.len());
                next.unwrap_or(end)
            };
            return Err(fault([line(self), line(predicted)], text));
        }
        Ok(pairs)
    }
}
