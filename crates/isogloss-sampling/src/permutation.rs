//! Random orders of `0, …, n - 1` that are computed place by place and never stored.

use std::fmt;
use std::ops::Range;

use isogloss_core::{Seed, SeedSeries};
use serde::{Deserialize, Serialize};

/// A permutation of `0, …, n - 1`.
///
/// Four rounds of a Feistel network over the bits that hold `n`, in halves of equal length or one
/// bit apart, walked until the image is below `n` ("cycle walking"). It needs no memory, so that a
/// corpus of any size is shuffled, and any place of the order can be asked for, so that it resumes
/// from a number.
///
/// # Source
///
/// Black and Rogaway (2002), "Ciphers with Arbitrary Finite Domains", sections 3 and 4,
/// <https://doi.org/10.1007/3-540-45760-7_9>; halves of two lengths as in Lucks (1996), "Faster
/// Luby-Rackoff Ciphers", <https://doi.org/10.1007/3-540-60865-6_53>.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Permutation {
    len: u64,
    // Of the high half and the low half.
    masks: [u64; 2],
    low_bits: u32,
    // Two rounds: each turns the high half by the low one, and the low one by the high one.
    keys: [[SeedSeries; 2]; 2],
}

/// In fewer bits there are too few networks for every order to be as likely as another.
const LEAST_BITS: u32 = 6;

impl Permutation {
    pub(crate) fn new(len: u64, seed: Seed) -> Self {
        let bits = (u64::BITS - len.saturating_sub(1).leading_zeros()).max(LEAST_BITS);
        let low_bits = bits.div_ceil(2);
        let masks = [(1 << (bits - low_bits)) - 1, (1 << low_bits) - 1];
        let key = |round| seed.at(round).series();
        Self { len, masks, low_bits, keys: [[key(0), key(1)], [key(2), key(3)]] }
    }

    /// The number at a place; `place` is below `n`.
    #[inline]
    pub(crate) fn at(&self, place: u64) -> u64 {
        // The domain is below 2n (or 64), so this takes two rounds in the mean at most but for n < 32.
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

    #[inline]
    fn encrypt(&self, value: u64) -> u64 {
        let (mut high, mut low) = (value >> self.low_bits, value & self.masks[1]);
        for [of_high, of_low] in &self.keys {
            high ^= of_high.at(low).value() & self.masks[0];
            low ^= of_low.at(high).value() & self.masks[1];
        }
        high << self.low_bits | low
    }

    fn decrypt(&self, value: u64) -> u64 {
        let (mut high, mut low) = (value >> self.low_bits, value & self.masks[1]);
        for [of_high, of_low] in self.keys.iter().rev() {
            low ^= of_low.at(high).value() & self.masks[1];
            high ^= of_high.at(low).value() & self.masks[0];
        }
        high << self.low_bits | low
    }
}

/// A permutation of `0, …, n - 1` that stays near: blocks of neighbours come in random order, and a
/// window of blocks after another is shuffled throughout. Whoever keeps a window in memory reads
/// each block once.
#[derive(Clone, Debug)]
pub(crate) struct BlockPermutation {
    len: u64,
    shuffle: BlockShuffle,
    blocks: Permutation,
    // Where the last block, which may be short, stands in the order of blocks.
    last_at: u64,
    seed: Seed,
    // The window that was asked for last: the next is nearly always it.
    open: Option<Window>,
}

/// Blocks that are shuffled with one another.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    pub(crate) places: Range<u64>,
    pub(crate) texts: Permutation,
    // The first text of each block, the short one last.
    pub(crate) blocks: Vec<u64>,
    // Texts of a block.
    pub(crate) block: u64,
}

impl Window {
    /// The block and the number of a text in it at a place of the window, counted from its start.
    #[inline]
    pub(crate) fn at(&self, place: u64) -> (usize, u64) {
        let text = self.texts.at(place);
        let (slot, text) = if self.block.is_power_of_two() {
            // A division takes as long as all else.
            (text >> self.block.trailing_zeros(), text & (self.block - 1))
        } else {
            (text / self.block, text % self.block)
        };
        #[expect(clippy::cast_possible_truncation, reason = "a place among blocks in memory")]
        let slot = slot as usize;
        (slot, text)
    }
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
    #[inline]
    pub(crate) fn at(&mut self, place: u64) -> u64 {
        let window = match self.open.take() {
            Some(window) if window.places.contains(&place) => window,
            _ => self.window_of(place),
        };
        let (slot, text) = window.at(place - window.places.start);
        let first = window.blocks[slot];
        self.open = Some(window);
        first + text
    }

    /// All windows are of one length but for the one that holds the short block, and the last.
    pub(crate) fn window_of(&self, place: u64) -> Window {
        let BlockShuffle { block, window } = self.shuffle;
        let full = block * window;
        let short_by = self.blocks.len * block - self.len;
        let short_window = self.last_at / window;
        let is_before_short = place < (short_window + 1) * full - short_by;
        let at = if is_before_short { place } else { place + short_by } / full;
        let start = at * full - if at > short_window { short_by } else { 0 };
        let slots = at * window..((at + 1) * window).min(self.blocks.len);
        let texts =
            (slots.end - slots.start) * block - if at == short_window { short_by } else { 0 };
        let is_last = |slot: &u64| *slot == self.last_at;
        let in_order = slots.clone().filter(|slot| !is_last(slot)).chain(slots.filter(is_last));
        Window {
            places: start..start + texts,
            texts: Permutation::new(texts, self.seed.at(at)),
            blocks: in_order.map(|slot| self.blocks.at(slot) * block).collect(),
            block,
        }
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
    fn numbers_are_about_equally_frequent_at_each_place() {
        for (len, place) in [(3, 0), (5, 0), (5, 4), (9, 3), (17, 16), (30, 0)] {
            // 800 times each, give or take 5 standard deviations of 28 or less.
            let mut found = vec![0_u32; len];
            for seed in 0..800 * len as u64 {
                let number = Permutation::new(len as u64, Seed::new(seed)).at(place);
                found[usize::try_from(number).unwrap()] += 1;
            }
            assert!(found.iter().all(|count| count.abs_diff(800) < 140), "{len}: {found:?}");
        }
    }
}
