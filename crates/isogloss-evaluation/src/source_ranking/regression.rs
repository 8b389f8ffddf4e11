//! Weights of features that are fitted to measured transfers.

use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

use super::ranking::{check_once, place_of, ranked};
use super::{MeasuredTarget, SourceCandidate, SourceFeature, SourceRanking};
use crate::EvaluationError;

/// Weights of features by which sources are ranked as they were measured for other targets.
///
/// A ridge regression of the place of a source among the sources of its target, on its places by each
/// feature, all from 0 for the smallest to 1 for the largest, so that no scale matters. Each target counts
/// alike, whatever the number `n` of its sources:
///
/// ```text
/// minimise Σ_targets 1/n · Σ_sources (y − ½ − Σ_f w_f (x_f − ½))² + ridge · Σ_f w_f²
/// ```
///
/// A target with one source says nothing, and is left out. A feature that does not tell the sources of any target apart, as the target's size, has the weight 0.
///
/// # Source
///
/// Hoerl and Kennard (1970), <https://doi.org/10.1080/00401706.1970.10488634>. That measured transfer
/// can be predicted from such features by a linear model: Lauscher et al. (2020),
/// <https://aclanthology.org/2020.emnlp-main.363>. LangRank fits a boosted ranker instead.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SourceRegression {
    /// The features with their weights; above 0 where larger values go with better transfer.
    pub weights: Vec<(SourceFeature, f64)>,
}

impl SourceRegression {
    /// Fits the weights.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Empty`] without features, or without a target of two sources; [`EvaluationError::Config`] where a
    /// feature stands twice or `ridge` is not above 0; [`EvaluationError::Language`] for a feature that
    /// is not known of a source.
    pub fn fit<'a>(
        targets: impl IntoIterator<Item = &'a MeasuredTarget>,
        features: &[SourceFeature],
        ridge: f64,
    ) -> Result<Self, EvaluationError> {
        let fault =
            |field, found, expected| Err(EvaluationError::Config { field, found, expected });
        if features.is_empty() {
            return Err(EvaluationError::Empty { what: "features of a regression" });
        }
        if let Some((_, feature)) =
            features.iter().enumerate().find(|(place, it)| features[..*place].contains(it))
        {
            return fault("features", format!("{feature} twice"), "each feature once");
        }
        if !ridge.is_finite() || ridge <= 0.0 {
            return fault("ridge", ridge.to_string(), "a finite number above 0");
        }
        let n = features.len();
        let mut products = DMatrix::from_diagonal_element(n, n, ridge);
        let mut moments = DVector::zeros(n);
        let mut is_empty = true;
        for target in targets {
            if target.candidates().len() < 2 {
                continue;
            }
            is_empty = false;
            let share = 1.0 / target.candidates().len() as f64;
            let places = places(target.candidates(), features)?;
            for (source, transfer) in target.transfers().iter().enumerate() {
                let transfer = place_of(*transfer, target.transfers()) - 0.5;
                let row = places.column(source);
                products.ger(share, &row, &row, 1.0);
                moments.axpy(share * transfer, &row, 1.0);
            }
        }
        if is_empty {
            return Err(EvaluationError::Empty { what: "measured targets of two sources" });
        }
        let solved = products.cholesky().map(|it| it.solve(&moments));
        let Some(weights) = solved else {
            return fault("ridge", ridge.to_string(), "more, as the features say the same");
        };
        Ok(Self { weights: features.iter().copied().zip(weights.iter().copied()).collect() })
    }

    /// Ranks the sources of a target. Scores are predicted places, which may lie outside 0 to 1.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Empty`] without candidates; [`EvaluationError::Config`] where one stands twice;
    /// [`EvaluationError::Language`] for a feature that is not known of one.
    pub fn rank(&self, candidates: &[SourceCandidate]) -> Result<SourceRanking, EvaluationError> {
        check_once(candidates)?;
        let features: Vec<SourceFeature> =
            self.weights.iter().map(|(feature, _)| *feature).collect();
        let weights = DVector::from_iterator(features.len(), self.weights.iter().map(|it| it.1));
        let scores = places(candidates, &features)?.tr_mul(&weights);
        Ok(ranked(candidates, scores.iter().map(|score| score + 0.5)))
    }
}

/// Places of candidates by each feature, about 0: `[features, candidates]`.
fn places(
    candidates: &[SourceCandidate],
    features: &[SourceFeature],
) -> Result<DMatrix<f64>, EvaluationError> {
    let rows = candidates.iter().map(|candidate| candidate.values(features));
    let values = rows.collect::<Result<Vec<_>, _>>()?.concat();
    let mut places = DMatrix::from_vec(features.len(), candidates.len(), values);
    for mut row in places.row_iter_mut() {
        let values: Vec<f64> = row.iter().copied().collect();
        row.iter_mut().for_each(|value| *value = place_of(*value, &values) - 0.5);
    }
    Ok(places)
}
