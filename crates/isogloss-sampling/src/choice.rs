//! Which language is next.

use isogloss_core::{Seed, SeedSeries};
use serde::{Deserialize, Serialize};

use crate::LanguageDistribution;
use crate::chairman::Chairman;

/// How the language of a draw is chosen from the probabilities.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LanguageOrder {
    /// Each draw by itself, from an alias table: the time of a draw does not depend on the number
    /// of languages. After `t` draws, the number for a language of probability `q` is off by
    /// `√(t q (1 - q))` or so.
    ///
    /// # Source
    ///
    /// Walker (1977), "An Efficient Method for Generating Discrete Random Variables with General
    /// Distributions", <https://doi.org/10.1145/355744.355749>; the table is built as by Vose
    /// (1991), <https://doi.org/10.1109/32.92917>.
    #[default]
    Random,
    /// Tijdeman's rule: the number is never off by 1 or more, after any number of draws, so the
    /// shares hold in any short window as well. The order is nearly periodic: whoever accumulates
    /// gradients over equal micro-batches should shuffle within a step.
    ///
    /// # Source
    ///
    /// Tijdeman (1980), "The chairman assignment problem", Discrete Mathematics 32, 323–330,
    /// <https://doi.org/10.1016/0012-365X(80)90269-1>.
    LowDiscrepancy,
}

/// An endless order of languages, by their places in a distribution.
///
/// # Examples
///
/// ```
/// use isogloss_core::Seed;
/// use isogloss_sampling::{
///     ExponentConfig, LanguageDraws, LanguageOrder, LanguageSizes, LanguageWeighting, SizeUnit,
/// };
///
/// let sizes = [("en".parse()?, 50), ("sw".parse()?, 30), ("yo".parse()?, 20)];
/// let sizes = LanguageSizes::try_new(SizeUnit::Sentences, sizes)?;
/// let distribution = ExponentConfig::proportional().distribution(&sizes)?;
/// let order = LanguageOrder::LowDiscrepancy;
/// let draws = LanguageDraws::new(&distribution, order, Seed::new(0)).take(10);
/// assert!(draws.eq([0, 1, 0, 2, 0, 1, 0, 2, 1, 0]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct LanguageDraws {
    chooser: Chooser,
    seeds: SeedSeries,
    draws: u64,
}

#[derive(Clone, Debug)]
enum Chooser {
    Random(AliasTable),
    LowDiscrepancy(Chairman),
}

impl LanguageDraws {
    /// An order at its beginning.
    pub fn new(distribution: &LanguageDistribution, order: LanguageOrder, seed: Seed) -> Self {
        let probabilities: Vec<f64> = distribution.iter().map(|(_, q)| q).collect();
        Self::resumed(&probabilities, order, seed, 0, &vec![0; probabilities.len()])
    }

    /// An order after `draws` draws, `counts` of which are to be balanced by the ones that follow.
    pub(crate) fn resumed(
        probabilities: &[f64],
        order: LanguageOrder,
        seed: Seed,
        draws: u64,
        counts: &[u64],
    ) -> Self {
        let chooser = match order {
            LanguageOrder::Random => Chooser::Random(AliasTable::new(probabilities)),
            LanguageOrder::LowDiscrepancy => {
                Chooser::LowDiscrepancy(Chairman::new(probabilities, counts))
            }
        };
        Self { chooser, seeds: seed.derive("language").series(), draws }
    }

    /// The next language; there always is one.
    #[inline]
    pub fn next_language(&mut self) -> usize {
        let language = match &mut self.chooser {
            Chooser::Random(table) => table.choose(self.seeds.at(self.draws).value()),
            Chooser::LowDiscrepancy(chairman) => chairman.choose(),
        };
        self.draws += 1;
        language
    }
}

impl Iterator for LanguageDraws {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        Some(self.next_language())
    }
}

/// One column for each language, which it shares with at most one other.
#[derive(Clone, Debug)]
struct AliasTable {
    // The share of the column that is its own language's, in 2^-64, and whose the rest is.
    columns: Vec<(u64, u32)>,
}

impl AliasTable {
    fn new(probabilities: &[f64]) -> Self {
        let len = probabilities.len();
        let mut left: Vec<f64> = probabilities.iter().map(|q| q * len as f64).collect();
        // A column that is all its own needs no threshold.
        let mut columns: Vec<(u64, u32)> = (0..).take(len).map(|own| (u64::MAX, own)).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) =
            (0..len).partition(|place| left[*place] < 1.0);
        while let (Some(poor), Some(rich)) = (small.pop(), large.pop()) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share below 1, of 2^64"
            )]
            let threshold = (left[poor] * 2.0_f64.powi(64)) as u64;
            columns[poor] = (threshold, columns[rich].1);
            left[rich] -= 1.0 - left[poor];
            if left[rich] < 1.0 { small.push(rich) } else { large.push(rich) }
        }
        Self { columns }
    }

    /// The language that a uniform word falls on: its product with the number of columns is a
    /// column and a place in it.
    #[inline]
    fn choose(&self, word: u64) -> usize {
        let wide = u128::from(word) * self.columns.len() as u128;
        #[expect(clippy::cast_possible_truncation, reason = "the halves of the product")]
        let (column, place) = ((wide >> 64) as usize, wide as u64);
        let (threshold, alias) = self.columns[column];
        if place < threshold { column } else { alias as usize }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_table_gives_each_language_its_share_of_all_words() {
        let q = [0.5, 0.0, 0.3, 0.2 - 1e-9, 1e-9];
        let table = AliasTable::new(&q);
        let mut shares = [0.0; 5];
        for (own, (threshold, alias)) in table.columns.iter().enumerate() {
            let share = *threshold as f64 / 2.0_f64.powi(64) / 5.0;
            shares[own] += share;
            shares[*alias as usize] += 0.2 - share;
        }
        for (found, expected) in shares.iter().zip(q) {
            assert!((found - expected).abs() < 1e-15, "{found}, not {expected}");
        }
    }
}
