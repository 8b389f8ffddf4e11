//! A probability for each language.

use isogloss_core::LanguageTag;

use crate::{DistributionError, LanguageSizes, StreamError};

/// How languages are weighted: from sizes to probabilities.
///
/// What a size counts is stated by the sizes ([`SizeUnit`](crate::SizeUnit)), and a weighting acts on
/// it: the same `alpha` over bytes favours scripts of three bytes a character over those of one. The
/// probabilities are shares of what is counted. A stream draws texts, whatever their length; where
/// sizes count something else, [`SamplingPlan::in_unit`](crate::SamplingPlan::in_unit) says how often
/// to draw a text so that the shares hold.
pub trait LanguageWeighting {
    /// The probability of each language, in the order of the sizes.
    ///
    /// # Errors
    ///
    /// [`DistributionError`], where the weighting's own configuration is at fault.
    fn distribution(
        &self,
        sizes: &LanguageSizes,
    ) -> Result<LanguageDistribution, DistributionError>;
}

impl<W: LanguageWeighting + ?Sized> LanguageWeighting for Box<W> {
    fn distribution(
        &self,
        sizes: &LanguageSizes,
    ) -> Result<LanguageDistribution, DistributionError> {
        (**self).distribution(sizes)
    }
}

/// A probability for each language, in the order in which the languages were given.
#[derive(Clone, Debug, PartialEq)]
pub struct LanguageDistribution {
    // Invariant: non-empty, tags unique, probabilities above 0 with sum 1.
    entries: Vec<(LanguageTag, f64)>,
}

/// `e^-690.8`: further down, a probability would lose its digits and then vanish.
const LOWEST_LOG_RATIO: f64 = -300.0 * std::f64::consts::LN_10;

impl LanguageDistribution {
    /// Normalises weights, all of them above 0.
    ///
    /// Logarithms and powers are those of `libm`, which are the same on every platform, and sums are
    /// compensated, so that a million languages sum to 1 as exactly as two.
    ///
    /// # Errors
    ///
    /// [`DistributionError::Underflow`] for a weight that would vanish beside the largest.
    pub(crate) fn from_log_weights(
        languages: impl Iterator<Item = (LanguageTag, f64)>,
    ) -> Result<Self, DistributionError> {
        let mut entries: Vec<(LanguageTag, f64)> = languages.collect();
        let largest = entries.iter().map(|(_, weight)| *weight).fold(f64::NEG_INFINITY, f64::max);
        for (language, weight) in &mut entries {
            let ratio = *weight - largest;
            if ratio < LOWEST_LOG_RATIO {
                let language = language.clone();
                #[expect(clippy::cast_possible_truncation, reason = "some thousands at most")]
                let exponent = (ratio / std::f64::consts::LN_10).round() as i64;
                return Err(DistributionError::Underflow { language, exponent });
            }
            *weight = libm::exp(ratio);
        }
        let total = sum(entries.iter().map(|(_, weight)| *weight));
        for (_, weight) in &mut entries {
            *weight /= total;
        }
        Ok(Self { entries })
    }

    /// The probability of drawing `language`, or `None` where it is not among the languages.
    pub fn probability(&self, language: &LanguageTag) -> Option<f64> {
        self.iter().find(|(tag, _)| *tag == language).map(|(_, probability)| probability)
    }

    /// The languages with their probabilities, in the order in which they were given.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&LanguageTag, f64)> {
        self.entries.iter().map(|(language, probability)| (language, *probability))
    }

    /// Names the first place at which other languages stand.
    pub(crate) fn check_order<'a>(
        &self,
        found: impl Iterator<Item = &'a LanguageTag>,
    ) -> Result<(), StreamError> {
        check_order(self.entries.iter().map(|(language, _)| language), found)
    }
}

/// Names the first place at which two lists of languages differ.
pub(crate) fn check_order<'a, 'b>(
    mut expected: impl Iterator<Item = &'a LanguageTag>,
    mut found: impl Iterator<Item = &'b LanguageTag>,
) -> Result<(), StreamError> {
    for index in 0.. {
        match (found.next(), expected.next()) {
            (None, None) => break,
            (found, expected) if found == expected => {}
            (found, expected) => {
                let name = |tag: Option<&LanguageTag>| {
                    tag.map_or_else(|| "absent".to_owned(), ToString::to_string)
                };
                let (found, expected) = (name(found), name(expected));
                return Err(StreamError::Sources { index, found, expected });
            }
        }
    }
    Ok(())
}

/// A sum that loses nothing to the order of its terms (Neumaier, 1974).
pub(crate) fn sum(terms: impl Iterator<Item = f64>) -> f64 {
    let (mut total, mut lost) = (0.0_f64, 0.0);
    for term in terms {
        let next = total + term;
        lost +=
            if total.abs() >= term.abs() { (total - next) + term } else { (term - next) + total };
        total = next;
    }
    total + lost
}
