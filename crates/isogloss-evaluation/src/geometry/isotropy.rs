//! Whether vectors point everywhere or into a narrow cone.

use std::ops::Range;

use nalgebra::SymmetricEigen;

use super::moments::Moments;
use super::products::{Vectors, dot};
use super::{ALIKE, check_rows, is_constant};
use crate::jackknife::Groups;
use crate::{EmbeddingMatrix, EvaluationError, JackknifeConfig, Jackknifed};

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
    Ok(mean_cosines(matrix, &Groups::none(matrix.row_count()))?[0])
}

/// The mean cosine of all vectors, and of all but each group.
fn mean_cosines(matrix: &EmbeddingMatrix, groups: &Groups) -> Result<Vec<f64>, EvaluationError> {
    check_rows("mean cosine", matrix, groups, 2)?;
    let unit = Vectors::new(matrix).normalised().in_order(&groups.order);
    let sums =
        |rows: Range<usize>| (unit.sum(rows.clone(), None), unit.squares(rows).iter().sum::<f64>());
    let mean = |sum: &[f64], own: f64, n: usize| (dot(sum, sum) - own) / (n * (n - 1)) as f64;
    let n = unit.row_count();
    let (all, own) = sums(0..n);
    let without = groups.ranges().map(|group| {
        let (some, some_own) = sums(group.clone());
        let others: Vec<f64> = all.iter().zip(&some).map(|(all, some)| all - some).collect();
        mean(&others, own - some_own, n - group.len())
    });
    Ok(std::iter::once(mean(&all, own, n)).chain(without).collect())
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
/// equal, their eigenvectors are not determined, nor is the number. It hangs on the few vectors that are
/// furthest out, so that neither a bootstrap nor a jackknife gives it an interval that holds.
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
    let products = vectors.cross(&vectors, 0..vectors.row_count());
    let eigen = SymmetricEigen::try_new(products, f64::EPSILON, 0).ok_or_else(|| {
        let reason = "its eigenvalues were not found".to_owned();
        EvaluationError::Undefined { what: "partition isotropy", reason }
    })?;
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
///       = ((Σ λ)² / Σ λ² − 1) / (d − 1)
/// ```
///
/// The second form needs no eigenvalues: their sum is the trace of the covariance, that of their squares
/// its squared norm.
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
    Ok(iso_scores(matrix, &Groups::none(matrix.row_count()))?[0])
}

/// The score of all vectors, and of all but each group.
fn iso_scores(matrix: &EmbeddingMatrix, groups: &Groups) -> Result<Vec<f64>, EvaluationError> {
    let what = "IsoScore";
    check_rows(what, matrix, groups, 2)?;
    if matrix.dim() < 2 {
        let reason = "vectors of 1 dimension, expected at least 2".to_owned();
        return Err(EvaluationError::Undefined { what, reason });
    }
    if is_constant(matrix) {
        let reason = "the vectors are all alike, expected some that differ".to_owned();
        return Err(EvaluationError::Undefined { what, reason });
    }
    let vectors = Vectors::new(matrix).centred().in_order(&groups.order).narrowed();
    let others = matrix.dim() as f64 - 1.0;
    let each = Moments::each(&vectors, &vectors, groups, |moments| {
        (moments.hsic_biased(), (moments.participation_ratio() - 1.0) / others)
    });
    let all = each.first().map_or(0.0, |(norm, _)| *norm);
    if each.iter().any(|(norm, _)| *norm <= ALIKE * all) {
        let reason =
            "without a group the vectors are all alike, expected some that differ".to_owned();
        return Err(EvaluationError::Undefined { what, reason });
    }
    Ok(each.into_iter().map(|(_, score)| score).collect())
}

impl JackknifeConfig {
    /// [`mean_cosine`] with its interval.
    ///
    /// # Errors
    ///
    /// As those of [`mean_cosine`], also where it is not defined without a group, and of
    /// [`estimate`](Self::estimate).
    pub fn mean_cosine(&self, matrix: &EmbeddingMatrix) -> Result<Jackknifed, EvaluationError> {
        let groups = self.split(matrix.row_count())?;
        self.of_each(mean_cosines(matrix, &groups)?, &groups)
    }

    /// [`iso_score`] with its interval.
    ///
    /// # Errors
    ///
    /// As those of [`iso_score`], also where it is not defined without a group, and of
    /// [`estimate`](Self::estimate).
    pub fn iso_score(&self, matrix: &EmbeddingMatrix) -> Result<Jackknifed, EvaluationError> {
        let groups = self.split(matrix.row_count())?;
        self.of_each(iso_scores(matrix, &groups)?, &groups)
    }
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
