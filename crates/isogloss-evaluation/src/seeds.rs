//! What a method scores over runs that differ by their seed.

use crate::checks::{check_finite, check_share};
use crate::{Estimate, EvaluationError, student_t_quantile};

/// The mean of the scores of runs, with the interval that holds that of all runs with probability `level`.
///
/// ```text
/// mean ± t_{(1 + level)/2, n - 1} · sd / √n
/// ```
///
/// with the standard deviation over `n - 1`. It assumes that scores are about normal. It tells of the training's
/// chance, not of that of the test items: [`BootstrapConfig`](crate::BootstrapConfig) tells of those. The items of the
/// estimate are the runs.
///
/// # Errors
///
/// [`EvaluationError::Config`] for fewer than two scores and for a level outside of `(0, 1)`,
/// [`EvaluationError::NotFinite`] for a score that is not a number.
///
/// # Source
///
/// Student (1908), "The Probable Error of a Mean", <https://doi.org/10.2307/2331554>.
///
/// # Examples
///
/// ```
/// use isogloss_evaluation::mean_over_seeds;
///
/// let f1 = mean_over_seeds(&[0.81, 0.79, 0.84, 0.80, 0.82], 0.95)?;
/// assert_eq!(f1.to_string(), "0.812 [0.788, 0.836]");
/// # Ok::<(), isogloss_evaluation::EvaluationError>(())
/// ```
pub fn mean_over_seeds(scores: &[f64], level: f64) -> Result<Estimate, EvaluationError> {
    check_share("level", level)?;
    check_finite("score", scores)?;
    if scores.len() < 2 {
        let (found, expected) = (format!("{} numbers", scores.len()), "at least two");
        return Err(EvaluationError::Config { field: "scores", found, expected });
    }
    let n = scores.len() as f64;
    let mean = scores.iter().sum::<f64>() / n;
    let squares: f64 = scores.iter().map(|score| (score - mean).powi(2)).sum();
    let t = student_t_quantile(f64::midpoint(1.0, level), scores.len() as u64 - 1)?;
    let half = t * (squares / (n - 1.0)).sqrt() / n.sqrt();
    Ok(Estimate::new(mean, [mean - half, mean + half], scores.len()))
}
