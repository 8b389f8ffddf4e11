//! A random order of `0, …, n - 1` that is computed place by place and never stored.

use isogloss_core::Seed;

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

    fn encrypt(&self, value: u64) -> u64 {
        let mask = (1 << self.half_bits) - 1;
        let (mut left, mut right) = (value >> self.half_bits, value & mask);
        for key in self.keys {
            let mixed = Seed::new(key).at(right).value();
            (left, right) = (right, left ^ (mixed & mask));
        }
        left << self.half_bits | right
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
