//! The draws that NumPy's `default_rng` makes, so that a resample here is the resample there.
//!
//! PCG64 seeded by a `SeedSequence`, integers below a bound by Lemire's rejection on halves of its output, bits
//! from one half after the other.

use rand::Rng as _;
use rand_pcg::Pcg64;

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

    /// Fills a row with `integers(0, bound)`: what `choice(bound, size, replace=True)` draws.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the halves of a product of two of 32 bits"
    )]
    pub(crate) fn fill_below(&mut self, bound: u32, row: &mut [u32]) {
        if bound <= 1 {
            row.fill(0);
            return;
        }
        let threshold = bound.wrapping_neg() % bound;
        for drawn in row {
            *drawn = loop {
                let product = u64::from(self.next_half()) * u64::from(bound);
                if product as u32 >= threshold {
                    break (product >> 32) as u32;
                }
            };
        }
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

    use super::{NumpyBits, NumpyRng};

    /// What NumPy 2.4.6 draws from `default_rng(12345)`.
    #[test]
    fn draws_are_those_of_numpy() {
        let mut rng = NumpyRng::new(12345);
        let outputs = [(); 3].map(|()| rng.generator.next_u64());
        assert_eq!(outputs, [0x3a32_b18d_b2ff_c19d, 0x5117_1315_c9e4_c4de, 0xcc20_2482_3444_efd9]);

        let mut row = [0; 12];
        NumpyRng::new(12345).fill_below(3, &mut row);
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

    #[test]
    fn one_item_draws_nothing() {
        let mut rng = NumpyRng::new(7);
        rng.fill_below(1, &mut [9; 5]);
        let mut after = [0; 3];
        rng.fill_below(1_000, &mut after);
        let mut fresh = [0; 3];
        NumpyRng::new(7).fill_below(1_000, &mut fresh);
        assert_eq!(after, fresh);
    }
}
