//! The identifier of the `lingua` crate.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use isogloss_core::LanguageTag;
use lingua::{Language, LanguageDetector, LanguageDetectorBuilder};

use crate::{Guess, IdentifierError, LanguageIdentifier};

/// Up to 75 languages by n-grams of one to five characters: slow, and more often right than others.
///
/// The languages are Swahili, Yoruba and those whose features the program turned on in `lingua`; each
/// is taken to be in its likely script.
///
/// # Source
///
/// <https://github.com/pemistahl/lingua-rs>, under the Apache licence 2.0.
pub struct LinguaIdentifier {
    detector: LanguageDetector,
    languages: BTreeSet<LanguageTag>,
}

impl LinguaIdentifier {
    /// With all languages that were compiled in.
    ///
    /// # Errors
    ///
    /// [`IdentifierError::TooFewLanguages`] where fewer than two were.
    pub fn try_new() -> Result<Self, IdentifierError> {
        let languages: Vec<_> = compiled_in().into_keys().collect();
        Self::try_with_languages(&languages)
    }

    /// With some of the languages that were compiled in: the fewer, the fewer mistakes.
    ///
    /// # Errors
    ///
    /// [`IdentifierError::NotCovered`] for a language that was not compiled in;
    /// [`IdentifierError::TooFewLanguages`] for fewer than two.
    pub fn try_with_languages(languages: &[LanguageTag]) -> Result<Self, IdentifierError> {
        let known = compiled_in();
        let chosen = languages.iter().map(|language| {
            known.get(language).copied().ok_or_else(|| IdentifierError::NotCovered {
                identifier: "lingua",
                language: language.clone(),
            })
        });
        let chosen = chosen.collect::<Result<Vec<_>, _>>()?;
        let languages: BTreeSet<_> = languages.iter().cloned().collect();
        // The builder panics on fewer than two.
        if languages.len() < 2 {
            return Err(IdentifierError::TooFewLanguages { found: languages.len() });
        }
        let detector = LanguageDetectorBuilder::from_languages(&chosen).build();
        Ok(Self { detector, languages })
    }
}

impl LanguageIdentifier for LinguaIdentifier {
    fn name(&self) -> &'static str {
        "lingua"
    }

    fn languages(&self) -> &BTreeSet<LanguageTag> {
        &self.languages
    }

    fn identify(&self, text: &str) -> Option<Guess> {
        let values = self.detector.compute_language_confidence_values(text);
        let (language, confidence) = values.into_iter().next()?;
        // Nothing to go by is a confidence of zero in every language.
        (confidence > 0.0).then_some(Guess::new(tag(language)?, confidence))
    }
}

impl fmt::Debug for LinguaIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinguaIdentifier")
            .field("languages", &self.languages)
            .finish_non_exhaustive()
    }
}

fn compiled_in() -> BTreeMap<LanguageTag, Language> {
    Language::all().into_iter().filter_map(|language| Some((tag(language)?, language))).collect()
}

fn tag(language: Language) -> Option<LanguageTag> {
    language.iso_code_639_3().to_string().parse().ok()
}
