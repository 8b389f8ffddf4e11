//! How well a masked language model knows a language.

use crate::Metric;

/// How a hidden token was predicted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaskedToken {
    /// The natural logarithm of the probability of the right token.
    pub log_probability: f64,
    /// Whether the right token was the most probable.
    pub is_first: bool,
}

/// Pseudo-perplexity for each character.
///
/// ```text
/// exp(-Σ log p(token | the rest of its text) / Σ characters)
/// ```
///
/// Over characters, and not over tokens, so that vocabularies and languages can be compared.
///
/// # Source
///
/// Salazar et al. (2020), "Masked Language Model Scoring",
/// <https://aclanthology.org/2020.acl-main.240>.
#[derive(Clone, Copy, Debug, Default)]
pub struct PseudoPerplexity;

impl Metric for PseudoPerplexity {
    /// For each text, the sum of its tokens' log-probabilities and the number of its characters.
    type Item = [f64; 2];

    fn aggregate(&self, items: &mut dyn Iterator<Item = &[f64; 2]>) -> Option<f64> {
        crate::RatioOfSums.aggregate(items).map(|mean| (-mean).exp())
    }
}
