//! Weights that a person wrote down.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use isogloss_core::LanguageTag;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::{DistributionError, LanguageDistribution, LanguageSizes, LanguageWeighting};

/// Draws each language in proportion to a weight that is given for it, whatever its size.
///
/// ```text
/// q_l = w_l / Σ w
/// ```
///
/// In a file it is a table of tags and weights.
///
/// # Source
///
/// Whoever wrote the weights. It is also how a published mixture is drawn again, such as the shares
/// that DoReMi found (Xie et al., 2023, table 1, <https://arxiv.org/abs/2305.10429>).
///
/// # Examples
///
/// ```
/// use isogloss_sampling::{ExplicitWeights, LanguageSizes, LanguageWeighting, SizeUnit};
///
/// let sizes = [("en".parse()?, 900), ("yo".parse()?, 100)];
/// let sizes = LanguageSizes::try_new(SizeUnit::Sentences, sizes)?;
/// let weights = ExplicitWeights::try_new([("en".parse()?, 1.0), ("yo".parse()?, 3.0)])?;
/// let yoruba = weights.distribution(&sizes)?.probability(&"yo".parse()?).unwrap();
/// assert!((yoruba - 0.75).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct ExplicitWeights {
    weights: BTreeMap<LanguageTag, f64>,
}

impl ExplicitWeights {
    /// Takes the weights; they are checked against the languages when they are used.
    ///
    /// # Errors
    ///
    /// [`DistributionError::DuplicateLanguage`], also for two spellings of one language.
    pub fn try_new(
        weights: impl IntoIterator<Item = (LanguageTag, f64)>,
    ) -> Result<Self, DistributionError> {
        let places = weights.into_iter().enumerate();
        let mut sorted: Vec<_> =
            places.map(|(place, (tag, weight))| (tag, place, weight)).collect();
        sorted.sort_by(|(a, ..), (b, ..)| a.cmp(b));
        for pair in sorted.windows(2) {
            let [(language, first, _), (next, second, _)] = pair else { continue };
            if language == next {
                let (language, first, second) = (language.clone(), *first, *second);
                return Err(DistributionError::DuplicateLanguage { language, first, second });
            }
        }
        Ok(Self { weights: sorted.into_iter().map(|(tag, _, weight)| (tag, weight)).collect() })
    }
}

// Derived, it would keep the last weight of a language that is there twice.
impl<'de> Deserialize<'de> for ExplicitWeights {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Table;

        impl<'de> Visitor<'de> for Table {
            type Value = ExplicitWeights;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of language tags and weights")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut weights = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    weights.push(entry);
                }
                ExplicitWeights::try_new(weights).map_err(A::Error::custom)
            }
        }

        deserializer.deserialize_map(Table)
    }
}

impl LanguageWeighting for ExplicitWeights {
    /// # Errors
    ///
    /// [`DistributionError::Weight`] for a language without a weight above 0,
    /// [`DistributionError::NoText`] for a weight without a language, and
    /// [`DistributionError::Underflow`].
    fn distribution(
        &self,
        sizes: &LanguageSizes,
    ) -> Result<LanguageDistribution, DistributionError> {
        let mut weighted = Vec::with_capacity(sizes.len());
        for (language, _) in sizes.iter() {
            let (language, found) = (language.clone(), self.weights.get(language).copied());
            match found {
                Some(weight) if weight.is_finite() && weight > 0.0 => {
                    weighted.push((language, libm::log(weight)));
                }
                _ => return Err(DistributionError::Weight { language, found }),
            }
        }
        if sizes.len() < self.weights.len() {
            let known: BTreeSet<&LanguageTag> = sizes.iter().map(|(tag, _)| tag).collect();
            if let Some(language) = self.weights.keys().find(|tag| !known.contains(tag)) {
                return Err(DistributionError::NoText { language: language.clone() });
            }
        }
        LanguageDistribution::from_log_weights(weighted.into_iter())
    }
}
