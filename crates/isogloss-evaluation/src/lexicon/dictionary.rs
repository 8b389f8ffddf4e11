//! Words with their translations.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use super::lines::{fault, for_each_line};
use super::{LexiconQuery, WordVectors};
use crate::EvaluationError;
use crate::whitespace::python_split;

/// Pairs of words of two languages, as in the dictionaries of MUSE.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct BilingualDictionary {
    /// A word and a translation of it, in the order of the file. A word stands once for each of its
    /// translations.
    pub pairs: Vec<[String; 2]>,
}

/// What of a dictionary can be asked, and what not: every entry is in one of the lists.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct LexiconQueries {
    /// What can be asked: source words that have a vector, as one of their translations has at least.
    pub queries: Vec<LexiconQuery>,
    /// The words of the queries, in their order.
    pub words: Vec<String>,
    /// Source words without a vector, each once: they are not asked.
    pub unknown_sources: Vec<String>,
    /// Source words with a vector whose translations all have none: they are not asked.
    pub without_target: Vec<String>,
    /// Target words without a vector, each once.
    pub unknown_targets: Vec<String>,
}

impl BilingualDictionary {
    /// Reads a dictionary: on each line a word and a translation, parted by a tab or, where there is
    /// none, by whitespace. Blank lines are left out.
    ///
    /// Words are taken as they stand, neither normalised nor in lower case.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Read`]; [`EvaluationError::Line`] with the line for one that is not two
    /// words, and for text that is not UTF-8; [`EvaluationError::Empty`] without entries.
    ///
    /// # Source
    ///
    /// `src/evaluation/word_translation.py` of MUSE, <https://github.com/facebookresearch/MUSE>.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, EvaluationError> {
        let path = path.as_ref();
        let mut pairs = Vec::new();
        for_each_line(path, |line, text| {
            let fields: Vec<&str> = if text.contains('\t') {
                text.split('\t').map(str::trim).collect()
            } else {
                python_split(text).collect()
            };
            match fields[..] {
                [src, tgt] if !src.is_empty() && !tgt.is_empty() => {
                    pairs.push([src.to_owned(), tgt.to_owned()]);
                }
                _ if fields.iter().all(|field| field.is_empty()) => (),
                _ => {
                    let found = fields.iter().filter(|field| !field.is_empty()).count();
                    let found = format!("{found} words, expected a word and its translation");
                    return Err(fault(path, line, found));
                }
            }
            Ok(true)
        })?;
        if pairs.is_empty() {
            return Err(EvaluationError::Empty { what: "bilingual dictionary" });
        }
        Ok(Self { pairs })
    }

    /// Looks the words up: which can be asked of two sets of vectors, in the order of the dictionary.
    pub fn queries(&self, src: &WordVectors, tgt: &WordVectors) -> LexiconQueries {
        let mut order: Vec<&str> = Vec::new();
        let mut translations: HashMap<&str, BTreeSet<usize>> = HashMap::new();
        let mut unknown_targets = Vec::new();
        let mut named = BTreeSet::new();
        for [word, translation] in &self.pairs {
            let targets = translations.entry(word).or_insert_with(|| {
                order.push(word);
                BTreeSet::new()
            });
            match tgt.row(translation) {
                Some(row) => {
                    targets.insert(row);
                }
                None if named.insert(translation) => unknown_targets.push(translation.clone()),
                None => (),
            }
        }
        let mut found = LexiconQueries {
            queries: Vec::new(),
            words: Vec::new(),
            unknown_sources: Vec::new(),
            without_target: Vec::new(),
            unknown_targets,
        };
        for word in order {
            let targets = translations.remove(word).unwrap_or_default();
            match src.row(word) {
                None => found.unknown_sources.push(word.to_owned()),
                Some(_) if targets.is_empty() => found.without_target.push(word.to_owned()),
                Some(source) => {
                    found.queries.push(LexiconQuery { source, targets });
                    found.words.push(word.to_owned());
                }
            }
        }
        found
    }
}

impl LexiconQueries {
    /// The share of source words that are asked, which belongs beside every score.
    pub fn coverage(&self) -> f64 {
        let asked = self.queries.len();
        let all = asked + self.unknown_sources.len() + self.without_target.len();
        asked as f64 / all.max(1) as f64
    }
}
