//! How good an order of sources is, by what they were measured to be.

use serde::{Deserialize, Serialize};

use super::SourceRanking;
use crate::checks::check_finite;
use crate::{EvaluationError, Metric, Spearman};

/// How much an item of a relevance counts in [`ndcg`].
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Gain {
    /// Its relevance, as in scikit-learn.
    Linear,
    /// `2^relevance − 1`, as in LightGBM and in LangRank.
    #[default]
    Exponential,
}

impl Gain {
    fn of(self, relevance: f64) -> f64 {
        match self {
            Self::Linear => relevance,
            Self::Exponential => relevance.exp2() - 1.0,
        }
    }
}

/// The normalised discounted cumulative gain of the first `k` of an order: 1 where no better one
/// comes after.
///
/// ```text
/// DCG = Σ gain(i) / log₂(i + 1)  for i = 1, …, k        NDCG = DCG / DCG of the best order
/// ```
///
/// Items of one score share the mean of their gains, as in scikit-learn, so that the order they are
/// given in does not count. `k` is capped by the number of items.
///
/// # Shapes
///
/// - `relevances`: `[n]`, `scores`: `[n]`
///
/// # Errors
///
/// [`EvaluationError::Empty`] without items; [`EvaluationError::Length`] where there are not as many
/// scores; [`EvaluationError::Config`] where `k` is 0 or a relevance below 0;
/// [`EvaluationError::NotFinite`]; [`EvaluationError::Undefined`] where nothing is relevant, or a gain
/// is too large for a number.
///
/// # Source
///
/// Järvelin and Kekäläinen (2002), <https://doi.org/10.1145/582415.582418>; ties: McSherry and Najork
/// (2008), <https://doi.org/10.1007/978-3-540-78646-7_38>.
pub fn ndcg(
    relevances: &[f64],
    scores: &[f64],
    k: usize,
    gain: Gain,
) -> Result<f64, EvaluationError> {
    check(relevances, scores, k)?;
    let undefined =
        |reason: &str| Err(EvaluationError::Undefined { what: "NDCG", reason: reason.to_owned() });
    let mut items: Vec<(f64, f64)> =
        scores.iter().zip(relevances).map(|(score, it)| (*score, gain.of(*it))).collect();
    if items.iter().any(|(_, gain)| !gain.is_finite()) {
        return undefined("a relevance has an infinite gain, expected less than 1,024");
    }
    items.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut found = 0.0;
    let mut first = 0;
    #[expect(clippy::float_cmp, reason = "a tie is of equal numbers")]
    for tied in items.chunk_by(|a, b| a.0 == b.0) {
        let mean = tied.iter().map(|(_, gain)| gain).sum::<f64>() / tied.len() as f64;
        let discounts: f64 = (first..(first + tied.len()).min(k)).map(discount).sum();
        found += mean * discounts;
        first += tied.len();
    }
    items.sort_by(|a, b| b.1.total_cmp(&a.1));
    let best: f64 = items.iter().take(k).enumerate().map(|(i, (_, gain))| gain * discount(i)).sum();
    if best <= 0.0 {
        return undefined("nothing is relevant, expected a relevance above 0");
    }
    Ok(found / best)
}

/// How well an order of sources agrees with measured transfer to one target. Over several targets, take
/// the mean of each number.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RankingAgreement {
    /// NDCG of the first `k` with exponential gain, as LangRank has it.
    pub ndcg: f64,
    /// NDCG of the first `k` with linear gain.
    pub linear_ndcg: f64,
    /// Spearman's `ρ` of the scores and the measured ones; `None` where one side does not vary, and for
    /// a single source.
    pub spearman: Option<f64>,
}

impl RankingAgreement {
    /// How many of the best sources are relevant by custom.
    pub const RELEVANT: usize = 10;

    /// Compares an order with what was measured: for each source, the score of its transfer to the
    /// target, larger is better, in any order.
    ///
    /// The relevance of a source is `max(0, 11 − rank)` of what was measured for it, as in LangRank: the
    /// best has 10, the tenth 1. Sources that do as well have one rank. The paper takes `k` = 3.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Language`] for a source that was not measured, [`EvaluationError::Config`]
    /// where `k` is 0 or one stands twice, [`EvaluationError::NotFinite`].
    ///
    /// # Source
    ///
    /// Lin et al. (2019), section 4, <https://aclanthology.org/P19-1301>.
    pub fn try_new(
        ranking: &SourceRanking,
        measured: &[(&str, f64)],
        k: usize,
    ) -> Result<Self, EvaluationError> {
        let mut transfers = Vec::with_capacity(ranking.sources.len());
        for source in &ranking.sources {
            let language = source.language.as_str();
            let mut found = measured.iter().filter(|(name, _)| *name == language);
            let Some((_, transfer)) = found.next() else {
                return Err(EvaluationError::Language {
                    language: language.to_owned(),
                    missing: "measured transfer".to_owned(),
                    expected: "one for every source of the ranking".to_owned(),
                });
            };
            if found.next().is_some() {
                let (found, expected) = (format!("`{language}` twice"), "each language once");
                return Err(EvaluationError::Config { field: "measured", found, expected });
            }
            transfers.push(*transfer);
        }
        check_finite("measured transfer", &transfers)?;
        let relevances: Vec<f64> = transfers.iter().map(|it| relevance(*it, &transfers)).collect();
        let scores: Vec<f64> = ranking.sources.iter().map(|source| source.score).collect();
        let pairs: Vec<[f64; 2]> =
            scores.iter().zip(&transfers).map(|(score, transfer)| [*score, *transfer]).collect();
        Ok(Self {
            ndcg: ndcg(&relevances, &scores, k, Gain::Exponential)?,
            linear_ndcg: ndcg(&relevances, &scores, k, Gain::Linear)?,
            spearman: Spearman.aggregate(&mut pairs.iter()),
        })
    }
}

/// `max(0, 11 − rank)`, of which the rank is one more than the number of better ones.
fn relevance(transfer: f64, transfers: &[f64]) -> f64 {
    let better = transfers.iter().filter(|other| **other > transfer).count();
    RankingAgreement::RELEVANT.saturating_sub(better) as f64
}

fn discount(place: usize) -> f64 {
    1.0 / (place as f64 + 2.0).log2()
}

fn check(relevances: &[f64], scores: &[f64], k: usize) -> Result<(), EvaluationError> {
    if relevances.is_empty() {
        return Err(EvaluationError::Empty { what: "relevances" });
    }
    if scores.len() != relevances.len() {
        let (found, expected) = (scores.len(), relevances.len());
        return Err(EvaluationError::Length { what: "scores", found, expected });
    }
    if k == 0 {
        let (found, expected) = ("0".to_owned(), "at least 1");
        return Err(EvaluationError::Config { field: "k", found, expected });
    }
    check_finite("relevance", relevances)?;
    check_finite("score", scores)?;
    if let Some(relevance) = relevances.iter().find(|relevance| **relevance < 0.0) {
        let (found, expected) = (relevance.to_string(), "0 or more");
        return Err(EvaluationError::Config { field: "relevances", found, expected });
    }
    Ok(())
}
