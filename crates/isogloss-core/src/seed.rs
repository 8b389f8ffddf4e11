//! Seeds, and the random numbers that follow from them.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// The origin of every random choice; there is no global generator.
///
/// A seed names a stream of random numbers, and [`derive`](Seed::derive) and [`at`](Seed::at) name
/// further, independent ones: the choice for example 17 of epoch 3 is
/// `seed.derive("mask").at(3).at(17)`, whatever was drawn before it. So work can be resumed,
/// reordered or split among threads and draws the same numbers. The generator is ChaCha with eight
/// rounds, which counts rather than evolves a state, and is the same on every platform.
///
/// # Examples
///
/// ```
/// use isogloss_core::Seed;
/// use rand::RngExt;
///
/// let seed = Seed::new(7).derive("shuffle").at(3);
/// assert_eq!(seed.rng().random::<u64>(), seed.rng().random::<u64>());
/// assert_ne!(seed, Seed::new(7).derive("mask").at(3));
/// ```
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Seed(u64);

impl Seed {
    /// The seed a person chose.
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// The number behind the seed.
    pub const fn value(self) -> u64 {
        self.0
    }

    /// The seed for the purpose that `label` names.
    #[must_use]
    pub fn derive(self, label: &str) -> Self {
        // FNV-1a: the standard library's hasher is free to change between releases.
        let hash = label.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        self.at(hash)
    }

    /// The seed for the `index`-th thing of its kind.
    #[must_use]
    pub const fn at(self, index: u64) -> Self {
        self.series().at(index)
    }

    /// The seeds for things of one kind, where many are asked for.
    pub const fn series(self) -> SeedSeries {
        SeedSeries(mix(self.0))
    }

    /// A generator at the start of this seed's stream.
    pub fn rng(self) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(self.0)
    }
}

/// The seeds for things of one kind: `seed.series().at(index)` is `seed.at(index)`, for less.
#[derive(Clone, Copy, Debug)]
pub struct SeedSeries(u64);

impl SeedSeries {
    /// The seed for the `index`-th thing.
    #[inline]
    pub const fn at(self, index: u64) -> Seed {
        // The finaliser of SplitMix64 (Steele, Lea and Flood, 2014), once over each word.
        Seed(mix(self.0 ^ index.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }
}

#[inline]
const fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}
