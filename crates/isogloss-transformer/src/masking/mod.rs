//! Which tokens a masked language model has to predict, and what stands in their place.

mod config;
mod spans;

pub use config::{MaskingConfig, MaskingUnit, MaskingVocabulary};

use std::ops::Range;

use isogloss_core::Seed;
use rand::{Rng, RngExt};

use spans::span_length;

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
/// let vocabulary = MaskingVocabulary::new(50, 49, vec![0, 1, 2, 3]);
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
    // For each id, whether it continues a word; empty where each token is a word to itself.
    continues: Vec<bool>,
    // For each id, how readily it is chosen; empty where all are chosen alike.
    weights: Vec<f64>,
}

/// What becomes of a chosen token.
#[derive(Clone, Copy, Debug)]
enum Replacement {
    Mask,
    Random,
    None,
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
        let (mut rng, mut input_ids) = (seed.rng(), ids.to_vec());
        let mut positions = match self.config.unit {
            MaskingUnit::Token if self.config.alpha > 0.0 => {
                self.mask_by_frequency(&mut input_ids, &mut rng)
            }
            MaskingUnit::Token | MaskingUnit::WholeWord => {
                self.mask_words(&mut input_ids, &mut rng)
            }
            MaskingUnit::Span | MaskingUnit::NGram(_) => self.mask_spans(&mut input_ids, &mut rng),
        };
        positions.sort_unstable();
        let labels = positions.iter().map(|&position| ids[position]).collect();
        MaskedExample { input_ids, positions, labels }
    }

    /// Chooses each word with the same probability, and hides its tokens one by one.
    fn mask_words(&self, ids: &mut [u32], rng: &mut impl Rng) -> Vec<usize> {
        let mut positions = Vec::new();
        for word in self.words(ids) {
            if rng.random::<f64>() >= self.config.rate {
                continue;
            }
            for position in word {
                let replacement = self.replacement(rng);
                self.replace(&mut ids[position], replacement, rng);
                positions.push(position);
            }
        }
        positions
    }

    /// Chooses so many tokens, rare ones sooner, and hides them one by one.
    fn mask_by_frequency(&self, ids: &mut [u32], rng: &mut impl Rng) -> Vec<usize> {
        let ordinary = (0..ids.len()).filter(|&position| !self.is_special(ids[position]));
        // The first of clocks that ring at these rates, as Efraimidis and Spirakis (2006) draw them.
        let mut clocks: Vec<(f64, usize)> = ordinary
            .map(|position| {
                let weight = self.weights.get(ids[position] as usize).copied().unwrap_or_default();
                (-libm::log(1.0 - rng.random::<f64>()) / weight, position)
            })
            .collect();
        let count = whole((self.config.rate * clocks.len() as f64).ceil());
        clocks.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let mut positions: Vec<_> =
            clocks.into_iter().take(count).map(|(_, position)| position).collect();
        positions.sort_unstable();
        for &position in &positions {
            let replacement = self.replacement(rng);
            self.replace(&mut ids[position], replacement, rng);
        }
        positions
    }

    /// Chooses spans of words until so many tokens are hidden, and hides the tokens of each alike.
    fn mask_spans(&self, ids: &mut [u32], rng: &mut impl Rng) -> Vec<usize> {
        let words = self.words(ids);
        let tokens: usize = words.iter().map(Range::len).sum();
        // Rounded up as often as the fraction says, so that short sequences keep the rate, too.
        let mut budget = whole((self.config.rate * tokens as f64 + rng.random::<f64>()).floor());
        let (mut is_free, mut positions) = (vec![true; words.len()], Vec::new());
        while budget > 0 {
            let free: Vec<usize> = (0..words.len()).filter(|&word| is_free[word]).collect();
            if free.is_empty() {
                break;
            }
            let first = free[rng.random_range(0..free.len())];
            let length = match self.config.unit {
                MaskingUnit::NGram(length) => length,
                _ => span_length(rng.random()),
            };
            let replacement = self.replacement(rng);
            let mut end = words[first].start;
            for (word, is_free) in words.iter().zip(&mut is_free).skip(first).take(length) {
                // A span ends before a special token and before another span.
                if word.start != end || !*is_free || budget == 0 {
                    break;
                }
                (*is_free, end) = (false, word.end);
                for position in word.clone().take(budget) {
                    self.replace(&mut ids[position], replacement, rng);
                    positions.push(position);
                }
                budget -= budget.min(word.len());
            }
        }
        positions
    }

    /// Where the words are: special tokens belong to none, and end one.
    fn words(&self, ids: &[u32]) -> Vec<Range<usize>> {
        let mut words: Vec<Range<usize>> = Vec::new();
        for (position, &id) in ids.iter().enumerate().filter(|&(_, &id)| !self.is_special(id)) {
            let continues = self.continues.get(id as usize).copied().unwrap_or_default();
            match words.last_mut() {
                Some(word) if continues && word.end == position => word.end += 1,
                _ => words.push(position..position + 1),
            }
        }
        words
    }

    fn replacement(&self, rng: &mut impl Rng) -> Replacement {
        let kind = rng.random::<f64>();
        if kind < self.config.mask {
            Replacement::Mask
        } else if kind < self.config.mask + self.config.random {
            Replacement::Random
        } else {
            Replacement::None
        }
    }

    fn replace(&self, id: &mut u32, replacement: Replacement, rng: &mut impl Rng) {
        match replacement {
            Replacement::Mask => *id = self.mask_id,
            Replacement::Random => *id = self.nth_ordinary(rng.random_range(0..self.ordinary)),
            Replacement::None => {}
        }
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

/// A whole number that is at least 0, as a count.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "tokens are counted")]
fn whole(number: f64) -> usize {
    number as usize
}
