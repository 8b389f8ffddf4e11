//! Which tokens a masked language model has to predict, and what stands in their place.

use isogloss_core::Seed;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::{ConfigFault, MaskingConfigError};

/// How tokens are chosen and hidden.
///
/// ```text
/// each token that is not special is chosen with probability `rate`; of the chosen, `mask` become
/// the mask id, `random` any id that is not special, and the rest stay as they are
/// ```
///
/// # Source
///
/// Devlin et al. (2019), "BERT", section 3.1 and appendix C.2, <https://arxiv.org/abs/1810.04805>.
/// Tokens are chosen independently, as the collator of transformers does it; unlike there, the
/// random id is never a special one.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct MaskingConfig {
    /// The share of tokens to predict. Default 0.15.
    pub rate: f64,
    /// The share of the chosen that becomes the mask id. Default 0.8.
    pub mask: f64,
    /// The share of the chosen that becomes a random id. Default 0.1.
    pub random: f64,
}

impl Default for MaskingConfig {
    fn default() -> Self {
        Self { rate: 0.15, mask: 0.8, random: 0.1 }
    }
}

/// The ids that masking has to know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MaskingVocabulary {
    /// How many ids there are.
    pub vocab_size: usize,
    /// The id that hides a token.
    pub mask_id: u32,
    /// The ids that are never chosen and never drawn, in any order: delimiters, padding, unknown.
    /// The mask id is one of them whether it is listed or not.
    pub special_ids: Vec<u32>,
}

impl MaskingConfig {
    /// Sets the share of tokens to predict.
    #[must_use]
    pub const fn with_rate(self, rate: f64) -> Self {
        Self { rate, ..self }
    }

    /// Sets what becomes of the chosen tokens; what is left of 1 stays as it is.
    #[must_use]
    pub const fn with_replacement(self, mask: f64, random: f64) -> Self {
        Self { mask, random, ..self }
    }

    /// Checks the shares and the ids.
    ///
    /// # Errors
    ///
    /// [`MaskingConfigError`], naming each field that is out of its range.
    pub fn try_init(&self, vocabulary: &MaskingVocabulary) -> Result<Masking, MaskingConfigError> {
        let mut faults = Vec::new();
        for (field, found) in [("rate", self.rate), ("mask", self.mask), ("random", self.random)] {
            let holds = (0.0..=1.0).contains(&found);
            ConfigFault::check(&mut faults, holds, field, found, "from 0 to 1");
        }
        let sum = self.mask + self.random;
        ConfigFault::check(&mut faults, sum <= 1.0, "mask + random", sum, "at most 1");
        let mut special_ids = vocabulary.special_ids.clone();
        special_ids.push(vocabulary.mask_id);
        special_ids.sort_unstable();
        special_ids.dedup();
        for &id in &special_ids {
            let field = if id == vocabulary.mask_id { "mask_id" } else { "special_ids" };
            let holds = (id as usize) < vocabulary.vocab_size;
            let expected = format!("less than `vocab_size`, {}", vocabulary.vocab_size);
            ConfigFault::check(&mut faults, holds, field, id, expected);
        }
        let ordinary = vocabulary.vocab_size.saturating_sub(special_ids.len());
        let holds = ordinary > 0;
        let expected = "more than the number of special ids";
        ConfigFault::check(&mut faults, holds, "vocab_size", vocabulary.vocab_size, expected);
        match (u32::try_from(ordinary), faults.is_empty()) {
            (Ok(ordinary), true) => {
                Ok(Masking { config: *self, mask_id: vocabulary.mask_id, special_ids, ordinary })
            }
            _ => Err(MaskingConfigError { faults }),
        }
    }
}

/// Hides tokens, the same ones whenever it is given the same seed.
///
/// Give each example a seed of its own, made of the epoch and the number of the example in its
/// corpus, never of its place in a batch: then a resumed or re-sharded run masks what an unbroken
/// one would.
///
/// # Examples
///
/// ```
/// use isogloss_core::Seed;
/// use isogloss_transformer::{MaskingConfig, MaskingVocabulary};
///
/// let vocabulary = MaskingVocabulary { vocab_size: 50, mask_id: 49, special_ids: vec![0, 1, 2, 3] };
/// let masking = MaskingConfig::default().with_rate(0.5).try_init(&vocabulary)?;
/// let (epoch, example) = (0, 17);
/// let seed = Seed::new(1).derive("mask").at(epoch).at(example);
/// let masked = masking.mask_tokens(&[0, 10, 11, 12, 13, 14, 2], seed);
/// assert!(masked.positions.iter().all(|position| (1..6).contains(position)));
/// # Ok::<(), isogloss_transformer::MaskingConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Masking {
    config: MaskingConfig,
    mask_id: u32,
    // Invariant: ascending, without repetition, below the vocabulary's size, mask id included.
    special_ids: Vec<u32>,
    // How many ids are not special; at least 1.
    ordinary: u32,
}

/// Token ids with some of them hidden.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MaskedExample {
    /// The ids as the model reads them.
    pub input_ids: Vec<u32>,
    /// The places to predict, ascending.
    pub positions: Vec<usize>,
    /// The ids that stood there.
    pub labels: Vec<u32>,
}

impl Masking {
    /// Chooses and hides tokens; in a short sequence it may be none.
    pub fn mask_tokens(&self, ids: &[u32], seed: Seed) -> MaskedExample {
        let mut rng = seed.rng();
        let mut masked =
            MaskedExample { input_ids: ids.to_vec(), positions: Vec::new(), labels: Vec::new() };
        for (position, &id) in ids.iter().enumerate() {
            if self.is_special(id) || rng.random::<f64>() >= self.config.rate {
                continue;
            }
            let kind = rng.random::<f64>();
            if kind < self.config.mask {
                masked.input_ids[position] = self.mask_id;
            } else if kind < self.config.mask + self.config.random {
                masked.input_ids[position] = self.nth_ordinary(rng.random_range(0..self.ordinary));
            }
            masked.positions.push(position);
            masked.labels.push(id);
        }
        masked
    }

    /// Hides each token that is not special in a copy of its own, behind the mask id.
    ///
    /// The sum of the log-probabilities of the labels is the sentence's pseudo-log-likelihood
    /// (Salazar et al. 2020, <https://aclanthology.org/2020.acl-main.240>).
    pub fn mask_each(&self, ids: &[u32]) -> impl Iterator<Item = MaskedExample> {
        ids.iter().enumerate().filter(|&(_, &id)| !self.is_special(id)).map(|(position, &id)| {
            let mut input_ids = ids.to_vec();
            input_ids[position] = self.mask_id;
            MaskedExample { input_ids, positions: vec![position], labels: vec![id] }
        })
    }

    /// Whether an id is never chosen.
    pub fn is_special(&self, id: u32) -> bool {
        self.special_ids.binary_search(&id).is_ok()
    }

    /// The `n`-th id that is not special, counted from 0.
    fn nth_ordinary(&self, n: u32) -> u32 {
        // Each special id at or below the candidate moves it up by one.
        self.special_ids.iter().fold(n, |id, &special| if special <= id { id + 1 } else { id })
    }
}
