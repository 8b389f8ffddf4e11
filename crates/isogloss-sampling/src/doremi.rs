//! Weights that follow the loss while training runs.

use std::collections::BTreeMap;

use isogloss_core::LanguageTag;
use serde::{Deserialize, Serialize};

use crate::distribution::sum;
use crate::{
    DistributionError, ExplicitWeights, LanguageDistribution, LanguageSizes, LanguageWeighting,
    SizeUnit,
};

/// How fast weights follow the loss.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct DoremiConfig {
    /// η, by which an excess loss is multiplied. Default: 1.
    pub step_size: f64,
    /// c, the share that is spread evenly in each step, below 1. Default: 0.001, the paper's; its
    /// code defaults to 0.0001 and is run with the paper's.
    pub smoothing: f64,
}

impl Default for DoremiConfig {
    fn default() -> Self {
        Self { step_size: 1.0, smoothing: 1e-3 }
    }
}

impl DoremiConfig {
    fn check(self) -> Result<(), DistributionError> {
        let fault = |field, found: f64, expected: &str| {
            let (found, expected) = (found.to_string(), expected.to_owned());
            Err(DistributionError::Field { field, found, expected })
        };
        if !(self.step_size.is_finite() && self.step_size > 0.0) {
            return fault("step_size", self.step_size, "a finite number above 0");
        }
        // Without any, a language that fell behind once would never come back.
        if !(self.smoothing > 0.0 && self.smoothing < 1.0) {
            return fault("smoothing", self.smoothing, "a number above 0 and below 1");
        }
        Ok(())
    }
}

/// Weights that rise for the languages which a model could still learn most of.
///
/// With `λ_l` how much worse the model is than a small reference model was,
///
/// ```text
/// λ_l = max(loss_l - reference_l, 0)        a_l ∝ a_l · exp(η λ_l)        a_l ← (1 - c) a_l + c / K
/// ```
///
/// Weights begin even. A language of which a step brings no loss keeps its last `λ`. The method
/// trains a proxy model by the changing weights and the real one by their
/// [`average`](Self::average); to train one model by the changing weights alone is simpler, and is
/// the use of it that is in line with a validation loss for each language.
///
/// The paper clips each token's excess at 0 before the mean; who has a loss for each token does that
/// and gives the mean as `loss` with a reference of 0. The mean of a language's validation loss,
/// which is clipped as a whole here, is the coarser of the two. Model and reference must see the same
/// tokens and the same masks.
///
/// It is stored with the run and goes on from there to the same weights, bit for bit.
///
/// # Source
///
/// Xie et al. (2023), "DoReMi: Optimizing Data Mixtures Speeds Up Language Model Pretraining",
/// <https://arxiv.org/abs/2305.10429>, algorithm 1.
///
/// # Examples
///
/// ```
/// use std::collections::BTreeMap;
/// use isogloss_sampling::{Doremi, DoremiConfig, LanguageSizes, LanguageWeighting, SizeUnit};
///
/// let sizes = [("en".parse()?, 900), ("yo".parse()?, 100)];
/// let sizes = LanguageSizes::try_new(SizeUnit::Tokens, sizes)?;
/// let mut weights = Doremi::try_new(&sizes, DoremiConfig::default())?;
///
/// // Yoruba is 0.5 nats a token behind its reference, English is not.
/// let reference = BTreeMap::from([("en".parse()?, 3.0), ("yo".parse()?, 3.0)]);
/// weights.update(&BTreeMap::from([("en".parse()?, 2.9), ("yo".parse()?, 3.5)]), &reference)?;
/// assert!(weights.distribution(&sizes)?.probability(&"yo".parse()?).unwrap() > 0.6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "Stored")]
pub struct Doremi {
    // Invariant: a valid config, and at least one language, each once, with weights above 0.
    config: DoremiConfig,
    steps: u64,
    languages: Vec<Domain>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct Domain {
    language: LanguageTag,
    #[serde(with = "exactly")]
    weight: f64,
    #[serde(with = "exactly")]
    average: f64,
    #[serde(with = "exactly")]
    excess: f64,
}

/// What a file says, before it is checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    config: DoremiConfig,
    steps: u64,
    languages: Vec<Domain>,
}

impl TryFrom<Stored> for Doremi {
    type Error = DistributionError;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        let Stored { config, steps, languages } = stored;
        config.check()?;
        // Languages are none, or there twice, or one has no weight: as for weights that are given.
        let sizes = languages.iter().map(|domain| (domain.language.clone(), 1));
        let sizes = LanguageSizes::try_new(SizeUnit::Tokens, sizes)?;
        for weight in [|domain: &Domain| domain.weight, |domain: &Domain| domain.average] {
            let weights = languages.iter().map(|domain| (domain.language.clone(), weight(domain)));
            ExplicitWeights::try_new(weights)?.distribution(&sizes)?;
        }
        if let Some(domain) = languages.iter().find(|domain| !domain.excess.is_finite()) {
            let (language, found) = (domain.language.clone(), domain.excess);
            return Err(DistributionError::Loss { language, found });
        }
        Ok(Self { config, steps, languages })
    }
}

/// A number as its shortest decimal in quotes: not every reader of JSON returns the bits that were
/// written, and a run that is resumed is to go on with these.
mod exactly {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
    pub(super) fn serialize<S: Serializer>(number: &f64, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(|_| D::Error::custom(format_args!("`{text}`, expected a number")))
    }
}

impl Doremi {
    /// Even weights for the languages of `sizes`, in their order.
    ///
    /// # Errors
    ///
    /// [`DistributionError::Field`] for a field out of its range.
    pub fn try_new(sizes: &LanguageSizes, config: DoremiConfig) -> Result<Self, DistributionError> {
        config.check()?;
        let weight = 1.0 / sizes.len() as f64;
        let domain = |language: &LanguageTag| {
            let language = language.clone();
            Domain { language, weight, average: weight, excess: 0.0 }
        };
        let languages = sizes.iter().map(|(language, _)| domain(language)).collect();
        Ok(Self { config, steps: 0, languages })
    }

    /// Follows the losses of a step, in nats a token.
    ///
    /// # Errors
    ///
    /// [`DistributionError::Loss`] for a loss that is not finite; [`DistributionError::NoText`] for
    /// one of a language that is not weighted; [`DistributionError::NoReference`] for one without a
    /// reference. The weights are then as they were.
    pub fn update(
        &mut self,
        losses: &BTreeMap<LanguageTag, f64>,
        references: &BTreeMap<LanguageTag, f64>,
    ) -> Result<(), DistributionError> {
        let mut excesses: Vec<f64> = self.languages.iter().map(|domain| domain.excess).collect();
        let mut found = 0;
        for (domain, excess) in self.languages.iter().zip(&mut excesses) {
            let Some(loss) = losses.get(&domain.language) else { continue };
            found += 1;
            let language = || domain.language.clone();
            let Some(reference) = references.get(&domain.language) else {
                return Err(DistributionError::NoReference { language: language() });
            };
            for loss in [*loss, *reference] {
                if !loss.is_finite() {
                    return Err(DistributionError::Loss { language: language(), found: loss });
                }
            }
            *excess = (loss - reference).max(0.0);
        }
        if found < losses.len() {
            let is_weighted =
                |language: &LanguageTag| self.languages.iter().any(|d| d.language == *language);
            if let Some(language) = losses.keys().find(|language| !is_weighted(language)) {
                return Err(DistributionError::NoText { language: language.clone() });
            }
        }
        let DoremiConfig { step_size, smoothing } = self.config;
        let log_weights: Vec<f64> = self
            .languages
            .iter()
            .zip(&excesses)
            .map(|(domain, excess)| libm::log(domain.weight) + step_size * excess)
            .collect();
        let largest = log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = log_weights.iter().map(|log| libm::exp(log - largest)).collect();
        let total = sum(weights.iter().copied());
        self.steps += 1;
        let even = smoothing / self.languages.len() as f64;
        for ((domain, weight), excess) in self.languages.iter_mut().zip(weights).zip(excesses) {
            domain.weight = (1.0 - smoothing) * weight / total + even;
            domain.excess = excess;
            domain.average += (domain.weight - domain.average) / self.steps as f64;
        }
        Ok(())
    }

    /// How many steps have been followed.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The mean of the weights over all steps, by which the method trains the real model.
    ///
    /// # Errors
    ///
    /// [`DistributionError::Underflow`], which smoothing keeps from happening below 10^297 languages.
    pub fn average(&self) -> Result<LanguageDistribution, DistributionError> {
        let average = |domain: &Domain| (domain.language.clone(), libm::log(domain.average));
        LanguageDistribution::from_log_weights(self.languages.iter().map(average))
    }
}

impl LanguageWeighting for Doremi {
    /// The weights as they stand, whatever the sizes.
    ///
    /// # Errors
    ///
    /// [`DistributionError::Weight`] or [`DistributionError::NoText`] where the languages are not
    /// those it was made for.
    fn distribution(
        &self,
        sizes: &LanguageSizes,
    ) -> Result<LanguageDistribution, DistributionError> {
        let weights = self.languages.iter().map(|domain| (domain.language.clone(), domain.weight));
        ExplicitWeights::try_new(weights)?.distribution(sizes)
    }
}
