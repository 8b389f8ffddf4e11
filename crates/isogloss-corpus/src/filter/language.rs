//! Whether an identifier takes a text for what its tag says.

use serde::{Deserialize, Serialize};

use super::Finding;
use super::variety::Variety;
use crate::LanguageIdentifier;

/// Removes a text that an identifier takes for another language than its tag says.
///
/// It judges only where the identifier covers the language of the tag, in its script. Every other
/// text is kept and reported as not judged, and so is one of which the identifier is less sure than
/// the limit.
///
/// # Source
///
/// Caswell et al. (2020), "Language ID in the Wild", <https://aclanthology.org/2020.coling-main.579>,
/// and for what such a filter does to languages it knows badly, Kreutzer et al. (2022), "Quality at
/// a Glance", <https://aclanthology.org/2022.tacl-1.4>. Measure the identifier first, with an
/// [`IdentificationReport`](crate::IdentificationReport): what it does not recall, this removes.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct LanguageCheck {
    /// How sure the identifier must be, on its own scale from 0 to 1: 0.9 by default, which
    /// `whatlang` calls reliable.
    pub min_confidence: f64,
}

impl Default for LanguageCheck {
    fn default() -> Self {
        Self { min_confidence: 0.9 }
    }
}

impl LanguageCheck {
    /// With how sure the identifier must be, from 0 to 1.
    pub fn new(min_confidence: f64) -> Self {
        Self { min_confidence }
    }

    pub(super) fn finding(
        self,
        text: &str,
        variety: &Variety,
        identifier: &dyn LanguageIdentifier,
    ) -> Finding {
        let guess = if variety.is_covered { identifier.identify(text) } else { None };
        match guess {
            Some(guess) if variety.accepts(&guess.language) => Finding::Fine,
            Some(guess) if guess.confidence >= self.min_confidence => Finding::Fault(format!(
                "taken for {} with confidence {:.2}, expected {}",
                guess.language, guess.confidence, variety.language
            )),
            _ => Finding::Unjudged,
        }
    }
}
