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
    }
}
