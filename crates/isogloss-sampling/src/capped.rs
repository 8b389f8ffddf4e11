//! Mixing in proportion to the number of examples, up to a cap.

use serde::{Deserialize, Serialize};

use crate::{DistributionError, LanguageDistribution, LanguageSizes, LanguageWeighting};

/// Draws a language in proportion to its size, as if no size were above a cap; then smooths.
///
/// ```text
/// r_l = min(n_l · scale, maximum)        q_l = r_l^(1/T) / Σ r^(1/T)
/// ```
///
/// The cap is applied before the temperature; the other order gives other numbers.
///
/// # Source
///
/// Raffel et al. (2020), "Exploring the Limits of Transfer Learning with a Unified Text-to-Text
/// Transformer", section 3.5.2, <https://arxiv.org/abs/1910.10683>, in the order of
/// `mixing_rate_num_examples` of seqio. FLAN (Wei et al., 2022, <https://arxiv.org/abs/2109.01652>)
/// mixes with a cap of 3,000 examples. seqio takes a cap of 0 for none; here it is an error.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct CappedConfig {
    /// The cap, in the unit of the sizes. Default: none.
    pub maximum: Option<u64>,
    /// What sizes are multiplied by before the cap. Default: 1.
    pub scale: f64,
    /// The temperature, at least 1. Default: 1.
    pub temperature: f64,
}

impl CappedConfig {
    /// In proportion to size, up to a cap.
    pub fn new(maximum: u64) -> Self {
        Self { maximum: Some(maximum), ..Self::default() }
    }

    /// Sets what sizes are multiplied by before the cap.
    #[must_use]
    pub fn with_scale(mut self, scale: f64) -> Self {
        self.scale = scale;
        self
    }

    /// Sets the temperature.
    #[must_use]
    pub fn with_temperature(mut self, temperature: f64) -> Self {
        self.temperature = temperature;
        self
    }
}

impl Default for CappedConfig {
    fn default() -> Self {
        Self { maximum: None, scale: 1.0, temperature: 1.0 }
    }
}

impl LanguageWeighting for CappedConfig {
    /// # Errors
    ///
    /// [`DistributionError::Field`] for a field out of its range.
    fn distribution(
        &self,
        sizes: &LanguageSizes,
    ) -> Result<LanguageDistribution, DistributionError> {
        let fault = |field, found: String, expected: &str| {
            Err(DistributionError::Field { field, found, expected: expected.to_owned() })
        };
        if self.maximum == Some(0) {
            return fault("maximum", "0".to_owned(), "at least 1, or none");
        }
        if !(self.scale.is_finite() && self.scale > 0.0) {
            return fault("scale", self.scale.to_string(), "a finite number above 0");
        }
        if !(self.temperature.is_finite() && self.temperature >= 1.0) {
            return fault("temperature", self.temperature.to_string(), "a finite number from 1");
        }
        // In logarithms, since the product of a size and a scale may be beyond all numbers.
        let log_cap = self.maximum.map_or(f64::INFINITY, |maximum| libm::log(maximum as f64));
        let log_scale = libm::log(self.scale);
        let log_weight =
            |size: u64| (libm::log(size as f64) + log_scale).min(log_cap) / self.temperature;
        let weighted = sizes.iter().map(|(language, size)| (language.clone(), log_weight(size)));
        LanguageDistribution::from_log_weights(weighted)
    }
}
