//! Weights that a person wrote down.

use std::collections::{BTreeMap, BTreeSet};

use isogloss_core::LanguageTag;
use serde::{Deserialize, Serialize};

use crate::{DistributionError, LanguageDistribution, LanguageSizes, LanguageWeighting};

/// Draws each language in proportion to a weight that is given for it, whatever its size.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(transparent)]
pub struct ExplicitWeights {
    weights: BTreeMap<LanguageTag, f64>,
}

impl ExplicitWeights {
    /// Takes the weights; they are checked against the languages when they are used.
    pub fn new(weights: impl IntoIterator<Item = (LanguageTag, f64)>) -> Self {
        Self { weights: weights.into_iter().collect() }
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
        for (language, _) in sizes.iter() {
            let weight = self.weights.get(language).copied();
            if !weight.is_some_and(|weight| weight.is_finite() && weight > 0.0) {
                let language = language.clone();
                return Err(DistributionError::Weight { language, found: weight });
            }
        }
        if sizes.len() < self.weights.len() {
            let known: BTreeSet<&LanguageTag> = sizes.iter().map(|(tag, _)| tag).collect();
            if let Some(language) = self.weights.keys().find(|tag| !known.contains(tag)) {
                return Err(DistributionError::NoText { language: language.clone() });
            }
        }
        let weighted = sizes.iter().map(|(language, _)| {
            let weight = self.weights.get(language).copied().unwrap_or_default();
            (language.clone(), libm::log(weight))
        });
        LanguageDistribution::from_log_weights(weighted)
    }
}
