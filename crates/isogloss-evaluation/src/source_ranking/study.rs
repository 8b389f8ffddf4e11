//! What would have been gained by a rule, had it chosen the sources of a measured experiment.

use isogloss_core::LanguageTag;
use serde::{Deserialize, Serialize};

use super::ranking::{check_once, ranked};
use super::{RankingAgreement, SourceCandidate, SourceFeature, SourceRanking, SourceRegression};
use crate::checks::check_finite;
use crate::{BootstrapConfig, Estimate, EvaluationError, Mean, TransferTable};

/// A target language, and what transfer to it from several sources was measured to be.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasuredTarget {
    language: String,
    candidates: Vec<SourceCandidate>,
    transfers: Vec<f64>,
}

impl MeasuredTarget {
    /// Puts together what is known of each source and what was measured for it: larger is better.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Empty`] without sources; [`EvaluationError::Length`] where there are not as
    /// many transfers; [`EvaluationError::NotFinite`]; [`EvaluationError::Config`] where a source
    /// stands twice, or is the target.
    pub fn try_new(
        language: impl Into<String>,
        candidates: Vec<SourceCandidate>,
        transfers: Vec<f64>,
    ) -> Result<Self, EvaluationError> {
        let language = language.into();
        check_once(&candidates)?;
        if transfers.len() != candidates.len() {
            let (found, expected) = (transfers.len(), candidates.len());
            return Err(EvaluationError::Length { what: "transfers", found, expected });
        }
        check_finite("measured transfer", &transfers)?;
        if candidates.iter().any(|candidate| candidate.language == language) {
            let (found, expected) = (format!("`{language}`, the target"), "other languages");
            return Err(EvaluationError::Config { field: "candidates", found, expected });
        }
        Ok(Self { language, candidates, transfers })
    }

    /// The language that was transferred to.
    pub fn language(&self) -> &str {
        &self.language
    }

    /// The sources.
    pub fn candidates(&self) -> &[SourceCandidate] {
        &self.candidates
    }

    /// What was measured, one for each source.
    pub fn transfers(&self) -> &[f64] {
        &self.transfers
    }

    /// What was measured for a source, less the mean of all sources: what it is better by.
    fn gain(&self, source: &str) -> Option<f64> {
        let place = self.candidates.iter().position(|candidate| candidate.language == source)?;
        Some(self.transfers[place] - self.mean())
    }

    fn best(&self) -> f64 {
        self.transfers.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    fn mean(&self) -> f64 {
        self.transfers.iter().sum::<f64>() / self.transfers.len() as f64
    }
}

/// How the sources of a target are ranked. What is learnt is learnt from the other targets.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SourceRule {
    /// By features with weights: [`SourceRanking::try_new`].
    Weights(Vec<(SourceFeature, f64)>),
    /// By features of which the weights are fitted to the other targets: [`SourceRegression`].
    Regression {
        /// The features.
        features: Vec<SourceFeature>,
        /// How much large weights are held down.
        ridge: f64,
    },
    /// By what a source was better by, in the mean over the other targets, than the mean of their
    /// sources. Nothing need be known of languages.
    OtherTargets,
    /// One source for every target, as English often is; the others have one place. A target of this
    /// language is left out.
    Always(String),
    /// By lot: what is expected of it.
    Chance,
}

/// An experiment in which transfer from many sources to many targets was measured, by which rules for
/// choosing sources are compared.
///
/// Each target is ranked by a rule that knows what was measured for the other targets alone, as LangRank
/// is evaluated.
///
/// # Source
///
/// Lin et al. (2019), section 4, <https://aclanthology.org/P19-1301>.
///
/// # Examples
///
/// ```
/// use isogloss_core::Seed;
/// use isogloss_evaluation::{
///     BootstrapConfig, MeasuredTarget, SourceCandidate, SourceFeature, SourceRule, SourceStudy,
/// };
///
/// let target = |name: &str, overlaps: [f64; 3], transfers: [f64; 3]| {
///     let names = ["eng", "fra", "xho"].iter().zip(overlaps);
///     let candidates = names.map(|(name, overlap)| {
///         SourceCandidate::new(*name).with_feature(SourceFeature::WordOverlap, overlap)
///     });
///     MeasuredTarget::try_new(name, candidates.collect(), transfers.into())
/// };
/// let study = SourceStudy::try_new(vec![
///     target("zul", [0.0, 0.1, 0.4], [0.5, 0.4, 0.8])?,
///     target("oci", [0.1, 0.3, 0.0], [0.6, 0.7, 0.3])?,
/// ])?;
/// let rule = SourceRule::Weights(vec![(SourceFeature::WordOverlap, 1.0)]);
/// let found = study.evaluate(&rule, &BootstrapConfig::new(Seed::new(1)))?;
/// assert_eq!(found.regret.value, 0.0);
/// # Ok::<(), isogloss_evaluation::EvaluationError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct SourceStudy {
    targets: Vec<MeasuredTarget>,
    k: usize,
}

/// How well a rule agrees with measured transfer. Intervals are those of drawing targets again.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct StudyAgreement {
    /// The rule.
    pub rule: SourceRule,
    /// NDCG of the first `k` with exponential gain, as LangRank has it: the mean over targets.
    pub ndcg: Estimate,
    /// Spearman's `ρ` of the order and the measured one: the mean over targets. Where it is not defined,
    /// as for an order that tells no two sources apart, it counts as 0, which is expected of a lot.
    pub spearman: Estimate,
    /// What the first source was better by than the mean of all, which is expected of a lot: the mean
    /// over targets, in units of what was measured.
    pub gain: Estimate,
    /// What was lost by transferring from the first source and not from the best: the mean over targets,
    /// in units of what was measured.
    pub regret: Estimate,
    /// Target by target.
    pub targets: Vec<TargetAgreement>,
}

/// How well a rule agrees with measured transfer to one target.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TargetAgreement {
    /// The target.
    pub language: String,
    /// The first source by the rule; several where they have one score.
    pub first: Vec<String>,
    /// What it was better by than the mean of all sources; by several, the mean.
    pub gain: f64,
    /// What was lost by it; by several, the mean.
    pub regret: f64,
    /// How the whole order agrees.
    pub agreement: RankingAgreement,
}

impl SourceStudy {
    /// Puts targets together. `k` is 3, as in LangRank.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Config`] with fewer than two targets, a target of fewer than two sources, or
    /// one that stands twice.
    pub fn try_new(targets: Vec<MeasuredTarget>) -> Result<Self, EvaluationError> {
        let fault =
            |found, expected| Err(EvaluationError::Config { field: "targets", found, expected });
        if targets.len() < 2 {
            return fault(targets.len().to_string(), "two or more, to learn from the others");
        }
        for (place, target) in targets.iter().enumerate() {
            let language = &target.language;
            check_choice(language, target.candidates.len())?;
            if targets[..place].iter().any(|other| other.language == *language) {
                return fault(format!("`{language}` twice"), "each language once");
            }
        }
        Ok(Self { targets, k: 3 })
    }

    /// Reads a table of transfers: the cells of each target but that of its own language.
    ///
    /// `candidate` tells what is known of a source and a target, in this order. Languages are named by
    /// their tags, whatever it names them.
    ///
    /// # Errors
    ///
    /// Those of [`try_new`](Self::try_new), of [`MeasuredTarget::try_new`] and of `candidate`;
    /// [`EvaluationError::Config`] for a row of several sources, and with the target for one that fewer
    /// than two other languages were transferred to.
    pub fn of_table(
        table: &TransferTable,
        candidate: impl Fn(&LanguageTag, &LanguageTag) -> Result<SourceCandidate, EvaluationError>,
    ) -> Result<Self, EvaluationError> {
        let single = |sources: &Vec<LanguageTag>| match &sources[..] {
            [source] => Ok(source.clone()),
            several => {
                let names: Vec<&str> = several.iter().map(LanguageTag::as_str).collect();
                let (found, expected) = (names.join(" and "), "one source in each row");
                Err(EvaluationError::Config { field: "sources", found, expected })
            }
        };
        let sources = table.sources.iter().map(single).collect::<Result<Vec<_>, _>>()?;
        let target = |(column, target): (usize, &LanguageTag)| {
            let (mut candidates, mut transfers) = (Vec::new(), Vec::new());
            for (source, cells) in sources.iter().zip(&table.cells) {
                let cell = cells.get(column).and_then(Option::as_ref);
                if let Some(cell) = cell.filter(|_| source != target) {
                    let language = source.to_string();
                    candidates.push(SourceCandidate { language, ..candidate(source, target)? });
                    // Means of the same scores differ in their last bits, and would part what is a tie.
                    transfers.push((cell.mean * 1e9).round() / 1e9);
                }
            }
            check_choice(target.as_str(), candidates.len())?;
            MeasuredTarget::try_new(target.as_str(), candidates, transfers)
        };
        Self::try_new(table.targets.iter().enumerate().map(target).collect::<Result<_, _>>()?)
    }

    /// Sets how many of the first sources NDCG looks at.
    #[must_use]
    pub fn with_k(mut self, k: usize) -> Self {
        self.k = k;
        self
    }

    /// The targets.
    pub fn targets(&self) -> &[MeasuredTarget] {
        &self.targets
    }

    /// Ranks the sources of every target by a rule, and compares the orders with what was measured.
    ///
    /// # Errors
    ///
    /// Those of [`SourceRanking::try_new`], [`SourceRegression::fit`], [`RankingAgreement::try_new`] and
    /// [`BootstrapConfig::estimate`];
    /// [`EvaluationError::Language`] for a source of
    /// [`OtherTargets`](SourceRule::OtherTargets) that was measured for one target alone, and where
    /// [`Always`](SourceRule::Always) names a source that a target does not have.
    pub fn evaluate(
        &self,
        rule: &SourceRule,
        bootstrap: &BootstrapConfig,
    ) -> Result<StudyAgreement, EvaluationError> {
        let is_asked = |place: &usize| match rule {
            SourceRule::Always(language) => self.targets[*place].language != *language,
            _ => true,
        };
        let places = (0..self.targets.len()).filter(is_asked);
        let targets =
            places.map(|place| self.agreement(rule, place)).collect::<Result<Vec<_>, _>>()?;
        let mean = |values: Vec<f64>| bootstrap.estimate(&Mean, &values);
        let each = |value: fn(&TargetAgreement) -> f64| targets.iter().map(value).collect();
        Ok(StudyAgreement {
            rule: rule.clone(),
            ndcg: mean(each(|target| target.agreement.ndcg))?,
            spearman: mean(each(|target| target.agreement.spearman.unwrap_or(0.0)))?,
            gain: mean(each(|target| target.gain))?,
            regret: mean(each(|target| target.regret))?,
            targets,
        })
    }

    fn agreement(
        &self,
        rule: &SourceRule,
        place: usize,
    ) -> Result<TargetAgreement, EvaluationError> {
        let target = &self.targets[place];
        let ranking = self.ranking(rule, place)?;
        let measured = target.candidates.iter().zip(&target.transfers);
        let measured: Vec<(&str, f64)> =
            measured.map(|(source, transfer)| (source.language.as_str(), *transfer)).collect();
        #[expect(clippy::float_cmp, reason = "a tie is of equal numbers")]
        let first = ranking.sources.iter().take_while(|it| it.score == ranking.sources[0].score);
        let first: Vec<String> = first.map(|source| source.language.clone()).collect();
        let of_first = measured.iter().filter(|(name, _)| first.iter().any(|it| it == name));
        let of_first: f64 =
            of_first.map(|(_, transfer)| transfer).sum::<f64>() / first.len() as f64;
        Ok(TargetAgreement {
            language: target.language.clone(),
            first,
            gain: of_first - target.mean(),
            regret: target.best() - of_first,
            agreement: RankingAgreement::try_new(&ranking, &measured, self.k)?,
        })
    }

    /// The sources of a target in the order of a rule.
    fn ranking(&self, rule: &SourceRule, place: usize) -> Result<SourceRanking, EvaluationError> {
        let target = &self.targets[place];
        let others = || self.targets[..place].iter().chain(&self.targets[place + 1..]);
        let candidates = &target.candidates;
        match rule {
            SourceRule::Weights(weights) => SourceRanking::try_new(candidates, weights),
            SourceRule::Regression { features, ridge } => {
                SourceRegression::fit(others(), features, *ridge)?.rank(candidates)
            }
            SourceRule::OtherTargets => {
                let score = |candidate: &SourceCandidate| {
                    let source = &candidate.language;
                    let gains: Vec<f64> = others().filter_map(|it| it.gain(source)).collect();
                    if gains.is_empty() {
                        return Err(EvaluationError::Language {
                            language: source.clone(),
                            missing: "transfer to another target".to_owned(),
                            expected: format!("one besides that to `{}`", target.language),
                        });
                    }
                    Ok(gains.iter().sum::<f64>() / gains.len() as f64)
                };
                let scores = candidates.iter().map(score).collect::<Result<Vec<_>, _>>()?;
                Ok(ranked(candidates, scores))
            }
            SourceRule::Always(language) => {
                let is_it = |candidate: &SourceCandidate| candidate.language == *language;
                if !candidates.iter().any(is_it) {
                    return Err(EvaluationError::Language {
                        language: language.clone(),
                        missing: format!("transfer to `{}`", target.language),
                        expected: "one to every target".to_owned(),
                    });
                }
                let scores = candidates.iter().map(|it| f64::from(u8::from(is_it(it))));
                Ok(ranked(candidates, scores))
            }
            SourceRule::Chance => Ok(ranked(candidates, candidates.iter().map(|_| 0.0))),
        }
    }
}

/// A target has sources to choose from.
fn check_choice(target: &str, sources: usize) -> Result<(), EvaluationError> {
    if sources >= 2 {
        return Ok(());
    }
    let found = format!("`{target}` with {sources} other languages as sources");
    Err(EvaluationError::Config { field: "targets", found, expected: "two or more to choose from" })
}
