//! What is hidden, how often, and the ids that masking has to know.

use serde::{Deserialize, Serialize};

use super::Masking;
use crate::{ConfigFault, MaskingConfigError};

/// How tokens are chosen and hidden.
///
/// ```text
/// a share `rate` of the tokens that are not special is chosen, `unit` by `unit`; of the chosen,
/// `mask` become the mask id, `random` any id that is not special, and the rest stay as they are
/// ```
///
/// # Source
///
/// Devlin et al. (2019), "BERT", section 3.1 and appendix C.2, <https://arxiv.org/abs/1810.04805>.
/// Tokens are chosen independently, as the collator of transformers does it; unlike there, the
/// random id is never a special one. By frequency: Lample and Conneau (2019), "Cross-lingual Language
/// Model Pretraining", section 3.2, <https://arxiv.org/abs/1901.07291>. XLM draws from a whole batch at
/// once; here it is from each sequence, so that what is hidden never depends on the batch.
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
    /// What is hidden as a whole. Default single tokens.
    #[serde(default)]
    pub unit: MaskingUnit,
    /// How much sooner rare tokens are chosen: each with the weight `max(count, 1)^-alpha`. Default 0,
    /// for all alike and each independently; above it, of `n` tokens exactly `⌈rate · n⌉` are chosen.
    /// XLM's paper has 0.5.
    #[serde(default)]
    pub alpha: f64,
}

/// What is hidden as a whole.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum MaskingUnit {
    /// Each token by itself.
    #[default]
    Token,
    /// All tokens of a word: words are chosen with the probability `rate`, so that tokens are, too,
    /// however many a word has. What replaces a token is drawn for each.
    ///
    /// As in the collator of transformers 4.57; BERT's own code goes on until so many tokens are hidden.
    WholeWord,
    /// Spans of 1 to 10 words, of a geometric distribution, 3.8 on average, until `rate` of the tokens
    /// are chosen; the last span is cut there. What replaces tokens is drawn for each span.
    ///
    /// Joshi et al. (2020), "SpanBERT", section 3.1, <https://arxiv.org/abs/1907.10529>; spans begin at
    /// any word alike, and do not overlap.
    Span,
    /// Spans of so many words, otherwise as [`Span`](Self::Span).
    NGram(usize),
}

impl Default for MaskingConfig {
    fn default() -> Self {
        Self { rate: 0.15, mask: 0.8, random: 0.1, unit: MaskingUnit::Token, alpha: 0.0 }
    }
}

/// The ids that masking has to know.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct MaskingVocabulary {
    /// How many ids there are.
    pub vocab_size: usize,
    /// The id that hides a token.
    pub mask_id: u32,
    /// The ids that are never chosen and never drawn, in any order: delimiters, padding, unknown.
    /// The mask id is one of them whether it is listed or not.
    pub special_ids: Vec<u32>,
    /// For each id, whether it continues a word; empty, the default, where no words are asked for.
    /// What follows a special token begins one in any case.
    pub continues: Vec<bool>,
    /// For each id, how often it occurs in the corpus; empty, the default, where frequency is not asked
    /// for.
    pub counts: Vec<u64>,
}

impl MaskingVocabulary {
    /// The ids that hiding single tokens has to know.
    pub const fn new(vocab_size: usize, mask_id: u32, special_ids: Vec<u32>) -> Self {
        Self { vocab_size, mask_id, special_ids, continues: Vec::new(), counts: Vec::new() }
    }

    /// Says of each id whether it continues a word.
    #[must_use]
    pub fn with_continues(self, continues: Vec<bool>) -> Self {
        Self { continues, ..self }
    }

    /// Says of each id how often it occurs.
    #[must_use]
    pub fn with_counts(self, counts: Vec<u64>) -> Self {
        Self { counts, ..self }
    }
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

    /// Sets what is hidden as a whole.
    #[must_use]
    pub const fn with_unit(self, unit: MaskingUnit) -> Self {
        Self { unit, ..self }
    }

    /// Sets how much sooner rare tokens are chosen.
    #[must_use]
    pub const fn with_alpha(self, alpha: f64) -> Self {
        Self { alpha, ..self }
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
        self.check_unit(vocabulary, &mut faults);
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
            (Ok(ordinary), true) => Ok(Masking {
                config: *self,
                mask_id: vocabulary.mask_id,
                special_ids,
                ordinary,
                continues: if self.needs_words() {
                    vocabulary.continues.clone()
                } else {
                    Vec::new()
                },
                weights: self.weights(&vocabulary.counts),
            }),
            _ => Err(MaskingConfigError { faults }),
        }
    }

    fn check_unit(&self, vocabulary: &MaskingVocabulary, faults: &mut Vec<ConfigFault>) {
        let (alpha, is_token) = (self.alpha, self.unit == MaskingUnit::Token);
        let holds = alpha.is_finite() && alpha >= 0.0;
        ConfigFault::check(faults, holds, "alpha", alpha, "a finite number that is at least 0");
        let holds = is_token || alpha <= 0.0;
        ConfigFault::check(faults, holds, "alpha", alpha, "0 unless `unit` is a token");
        let holds = self.unit != MaskingUnit::NGram(0);
        ConfigFault::check(faults, holds, "unit", "n-gram of 0 words", "at least 1 word");
        let expected = vocabulary.vocab_size;
        for (field, needed, found) in [
            ("continues", self.needs_words(), vocabulary.continues.len()),
            ("counts", alpha > 0.0, vocabulary.counts.len()),
        ] {
            let holds = !needed || found == expected;
            let found = format!("{found} entries");
            ConfigFault::check(
                faults,
                holds,
                field,
                &*found,
                format!("one for each of {expected} ids"),
            );
        }
    }

    fn needs_words(&self) -> bool {
        self.unit != MaskingUnit::Token
    }

    /// How readily tokens are chosen that occur so often; nothing where all are chosen alike.
    fn weights(&self, counts: &[u64]) -> Vec<f64> {
        let counts = if self.alpha > 0.0 { counts } else { &[] };
        counts.iter().map(|&count| libm::pow(count.max(1) as f64, -self.alpha)).collect()
    }
}
