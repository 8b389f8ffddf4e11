//! Centred kernel alignment: whether two sets of vectors tell the same items apart.

use nalgebra::DMatrix;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::products::{Vectors, dot};
use super::{check_pairs, check_rows, is_constant};
use crate::{BarSeries, Bars, EmbeddingMatrix, Estimate, EvaluationError, Plot};

/// Linear centred kernel alignment of two representations of the same items: 1 where one is the other
/// turned, moved and scaled, near 0 where they have nothing in common.
///
/// Products are of `dim × dim` where there are more items than dimensions, and of items × items where
/// there are fewer.
///
/// # Examples
///
/// ```
/// use isogloss_evaluation::{Cka, EmbeddingMatrix};
///
/// let english = EmbeddingMatrix::try_new(2, vec![1.0, 0.0, 0.0, 1.0, 2.0, 2.0])?;
/// // The same triangle, turned by a quarter and twice as large.
/// let yoruba = EmbeddingMatrix::try_new(2, vec![0.0, 2.0, -2.0, 0.0, -4.0, 4.0])?;
/// assert!((Cka::Biased.of(&english, &yoruba)? - 1.0).abs() < 1e-12);
/// # Ok::<(), isogloss_evaluation::EvaluationError>(())
/// ```
///
/// # Source
///
/// Kornblith, Norouzi, Lee and Hinton (2019), "Similarity of Neural Network Representations
/// Revisited", <https://arxiv.org/abs/1905.00414>. Between languages: Conneau, Wu, Li, Zettlemoyer and
/// Stoyanov (2020), <https://aclanthology.org/2020.acl-main.536>, who use the biased form.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Cka {
    /// `‖YᵀX‖² / (‖XᵀX‖ ‖YᵀY‖)` of centred columns, in Frobenius norms. Too high where there are few
    /// items for the width: what is unrelated, too, looks alike.
    Biased,
    /// `HSIC₁(X, Y) / √(HSIC₁(X, X) · HSIC₁(Y, Y))`, the unbiased estimator of Song, Smola, Gretton,
    /// Bedo and Borgwardt (2012), <https://jmlr.org/papers/v13/song12a.html>, as Nguyen, Raghu and
    /// Kornblith (2021), <https://arxiv.org/abs/2010.15327>, use it. At least four items. It may be a
    /// little below 0.
    #[default]
    Debiased,
}

impl Cka {
    /// The alignment of two representations.
    ///
    /// # Shapes
    ///
    /// - `src`: `[n, dim_src]`, `tgt`: `[n, dim_tgt]`, row `i` of both of the same item
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Length`] where the rows differ, [`EvaluationError::Undefined`] for fewer
    /// than two items (four for [`Debiased`](Self::Debiased)) and for a side that does not vary.
    pub fn of(self, src: &EmbeddingMatrix, tgt: &EmbeddingMatrix) -> Result<f64, EvaluationError> {
        check_pairs(src, tgt)?;
        check_rows(self.what(), src, if self == Self::Biased { 2 } else { 4 })?;
        for (side, matrix) in [("sources", src), ("targets", tgt)] {
            if is_constant(matrix) {
                let reason = format!("the {side} are all alike, expected some that differ");
                return Err(EvaluationError::Undefined { what: self.what(), reason });
            }
        }
        // The debiased form does not change with the means; small numbers lose less in it.
        let sides = [src, tgt].map(|matrix| Side::new(Vectors::new(matrix).centred()));
        let [src, tgt] = &sides;
        let product = |a: &Side, b: &Side| match self {
            Self::Biased => a.product(b),
            Self::Debiased => a.unbiased(b),
        };
        let (own_src, own_tgt) = (product(src, src), product(tgt, tgt));
        for (side, own) in [("sources", own_src), ("targets", own_tgt)] {
            // The unbiased estimate may fall below what it estimates.
            if own <= 0.0 {
                let reason =
                    format!("HSIC of the {side} with themselves is {own}, expected above 0");
                return Err(EvaluationError::Undefined { what: self.what(), reason });
            }
        }
        Ok(product(src, tgt) / (own_src.sqrt() * own_tgt.sqrt()))
    }

    fn what(self) -> &'static str {
        match self {
            Self::Biased => "CKA",
            Self::Debiased => "debiased CKA",
        }
    }
}

/// One of two representations, with what its products need.
struct Side {
    vectors: Vectors,
    // `XXᵀ`, where it is smaller than `XᵀX`.
    gram: Option<DMatrix<f64>>,
}

impl Side {
    fn new(vectors: Vectors) -> Self {
        let gram = (vectors.rows().len() <= vectors.dim).then(|| vectors.gram());
        Self { vectors, gram }
    }

    /// `tr(XXᵀYYᵀ)`, which is `‖XᵀY‖²`.
    fn product(&self, other: &Self) -> f64 {
        match (&self.gram, &other.gram) {
            (Some(gram), Some(other)) => gram.dot(other),
            _ => self.vectors.cross(&other.vectors).norm_squared(),
        }
    }

    /// `HSIC₁`, from Grams whose diagonal is set to zero, which are not formed.
    fn unbiased(&self, other: &Self) -> f64 {
        let n = self.vectors.rows().len() as f64;
        let diagonals = [self, other].map(|side| side.vectors.squares());
        // The sum of each row of a Gram without its diagonal.
        let sums = [(self, &diagonals[0]), (other, &diagonals[1])].map(|(side, diagonal)| {
            let whole = side.vectors.times(&side.vectors.sum());
            whole.iter().zip(diagonal).map(|(sum, own)| sum - own).collect::<Vec<_>>()
        });
        let trace = self.product(other) - dot(&diagonals[0], &diagonals[1]);
        let totals = sums.each_ref().map(|sums| sums.iter().sum::<f64>());
        let both = totals[0] * totals[1] / ((n - 1.0) * (n - 2.0));
        (trace + both - 2.0 / (n - 2.0) * dot(&sums[0], &sums[1])) / (n * (n - 3.0))
    }
}

/// How alike two languages are in each layer of a model.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LayerAlignment {
    /// Which form of the alignment.
    pub cka: Cka,
    /// The alignment of each layer, in order.
    pub values: Vec<f64>,
    /// How many pairs of texts it was computed on.
    pub items: usize,
}

/// Aligns two languages layer by layer: for each layer, the vectors of texts and of their
/// translations.
///
/// Layers are computed side by side; the numbers do not depend on the number of threads.
///
/// # Shapes
///
/// - each layer: `[n, dim]` twice, row `i` of one a translation of row `i` of the other; all layers
///   have the same `n`
///
/// # Errors
///
/// As [`Cka::of`]; [`EvaluationError::Empty`] without layers, [`EvaluationError::Length`] for a layer
/// of another number of rows.
pub fn align_layers(
    cka: Cka,
    layers: &[(EmbeddingMatrix, EmbeddingMatrix)],
) -> Result<LayerAlignment, EvaluationError> {
    let Some((first, _)) = layers.first() else {
        return Err(EvaluationError::Empty { what: "layers" });
    };
    let expected = first.row_count();
    if let Some((layer, _)) = layers.iter().find(|(src, _)| src.row_count() != expected) {
        let found = layer.row_count();
        return Err(EvaluationError::Length { what: "rows of a layer", found, expected });
    }
    let values = layers
        .par_iter()
        .map(|(src, tgt)| cka.of(src, tgt))
        .collect::<Result<Vec<f64>, EvaluationError>>()?;
    Ok(LayerAlignment { cka, values, items: expected })
}

impl LayerAlignment {
    /// Bars of some alignments, one for each layer and each name, such as a language or a model.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Empty`] without alignments, [`EvaluationError::Length`] where one has another
    /// number of layers.
    pub fn plot(
        title: impl Into<String>,
        alignments: &[(&str, &Self)],
    ) -> Result<Plot, EvaluationError> {
        let Some((_, first)) = alignments.first() else {
            return Err(EvaluationError::Empty { what: "alignments" });
        };
        let expected = first.values.len();
        let mut series = Vec::with_capacity(alignments.len());
        for (name, alignment) in alignments {
            let found = alignment.values.len();
            if found != expected {
                return Err(EvaluationError::Length { what: "layers", found, expected });
            }
            let estimate = |value: &f64| Some(Estimate::new(*value, [*value; 2], alignment.items));
            let values = alignment.values.iter().map(estimate).collect();
            series.push(BarSeries { name: (*name).to_owned(), values });
        }
        let labels = (0..expected).map(|layer| format!("layer {layer}")).collect();
        let axis = first.cka.what();
        Ok(Plot::Bars(Bars::new(title, axis, labels, series)))
    }
}
