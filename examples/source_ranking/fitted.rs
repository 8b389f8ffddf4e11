//! Weights that are fitted to an experiment, and how sure they are.

use isogloss::core::Seed;
use isogloss::evaluation::{
    Estimate, EvaluationError, JackknifeConfig, Jackknifed, MeasuredTarget, SourceCandidate,
    SourceFeature, SourceRanking, SourceRegression,
};

/// How much large weights of a regression are held down, beside one for each target. Places are from 0 to 1.
pub(crate) const RIDGE: f64 = 0.1;

/// A regression on the targets of an experiment, and what follows from it for the sources of another.
pub(crate) struct Fitted {
    pub(crate) weights: Vec<(SourceFeature, f64)>,
    /// None without candidates.
    pub(crate) ranking: Option<SourceRanking>,
    /// Of weights, then of scores in the order of the ranking: by leaving out targets, where they are wanted.
    pub(crate) intervals: Option<[Vec<Estimate>; 2]>,
}

impl Fitted {
    /// Fits the weights of features to targets, and ranks candidates by them; with a seed, with intervals.
    pub(crate) fn of(
        targets: &[&MeasuredTarget],
        features: &[SourceFeature],
        candidates: &[SourceCandidate],
        seed: Option<Seed>,
    ) -> Result<Self, EvaluationError> {
        let fit = |targets: &[&MeasuredTarget]| {
            let fitted = SourceRegression::fit(targets.iter().copied(), features, RIDGE)?;
            let ranking = (!candidates.is_empty()).then(|| fitted.rank(candidates)).transpose()?;
            Ok::<_, EvaluationError>((fitted.weights, ranking))
        };
        let (weights, ranking) = fit(targets)?;
        let Some(seed) = seed else { return Ok(Self { weights, ranking, intervals: None }) };
        let jackknife = JackknifeConfig::new(seed).with_groups(targets.len().min(10));
        let each = jackknife.estimate_all(targets.len(), |kept| {
            let kept: Vec<&MeasuredTarget> = kept.iter().map(|place| targets[*place]).collect();
            let (weights, found) = fit(&kept)?;
            // In the order of the ranking by all targets.
            let order = ranking.iter().flat_map(|it| &it.sources);
            let scores = order.filter_map(|source| {
                let found = found.iter().flat_map(|it| &it.sources);
                found.into_iter().find(|it| it.language == source.language).map(|it| it.score)
            });
            Ok(weights.iter().map(|(_, weight)| *weight).chain(scores).collect())
        })?;
        let (of_weights, of_scores) = each.split_at(features.len());
        let estimates = |all: &[Jackknifed]| all.iter().map(Jackknifed::estimate).collect();
        let intervals = Some([estimates(of_weights), estimates(of_scores)]);
        Ok(Self { weights, ranking, intervals })
    }
}
