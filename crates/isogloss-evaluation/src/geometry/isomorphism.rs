//! Whether the spaces of two languages have one shape, whatever way they are turned.

use isogloss_mining::nearest_neighbours;
use nalgebra::DMatrix;

use super::moments::Moments;
use super::products::Vectors;
use super::{check_pairs, check_rows};
use crate::jackknife::Groups;
use crate::{EmbeddingMatrix, EvaluationError, JackknifeConfig, Jackknifed};

/// The share of the sum of eigenvalues that those compared hold.
const ENERGY: f64 = 0.9;

/// How far the neighbour graphs of two spaces are from having one spectrum: 0 where they have, and
/// the larger the less alike they are.
///
/// In the graph of a space, two words are joined where one is among the `neighbours` nearest of the
/// other, by cosine. Of its Laplacian, `L = D − A`, the largest eigenvalues are compared:
///
/// ```text
/// Δ = Σ (λ₁ᵢ − λ₂ᵢ)²   for i = 1, …, k
/// ```
///
/// `k` is the least number of eigenvalues with 90 % of their sum, the smaller of the two spaces'. The
/// words of the spaces need not be translations, nor the widths be equal; numbers are comparable only
/// among spaces of as many words, the most frequent ones by custom, so that an interval is that of
/// [`JackknifeConfig::mean_over_parts`]. The paper joins nearest neighbours (`neighbours` 1).
///
/// The authors' program takes the smallest eigenvalues first; here as in the paper the largest are.
///
/// Memory is that of two matrices of n × n, and time grows with n³: a few thousand words.
///
/// # Shapes
///
/// - `src`: `[n_src, dim_src]`, `tgt`: `[n_tgt, dim_tgt]`
///
/// # Errors
///
/// [`EvaluationError::Undefined`] for fewer than two words, [`EvaluationError::Mining`] where
/// `neighbours` is 0.
///
/// # Source
///
/// Søgaard, Ruder and Vulić (2018), "On the Limitations of Unsupervised Bilingual Dictionary
/// Induction", section 2.3, <https://aclanthology.org/P18-1072>.
pub fn eigenvector_similarity(
    src: &EmbeddingMatrix,
    tgt: &EmbeddingMatrix,
    neighbours: usize,
) -> Result<f64, EvaluationError> {
    let spectra = [laplacian_spectrum(src, neighbours)?, laplacian_spectrum(tgt, neighbours)?];
    let compared = spectra.each_ref().map(|spectrum| leading(spectrum));
    let k = compared[0].min(compared[1]);
    let [src, tgt] = &spectra;
    Ok(src.iter().zip(tgt).take(k).map(|(a, b)| (a - b).powi(2)).sum())
}

/// How well the similarities of words within one language go with those of their translations: the
/// correlation of all pairs' cosines, 1 for spaces of one shape.
///
/// ```text
/// Pearson's r of cos(xᵢ, xⱼ) and cos(yᵢ, yⱼ) over all i < j
/// ```
///
/// All sums come from products of `dim × dim`, never n × n.
///
/// # Shapes
///
/// - `src`: `[n, dim_src]`, `tgt`: `[n, dim_tgt]`, row `i` of one a translation of row `i` of the other
///
/// # Errors
///
/// [`EvaluationError::Length`] where the rows differ, [`EvaluationError::Undefined`] for fewer than
/// three pairs and where the cosines of a side do not vary.
///
/// # Source
///
/// Vulić, Ruder and Søgaard (2020), "Are All Good Word Vector Spaces Isomorphic?", section 2,
/// <https://aclanthology.org/2020.emnlp-main.257>.
pub fn relational_similarity(
    src: &EmbeddingMatrix,
    tgt: &EmbeddingMatrix,
) -> Result<f64, EvaluationError> {
    Ok(relational_similarities(src, tgt, &Groups::none(src.row_count()))?[0])
}

/// The similarity by all words, and by all but each group.
fn relational_similarities(
    src: &EmbeddingMatrix,
    tgt: &EmbeddingMatrix,
    groups: &Groups,
) -> Result<Vec<f64>, EvaluationError> {
    let what = "relational similarity";
    check_pairs(src, tgt)?;
    check_rows(what, src, groups, 3)?;
    let unit =
        |it: &EmbeddingMatrix| Vectors::new(it).normalised().in_order(&groups.order).narrowed();
    let (src, tgt) = (unit(src), unit(tgt));
    let covariances =
        |x: &Vectors, y: &Vectors| Moments::each(x, y, groups, Moments::product_covariance);
    let variances = [covariances(&src, &src), covariances(&tgt, &tgt)];
    // What rounding leaves of numbers up to 1 is no variance.
    if variances.iter().flatten().any(|variance| *variance <= 1e-15) {
        let reason = "the cosines of one side are all the same, expected some that differ";
        return Err(EvaluationError::Undefined { what, reason: reason.to_owned() });
    }
    let [src_variances, tgt_variances] = &variances;
    let norms = src_variances.iter().zip(tgt_variances).map(|(src, tgt)| src.sqrt() * tgt.sqrt());
    let correlations = covariances(&src, &tgt).into_iter().zip(norms);
    Ok(correlations.map(|(covariance, norm)| (covariance / norm).clamp(-1.0, 1.0)).collect())
}

impl JackknifeConfig {
    /// [`relational_similarity`] with its interval.
    ///
    /// # Errors
    ///
    /// As those of [`relational_similarity`], also where it is not defined without a group, and of
    /// [`estimate`](Self::estimate).
    pub fn relational_similarity(
        &self,
        src: &EmbeddingMatrix,
        tgt: &EmbeddingMatrix,
    ) -> Result<Jackknifed, EvaluationError> {
        check_pairs(src, tgt)?;
        let groups = self.split(src.row_count())?;
        self.of_each(relational_similarities(src, tgt, &groups)?, &groups)
    }
}

/// The eigenvalues of a neighbour graph's Laplacian, the largest first.
fn laplacian_spectrum(
    matrix: &EmbeddingMatrix,
    neighbours: usize,
) -> Result<Vec<f64>, EvaluationError> {
    let n = matrix.row_count();
    check_rows("eigenvector similarity", matrix, &Groups::none(n), 2)?;
    // One more, as a word is its own neighbour; none is asked for only to be refused.
    let asked = if neighbours == 0 { 0 } else { neighbours.saturating_add(1) };
    let found = nearest_neighbours(matrix, matrix, asked, &())?;
    let mut laplacian = DMatrix::zeros(n, n);
    for (word, row) in found.rows().enumerate() {
        for neighbour in row.iter().filter(|it| it.index != word).take(neighbours) {
            laplacian[(word, neighbour.index)] = -1.0;
            laplacian[(neighbour.index, word)] = -1.0;
        }
    }
    for word in 0..n {
        laplacian[(word, word)] = -laplacian.column(word).sum();
    }
    let mut spectrum: Vec<f64> = laplacian.symmetric_eigenvalues().iter().copied().collect();
    spectrum.sort_unstable_by(|a, b| b.total_cmp(a));
    Ok(spectrum)
}

/// The least number of eigenvalues, the largest first, that hold the energy.
fn leading(spectrum: &[f64]) -> usize {
    let total: f64 = spectrum.iter().sum();
    let mut held = 0.0;
    // Equal spectra are cut at one place, whatever the order they were added in.
    let needed = ENERGY * total - 1e-9 * total;
    spectrum
        .iter()
        .position(|value| {
            held += value;
            held >= needed
        })
        .map_or(spectrum.len(), |place| place + 1)
}
