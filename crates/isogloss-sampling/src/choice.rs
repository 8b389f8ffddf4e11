//! Which language is next.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use isogloss_core::Seed;
use serde::{Deserialize, Serialize};

use crate::LanguageDistribution;

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
    seed: Seed,
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
        Self::resumed(&probabilities, order, seed, 0, vec![0; probabilities.len()])
    }

    /// An order after `draws` draws, `counts` of which are to be balanced by the ones that follow.
    pub(crate) fn resumed(
        probabilities: &[f64],
        order: LanguageOrder,
        seed: Seed,
        draws: u64,
        counts: Vec<u64>,
    ) -> Self {
        let chooser = match order {
            LanguageOrder::Random => Chooser::Random(AliasTable::new(probabilities)),
            LanguageOrder::LowDiscrepancy => {
                Chooser::LowDiscrepancy(Chairman::new(probabilities, counts))
            }
        };
        Self { chooser, seed: seed.derive("language"), draws }
    }

    /// The next language; there always is one.
    #[inline]
    pub fn next_language(&mut self) -> usize {
        let language = match &mut self.chooser {
            Chooser::Random(table) => table.choose(self.seed.at(self.draws).value()),
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

/// Tijdeman's rule as a schedule: each draw of a language has a first time at which it may come
/// without running ahead of its share, and a last by which it must. Of those that may, the one that
/// is due first is drawn. A wheel has the languages that may not yet be drawn, in the slot of their
/// time, and a heap the others. Times are exact: whole numbers, whose rests are carried along.
#[derive(Clone, Debug)]
struct Chairman {
    counts: Vec<u64>,
    draws: u64,
    languages: Vec<Times>,
    // The first language that waits in each slot, whose `next` is the one after it.
    wheel: Vec<u32>,
    // When a language is due, and in the last bits which it is: ties go to the lower place.
    ready: BinaryHeap<Reverse<u128>>,
}

/// When a language may next be drawn, and when it must.
#[derive(Clone, Copy, Debug)]
struct Times {
    // `2K - 2` times the language's parts, by which its times are divided. Above 0.
    divisor: u128,
    may: Mixed,
    must: Mixed,
    // What a draw adds to the two.
    may_step: Mixed,
    must_step: Mixed,
    next: u32,
}

/// A quotient and what is left over, below the divisor.
#[derive(Clone, Copy, Debug)]
struct Mixed {
    whole: u128,
    rest: u128,
}

/// Probabilities are kept to this many parts: decimal, so that those a person writes are exact.
const PARTS: f64 = 1e15;
/// Binary places of the time at which a draw is due. Times that differ by less are a tie.
const PLACES: u32 = 39;
const NOBODY: u32 = u32::MAX;

impl Chairman {
    fn new(probabilities: &[f64], counts: Vec<u64>) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of 10^15"
        )]
        let parts = |q: f64| u128::from(((q * PARTS).round() as u64).max(1));
        let weights: Vec<u128> =
            probabilities.iter().map(|q| if *q > 0.0 { parts(*q) } else { 0 }).collect();
        let total: u128 = weights.iter().sum();
        // In units of 1 / (2K - 2), of which the rule counts; a single language needs no rule.
        let scale = (2 * weights.len() as u128).saturating_sub(2).max(1);
        let times = |(weight, count): (&u128, &u64)| {
            let (divisor, count) = ((scale * weight).max(1), u128::from(*count));
            let step = Mixed::new(scale * total, divisor);
            Times {
                divisor,
                may: Mixed::new((scale * count + 1) * total, divisor),
                must: Mixed::new((scale * (count + 1) - 1) * total, divisor).finer(divisor),
                may_step: step,
                must_step: step.finer(divisor),
                next: NOBODY,
            }
        };
        let mut this = Self {
            languages: weights.iter().zip(&counts).map(times).collect(),
            wheel: vec![NOBODY; (2 * weights.len()).next_power_of_two()],
            ready: BinaryHeap::with_capacity(weights.len()),
            draws: counts.iter().sum(),
            counts,
        };
        for (language, weight) in (0..NOBODY).zip(weights) {
            if weight > 0 {
                this.wait(language);
            }
        }
        this
    }

    /// The slot of a time.
    #[inline]
    fn slot(&self, time: u64) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "the low bits are wanted")]
        let low = time as usize;
        low & (self.wheel.len() - 1)
    }

    #[inline]
    fn wait(&mut self, language: u32) {
        let first = self.languages[language as usize].first_draw().max(self.draws + 1);
        let slot = self.slot(first);
        self.languages[language as usize].next = std::mem::replace(&mut self.wheel[slot], language);
    }

    #[inline]
    fn choose(&mut self) -> usize {
        self.draws += 1;
        let slot = self.slot(self.draws);
        let mut language = std::mem::replace(&mut self.wheel[slot], NOBODY);
        while language != NOBODY {
            let times = &mut self.languages[language as usize];
            let next = times.next;
            if times.first_draw() <= self.draws {
                self.ready.push(Reverse(times.must.whole << u32::BITS | u128::from(language)));
            } else {
                // The wheel has yet to turn before its time.
                times.next = std::mem::replace(&mut self.wheel[slot], language);
            }
            language = next;
        }
        // The shares that are behind sum to 1, so that there always is one to be drawn.
        let Some(Reverse(due)) = self.ready.pop() else { return 0 };
        #[expect(clippy::cast_possible_truncation, reason = "the low bits are the language")]
        let language = due as u32;
        let place = language as usize;
        self.counts[place] += 1;
        self.languages[place].advance();
        self.wait(language);
        place
    }
}

impl Times {
    /// The first draw at which the language may come.
    #[inline]
    fn first_draw(&self) -> u64 {
        let rounded_up = self.may.whole + u128::from(self.may.rest > 0);
        u64::try_from(rounded_up).unwrap_or(u64::MAX)
    }

    #[inline]
    fn advance(&mut self) {
        self.may.add(self.may_step, self.divisor);
        self.must.add(self.must_step, self.divisor);
    }
}

impl Mixed {
    fn new(numerator: u128, divisor: u128) -> Self {
        Self { whole: numerator / divisor, rest: numerator % divisor }
    }

    /// The same in units of `2^-PLACES`.
    fn finer(self, divisor: u128) -> Self {
        let places = Self::new(self.rest << PLACES, divisor);
        Self { whole: (self.whole << PLACES) + places.whole, rest: places.rest }
    }

    #[inline]
    fn add(&mut self, step: Self, divisor: u128) {
        self.whole += step.whole;
        self.rest += step.rest;
        if self.rest >= divisor {
            self.rest -= divisor;
            self.whole += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_draws(probabilities: &[f64], draws: u32) -> (Vec<usize>, Vec<u64>, f64) {
        let mut chairman = Chairman::new(probabilities, vec![0; probabilities.len()]);
        let (mut order, mut worst) = (Vec::new(), 0.0_f64);
        for draw in 1..=draws {
            order.push(chairman.choose());
            for (q, count) in probabilities.iter().zip(&chairman.counts) {
                worst = worst.max((*count as f64 - q * f64::from(draw)).abs());
            }
        }
        (order, chairman.counts, worst)
    }

    #[test]
    fn the_order_is_that_of_the_rule_worked_by_hand() {
        let (order, ..) = first_draws(&[0.5, 0.3, 0.2], 10);
        assert_eq!(order, [0, 1, 0, 2, 0, 1, 0, 2, 1, 0]);
        let (_, _, worst) = first_draws(&[0.5, 0.3, 0.2], 10_000);
        assert!((worst - 0.6).abs() < 1e-6, "{worst}");
        assert_eq!(first_draws(&[1.0], 3).0, [0, 0, 0]);
        assert_eq!(first_draws(&[0.0, 1.0], 3).0, [1, 1, 1]);
    }

    #[test]
    fn five_languages_of_fineweb_2_come_in_the_order_of_the_rule() {
        let sizes =
            [179_955_884_499_u64, 184_595_788_282, 42_541_080_893, 10_027_573_389, 549_707_867];
        let powers = sizes.map(|size| libm::pow(size as f64, 0.3));
        let q = powers.map(|power| power / powers.iter().sum::<f64>());
        let (order, counts, worst) = first_draws(&q, 10_000);
        let expected = [1, 0, 2, 1, 0, 3, 1, 0, 2, 3, 1, 0, 2, 1, 0, 4, 1, 0, 2, 1];
        assert_eq!(order[..20], expected);
        assert_eq!(counts, [3074, 3098, 1994, 1293, 541]);
        assert!((worst - 0.874_884).abs() < 1e-6, "{worst}");
    }

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
