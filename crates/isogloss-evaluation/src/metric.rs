//! From what is known of each item to one score of all.

/// A score of a set of items, as a function of a statistic of each.
///
/// The statistics are computed once; resampling draws items and calls
/// [`aggregate`](Metric::aggregate) again, so that a thousand resamples score nothing twice.
pub trait Metric {
    /// What is known of one item.
    type Item: 'static;

    /// The score of some items, which may repeat. `None` where they have none, as a ratio over 0.
    fn aggregate(&self, items: &mut dyn Iterator<Item = &Self::Item>) -> Option<f64>;
}

/// The mean: accuracy, precision at 1, mean reciprocal rank.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mean;

impl Metric for Mean {
    type Item = f64;

    fn aggregate(&self, items: &mut dyn Iterator<Item = &f64>) -> Option<f64> {
        let (mut sum, mut count) = (0.0, 0_u64);
        for item in items {
            sum += item;
            count += 1;
        }
        (count > 0).then(|| sum / count as f64)
    }
}

/// A sum over a sum: what long items weigh more in, as a loss for each character.
#[derive(Clone, Copy, Debug, Default)]
pub struct RatioOfSums;

impl Metric for RatioOfSums {
    /// Numerator and denominator.
    type Item = [f64; 2];

    fn aggregate(&self, items: &mut dyn Iterator<Item = &[f64; 2]>) -> Option<f64> {
        let [numerator, denominator] =
            items.fold([0.0, 0.0], |[n, d], [item_n, item_d]| [n + item_n, d + item_d]);
        (denominator > 0.0).then(|| numerator / denominator)
    }
}
