//! Random orders of `0, …, n - 1` that are computed place by place and never stored.

use std::fmt;

use isogloss_core::Seed;
use serde::{Deserialize, Serialize};

/// A permutation of `0, …, n - 1`.
///
/// Four rounds of a balanced Feistel network over the smallest even number of bits that holds `n`,
/// walked until the image is below `n` ("cycle walking"). It needs no memory, so that a corpus of
/// any size is shuffled, and any place of the order can be asked for, so that it resumes from a
/// number.
///
/// # Source
///
/// Black and Rogaway (2002), "Ciphers with Arbitrary Finite Domains", sections 3 and 4,
/// <https://doi.org/10.1007/3-540-45760-7_9>.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Permutation {
    len: u64,
    half_bits: u32,
    keys: [u64; ROUNDS],
}

const ROUNDS: usize = 4;

impl Permutation {
    pub(crate) fn new(len: u64, seed: Seed) -> Self {
        let bits = u64::BITS - len.saturating_sub(1).leading_zeros();
        let mut keys = [0; ROUNDS];
        for (round, key) in (0_u64..).zip(&mut keys) {
            *key = seed.at(round).value();
        }
        Self { len, half_bits: bits.div_ceil(2).max(1), keys }
    }

    /// The number at a place; `place` is below `n`.
    pub(crate) fn at(&self, place: u64) -> u64 {
        // The domain is below 4n (or 4 for n = 1), so this takes four rounds in the mean at most.
        let mut value = self.encrypt(place);
        while value >= self.len {
            value = self.encrypt(value);
        }
        value
    }

    /// The place at which a number below `n` stands.
    fn place_of(&self, number: u64) -> u64 {
        let mut value = self.decrypt(number);
        while value >= self.len {
            value = self.decrypt(value);
        }
        value
    }

    fn encrypt(&self, value: u64) -> u64 {
        let mask = (1 << self.half_bits) - 1;
        let (mut left, mut right) = (value >> self.half_bits, value & mask);
        for key in self.keys {
            let mixed = Seed::new(key).at(right).value();
            (left, right) = (right, left ^ (mixed & mask));
        }
        left << self.half_bits | right
    }

    fn decrypt(&self, value: u64) -> u64 {
        let mask = (1 << self.half_bits) - 1;
        let (mut left, mut right) = (value >> self.half_bits, value & mask);
        for key in self.keys.into_iter().rev() {
            let mixed = Seed::new(key).at(left).value();
            (left, right) = (right ^ (mixed & mask), left);
        }
        left << self.half_bits | right
    }
}

/// A permutation of `0, …, n - 1` that stays near: blocks of neighbours come in random order, and a
/// window of blocks after another is shuffled throughout. Whoever keeps a window in memory reads
/// each block once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockPermutation {
    len: u64,
    shuffle: BlockShuffle,
    blocks: Permutation,
    // Where the last block, which may be short, stands in the order of blocks.
    last_at: u64,
    seed: Seed,
    // The window that was asked for last, and the order of its texts: the next is nearly always it.
    open: Option<(u64, Permutation)>,
}

/// How far a shuffle reaches that may not reach everywhere.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BlockShuffle {
    /// Texts of a block, which are read together. At least 1.
    pub block: u64,
    /// Blocks of a window, which are in memory together. At least 1.
    pub window: u64,
}

impl fmt::Display for BlockShuffle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} blocks of {} texts", self.window, self.block)
    }
}

impl BlockPermutation {
    pub(crate) fn new(len: u64, shuffle: BlockShuffle, seed: Seed) -> Self {
        // What reaches beyond all texts reaches all of them; products of the two fit then.
        let block = shuffle.block.min(len).max(1);
        let count = len.div_ceil(block).max(1);
        let shuffle = BlockShuffle { block, window: shuffle.window.min(count) };
        let blocks = Permutation::new(count, seed.derive("blocks"));
        let last_at = blocks.place_of(count - 1);
        Self { len, shuffle, blocks, last_at, seed: seed.derive("window"), open: None }
    }

    /// The number at a place; `place` is below `n`.
    pub(crate) fn at(&mut self, place: u64) -> u64 {
        let BlockShuffle { block, window } = self.shuffle;
        // All windows are of one length but for the one that holds the short block, and the last.
        let full = block * window;
        let short_by = self.blocks.len * block - self.len;
        let short_window = self.last_at / window;
        let before_short = short_window * full;
        let at = if place < before_short + full - short_by {
            place / full
        } else {
            (place + short_by) / full
        };
        let start = at * full - if at > short_window { short_by } else { 0 };
        let first_block = at * window;
        let in_window = (self.blocks.len - first_block).min(window) * block
            - if at == short_window { short_by } else { 0 };
        let texts = match self.open {
            Some((open, texts)) if open == at => texts,
            _ => Permutation::new(in_window, self.seed.at(at)),
        };
        self.open = Some((at, texts));
        let mut text = texts.at(place - start);
        // Within the window the texts are numbered block after block, the short one last.
        let mut slot = first_block + text / block;
        text %= block;
        if at == short_window {
            let last_slot = (first_block + window).min(self.blocks.len) - 1;
            if slot == last_slot {
                slot = self.last_at;
            } else if slot == self.last_at {
                slot = last_slot;
            }
        }
        self.blocks.at(slot) * block + text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_stands_in_one_place() {
        for len in (1..70).chain([127, 128, 129, 1000]) {
            let permutation = Permutation::new(len, Seed::new(len));
            let mut seen: Vec<u64> = (0..len).map(|place| permutation.at(place)).collect();
            seen.sort_unstable();
            assert!(seen.into_iter().eq(0..len), "{len}");
        }
    }

    #[test]
    fn a_block_shuffle_has_every_number_in_one_place_and_stays_in_its_window() {
        for (block, window) in [(1, 1), (1, 7), (4, 1), (4, 3), (8, 100)] {
            for len in 1..150 {
                let shuffle = BlockShuffle { block, window };
                let mut order = BlockPermutation::new(len, shuffle, Seed::new(len));
                let numbers: Vec<u64> = (0..len).map(|place| order.at(place)).collect();
                // A block is gone through before more than a window of others is begun.
                let mut open = std::collections::BTreeMap::<u64, u64>::new();
                for number in &numbers {
                    let left = open
                        .entry(number / block)
                        .or_insert_with(|| block.min(len - number / block * block));
                    *left -= 1;
                    if *left == 0 {
                        open.remove(&(number / block));
                    }
                    assert!(open.len() as u64 <= window, "{block} {window} {len}");
                }
                let mut sorted = numbers;
                sorted.sort_unstable();
                assert!(sorted.into_iter().eq(0..len), "{block} {window} {len}");
            }
        }
    }

    #[test]
    fn orders_of_five_are_about_equally_frequent_at_each_place() {
        // 4,000 seeds: each number is first 800 times, give or take 5 standard deviations of 25.
        let mut first = [0_u32; 5];
        for seed in 0..4_000 {
            let number = Permutation::new(5, Seed::new(seed)).at(0);
            first[usize::try_from(number).unwrap()] += 1;
        }
        assert!(first.iter().all(|count| count.abs_diff(800) < 127), "{first:?}");
    }
}
