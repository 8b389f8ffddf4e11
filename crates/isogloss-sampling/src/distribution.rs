//! A probability for each language.

use isogloss_core::LanguageTag;

use crate::{DistributionError, LanguageSizes};

/// How languages are weighted: from sizes to probabilities.
pub trait LanguageWeighting {
    /// The probability of each language, in the order of the sizes.
    ///
    /// # Errors
    ///
    /// [`DistributionError`], where the weighting's own configuration is at fault.
    fn distribution(
        &self,
        sizes: &LanguageSizes,
    ) -> Result<LanguageDistribution, DistributionError>;
}

/// A probability for each language, in the order in which the languages were given.
#[derive(Clone, Debug, PartialEq)]
pub struct LanguageDistribution {
    // Invariant: non-empty, tags unique, probabilities at least 0 with sum 1.
    entries: Vec<(LanguageTag, f64)>,
}

impl LanguageDistribution {
    /// Normalises `exp(log_weight)`, which neither overflows nor loses a small weight to a large.
    pub(crate) fn from_log_weights(languages: impl Iterator<Item = (LanguageTag, f64)>) -> Self {
        let mut entries: Vec<(LanguageTag, f64)> = languages.collect();
        let largest = entries.iter().map(|(_, weight)| *weight).fold(f64::NEG_INFINITY, f64::max);
        let mut total = 0.0;
        for (_, weight) in &mut entries {
            *weight = (*weight - largest).exp();
            total += *weight;
        }
        for (_, weight) in &mut entries {
            *weight /= total;
        }
        Self { entries }
    }

    /// The probability of drawing `language`, or `None` where it is not among the languages.
    pub fn probability(&self, language: &LanguageTag) -> Option<f64> {
        self.iter().find(|(tag, _)| *tag == language).map(|(_, probability)| probability)
    }

    /// The languages with their probabilities, in the order in which they were given.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&LanguageTag, f64)> {
        self.entries.iter().map(|(language, probability)| (language, *probability))
    }
}
