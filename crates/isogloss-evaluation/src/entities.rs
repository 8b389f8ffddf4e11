//! Entities in tagged words.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::EvaluationError;

/// Words of one type that follow each other.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Entity {
    /// The type, what a tag has after its first hyphen; `_` for a tag without one.
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

/// The entities of a sentence, in order.
///
/// One begins at a tag `B-` or `S-`, at `I-` or `E-` after a tag outside of an entity or after the end of one, and
/// where the type changes; so an `I-` that nothing came before opens one. `O` is outside.
pub fn entities(tags: &[impl AsRef<str>]) -> Vec<Entity> {
    let split = |tag: &str| {
        let prefix = tag.chars().next().unwrap_or('O');
        let kind = tag.split_once('-').map_or("_", |(_, kind)| kind);
        (prefix, kind.to_owned())
    };
    let mut found = Vec::new();
    let mut open: Option<(usize, String)> = None;
    let mut before = ('O', String::new());
    for (word, tag) in tags.iter().map(|tag| split(tag.as_ref())).enumerate() {
        let (prefix, kind) = &tag;
        let is_other = before.0 != 'O' && before.1 != *kind;
        let ends = matches!(before.0, 'E' | 'S') || matches!(prefix, 'B' | 'S' | 'O') || is_other;
        if let Some((first, kind)) = open.take_if(|_| ends) {
            found.push(Entity { kind, first, last: word - 1 });
        }
        let begins = matches!(prefix, 'B' | 'S')
            || matches!(prefix, 'I' | 'E') && (matches!(before.0, 'O' | 'E' | 'S') || is_other);
        if begins {
            open = Some((word, kind.clone()));
        }
        before = tag;
    }
    if let Some((first, kind)) = open {
        found.push(Entity { kind, first, last: tags.len() - 1 });
    }
    found
}

impl EntityScore {
    /// Scores the tags of sentences, `[gold, predicted]` for each.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Empty`] without sentences, [`EvaluationError::Config`] where a sentence has not as many
    /// tags on both sides.
    pub fn try_new<S: AsRef<str>>(sentences: &[[Vec<S>; 2]]) -> Result<Self, EvaluationError> {
        if sentences.is_empty() {
            return Err(EvaluationError::Empty { what: "tagging" });
        }
        let (mut right, mut found, mut gold) = (0, 0, 0);
        for (place, [expected, predicted]) in sentences.iter().enumerate() {
            if expected.len() != predicted.len() {
                let (found, expected) = (predicted.len(), expected.len());
                return Err(EvaluationError::Config {
                    field: "tags",
                    found: format!("{found} tags of {expected} words in sentence {place}"),
                    expected: "a tag for each word",
                });
            }
            let expected: BTreeSet<Entity> = entities(expected).into_iter().collect();
            let predicted: BTreeSet<Entity> = entities(predicted).into_iter().collect();
            right += expected.intersection(&predicted).count();
            found += predicted.len();
            gold += expected.len();
        }
        let ratio =
            |part: usize, whole: usize| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        Ok(Self {
            precision: ratio(right, found),
            recall: ratio(right, gold),
            f1: ratio(2 * right, found + gold),
            support: gold,
        })
    }
}
