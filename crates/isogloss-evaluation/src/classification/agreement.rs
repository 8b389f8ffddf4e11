//! Scores of all classes at once, from the true and false positives and the false negatives of each.

use super::{Prediction, counts};
use crate::Metric;

/// F1 of all decisions together. Every item has one class, so it equals accuracy.
#[derive(Clone, Copy, Debug, Default)]
pub struct MicroF1;

/// The mean F1 of classes, each weighted by how many items are of it.
///
/// ```text
/// Σ support · F1 / Σ support
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct WeightedF1;

/// The mean recall of the classes that are gold somewhere: accuracy as if all were equally frequent.
///
/// # Source
///
/// Brodersen et al. (2010), "The Balanced Accuracy and Its Posterior Distribution",
/// <https://doi.org/10.1109/ICPR.2010.764>.
#[derive(Clone, Copy, Debug, Default)]
pub struct BalancedAccuracy;

/// Matthews correlation of predicted and gold classes, from -1 to 1; 0 is chance.
///
/// ```text
/// (c · s - Σ p·t) / √((s² - Σ p²) · (s² - Σ t²))
/// ```
///
/// where `c` of `s` items are right, and a class is predicted `p` times and gold `t` times. 0 where the denominator is,
/// as in scikit-learn: where either side has one class throughout.
///
/// # Source
///
/// Gorodkin (2004), "Comparing two K-category assignments by a K-category correlation coefficient",
/// <https://doi.org/10.1016/j.compbiolchem.2004.09.006>.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mcc;

/// Cohen's kappa without weights: agreement beyond that of chance.
///
/// ```text
/// (a - e) / (1 - e)     a = c / s     e = Σ p·t / s²
/// ```
///
/// with the letters of [`Mcc`]. `None` where both sides have one and the same class throughout.
///
/// # Source
///
/// Cohen (1960), "A Coefficient of Agreement for Nominal Scales", <https://doi.org/10.1177/001316446002000104>.
#[derive(Clone, Copy, Debug, Default)]
pub struct CohenKappa;

/// True positives, false positives, false negatives.
type Counts = [usize; 3];

macro_rules! metric {
    ($metric:ty, $score:path) => {
        impl Metric for $metric {
            type Item = Prediction;

            fn aggregate(&self, items: &mut dyn Iterator<Item = &Prediction>) -> Option<f64> {
                $score(&counts(0, items))
            }
        }
    };
}

metric!(MicroF1, micro_f1);
metric!(WeightedF1, weighted_f1);
metric!(BalancedAccuracy, balanced_accuracy);
metric!(Mcc, mcc);
metric!(CohenKappa, cohen_kappa);

/// `c`, `s`, `Σ p·t`, `Σ p²` and `Σ t²` of [`Mcc`].
fn sums(counts: &[Counts]) -> [f64; 5] {
    counts.iter().fold([0.0; 5], |[c, s, pt, pp, tt], &[tp, fp, fn_]| {
        let (predicted, gold) = ((tp + fp) as f64, (tp + fn_) as f64);
        let sums = [pt + predicted * gold, pp + predicted * predicted, tt + gold * gold];
        [c + tp as f64, s + gold, sums[0], sums[1], sums[2]]
    })
}

fn micro_f1(counts: &[Counts]) -> Option<f64> {
    let [right, all, ..] = sums(counts);
    (all > 0.0).then(|| right / all)
}

pub(super) fn weighted_f1(counts: &[Counts]) -> Option<f64> {
    let [_, all, ..] = sums(counts);
    let gold = counts.iter().filter(|[tp, _, fn_]| tp + fn_ > 0);
    let sum: f64 = gold
        .map(|&[tp, fp, fn_]| (tp + fn_) as f64 * (2 * tp) as f64 / (2 * tp + fp + fn_) as f64)
        .sum();
    (all > 0.0).then(|| sum / all)
}

/// The sum of recalls, and of how many classes.
fn recalls(counts: &[Counts]) -> (f64, f64) {
    let gold = counts.iter().filter(|[tp, _, fn_]| tp + fn_ > 0);
    gold.fold((0.0, 0.0), |(sum, classes), &[tp, _, fn_]| {
        (sum + tp as f64 / (tp + fn_) as f64, classes + 1.0)
    })
}

pub(super) fn balanced_accuracy(counts: &[Counts]) -> Option<f64> {
    let (sum, classes) = recalls(counts);
    (classes > 0.0).then(|| sum / classes)
}

pub(super) fn adjusted_balanced_accuracy(counts: &[Counts]) -> Option<f64> {
    let (sum, classes) = recalls(counts);
    let chance = 1.0 / classes;
    (classes > 1.0).then(|| (sum / classes - chance) / (1.0 - chance))
}

pub(super) fn mcc(counts: &[Counts]) -> Option<f64> {
    let [right, all, both, predicted, gold] = sums(counts);
    let scale = (all * all - predicted).sqrt() * (all * all - gold).sqrt();
    (all > 0.0).then(|| if scale > 0.0 { (right * all - both) / scale } else { 0.0 })
}

pub(super) fn cohen_kappa(counts: &[Counts]) -> Option<f64> {
    let [right, all, both, ..] = sums(counts);
    let rest = all * all - both;
    (rest > 0.0).then(|| (right * all - both) / rest)
}
