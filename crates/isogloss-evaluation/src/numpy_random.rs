//! The draws that NumPy's `default_rng` makes, so that a resample here is the resample there.
//!
//! PCG64 seeded by a `SeedSequence`, integers below a bound by Lemire's rejection on halves of its output, bits
//! from one half after the other.

use rand::Rng as _;
use rand_pcg::Pcg64;
use rayon::prelude::*;

/// `numpy.random.default_rng(seed)`.
#[derive(Clone, Debug)]
pub(crate) struct NumpyRng {
    generator: Pcg64,
    /// The high half of an output of which the low one was drawn.
    high: Option<u32>,
}

impl NumpyRng {
    /// The generator of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        let [a, b, c, d] = seed_words(seed).map(u128::from);
        Self { generator: Pcg64::new(a << 64 | b, c << 64 | d), high: None }
    }

    #[expect(clippy::cast_possible_truncation, reason = "halves of the output are what is drawn")]
    fn next_half(&mut self) -> u32 {
        if let Some(high) = self.high.take() {
            return high;
        }
        let output = self.generator.next_u64();
        self.high = Some((output >> 32) as u32);
        output as u32
    }
}

/// `integers(0, bound)` of one generator, one after the other: what `choice(bound, size, replace=True)` draws.
///
/// Each half of an output is a draw or is rejected, whatever came before it, so threads draw from parts of the
/// generator's outputs and their draws are put one after the other.
#[derive(Clone, Debug)]
pub(crate) struct NumpyDraws {
    rng: NumpyRng,
    bound: u32,
    /// What was drawn and not taken.
    left: Vec<u32>,
}

/// Outputs that are worth a thread.
const OUTPUTS: usize = 1 << 14;

impl NumpyDraws {
    /// The draws of a seed, below a bound.
    pub(crate) fn new(seed: u64, bound: u32) -> Self {
        Self { rng: NumpyRng::new(seed), bound, left: Vec::new() }
    }

    /// Puts the next draws, so many, in the place of what is in `row`.
    pub(crate) fn fill(&mut self, row: &mut Vec<u32>, count: usize) {
        row.clear();
        if self.bound <= 1 {
            row.resize(count, 0);
            return;
        }
        row.append(&mut self.left);
        while row.len() < count {
            let outputs = (count - row.len()).div_ceil(2);
            let share = outputs.div_ceil(rayon::current_num_threads()).max(OUTPUTS);
            let starts: Vec<usize> = (0..outputs).step_by(share).collect();
            let draw = |start: usize| self.drawn(start, share.min(outputs - start));
            let parts: Vec<Vec<u32>> = starts.into_par_iter().map(draw).collect();
            self.rng.generator.advance(outputs as u128);
            for part in parts {
                row.extend(part);
            }
        }
        self.left = row.split_off(count);
    }

    /// The draws among so many outputs.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "halves of an output, and of a product of two of 32 bits"
    )]
    fn drawn(&self, start: usize, outputs: usize) -> Vec<u32> {
        let mut generator = self.rng.generator.clone();
        generator.advance(start as u128);
        let threshold = self.bound.wrapping_neg() % self.bound;
        let mut drawn = Vec::with_capacity(2 * outputs);
        for _ in 0..outputs {
            let output = generator.next_u64();
            for half in [output as u32, (output >> 32) as u32] {
                let product = u64::from(half) * u64::from(self.bound);
                if product as u32 >= threshold {
                    drawn.push((product >> 32) as u32);
                }
            }
        }
        drawn
    }
}

/// Bits of one generator, one after the other, as `integers(2, dtype=bool)` draws them.
#[derive(Clone, Debug)]
pub(crate) struct NumpyBits {
    rng: NumpyRng,
    word: u32,
    left: u32,
}

impl NumpyBits {
    /// The bits of a seed from one place on.
    pub(crate) fn new(seed: u64, place: u64) -> Self {
        let mut rng = NumpyRng::new(seed);
        // An output has 64 of them.
        rng.generator.advance(u128::from(place / 64));
        let mut bits = Self { rng, word: 0, left: 0 };
        for _ in 0..place % 64 {
            bits.next_bits(1);
        }
        bits
    }

    /// The next `count` bits, at most 8, the first in the lowest place.
    pub(crate) fn next_bits(&mut self, count: u32) -> u8 {
        if self.left >= count {
            return self.take(count);
        }
        let low = self.left;
        let first = self.take(low);
        (self.word, self.left) = (self.rng.next_half(), u32::BITS);
        first | self.take(count - low) << low
    }

    #[expect(clippy::cast_possible_truncation, reason = "at most 8 bits are kept")]
    fn take(&mut self, count: u32) -> u8 {
        let bits = self.word & ((1 << count) - 1);
        self.word >>= count;
        self.left -= count;
        bits as u8
    }
}

/// `SeedSequence(seed).generate_state(4, uint64)`.
fn seed_words(seed: u64) -> [u64; 4] {
    const POOL: usize = 4;
    let mut constant = 0x43b0_d7e5_u32;
    let mut hash = |value: u32| {
        let mixed = value ^ constant;
        constant = constant.wrapping_mul(0x931e_8875);
        let mixed = mixed.wrapping_mul(constant);
        mixed ^ mixed >> 16
    };
    let mix = |x: u32, y: u32| {
        let mixed = x.wrapping_mul(0xca01_f9dd).wrapping_sub(y.wrapping_mul(0x4973_f715));
        mixed ^ mixed >> 16
    };
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of the seed")]
    let mut pool = [seed as u32, (seed >> 32) as u32, 0, 0].map(&mut hash);
    for source in 0..POOL {
        for target in (0..POOL).filter(|target| *target != source) {
            pool[target] = mix(pool[target], hash(pool[source]));
        }
    }
    let mut constant = 0x8b51_f9dd_u32;
    let mut next = |place: usize| {
        let mixed = pool[place % POOL] ^ constant;
        constant = constant.wrapping_mul(0x58f3_8ded);
        let mixed = mixed.wrapping_mul(constant);
        u64::from(mixed ^ mixed >> 16)
    };
    std::array::from_fn(|word| next(2 * word) | next(2 * word + 1) << 32)
}

#[cfg(test)]
mod tests {
    use rand::Rng as _;

    use super::{NumpyBits, NumpyDraws, NumpyRng};

    /// What NumPy 2.4.6 draws from `default_rng(12345)`.
    #[test]
    fn draws_are_those_of_numpy() {
        let mut rng = NumpyRng::new(12345);
        let outputs = [(); 3].map(|()| rng.generator.next_u64());
        assert_eq!(outputs, [0x3a32_b18d_b2ff_c19d, 0x5117_1315_c9e4_c4de, 0xcc20_2482_3444_efd9]);

        let mut row = Vec::new();
        NumpyDraws::new(12345, 3).fill(&mut row, 12);
        assert_eq!(row, [2, 0, 2, 0, 0, 2, 1, 2, 2, 1, 2, 0]);

        let mut bits = NumpyBits::new(12345, 0);
        let bits: Vec<u8> = (0..21).map(|_| bits.next_bits(1)).collect();
        assert_eq!(bits, [1, 0, 1, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1]);
    }

    #[test]
    fn bits_are_the_same_however_they_are_taken() {
        let mut one_by_one = NumpyBits::new(9, 0);
        let all: Vec<u8> = (0..400).map(|_| one_by_one.next_bits(1)).collect();
        for (start, count) in [(0, 8), (3, 5), (31, 7), (63, 1), (64, 8), (130, 8)] {
            let mut bits = NumpyBits::new(9, start);
            for run in all[usize::try_from(start).unwrap()..].chunks_exact(count as usize).take(20)
            {
                let expected = (0..).zip(run).fold(0, |bits, (place, bit)| bits | bit << place);
                assert_eq!(bits.next_bits(count), expected, "{count} from {start}");
            }
        }
    }

    /// One half after the other, as NumPy goes.
    fn one_by_one(seed: u64, bound: u32, count: usize) -> Vec<u32> {
        let mut rng = NumpyRng::new(seed);
        let threshold = bound.wrapping_neg() % bound;
        let halves = std::iter::repeat_with(|| u64::from(rng.next_half()) * u64::from(bound));
        let kept = halves.filter(|product| product % (1 << 32) >= u64::from(threshold));
        kept.map(|product| u32::try_from(product >> 32).unwrap()).take(count).collect()
    }

    #[test]
    fn draws_are_the_same_however_many_threads_and_rows() {
        // A third of all halves is rejected for the first bound.
        for bound in [(1 << 31) + (1 << 29), 100_000, 3] {
            let expected = one_by_one(5, bound, 300_000);
            for threads in [1, 2, 3] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let mut draws = NumpyDraws::new(5, bound);
                let (mut row, mut found) = (Vec::new(), Vec::new());
                for count in [1, 7, 0, 99_992, 150_001, 49_999] {
                    pool.install(|| draws.fill(&mut row, count));
                    assert_eq!(row.len(), count);
                    found.extend_from_slice(&row);
                }
                assert!(found == expected, "{bound}, {threads} threads");
            }
        }
    }

    #[test]
    fn one_item_draws_nothing() {
        let mut draws = NumpyDraws::new(7, 1);
        let mut row = vec![9; 2];
        draws.fill(&mut row, 5);
        assert_eq!(row, [0; 5]);
        assert_eq!(draws.rng.generator, NumpyRng::new(7).generator);
    }
}
