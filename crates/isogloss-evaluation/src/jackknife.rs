//! Intervals of scores that compare items with each other.

use std::ops::Range;

use isogloss_core::Seed;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use crate::checks::{check_finite, check_share};
use crate::{Estimate, EvaluationError, mean_over_seeds, student_t_quantile};

/// Intervals by leaving out groups of items.
///
/// A [bootstrap](crate::BootstrapConfig) draws an item twice, which is wrong where items are compared with each other:
/// a text is its own nearest neighbour, and the most alike to itself. Here every score is of items that differ.
///
/// Items are shuffled into groups, so that neighbours in a file do not share one.
///
/// # Examples
///
/// ```
/// use isogloss_core::Seed;
/// use isogloss_evaluation::JackknifeConfig;
///
/// // How far two items are apart in the mean.
/// let items: Vec<f64> = (0..40).map(|i| f64::from(i * i % 37)).collect();
/// let distance = |kept: &[usize]| {
///     let pairs = kept.iter().flat_map(|a| kept.iter().filter(move |b| a < b).map(move |b| [*a, *b]));
///     let distances: Vec<f64> = pairs.map(|[a, b]| (items[a] - items[b]).abs()).collect();
///     Ok(distances.iter().sum::<f64>() / distances.len() as f64)
/// };
/// let found = JackknifeConfig::new(Seed::new(1)).estimate(items.len(), distance)?;
/// println!("{}", found.estimate());
/// # assert_eq!(found.without_each().len(), 10);
/// # Ok::<(), isogloss_evaluation::EvaluationError>(())
/// ```
///
/// # Source
///
/// Busing, Meijer and van der Leeden (1999), "Delete-m Jackknife for Unequal m",
/// <https://doi.org/10.1023/A:1008800423698>; for groups of one size it is the jackknife of Quenouille and Tukey.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct JackknifeConfig {
    /// Groups, from two to the number of items. Default: 10.
    pub groups: usize,
    /// The share that an interval covers, in `(0, 1)`. Default: 0.95.
    pub level: f64,
    /// By which items are shuffled into groups.
    pub seed: Seed,
}

impl JackknifeConfig {
    /// Ten groups and an interval of 95 %.
    pub fn new(seed: Seed) -> Self {
        Self { groups: 10, level: 0.95, seed }
    }

    /// Sets the number of groups.
    #[must_use]
    pub fn with_groups(mut self, groups: usize) -> Self {
        self.groups = groups;
        self
    }

    /// Sets the share that an interval covers.
    #[must_use]
    pub fn with_level(mut self, level: f64) -> Self {
        self.level = level;
        self
    }

    /// The score of all items, and of all but each group. `statistic` gets the places of items, in order.
    ///
    /// It holds for smooth scores, such as means and correlations, not for extremes.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Config`] for a setting out of its range, [`EvaluationError::NotFinite`] for a score that is
    /// not a number, and what `statistic` fails with.
    pub fn estimate(
        &self,
        items: usize,
        mut statistic: impl FnMut(&[usize]) -> Result<f64, EvaluationError>,
    ) -> Result<Jackknifed, EvaluationError> {
        Ok(self.estimate_all(items, |kept| Ok(vec![statistic(kept)?]))?.remove(0))
    }

    /// Several scores at once, as [`estimate`](Self::estimate) has one: the weights of a regression.
    ///
    /// # Errors
    ///
    /// As those of [`estimate`](Self::estimate); [`EvaluationError::Length`] where without a group there are not as many.
    pub fn estimate_all(
        &self,
        items: usize,
        mut statistics: impl FnMut(&[usize]) -> Result<Vec<f64>, EvaluationError>,
    ) -> Result<Vec<Jackknifed>, EvaluationError> {
        let groups = self.split(items)?;
        // Of all items no group is left out.
        let each = std::iter::once(0..0).chain(groups.ranges()).map(|left_out| {
            let order = &groups.order;
            statistics(&sorted(order[..left_out.start].iter().chain(&order[left_out.end..])))
        });
        let each = each.collect::<Result<Vec<_>, _>>()?;
        let expected = each[0].len();
        if let Some(found) = each.iter().map(Vec::len).find(|found| *found != expected) {
            let what = "scores without a group";
            return Err(EvaluationError::Length { what, found, expected });
        }
        (0..expected)
            .map(|score| self.of_each(each.iter().map(|it| it[score]).collect(), &groups))
            .collect()
    }

    /// The mean over groups of what each scores alone, with Student's interval.
    ///
    /// For scores that depend on how many items there are: it is that of `items / groups` of them.
    ///
    /// # Errors
    ///
    /// As those of [`estimate`](Self::estimate).
    pub fn mean_over_parts(
        &self,
        items: usize,
        mut statistic: impl FnMut(&[usize]) -> Result<f64, EvaluationError>,
    ) -> Result<Estimate, EvaluationError> {
        let groups = self.split(items)?;
        let scores = groups.ranges().map(|part| statistic(&sorted(&groups.order[part])));
        let Estimate { value, low, high, .. } =
            mean_over_seeds(&scores.collect::<Result<Vec<_>, _>>()?, self.level)?;
        Ok(Estimate::new(value, [low, high], items))
    }

    /// What of all items, then without each group, was computed.
    pub(crate) fn of_each(
        &self,
        each: Vec<f64>,
        groups: &Groups,
    ) -> Result<Jackknifed, EvaluationError> {
        let mut without = each;
        let value = without.remove(0);
        Jackknifed::try_new(value, without, groups.sizes.clone(), *self)
    }

    /// Deals items into groups whose sizes differ by one at most.
    pub(crate) fn split(&self, items: usize) -> Result<Groups, EvaluationError> {
        check_share("level", self.level)?;
        if self.groups < 2 || self.groups > items {
            let found = format!("{} for {items} items", self.groups);
            let expected = "two or more, and no more than items";
            return Err(EvaluationError::Config { field: "groups", found, expected });
        }
        let mut order: Vec<usize> = (0..items).collect();
        order.shuffle(&mut self.seed.derive("jackknife").rng());
        let bound = |group: usize| group * items / self.groups;
        let sizes = (0..self.groups).map(|group| bound(group + 1) - bound(group)).collect();
        Ok(Groups { order, sizes })
    }
}

fn sorted<'a>(places: impl IntoIterator<Item = &'a usize>) -> Vec<usize> {
    let mut places: Vec<usize> = places.into_iter().copied().collect();
    places.sort_unstable();
    places
}

/// Which items are in which group: the first ones of the order in the first group, and so on.
pub(crate) struct Groups {
    pub(crate) order: Vec<usize>,
    pub(crate) sizes: Vec<usize>,
}

impl Groups {
    /// Items in their order, of which none are left out.
    pub(crate) fn none(items: usize) -> Self {
        Self { order: (0..items).collect(), sizes: Vec::new() }
    }

    /// How many items the largest group has.
    pub(crate) fn largest(&self) -> usize {
        self.sizes.iter().copied().max().unwrap_or(0)
    }

    /// Where each group stands in the order.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = Range<usize>> {
        self.sizes.iter().scan(0, |end, size| {
            let start = *end;
            *end += size;
            Some(start..*end)
        })
    }
}

/// A score of all items, and the scores without each group of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Jackknifed {
    value: f64,
    without: Vec<f64>,
    sizes: Vec<usize>,
    config: JackknifeConfig,
    /// Student's quantile for the level.
    quantile: f64,
}

impl Jackknifed {
    pub(crate) fn try_new(
        value: f64,
        without: Vec<f64>,
        sizes: Vec<usize>,
        config: JackknifeConfig,
    ) -> Result<Self, EvaluationError> {
        check_finite("score of all items", &[value])?;
        check_finite("score without a group", &without)?;
        let quantile =
            student_t_quantile(f64::midpoint(1.0, config.level), without.len() as u64 - 1)?;
        Ok(Self { value, without, sizes, config, quantile })
    }

    /// The mean of several scores of the same items, as of several languages, by which its interval knows that they
    /// rise and fall together.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Empty`] without scores, [`EvaluationError::Config`] where they are not of the same groups.
    pub fn mean(scores: &[&Self]) -> Result<Self, EvaluationError> {
        let Some(first) = scores.first() else {
            return Err(EvaluationError::Empty { what: "scores" });
        };
        let is_other =
            |score: &&&Self| (&score.sizes, score.config) != (&first.sizes, first.config);
        if let Some(other) = scores.iter().find(is_other) {
            let name = |it: &Self| {
                let JackknifeConfig { groups, level, seed } = it.config;
                format!(
                    "{} items, {groups} groups, level {level}, seed {}",
                    it.items(),
                    seed.value()
                )
            };
            let found = format!("{} beside {}", name(other), name(first));
            let expected = "scores of the same items, by one configuration";
            return Err(EvaluationError::Config { field: "scores", found, expected });
        }
        let mean = |of: &dyn Fn(&Self) -> f64| {
            scores.iter().map(|score| of(score)).sum::<f64>() / scores.len() as f64
        };
        let value = mean(&|score| score.value);
        let without =
            (0..first.without.len()).map(|group| mean(&|score| score.without[group])).collect();
        Self::try_new(value, without, first.sizes.clone(), first.config)
    }

    /// The score of all items.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// The scores of all items but those of each group.
    pub fn without_each(&self) -> &[f64] {
        &self.without
    }

    /// The standard error of the score.
    ///
    /// ```text
    /// √(1/g · Σ (θ̃ⱼ − θ_J)² / (hⱼ − 1)),   hⱼ = n / mⱼ,   θ̃ⱼ = hⱼ θ − (hⱼ − 1) θ₍ⱼ₎
    /// θ_J = g θ − Σ (1 − mⱼ / n) θ₍ⱼ₎
    /// ```
    ///
    /// of the score `θ`, its values `θ₍ⱼ₎` without each of `g` groups, and their sizes `mⱼ` of `n` items.
    pub fn standard_error(&self) -> f64 {
        let (groups, items) = (self.sizes.len() as f64, self.items() as f64);
        let each = || self.without.iter().zip(self.sizes.iter().map(|size| items / *size as f64));
        let bias = |(without, h): (&f64, f64)| (1.0 - 1.0 / h) * without;
        let whole = groups * self.value - each().map(bias).sum::<f64>();
        let square = |(without, h): (&f64, f64)| {
            let pseudo = h * self.value - (h - 1.0) * without;
            (pseudo - whole).powi(2) / (h - 1.0)
        };
        (each().map(square).sum::<f64>() / groups).sqrt()
    }

    /// The score with its interval: that of Student's distribution, with a degree of freedom less than groups.
    pub fn estimate(&self) -> Estimate {
        let half = self.quantile * self.standard_error();
        Estimate::new(self.value, [self.value - half, self.value + half], self.items())
    }

    fn items(&self) -> usize {
        self.sizes.iter().sum()
    }
}
