//! P-values of many comparisons.

use serde::{Deserialize, Serialize};

use crate::EvaluationError;

/// How p-values are adjusted for their number: one that stays below the level still counts.
///
/// A family is all comparisons of one claim, as every language with every metric.
///
/// # Examples
///
/// ```
/// use isogloss_evaluation::Correction;
///
/// let adjusted = Correction::Holm.adjust(&[0.01, 0.04, 0.03])?;
/// assert!(adjusted.iter().zip([0.03, 0.06, 0.06]).all(|(a, b)| (a - b).abs() < 1e-12));
/// # Ok::<(), isogloss_evaluation::EvaluationError>(())
/// ```
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Correction {
    /// Holds the probability of any false discovery, whatever the p-values have to do with each other.
    ///
    /// Holm (1979), "A Simple Sequentially Rejective Multiple Test Procedure", <https://www.jstor.org/stable/4615733>.
    Holm,
    /// Holds the expected share of false discoveries, for independent p-values.
    ///
    /// Benjamini and Hochberg (1995), "Controlling the False Discovery Rate",
    /// <https://doi.org/10.1111/j.2517-6161.1995.tb02031.x>.
    BenjaminiHochberg,
    /// Holds the same, whatever the p-values have to do with each other.
    ///
    /// Benjamini and Yekutieli (2001), "The control of the false discovery rate in multiple testing under dependency",
    /// <https://doi.org/10.1214/aos/1013699998>.
    BenjaminiYekutieli,
}

impl Correction {
    /// The adjusted p-values, in the order of those given.
    ///
    /// For `m` sorted p-values, counted from 1: Holm has `max_{j ≤ i} min(1, (m - j + 1) · p_j)`, Benjamini and Hochberg
    /// `min_{j ≥ i} min(1, m · p_j / j)`, and Benjamini and Yekutieli this with `m · Σ 1/j` for `m`.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Empty`] without p-values, [`EvaluationError::Config`] for one outside of `[0, 1]`.
    pub fn adjust(self, p_values: &[f64]) -> Result<Vec<f64>, EvaluationError> {
        if p_values.is_empty() {
            return Err(EvaluationError::Empty { what: "p-values" });
        }
        if let Some(place) = p_values.iter().position(|p| !(0.0..=1.0).contains(p)) {
            let found = format!("{} at place {place}", p_values[place]);
            let expected = "numbers from 0 to 1";
            return Err(EvaluationError::Config { field: "p_values", found, expected });
        }
        let mut order: Vec<usize> = (0..p_values.len()).collect();
        order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
        let m = p_values.len() as f64;
        let mut adjusted = vec![0.0; p_values.len()];
        if self == Self::Holm {
            let mut largest = 0.0_f64;
            for (before, &place) in order.iter().enumerate() {
                largest = largest.max((m - before as f64) * p_values[place]).min(1.0);
                adjusted[place] = largest;
            }
            return Ok(adjusted);
        }
        let harmonic: f64 = match self {
            Self::BenjaminiYekutieli => (1..=p_values.len()).map(|rank| 1.0 / rank as f64).sum(),
            _ => 1.0,
        };
        let mut smallest = 1.0_f64;
        for (before, &place) in order.iter().enumerate().rev() {
            smallest = smallest.min(m * harmonic / (before + 1) as f64 * p_values[place]);
            adjusted[place] = smallest;
        }
        Ok(adjusted)
    }
}
