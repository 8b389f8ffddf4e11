//! Who says which language a text is in.

use std::collections::BTreeSet;
use std::fmt;

use isogloss_core::LanguageTag;

/// Tells the language of a text.
///
/// An identifier knows some languages and takes every text for one of them. What it says of a
/// language that it does not know is worth nothing, so that [`covers`](Self::covers) is asked
/// first: the filter leaves a text alone whose language is not covered, and says so.
///
/// # Source
///
/// What goes wrong where that is forgotten: Caswell, Breiner, van Esch and Bapna (2020), "Language
/// ID in the Wild: Unexpected Challenges on the Path to a Thousand-Language Web Text Corpus",
/// <https://aclanthology.org/2020.coling-main.579>.
pub trait LanguageIdentifier: fmt::Debug + Send + Sync {
    /// What a report calls it.
    fn name(&self) -> &str;

    /// The languages it can answer with, each in the script it knows it in.
    fn languages(&self) -> &BTreeSet<LanguageTag>;

    /// The most likely language; `None` where there is nothing to go by.
    fn identify(&self, text: &str) -> Option<Guess>;

    /// Whether it knows a language in the script of the tag; regions make no difference.
    fn covers(&self, language: &LanguageTag) -> bool {
        self.languages().contains(language)
            || self.languages().iter().any(|known| is_same_variety(known, language))
    }
}

/// What an identifier takes a text for.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Guess {
    /// The language.
    pub language: LanguageTag,
    /// How sure the identifier is, from 0 to 1. It is a probability for some and a scale of their
    /// own for others: a limit that suits one suits no other.
    pub confidence: f64,
}

impl Guess {
    /// A language, and how sure the identifier is of it.
    pub fn new(language: LanguageTag, confidence: f64) -> Self {
        Self { language, confidence }
    }
}

/// Whether two tags have the same language and script. Regions make no difference, nor whether
/// Chinese characters are simplified, which identifiers do not tell.
pub(crate) fn is_same_variety(a: &LanguageTag, b: &LanguageTag) -> bool {
    let script = |tag: &LanguageTag| match tag.script() {
        Some("Hans" | "Hant") => Some("Hani".to_owned()),
        other => other.map(str::to_owned),
    };
    a.language() == b.language() && script(a) == script(b)
}
