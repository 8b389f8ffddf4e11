//! What the filter knows of a variety before it sees a text of it.

use isogloss_core::LanguageTag;
use unicode_script::Script;

use super::script::scripts_of;
use crate::LanguageIdentifier;
use crate::identifier::is_same_variety;

/// A variety, worked out once and asked for each of its texts.
#[derive(Debug)]
pub(super) struct Variety {
    pub(super) language: LanguageTag,
    /// The scripts its letters may be in; none where they are not known.
    pub(super) scripts: Vec<Script>,
    /// Whether the identifier knows it.
    pub(super) is_covered: bool,
    /// What it may be taken for without fault, besides itself.
    alike: Vec<LanguageTag>,
}

impl Variety {
    pub(super) fn new(
        language: &LanguageTag,
        identifier: Option<&dyn LanguageIdentifier>,
        alike: &[Vec<LanguageTag>],
    ) -> Self {
        let has_it =
            |group: &&Vec<LanguageTag>| group.iter().any(|other| is_same_variety(other, language));
        Self {
            language: language.clone(),
            scripts: scripts_of(language),
            is_covered: identifier.is_some_and(|identifier| identifier.covers(language)),
            alike: alike.iter().filter(has_it).flatten().cloned().collect(),
        }
    }

    /// Whether a guess is right, or a mistake that does not matter.
    pub(super) fn accepts(&self, guess: &LanguageTag) -> bool {
        is_same_variety(&self.language, guess)
            || self.alike.iter().any(|other| is_same_variety(other, guess))
    }
}
