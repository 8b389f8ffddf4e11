//! An order of source languages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{CorpusProfile, LanguageDistances, LanguageLineage, LanguageVectors, SourceFeature};
use crate::EvaluationError;

/// A language to transfer from, with what is known of it and the target.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SourceCandidate {
    /// Its name or code.
    pub language: String,
    /// What is known.
    pub features: BTreeMap<SourceFeature, f64>,
}

impl SourceCandidate {
    /// A language of which nothing is known yet.
    pub fn new(language: impl Into<String>) -> Self {
        Self { language: language.into(), features: BTreeMap::new() }
    }

    /// Adds a number that is known.
    #[must_use]
    pub fn with_feature(mut self, feature: SourceFeature, value: f64) -> Self {
        self.features.insert(feature, value);
        self
    }

    /// Adds sizes, type-token ratios, word overlap, and subword overlap where both corpora have
    /// subwords.
    #[must_use]
    pub fn with_corpora(mut self, source: &CorpusProfile, target: &CorpusProfile) -> Self {
        self.features.extend(source.features(target));
        self
    }

    /// Adds the six published distances to the target. The language's name is its code in the archive.
    ///
    /// # Errors
    ///
    /// Those of [`LanguageDistances::distance`].
    pub fn with_distances(
        mut self,
        distances: &LanguageDistances,
        target: &str,
    ) -> Result<Self, EvaluationError> {
        for feature in SourceFeature::DISTANCES {
            let distance = distances.distance(feature, &self.language, target)?;
            self.features.insert(feature, distance);
        }
        Ok(self)
    }

    /// Adds distances to the target that are computed from vectors. The language's name is its code in
    /// the file.
    ///
    /// # Errors
    ///
    /// Those of [`LanguageVectors::distance`].
    pub fn with_vectors(
        mut self,
        vectors: &LanguageVectors,
        features: &[SourceFeature],
        target: &str,
    ) -> Result<Self, EvaluationError> {
        for feature in features {
            let distance = vectors.distance(*feature, &self.language, target)?;
            self.features.insert(*feature, distance);
        }
        Ok(self)
    }

    /// Adds descent and place from the built-in table ([`LanguageLineage`]). Both languages may have any
    /// tag.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Language`] for a language that the table lacks.
    pub fn with_lineage(mut self, target: &str) -> Result<Self, EvaluationError> {
        let [source, target] =
            [LanguageLineage::named(&self.language)?, LanguageLineage::named(target)?];
        self.features.insert(SourceFeature::Lineage, source.lineage_distance(&target));
        self.features.insert(SourceFeature::GreatCircle, source.great_circle(&target));
        Ok(self)
    }

    /// The values of some features, in the order asked for: a row for a ranker of one's own.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Language`] with the language and the feature that is not known of it.
    pub fn values(&self, features: &[SourceFeature]) -> Result<Vec<f64>, EvaluationError> {
        features.iter().map(|feature| self.value(*feature)).collect()
    }

    fn value(&self, feature: SourceFeature) -> Result<f64, EvaluationError> {
        let missing = |missing: String| EvaluationError::Language {
            language: self.language.clone(),
            missing,
            expected: "it for every candidate".to_owned(),
        };
        match self.features.get(&feature) {
            None => Err(missing(feature.to_string())),
            Some(value) if !value.is_finite() => {
                Err(missing(format!("finite {feature} (it is {value})")))
            }
            Some(value) => Ok(*value),
        }
    }
}

/// A language and how much speaks for it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RankedSource {
    /// Its name.
    pub language: String,
    /// From 0, the last by all features, to 1, the first by all; by other rules than weights
    /// ([`SourceRegression`](crate::SourceRegression)) any number, of which the largest is best.
    pub score: f64,
}

/// Source languages, the one that most speaks for first.
///
/// A language's score is the weighted mean of its places by each feature, 1 for the best and 0 for the
/// worst, where candidates with one value share the mean of their places:
///
/// ```text
/// score(s) = Σ w_f · (worse by f + (as good by f) / 2) / (candidates − 1) / Σ w_f
/// ```
///
/// Which way a feature points is [`SourceFeature::larger_is_better`]. The weights are yours; nothing
/// is trained. [`SourceRegression`](crate::SourceRegression) fits them to measured transfers. LangRank
/// trains a boosted ranker (LightGBM's LambdaRank), which is not part of this crate:
/// [`SourceCandidate::values`] gives its rows. Ranking by one feature is the
/// paper's baseline, and a single weight does it. Whether an order is good, say measured transfers, by
/// [`RankingAgreement`](crate::RankingAgreement).
///
/// # Source
///
/// Lin et al. (2019), "Choosing Transfer Languages for Cross-Lingual Learning",
/// <https://aclanthology.org/P19-1301>: the features, their directions and the evaluation.
///
/// # Examples
///
/// ```
/// use isogloss_evaluation::{CorpusProfile, SourceCandidate, SourceFeature, SourceRanking};
///
/// let target = CorpusProfile::try_new(["ngiyabonga kakhulu", "sawubona"])?;
/// let xhosa = CorpusProfile::try_new(["enkosi kakhulu", "molo"])?;
/// let french = CorpusProfile::try_new(["merci beaucoup", "bonjour"])?;
/// let candidates = [
///     SourceCandidate::new("fra").with_corpora(&french, &target),
///     SourceCandidate::new("xho").with_corpora(&xhosa, &target),
/// ];
/// let ranking = SourceRanking::try_new(&candidates, &[(SourceFeature::WordOverlap, 1.0)])?;
/// assert_eq!(ranking.sources[0].language, "xho");
/// # Ok::<(), isogloss_evaluation::EvaluationError>(())
/// ```
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SourceRanking {
    /// The languages, the best first; of equal ones the first of the candidates.
    pub sources: Vec<RankedSource>,
}

impl SourceRanking {
    /// Ranks candidates by features with weights.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Empty`] without candidates or weights; [`EvaluationError::Language`] with the
    /// language and the feature that is not known of it; [`EvaluationError::Config`] for a feature that
    /// points no way, a weight that is not above 0, a feature or a language that stands twice.
    pub fn try_new(
        candidates: &[SourceCandidate],
        weights: &[(SourceFeature, f64)],
    ) -> Result<Self, EvaluationError> {
        check_once(candidates)?;
        if weights.is_empty() {
            return Err(EvaluationError::Empty { what: "weights of features" });
        }
        let mut scores = vec![0.0; candidates.len()];
        let total: f64 = weights.iter().map(|(_, weight)| weight).sum();
        for (place, (feature, weight)) in weights.iter().enumerate() {
            let larger_is_better = check_weight(*feature, *weight, &weights[..place])?;
            let values = candidates
                .iter()
                .map(|candidate| candidate.value(*feature))
                .collect::<Result<Vec<f64>, _>>()?;
            let sign = if larger_is_better { 1.0 } else { -1.0 };
            let values: Vec<f64> = values.iter().map(|value| sign * value).collect();
            for (score, value) in scores.iter_mut().zip(&values) {
                *score += weight / total * place_of(*value, &values);
            }
        }
        Ok(ranked(candidates, scores))
    }
}

/// Candidates by their scores, the best first.
pub(super) fn ranked(
    candidates: &[SourceCandidate],
    scores: impl IntoIterator<Item = f64>,
) -> SourceRanking {
    let named = candidates.iter().map(|candidate| candidate.language.clone()).zip(scores);
    let mut sources: Vec<RankedSource> =
        named.map(|(language, score)| RankedSource { language, score }).collect();
    sources.sort_by(|a, b| b.score.total_cmp(&a.score));
    SourceRanking { sources }
}

/// Candidates are some, and each is another language.
pub(super) fn check_once(candidates: &[SourceCandidate]) -> Result<(), EvaluationError> {
    if candidates.is_empty() {
        return Err(EvaluationError::Empty { what: "source candidates" });
    }
    for (place, candidate) in candidates.iter().enumerate() {
        let language = &candidate.language;
        if candidates[..place].iter().any(|other| other.language == *language) {
            let (found, expected) = (format!("`{language}` twice"), "each language once");
            return Err(EvaluationError::Config { field: "candidates", found, expected });
        }
    }
    Ok(())
}

/// Which way a feature points, once its weight is a good one.
fn check_weight(
    feature: SourceFeature,
    weight: f64,
    before: &[(SourceFeature, f64)],
) -> Result<bool, EvaluationError> {
    let fault = |found: String, expected| {
        Err(EvaluationError::Config { field: "weights", found, expected })
    };
    if !weight.is_finite() || weight <= 0.0 {
        return fault(format!("{weight} for {feature}"), "finite weights above 0");
    }
    if before.iter().any(|(other, _)| *other == feature) {
        return fault(format!("{feature} twice"), "each feature once");
    }
    match feature.larger_is_better() {
        Some(larger_is_better) => Ok(larger_is_better),
        None => fault(feature.to_string(), "features that say which source is better"),
    }
}

/// The share of the others that a value is above; half of those that it is equal to.
pub(super) fn place_of(value: f64, values: &[f64]) -> f64 {
    let others = values.len() - 1;
    if others == 0 {
        return 1.0;
    }
    let below = values.iter().filter(|other| **other < value).count();
    let not_above = values.iter().filter(|other| **other <= value).count();
    // The value itself is not above itself.
    (below + not_above - 1) as f64 / 2.0 / others as f64
}
