//! From the scores of resamples to an interval.

use serde::{Deserialize, Serialize};

use crate::checks::{check_finite, check_share};
use crate::{EvaluationError, normal_cdf, normal_quantile};

/// How the scores of resamples become an interval.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Interval {
    /// Between their quantiles: [`percentile_interval`].
    #[default]
    Percentile,
    /// Corrected for bias and for skew: [`bca_interval`]. The metric is also computed once without each item, so that
    /// the cost grows with the square of their number.
    Bca,
}

/// The ends between which the share `level` of scores lies, in equal tails.
///
/// Between scores it interpolates linearly (type 7 of Hyndman and Fan, 1996).
///
/// # Errors
///
/// [`EvaluationError::Empty`] without scores, [`EvaluationError::NotFinite`] for one that is not a number,
/// [`EvaluationError::Config`] for a level outside of `(0, 1)`.
pub fn percentile_interval(scores: &[f64], level: f64) -> Result<[f64; 2], EvaluationError> {
    check_share("level", level)?;
    let sorted = sorted(scores)?;
    let tail = (1.0 - level) / 2.0;
    Ok([tail, 1.0 - tail].map(|share| quantile(&sorted, share)))
}

/// The interval of a score from those of resamples, corrected for bias and acceleration.
///
/// ```text
/// z0 = Φ⁻¹((#{score < value} + #{score = value} / 2) / n)
/// ends at the shares Φ(z0 + (z0 + z) / (1 - a · (z0 + z))),  z = Φ⁻¹((1 ∓ level) / 2)
/// ```
///
/// with the [`acceleration`] `a`. `value` is the score of all items, `without_each` the scores of all but one.
///
/// # Errors
///
/// Those of [`percentile_interval`]; [`EvaluationError::Undefined`] where leaving out an item changes nothing, as where
/// all are equal, where every resample lies on one side of the value, and where the skew is too strong.
///
/// # Source
///
/// Efron (1987), "Better Bootstrap Confidence Intervals", <https://doi.org/10.1080/01621459.1987.10478410>; ties are
/// counted as in scipy 1.17.1.
pub fn bca_interval(
    scores: &[f64],
    value: f64,
    without_each: &[f64],
    level: f64,
) -> Result<[f64; 2], EvaluationError> {
    check_share("level", level)?;
    let sorted = sorted(scores)?;
    let below = sorted.partition_point(|score| *score < value);
    let not_above = sorted.partition_point(|score| *score <= value);
    let share = (below + not_above) as f64 / (2 * sorted.len()) as f64;
    let undefined = |reason: &str| EvaluationError::Undefined {
        what: "BCa interval",
        reason: format!("{reason}; the percentile interval is"),
    };
    let acceleration = acceleration(without_each)
        .ok_or_else(|| undefined("leaving out any item changes nothing, as where all are equal"))?;
    let bias = normal_quantile(share)
        .map_err(|_| undefined("all resamples score higher than all items, or all lower"))?;
    let tail = normal_quantile((1.0 - level) / 2.0)?;
    let mut ends = [0.0; 2];
    for (end, z) in ends.iter_mut().zip([tail, -tail]) {
        let shifted = bias + z;
        let scale = 1.0 - acceleration * shifted;
        if scale.is_nan() || scale <= 0.0 {
            return Err(undefined("the scores without each item are too skew"));
        }
        *end = quantile(&sorted, normal_cdf(bias + shifted / scale));
    }
    Ok(ends)
}

/// How fast the standard error of a score changes with it, from the scores without each item; `None` where they are
/// all equal, but for rounding.
///
/// ```text
/// a = Σ (m - s)³ / (6 · (Σ (m - s)²)^1.5)
/// ```
///
/// for the scores `s` and their mean `m`. The source is that of [`bca_interval`].
pub fn acceleration(without_each: &[f64]) -> Option<f64> {
    let mean = without_each.iter().sum::<f64>() / without_each.len() as f64;
    let size = without_each.iter().fold(0.0_f64, |size, score| size.max(score.abs()));
    let spread = without_each.iter().fold(0.0_f64, |spread, s| spread.max((mean - s).abs()));
    // Scaled, so that small differences do not vanish when they are cubed.
    let [squares, cubes] = without_each.iter().fold([0.0; 2], |[squares, cubes], score| {
        let distance = (mean - score) / spread;
        [squares + distance.powi(2), cubes + distance.powi(3)]
    });
    (spread > 1e-14 * size).then(|| cubes / (6.0 * squares * squares.sqrt()))
}

fn sorted(scores: &[f64]) -> Result<Vec<f64>, EvaluationError> {
    if scores.is_empty() {
        return Err(EvaluationError::Empty { what: "scores of resamples" });
    }
    check_finite("score of resample", scores)?;
    let mut sorted = scores.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    Ok(sorted)
}

/// The number below which a share of sorted ones, at least one, lies.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len() - 1;
    let place = share * last as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at least 0 and at most the last place"
    )]
    let below = place.floor() as usize;
    let [low, high] = [below, below + 1].map(|place| sorted[place.min(last)]);
    low + (high - low) * place.fract()
}
