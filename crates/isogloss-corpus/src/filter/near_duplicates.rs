//! Texts that say nearly what an earlier one said.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use isogloss_core::{LanguageTag, Seed};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::Finding;
use super::faults::Faults;
use crate::words::{folded, words};

/// Removes a text that resembles an earlier one of its variety, by MinHash.
///
/// ```text
/// J(A, B) = |A ∩ B| / |A ∪ B|            resemblance of the sets of shingles of two texts
/// Ĵ(A, B) = equal minima / hashes        its estimate, with standard error √(J (1 − J) / hashes)
/// P(J)    = 1 − (1 − Jʳ)ᵇ                the chance that the two are compared at all
/// ```
///
/// Each of `b` bands × `r` rows hash functions keeps the smallest hash of a text's shingles. Texts
/// that agree in all rows of a band are compared, and the later one goes where the estimate reaches
/// the threshold. Text is compared in lower case with single spaces, and nothing else is folded.
/// What stays is the first of those that resemble one another, so that the order of the texts
/// decides which. A text that is shorter than a shingle is one shingle; an empty one is not judged.
/// An index takes four bytes for each hash of each text that stays, and as much again for bands.
///
/// # Source
///
/// Broder (1997), "On the resemblance and containment of documents",
/// <https://doi.org/10.1109/SEQUEN.1997.666900>. For web text: Lee et al. (2022), "Deduplicating
/// Training Data Makes Language Models Better", <https://aclanthology.org/2022.acl-long.577>, from
/// whom the threshold is; they have 5-grams of words. The 14 bands of 8 rows are those of Penedo et
/// al. (2024), "The FineWeb Datasets", <https://arxiv.org/abs/2406.17557>. Shingles of five
/// characters are what Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", section 3.2.2,
/// advise for texts as short as e-mails, and need no spaces.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct NearDuplicateCheck {
    /// The resemblance from which a text is a duplicate, from 0 to 1: 0.8 by default.
    pub threshold: f64,
    /// Bands: 14 by default.
    pub bands: usize,
    /// Hashes of a band: 8 by default.
    pub rows: usize,
    /// What a text is a set of: runs of five characters by default.
    pub shingle: Shingle,
    /// Chooses the hash functions.
    pub seed: Seed,
}

/// What a text is a set of.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Shingle {
    /// Runs of characters.
    Characters {
        /// The characters of a run.
        size: usize,
    },
    /// Runs of words, or in a script without spaces of characters.
    Words {
        /// The words of a run.
        size: usize,
    },
}

/// The smallest hashes of the shingles of a text, by which its resemblance to another is estimated.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MinHashSignature {
    // Invariant: as many as the check has hashes. The upper halves of the minima: two that differ
    // agree in them once in 2^32.
    minima: Vec<u32>,
}

impl Default for NearDuplicateCheck {
    fn default() -> Self {
        let shingle = Shingle::Characters { size: 5 };
        Self { threshold: 0.8, bands: 14, rows: 8, shingle, seed: Seed::new(0) }
    }
}

impl NearDuplicateCheck {
    /// Sets the resemblance from which a text is a duplicate, from 0 to 1.
    #[must_use]
    pub fn with_threshold(mut self, threshold: f64) -> Self {
        self.threshold = threshold;
        self
    }

    /// Sets the bands and the hashes of each.
    #[must_use]
    pub fn with_bands(mut self, bands: usize, rows: usize) -> Self {
        (self.bands, self.rows) = (bands, rows);
        self
    }

    /// Sets what a text is a set of.
    #[must_use]
    pub fn with_shingle(mut self, shingle: Shingle) -> Self {
        self.shingle = shingle;
        self
    }

    /// Sets the seed that chooses the hash functions.
    #[must_use]
    pub fn with_seed(mut self, seed: Seed) -> Self {
        self.seed = seed;
        self
    }

    pub(super) fn check_fields(&self, faults: &mut Faults) {
        let (Shingle::Characters { size } | Shingle::Words { size }) = self.shingle;
        faults.share("near_duplicates.threshold", Some(self.threshold));
        faults.at_least_one("near_duplicates.bands", self.bands);
        faults.at_least_one("near_duplicates.rows", self.rows);
        faults.at_least_one("near_duplicates.shingle.size", size);
    }

    /// The chance that two texts of a resemblance are compared: 1 − (1 − Jʳ)ᵇ.
    pub fn detection_probability(&self, jaccard: f64) -> f64 {
        let band = libm::pow(jaccard, self.rows as f64);
        1.0 - libm::pow(1.0 - band, self.bands as f64)
    }

    /// The signature of a text; `None` for one of white space alone.
    pub fn signature(&self, text: &str, language: &LanguageTag) -> Option<MinHashSignature> {
        let shingles = self.shingles(&folded(text), language);
        if shingles.is_empty() {
            return None;
        }
        let seed = self.seed.derive("minhash");
        let minimum = |hash: usize| {
            let seed = seed.at(hash as u64);
            let least = shingles.iter().map(|shingle| seed.at(*shingle).value()).min();
            least.map_or(0, |least| (least >> 32) as u32)
        };
        Some(MinHashSignature { minima: (0..self.bands * self.rows).map(minimum).collect() })
    }

    /// The hashes of the shingles of a text that is folded already.
    fn shingles(&self, text: &str, language: &LanguageTag) -> BTreeSet<u64> {
        let (units, size, separator) = match self.shingle {
            Shingle::Characters { size } => (text.split("").collect(), size, ""),
            Shingle::Words { size } => (words(text, language), size, " "),
        };
        let units: Vec<&str> = units.into_iter().filter(|unit| !unit.is_empty()).collect();
        if units.is_empty() {
            return BTreeSet::new();
        }
        let runs = units.windows(size.min(units.len()));
        runs.map(|run| xxh3_64(run.join(separator).as_bytes())).collect()
    }
}

impl MinHashSignature {
    /// The estimate of the resemblance of two texts, from signatures of one check.
    pub fn jaccard(&self, other: &Self) -> f64 {
        let equal = self.minima.iter().zip(&other.minima).filter(|(a, b)| a == b).count();
        equal as f64 / self.minima.len().max(1) as f64
    }
}

/// The signatures of the texts of each variety that stayed, to be found by their bands.
#[derive(Debug, Default)]
pub(super) struct NearDuplicateIndex {
    varieties: BTreeMap<LanguageTag, VarietyIndex>,
}

#[derive(Debug, Default)]
struct VarietyIndex {
    signatures: Vec<MinHashSignature>,
    // By band and the hash of its rows. Looked up alone, never iterated: its order cannot show.
    bands: HashMap<(usize, u64), Vec<usize>>,
}

impl NearDuplicateIndex {
    /// Whether a text resembles one that stayed. The signature is that of the text, for when it
    /// stays too.
    pub(super) fn finding(
        &self,
        check: &NearDuplicateCheck,
        text: &str,
        language: &LanguageTag,
    ) -> (Finding, Option<MinHashSignature>) {
        let Some(signature) = check.signature(text, language) else {
            return (Finding::Unjudged, None);
        };
        let Some(index) = self.varieties.get(language) else {
            return (Finding::Fine, Some(signature));
        };
        let places = band_keys(check, &signature).filter_map(|key| index.bands.get(&key));
        let candidates: BTreeSet<usize> = places.flatten().copied().collect();
        let alike = candidates.into_iter().find_map(|place| {
            let jaccard = signature.jaccard(&index.signatures[place]);
            (jaccard >= check.threshold).then_some((place, jaccard))
        });
        let finding = alike.map_or(Finding::Fine, |(place, jaccard)| {
            Finding::Fault(format!(
                "resembles the kept text {} by {jaccard:.2}, expected below {}",
                place + 1,
                check.threshold
            ))
        });
        (finding, Some(signature))
    }

    /// Remembers a text that stays.
    pub(super) fn insert(
        &mut self,
        check: &NearDuplicateCheck,
        signature: MinHashSignature,
        language: &LanguageTag,
    ) {
        let index = self.varieties.entry(language.clone()).or_default();
        for key in band_keys(check, &signature) {
            index.bands.entry(key).or_default().push(index.signatures.len());
        }
        index.signatures.push(signature);
    }
}

fn band_keys(
    check: &NearDuplicateCheck,
    signature: &MinHashSignature,
) -> impl Iterator<Item = (usize, u64)> {
    signature.minima.chunks(check.rows).enumerate().map(|(band, rows)| {
        let bytes: Vec<u8> = rows.iter().flat_map(|minimum| minimum.to_le_bytes()).collect();
        (band, xxh3_64(&bytes))
    })
}
