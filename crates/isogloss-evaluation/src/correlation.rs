//! How two lists of numbers go together: similarities that a model says and those that people say.

use crate::Metric;

/// Pearson's `r` of pairs of numbers; `None` where either side is the same throughout, or for less than two pairs.
///
/// ```text
/// r = Σ(x - x̄)(y - ȳ) / √(Σ(x - x̄)² · Σ(y - ȳ)²)
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Pearson;

/// Spearman's `ρ` of pairs of numbers: [`Pearson`]'s `r` of their ranks, where equal numbers share the mean of theirs.
/// `None` as there.
///
/// # Examples
///
/// ```
/// use isogloss_evaluation::{Metric, Spearman};
///
/// let said = [[1.0, 0.2], [2.0, 0.3], [3.0, 0.9], [4.0, 0.8]];
/// let rho = Spearman.aggregate(&mut said.iter());
/// assert!((rho.unwrap() - 0.8).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Spearman;

/// Kendall's `τ-b` of pairs of numbers: how many more pairs of items stand in the same order on both sides than in
/// the other, beside ties. `None` as for [`Pearson`], and where a number is not one.
///
/// ```text
/// τ = (same - other) / √((same + other + tied in x alone) · (same + other + tied in y alone))
/// ```
///
/// The time grows with `n · log n`.
///
/// # Source
///
/// Kendall (1945), "The Treatment of Ties in Ranking Problems", <https://doi.org/10.1093/biomet/33.3.239>; Knight
/// (1966), "A Computer Method for Calculating Kendall's Tau with Ungrouped Data",
/// <https://doi.org/10.1080/01621459.1966.10480879>.
#[derive(Clone, Copy, Debug, Default)]
pub struct KendallTau;

impl Metric for Pearson {
    type Item = [f64; 2];

    fn aggregate(&self, items: &mut dyn Iterator<Item = &[f64; 2]>) -> Option<f64> {
        let items: Vec<[f64; 2]> = items.copied().collect();
        pearson(&items)
    }
}

impl Metric for Spearman {
    type Item = [f64; 2];

    fn aggregate(&self, items: &mut dyn Iterator<Item = &[f64; 2]>) -> Option<f64> {
        let items: Vec<[f64; 2]> = items.copied().collect();
        let side = |side: usize| ranks(&items.iter().map(|item| item[side]).collect::<Vec<_>>());
        let ranked: Vec<[f64; 2]> = side(0).into_iter().zip(side(1)).map(|(x, y)| [x, y]).collect();
        pearson(&ranked)
    }
}

impl Metric for KendallTau {
    type Item = [f64; 2];

    fn aggregate(&self, items: &mut dyn Iterator<Item = &[f64; 2]>) -> Option<f64> {
        // To add 0 makes one number of both zeros.
        let mut items: Vec<[f64; 2]> = items.map(|[x, y]| [x + 0.0, y + 0.0]).collect();
        if items.iter().flatten().any(|number| number.is_nan()) {
            return None;
        }
        items.sort_unstable_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
        let tied_x = tied_pairs(&items, |a, b| a[0].total_cmp(&b[0]).is_eq());
        let tied_both = tied_pairs(&items, |a, b| {
            a[0].total_cmp(&b[0]).is_eq() && a[1].total_cmp(&b[1]).is_eq()
        });
        let mut second: Vec<f64> = items.iter().map(|item| item[1]).collect();
        let exchanges = sort_by_exchanges(&mut second);
        let tied_y = tied_pairs(&second, |a, b| a.total_cmp(b).is_eq());
        let all = items.len() as f64 * (items.len() as f64 - 1.0) / 2.0;
        let scale = (all - tied_x).sqrt() * (all - tied_y).sqrt();
        let excess = all - tied_x - tied_y + tied_both - 2.0 * exchanges;
        (scale > 0.0).then(|| (excess / scale).clamp(-1.0, 1.0))
    }
}

/// How many pairs of a sorted list are equal.
fn tied_pairs<T>(sorted: &[T], is_equal: impl Fn(&T, &T) -> bool) -> f64 {
    let runs = sorted.chunk_by(is_equal).map(|run| run.len() as f64);
    runs.map(|length| length * (length - 1.0) / 2.0).sum()
}

/// Sorts by merging; how many pairs stood the wrong way round.
fn sort_by_exchanges(numbers: &mut [f64]) -> f64 {
    if numbers.len() < 2 {
        return 0.0;
    }
    let middle = numbers.len() / 2;
    let (left, right) = numbers.split_at_mut(middle);
    let mut exchanges = sort_by_exchanges(left) + sort_by_exchanges(right);
    let mut merged = Vec::with_capacity(middle + right.len());
    let (mut left, mut right) = (&*left, &*right);
    while let (Some(low), Some(high)) = (left.first(), right.first()) {
        if high < low {
            // It passes all that are left.
            exchanges += left.len() as f64;
            merged.push(*high);
            right = &right[1..];
        } else {
            merged.push(*low);
            left = &left[1..];
        }
    }
    merged.extend(left.iter().chain(right));
    numbers.copy_from_slice(&merged);
    exchanges
}

fn pearson(items: &[[f64; 2]]) -> Option<f64> {
    let count = items.len() as f64;
    let mean = |side: usize| items.iter().map(|item| item[side]).sum::<f64>() / count;
    let means = [mean(0), mean(1)];
    let [mut xx, mut xy, mut yy] = [0.0; 3];
    for item in items {
        let [x, y] = [item[0] - means[0], item[1] - means[1]];
        (xx, xy, yy) = (xx + x * x, xy + x * y, yy + y * y);
    }
    let scale = xx.sqrt() * yy.sqrt();
    // Not a number, too, is no correlation.
    (scale > 0.0).then(|| (xy / scale).clamp(-1.0, 1.0))
}

/// The rank of each number, counted from 1; equal ones share the mean of theirs.
fn ranks(numbers: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..numbers.len()).collect();
    order.sort_unstable_by(|&a, &b| numbers[a].total_cmp(&numbers[b]));
    let mut ranks = vec![0.0; numbers.len()];
    let mut before = 0;
    #[expect(clippy::float_cmp, reason = "a tie is of equal numbers")]
    for equal in order.chunk_by(|&a, &b| numbers[a] == numbers[b]) {
        let rank = before as f64 + (equal.len() + 1) as f64 / 2.0;
        for &place in equal {
            ranks[place] = rank;
        }
        before += equal.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: [f64; 6] = [1.0, 2.0, 2.0, 3.0, 5.0, 5.0];
    const B: [f64; 6] = [2.0, 1.0, 3.0, 3.0, 4.0, 6.0];

    fn pairs() -> Vec<[f64; 2]> {
        A.into_iter().zip(B).map(|(a, b)| [a, b]).collect()
    }

    #[test]
    fn values_are_those_of_scipy() {
        // scipy 1.17.1.
        let found =
            [Spearman.aggregate(&mut pairs().iter()), Pearson.aggregate(&mut pairs().iter())];
        for (found, expected) in found.into_iter().zip([0.850_841_043_5, 0.832_717_803_7]) {
            assert!((found.unwrap() - expected).abs() < 1e-10, "{found:?}, expected {expected}");
        }
        assert_eq!(ranks(&A), [1.0, 2.5, 2.5, 4.0, 5.5, 5.5]);
        // Both zeros are one number.
        assert_eq!(ranks(&[0.0, -0.0, -1.0]), [2.5, 2.5, 1.0]);
    }

    #[test]
    fn kendall_is_that_of_scipy() {
        // scipy 1.17.1.
        let found = KendallTau.aggregate(&mut pairs().iter()).unwrap();
        assert!((found - 0.741_249_316_7).abs() < 1e-10, "{found}");
        assert_eq!(KendallTau.aggregate(&mut [[1.0, 2.0], [1.0, 3.0]].iter()), None);
        assert_eq!(KendallTau.aggregate(&mut [[1.0, f64::NAN], [2.0, 1.0]].iter()), None);
        assert_eq!(KendallTau.aggregate(&mut [[1.0, 1.0]].iter()), None);
        assert_eq!(KendallTau.aggregate(&mut [].iter()), None);
    }

    #[test]
    fn what_does_not_vary_does_not_correlate() {
        let constant = [[1.0, 2.0], [1.0, 3.0]];
        assert_eq!(Pearson.aggregate(&mut constant.iter()), None);
        assert_eq!(Spearman.aggregate(&mut constant.iter()), None);
        assert_eq!(Pearson.aggregate(&mut [[1.0, 2.0]].iter()), None);
        assert_eq!(Pearson.aggregate(&mut [[1.0, f64::NAN], [2.0, 1.0]].iter()), None);
    }

    proptest! {
        #[test]
        fn spearman_sees_order_alone(
            items in proptest::collection::vec([-3.0..3.0_f64, -3.0..3.0_f64], 3..30),
        ) {
            let bent: Vec<[f64; 2]> = items.iter().map(|[x, y]| [x.exp(), y.powi(3)]).collect();
            let [plain, bent] = [&items, &bent].map(|it| Spearman.aggregate(&mut it.iter()));
            prop_assert!((plain.unwrap() - bent.unwrap()).abs() < 1e-12);
            let turned: Vec<[f64; 2]> = items.iter().map(|[x, y]| [*x, -2.0 * y + 1.0]).collect();
            let [plain, turned] = [&items, &turned].map(|it| Pearson.aggregate(&mut it.iter()));
            prop_assert!((plain.unwrap() + turned.unwrap()).abs() < 1e-12);
        }

        #[test]
        fn kendall_counts_pairs(items in proptest::collection::vec([0..4_i32, 0..4_i32], 2..25)) {
            let items: Vec<[f64; 2]> = items.iter().map(|item| item.map(f64::from)).collect();
            let [mut excess, mut by_x, mut by_y] = [0.0; 3];
            for (place, [x, y]) in items.iter().enumerate() {
                for [other_x, other_y] in &items[..place] {
                    let order = [x - other_x, y - other_y].map(|it| if it == 0.0 { 0.0 } else { it.signum() });
                    excess += order[0] * order[1];
                    by_x += order[0].abs();
                    by_y += order[1].abs();
                }
            }
            let found = KendallTau.aggregate(&mut items.iter());
            prop_assert_eq!(found.is_some(), by_x * by_y > 0.0);
            if let Some(found) = found {
                prop_assert!((found - excess / (by_x * by_y).sqrt()).abs() < 1e-12);
            }
        }
    }
}
