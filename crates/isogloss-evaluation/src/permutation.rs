//! Whether a difference between two systems could be chance: tests by exchanging their scores.

use isogloss_core::Seed;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::EvaluationError;
use crate::checks::check_finite;

/// How many differences that are not 0 are tried in every way: a million ways.
const EXACT: usize = 20;

/// The paired test of two means by flipping the signs of differences.
///
/// Were both systems as good, each item's scores could have been the other way round. The p-value is the share of ways
/// to exchange them that leave a difference of means at least as large, in either direction. Up to 20 items with a
/// difference, every way is tried; for more, some are drawn, and
///
/// ```text
/// p = (as large + 1) / (drawn + 1)
/// ```
///
/// # Source
///
/// Fisher (1935), "The Design of Experiments", chapter 3; Phipson and Smyth (2010), "Permutation P-values Should Never
/// Be Zero", <https://doi.org/10.2202/1544-6115.1585>.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PermutationConfig {
    /// How many ways are drawn where not all are tried. Default: 9,999.
    pub resamples: usize,
    /// The seed of the draws.
    pub seed: Seed,
}

/// What flipping the signs of differences found.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PermutationTest {
    /// The mean of the first system minus that of the second.
    pub difference: f64,
    /// The p-value, two-sided.
    pub p_value: f64,
    /// Whether every way was tried.
    pub is_exact: bool,
}

impl PermutationConfig {
    /// Draws 9,999 ways where there are more than a million.
    pub fn new(seed: Seed) -> Self {
        Self { resamples: 9_999, seed }
    }

    /// Sets how many ways are drawn.
    #[must_use]
    pub fn with_resamples(mut self, resamples: usize) -> Self {
        self.resamples = resamples;
        self
    }

    /// Tests the means of two systems' scores of the same items, in the same order.
    ///
    /// Differences of means that agree to 1e-12 of the mean size of a difference count as equal.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Empty`] without items, [`EvaluationError::Length`] where the systems have not equally many,
    /// [`EvaluationError::NotFinite`] for a score that is not a number, [`EvaluationError::Config`] for no resamples.
    ///
    /// # Examples
    ///
    /// ```
    /// use isogloss_core::Seed;
    /// use isogloss_evaluation::PermutationConfig;
    ///
    /// let (first, second) = ([1.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0]);
    /// let test = PermutationConfig::new(Seed::new(1)).paired_means(&first, &second)?;
    /// // Of the 8 ways to flip three differences, two leave one as large.
    /// assert_eq!((test.difference, test.p_value, test.is_exact), (0.75, 0.25, true));
    /// # Ok::<(), isogloss_evaluation::EvaluationError>(())
    /// ```
    pub fn paired_means(
        &self,
        first: &[f64],
        second: &[f64],
    ) -> Result<PermutationTest, EvaluationError> {
        if self.resamples == 0 {
            let (found, expected) = ("0".to_owned(), "at least 1");
            return Err(EvaluationError::Config { field: "resamples", found, expected });
        }
        check_pairs(first, second)?;
        check_finite("score of the first system", first)?;
        check_finite("score of the second system", second)?;
        let differences = first.iter().zip(second).map(|(first, second)| first - second);
        // To flip 0 changes nothing: every way counts equally often without.
        let differences: Vec<f64> = differences.filter(|difference| *difference != 0.0).collect();
        let sum: f64 = differences.iter().sum();
        let size: f64 = differences.iter().map(|difference| difference.abs()).sum();
        let least = sum.abs() - 1e-12 * size;
        let is_exact = differences.len() <= EXACT;
        let p_value = match differences.split_first() {
            None => 1.0,
            // Half of the ways are the others with every sign flipped.
            Some((first, rest)) if is_exact => {
                as_large(rest, *first, least) as f64 / (1_u64 << rest.len()) as f64
            }
            Some(_) => {
                let drawn = (0..self.resamples).filter(|resample| {
                    flipped(&differences, self.seed.at(*resample as u64)).abs() >= least
                });
                (drawn.count() + 1) as f64 / (self.resamples + 1) as f64
            }
        };
        Ok(PermutationTest { difference: sum / first.len() as f64, p_value, is_exact })
    }
}

/// In how many ways to sign the rest their sum with `sum` is at least as large as `least`.
fn as_large(rest: &[f64], sum: f64, least: f64) -> u64 {
    match rest.split_first() {
        None => u64::from(sum.abs() >= least),
        Some((next, rest)) => as_large(rest, sum + next, least) + as_large(rest, sum - next, least),
    }
}

/// The sum with random signs.
fn flipped(differences: &[f64], seed: Seed) -> f64 {
    let mut rng = seed.rng();
    let mut sum = 0.0;
    for differences in differences.chunks(64) {
        let signs: u64 = rng.random();
        for (place, difference) in differences.iter().enumerate() {
            sum += if signs >> place & 1 == 0 { *difference } else { -difference };
        }
    }
    sum
}

fn check_pairs<T>(first: &[T], second: &[T]) -> Result<(), EvaluationError> {
    if first.len() != second.len() {
        let (found, expected) = (second.len(), first.len());
        return Err(EvaluationError::Length { what: "second system", found, expected });
    }
    if first.is_empty() {
        return Err(EvaluationError::Empty { what: "paired test" });
    }
    Ok(())
}

/// McNemar's exact test: whether two systems are right equally often, from the items that only one has right.
///
/// ```text
/// p = min(1, 2 · Σ_{i ≤ min(a, b)} C(a + b, i) / 2^(a + b))
/// ```
///
/// # Source
///
/// McNemar (1947), "Note on the Sampling Error of the Difference between Correlated Proportions or Percentages",
/// <https://doi.org/10.1007/BF02295996>, with the binomial distribution in place of its approximation.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct McNemar {
    /// Items that only the first system has right.
    pub first_only: u64,
    /// Items that only the second has right.
    pub second_only: u64,
    /// The p-value, two-sided; 1 where no item tells the systems apart.
    pub p_value: f64,
}

impl McNemar {
    /// Tests whether each item is right, in the same order for both systems.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Empty`] without items, [`EvaluationError::Length`] where the systems have not equally many.
    pub fn try_new(first: &[bool], second: &[bool]) -> Result<Self, EvaluationError> {
        check_pairs(first, second)?;
        let only = |of: &[bool], other: &[bool]| {
            of.iter().zip(other).filter(|(is_right, other)| **is_right && !**other).count() as u64
        };
        Ok(Self::from_counts(only(first, second), only(second, first)))
    }

    /// Tests the numbers of items that only the first and only the second has right.
    pub fn from_counts(first_only: u64, second_only: u64) -> Self {
        let all = first_only.saturating_add(second_only);
        let fewer = first_only.min(second_only);
        // C(all, fewer) as a number times a power of two, for it can be larger than any f64.
        let (mut most, mut exponent) = (1.0_f64, 0_i64);
        for i in 1..=fewer {
            most *= (all - fewer + i) as f64 / i as f64;
            if most > 1e200 {
                most *= 0.5_f64.powi(600);
                exponent += 600;
            }
        }
        let (mut sum, mut term) = (0.0, 1.0);
        for i in (0..=fewer).rev() {
            sum += term;
            term *= i as f64 / (all - i + 1) as f64;
            if term < 1e-20 {
                break;
            }
        }
        let power = 1 + exponent - i64::try_from(all).unwrap_or(i64::MAX);
        let power = i32::try_from(power).unwrap_or(i32::MIN);
        let p_value = libm::ldexp(most * sum, power).min(1.0);
        Self { first_only, second_only, p_value }
    }
}
