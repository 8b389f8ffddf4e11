//! Whether vectors point everywhere or into a narrow cone.

use nalgebra::SymmetricEigen;

use super::products::{Vectors, dot};
use super::{check_rows, is_constant};
use crate::{EmbeddingMatrix, EvaluationError};

/// The mean cosine of two different vectors: 0 where they point everywhere, near 1 in a narrow cone.
///
/// ```text
/// (‖Σ u‖² − Σ ‖u‖²) / (n (n − 1)),   u = x / ‖x‖
/// ```
///
/// A zero vector has the cosine 0 with every other. The sum of the vectors gives the mean of all
/// pairs: time is that of one pass.
///
/// # Shapes
///
/// - `matrix`: `[n, dim]`, `n` at least 2
///
/// # Errors
///
/// [`EvaluationError::Undefined`] for fewer than two vectors.
///
/// # Source
///
/// Ethayarajh (2019), "How Contextual are Contextualized Word Representations?",
/// <https://aclanthology.org/D19-1006>, who takes the mean of a sample of pairs.
pub fn mean_cosine(matrix: &EmbeddingMatrix) -> Result<f64, EvaluationError> {
    check_rows("mean cosine", matrix, 2)?;
    let unit = Vectors::new(matrix).normalised();
    let (sum, n) = (unit.sum(), matrix.row_count() as f64);
    let own: f64 = unit.squares().iter().sum();
    Ok((dot(&sum, &sum) - own) / (n * (n - 1.0)))
}

/// How even the partition function is over directions: 1 where vectors point everywhere, near 0
/// where not.
///
/// ```text
/// min Z(c) / max Z(c),   Z(c) = Σ exp(cᵀ x)
/// ```
///
/// The directions `c` are the eigenvectors of `XᵀX`, and their opposites: the sign of an eigenvector
/// means nothing, so both are taken, and the number does not depend on the library that found them.
/// A program that takes one sign of each gives the same number or a larger one. Where eigenvalues are
/// equal, their eigenvectors are not determined, nor is the number.
///
/// # Shapes
///
/// - `matrix`: `[n, dim]`
///
/// # Errors
///
/// [`EvaluationError::Undefined`] where the eigenvectors are not found.
///
/// # Source
///
/// Mu and Viswanath (2018), "All-but-the-Top", section 2, <https://arxiv.org/abs/1702.01417>.
pub fn partition_isotropy(matrix: &EmbeddingMatrix) -> Result<f64, EvaluationError> {
    let vectors = Vectors::new(matrix);
    let eigen = SymmetricEigen::try_new(vectors.cross(&vectors), f64::EPSILON, 0)
        .ok_or_else(|| no_eigenvalues("partition isotropy"))?;
    // For each direction and its opposite.
    let mut sums = vec![[LogSum::default(); 2]; matrix.dim()];
    vectors.for_each_product(&eigen.eigenvectors, |direction, product| {
        let [along, against] = &mut sums[direction];
        along.add(product);
        against.add(-product);
    });
    let sums = sums.as_flattened().iter().map(LogSum::value);
    let (least, most) = sums.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), sum| {
        (least.min(sum), most.max(sum))
    });
    Ok((least - most).exp())
}

/// How evenly vectors use the dimensions of their space: 1 where variance is the same in all
/// directions, 0 where all of it is in one.
///
/// ```text
/// λ  eigenvalues of the covariance, d of them
/// δ = ‖√d · λ / ‖λ‖ − 1‖ / √(2 (d − √d))
/// score = ((d − δ² (d − √d))² − d) / (d (d − 1))
/// ```
///
/// # Shapes
///
/// - `matrix`: `[n, dim]`, `n` and `dim` at least 2
///
/// # Errors
///
/// [`EvaluationError::Undefined`] for fewer than two vectors or dimensions, and for vectors that do
/// not vary.
///
/// # Source
///
/// Rudman, Gillman, Rayne and Eickhoff (2022), "IsoScore: Measuring the Uniformity of Embedding Space
/// Utilization", <https://aclanthology.org/2022.findings-acl.262>.
pub fn iso_score(matrix: &EmbeddingMatrix) -> Result<f64, EvaluationError> {
    let what = "IsoScore";
    check_rows(what, matrix, 2)?;
    if matrix.dim() < 2 {
        let reason = "vectors of 1 dimension, expected at least 2".to_owned();
        return Err(EvaluationError::Undefined { what, reason });
    }
    if is_constant(matrix) {
        let reason = "the vectors are all alike, expected some that differ".to_owned();
        return Err(EvaluationError::Undefined { what, reason });
    }
    let vectors = Vectors::new(matrix).centred();
    let covariance = vectors.cross(&vectors) / (matrix.row_count() as f64 - 1.0);
    let eigen = SymmetricEigen::try_new(covariance, f64::EPSILON, 0)
        .ok_or_else(|| no_eigenvalues("IsoScore"))?;
    // A variance below 0 is rounding.
    let variances = eigen.eigenvalues.map(|variance| variance.max(0.0));
    let d = matrix.dim() as f64;
    let scaled = &variances * (d.sqrt() / variances.norm());
    let defect = scaled.add_scalar(-1.0).norm() / (2.0 * (d - d.sqrt())).sqrt();
    let used = (d - defect.powi(2) * (d - d.sqrt())).powi(2) / d;
    Ok((used - 1.0) / (d - 1.0))
}

fn no_eigenvalues(what: &'static str) -> EvaluationError {
    EvaluationError::Undefined { what, reason: "its eigenvalues were not found".to_owned() }
}

/// `ln Σ exp x`, whatever the size of the numbers.
#[derive(Clone, Copy)]
struct LogSum {
    largest: f64,
    // Σ exp(x − largest)
    sum: f64,
}

impl Default for LogSum {
    fn default() -> Self {
        Self { largest: f64::NEG_INFINITY, sum: 0.0 }
    }
}

impl LogSum {
    fn add(&mut self, number: f64) {
        if number > self.largest {
            self.sum = self.sum * (self.largest - number).exp() + 1.0;
            self.largest = number;
        } else {
            self.sum += (number - self.largest).exp();
        }
    }

    fn value(&self) -> f64 {
        self.largest + self.sum.ln()
    }
}
