//! Entities as conlleval reads them, and their score.

use serde::{Deserialize, Serialize};

use super::report::{EntityCounts, TagReading, entity_counts};
use crate::EvaluationError;

/// Words of one type that follow each other.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Entity {
    /// The type, what a tag has after its prefix; `_` for a tag without one.
    pub kind: String,
    /// The first word, counted from 0.
    pub first: usize,
    /// The last word.
    pub last: usize,
}

/// Precision, recall and F1 of entities, over all sentences together.
///
/// ```text
/// P = right / found     R = right / gold     F1 = 2 · right / (found + gold)
/// ```
///
/// An entity is right where its type, its first and its last word are. A ratio over 0 is 0, as in seqeval.
///
/// # Source
///
/// The default mode of seqeval 1.2.2, which reads tags as conlleval does: Tjong Kim Sang and De Meulder (2003),
/// <https://aclanthology.org/W03-0419>.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EntityScore {
    /// Precision.
    pub precision: f64,
    /// Recall.
    pub recall: f64,
    /// F1.
    pub f1: f64,
    /// How many entities there are.
    pub support: usize,
}

/// The entities of a sentence, in order, read leniently.
///
/// One begins at a tag `B-` or `S-`, at `I-` or `E-` after a tag outside of an entity or after the end of one, and
/// where the type changes; so an `I-` that nothing came before opens one. `O` is outside. The type is what follows the
/// first hyphen behind the first character: `geo-loc` in `B-geo-loc`.
///
/// A tag with another prefix goes on with an entity of its type, as in seqeval; [`TagReading::Known`] refuses it. (A
/// bare one at the head of a sentence is an exception: where it ends, seqeval counts from the entity before it, in
/// another sentence.)
pub fn entities(tags: &[impl AsRef<str>]) -> Vec<Entity> {
    let mut found = Vec::new();
    let mut first = 0;
    let mut before = ('O', "");
    let end = std::iter::once(('O', "_"));
    for (word, tag) in tags.iter().map(|tag| split(tag.as_ref())).chain(end).enumerate() {
        let ((prefix, kind), (prefix_before, kind_before)) = (tag, before);
        let is_other = kind != kind_before;
        let ends = matches!(prefix_before, 'E' | 'S')
            || matches!((prefix_before, prefix), ('B' | 'I', 'B' | 'S' | 'O'))
            || !matches!(prefix_before, 'O' | '.') && is_other;
        if ends {
            found.push(Entity { kind: kind_before.to_owned(), first, last: word - 1 });
        }
        let begins = matches!(prefix, 'B' | 'S')
            || matches!((prefix_before, prefix), ('E' | 'S' | 'O', 'E' | 'I'))
            || !matches!(prefix, 'O' | '.') && is_other;
        if begins {
            first = word;
        }
        before = tag;
    }
    found
}

/// The first character and the type.
fn split(tag: &str) -> (char, &str) {
    let mut characters = tag.chars();
    let prefix = characters.next().unwrap_or('O');
    let rest = characters.as_str();
    let kind = rest.split_once('-').map_or(rest, |(_, kind)| kind);
    (prefix, if kind.is_empty() { "_" } else { kind })
}

impl EntityScore {
    /// Scores the tags of sentences, `[gold, predicted]` for each, read as [`entities`] does.
    ///
    /// [`TaggingReport`](crate::TaggingReport) has the scores of each type and reads tags strictly, too.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Empty`] without sentences, [`EvaluationError::Config`] where a sentence has not as many
    /// tags on both sides, [`EvaluationError::Tag`] for an empty tag.
    pub fn try_new<S: AsRef<str>>(sentences: &[[Vec<S>; 2]]) -> Result<Self, EvaluationError> {
        let counts = entity_counts(sentences, TagReading::Lenient)?;
        Ok(counts.iter().copied().sum::<EntityCounts>().score())
    }
}
