//! Tokens that two vocabularies share.

use std::collections::HashMap;

use super::InitialisationError;
use super::canonical::{CanonicalToken, TokenForm};

/// When two tokens are the same.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum TokenMatching {
    /// Canonical forms are equal: the default of FOCUS.
    Exact,
    /// Or, failing that, they are in lower case: the default of OFA. Of several old tokens the last
    /// in the order of code points is taken, which is the one with most lower-case letters.
    IgnoringCase,
}

/// An old id for each new token that has one.
///
/// # Examples
///
/// ```
/// use isogloss_tokenization::embedding::{Overlap, TokenForm, TokenMatching};
///
/// let old = [(0, "Ġthe"), (1, "Ãł"), (2, "The")];
/// let overlap = Overlap::find(
///     (old, TokenForm::ByteLevel),
///     (["▁the", "à", "the", "▁à"], TokenForm::SentencePiece),
///     TokenMatching::IgnoringCase,
/// );
/// assert_eq!(overlap.old_ids(), [Some(0), Some(1), Some(2), None]);
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Overlap {
    old_ids: Vec<Option<u32>>,
}

impl Overlap {
    /// Looks for each new token, in order, among the old ones. Old tokens with one canonical form
    /// are taken by their lowest id.
    pub fn find<'o, 'n>(
        (old, old_form): (impl IntoIterator<Item = (u32, &'o str)>, TokenForm),
        (new, new_form): (impl IntoIterator<Item = &'n str>, TokenForm),
        matching: TokenMatching,
    ) -> Self {
        let mut exact: HashMap<CanonicalToken, u32> = HashMap::new();
        for (id, token) in old {
            exact
                .entry(CanonicalToken::new(token, old_form))
                .and_modify(|lowest| *lowest = id.min(*lowest))
                .or_insert(id);
        }
        let mut lowercase: HashMap<CanonicalToken, (&CanonicalToken, u32)> = HashMap::new();
        if matching == TokenMatching::IgnoringCase {
            // The largest form wins whatever order the map is walked in.
            for (token, id) in &exact {
                lowercase
                    .entry(token.to_lowercase())
                    .and_modify(|last| *last = (*last).max((token, *id)))
                    .or_insert((token, *id));
            }
        }
        let old_ids = new
            .into_iter()
            .map(|token| CanonicalToken::new(token, new_form))
            .map(|token| {
                let folded = || lowercase.get(&token.to_lowercase()).map(|(_, id)| *id);
                exact.get(&token).copied().or_else(folded)
            })
            .collect();
        Self { old_ids }
    }

    /// No new token is an old one.
    pub fn none(new_tokens: usize) -> Self {
        Self { old_ids: vec![None; new_tokens] }
    }

    /// From pairs of a new token, counted from 0, and an old id, e.g. of special tokens.
    ///
    /// # Errors
    ///
    /// [`InitialisationError::Parameter`] for a token that is not below `new_tokens` or stands in
    /// two pairs.
    pub fn try_from_pairs(
        new_tokens: usize,
        pairs: impl IntoIterator<Item = (usize, u32)>,
    ) -> Result<Self, InitialisationError> {
        let mut old_ids = vec![None; new_tokens];
        for (token, id) in pairs {
            let fault = |expected: String| InitialisationError::Parameter {
                field: "pairs",
                found: format!("({token}, {id})"),
                expected,
            };
            match old_ids.get_mut(token) {
                None => return Err(fault(format!("a new token below {new_tokens}"))),
                Some(Some(other)) => return Err(fault(format!("one old id, after {other}"))),
                Some(free) => *free = Some(id),
            }
        }
        Ok(Self { old_ids })
    }

    /// The old id of each new token.
    pub fn old_ids(&self) -> &[Option<u32>] {
        &self.old_ids
    }

    /// How many new tokens have an old id.
    pub fn shared(&self) -> usize {
        self.old_ids.iter().flatten().count()
    }
}
