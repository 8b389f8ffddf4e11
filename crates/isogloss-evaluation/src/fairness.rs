//! How evenly languages are served.

use std::collections::BTreeMap;

use isogloss_core::LanguageTag;
use serde::{Deserialize, Serialize};

use crate::EvaluationError;
use crate::checks::check_finite;

/// How far the scores of languages lie apart.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Spread {
    /// The languages and their scores, the worst first.
    pub ordered: Vec<(LanguageTag, f64)>,
    /// The least score.
    pub worst: f64,
    /// The greatest score minus the least.
    pub range: f64,
    /// The least score over the greatest; `None` where the greatest is not above 0.
    pub ratio: Option<f64>,
    /// Gini's coefficient; `None` where a score is below 0 or all are 0.
    pub gini: Option<f64>,
    /// The mean over languages, each counting the same.
    pub macro_average: f64,
    /// The standard deviation over languages; `None` for one.
    pub sd: Option<f64>,
    /// Languages that score less than the baseline; `None` without one.
    pub below_baseline: Option<usize>,
}

/// Orders languages by score and measures how far they lie apart.
///
/// `baseline` is what chance, or always the same answer, would score.
///
/// # Errors
///
/// [`EvaluationError::Empty`] without languages, [`EvaluationError::NotFinite`] for a score that is
/// no number, [`EvaluationError::Config`] for such a baseline.
pub fn spread(
    scores: &BTreeMap<LanguageTag, f64>,
    baseline: Option<f64>,
) -> Result<Spread, EvaluationError> {
    if let Some(found) = baseline.filter(|baseline| !baseline.is_finite()) {
        let (found, expected) = (found.to_string(), "a finite number");
        return Err(EvaluationError::Config { field: "baseline", found, expected });
    }
    let values: Vec<f64> = scores.values().copied().collect();
    check_finite("score", &values)?;
    let mut ordered: Vec<(LanguageTag, f64)> =
        scores.iter().map(|(language, score)| (language.clone(), *score)).collect();
    ordered.sort_by(|(_, a), (_, b)| a.total_cmp(b));
    let (Some((_, worst)), Some((_, best))) = (ordered.first(), ordered.last()) else {
        return Err(EvaluationError::Empty { what: "scores of languages" });
    };
    let (worst, best) = (*worst, *best);
    let count = values.len() as f64;
    let macro_average = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - macro_average).powi(2)).sum();
    Ok(Spread {
        worst,
        range: best - worst,
        ratio: (best > 0.0).then(|| worst / best),
        gini: gini(&values, None).ok(),
        macro_average,
        sd: (count > 1.0).then(|| (squares / (count - 1.0)).sqrt()),
        below_baseline: baseline
            .map(|baseline| values.iter().filter(|value| **value < baseline).count()),
        ordered,
    })
}

/// Gini's coefficient: 0 where all are served equally, towards 1 where one has everything.
///
/// ```text
/// Σ_ij w_i w_j |u_i - u_j| / (2 W Σ_i w_i u_i)     W = Σ_i w_i
/// ```
///
/// Without weights each counts the same; with the numbers of speakers as weights each speaker does.
///
/// # Errors
///
/// [`EvaluationError::Empty`] without values, [`EvaluationError::Length`] for another number of
/// weights, [`EvaluationError::NotFinite`] for what is no number, [`EvaluationError::Config`] for a
/// value or weight below 0, or where all values or all weights are 0.
///
/// # Source
///
/// Gini (1912), as used by Blasi, Anastasopoulos and Neubig (2022), "Systematic Inequalities in
/// Language Technology Performance across the World's Languages",
/// <https://aclanthology.org/2022.acl-long.376>.
///
/// # Examples
///
/// ```
/// let gini = isogloss_evaluation::gini(&[0.9, 0.7, 0.4, 0.1], None)?;
/// assert!((gini - 0.3214285714).abs() < 1e-9);
/// # Ok::<(), isogloss_evaluation::EvaluationError>(())
/// ```
pub fn gini(values: &[f64], weights: Option<&[f64]>) -> Result<f64, EvaluationError> {
    if values.is_empty() {
        return Err(EvaluationError::Empty { what: "values of Gini's coefficient" });
    }
    let equal = vec![1.0; values.len()];
    let weights = weights.unwrap_or(&equal);
    if weights.len() != values.len() {
        let (found, expected) = (weights.len(), values.len());
        return Err(EvaluationError::Length { what: "weights", found, expected });
    }
    for (field, numbers) in [("values", values), ("weights", weights)] {
        check_finite(field, numbers)?;
        let least = numbers.iter().copied().fold(f64::INFINITY, f64::min);
        let sum: f64 = numbers.iter().sum();
        if least < 0.0 || sum <= 0.0 {
            let found = if least < 0.0 { least.to_string() } else { "all 0".to_owned() };
            let expected = "numbers of at least 0, one of them above";
            return Err(EvaluationError::Config { field, found, expected });
        }
    }
    // In rising order every difference is a value minus those before it: no double loop.
    let mut pairs: Vec<(f64, f64)> = values.iter().copied().zip(weights.iter().copied()).collect();
    pairs.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let (mut weight, mut weighted, mut differences) = (0.0, 0.0, 0.0);
    for (value, w) in pairs {
        differences += w * (value * weight - weighted);
        weight += w;
        weighted += w * value;
    }
    if weighted <= 0.0 {
        let found = "0 wherever the weight is above 0".to_owned();
        let expected = "a value above 0 with a weight above 0";
        return Err(EvaluationError::Config { field: "values", found, expected });
    }
    // Each pair was met once and the formula counts it twice, which takes away its 2.
    Ok(differences / (weight * weighted))
}

/// A partition of languages: scripts, families, classes of resources.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Grouping {
    /// What it groups by, such as `family`.
    pub name: String,
    /// The group of each language; what is absent is of the group [`Grouping::UNKNOWN`].
    pub groups: BTreeMap<LanguageTag, String>,
}

/// How the languages of a group are served.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct GroupScore {
    /// The group.
    pub group: String,
    /// Its languages, the worst first.
    pub languages: Vec<LanguageTag>,
    /// The mean of their scores, each counting the same.
    pub mean: f64,
    /// The least of their scores.
    pub worst: f64,
}

/// How much of the variance of scores lies between groups, and how much within.
///
/// ```text
/// between = Σ_g n_g/N (mean_g - mean)²     within = Σ_g n_g/N var_g     total = between + within
/// ```
///
/// All variances are of a whole population: the number of languages stands below the line.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct VarianceSplit {
    /// The variance of the groups' means, by their sizes.
    pub between: f64,
    /// The mean variance inside groups, by their sizes.
    pub within: f64,
}

impl Grouping {
    /// The group of languages that the map has not.
    pub const UNKNOWN: &str = "unknown";

    /// A partition by name.
    pub fn new(name: impl Into<String>, groups: BTreeMap<LanguageTag, String>) -> Self {
        Self { name: name.into(), groups }
    }

    /// Languages by the script of their tags.
    pub fn by_script<'a>(languages: impl IntoIterator<Item = &'a LanguageTag>) -> Self {
        Self::by("script", languages, |language| language.script().map(str::to_owned))
    }

    /// Languages by their top-level family, as the table built into `isogloss-core` has it.
    pub fn by_family<'a>(languages: impl IntoIterator<Item = &'a LanguageTag>) -> Self {
        Self::by("family", languages, |language| Some(language.facts()?.family.to_owned()))
    }

    /// Languages by their class of resources, from 0 (nearly no data) to 5, as the table built into
    /// `isogloss-core` has it.
    ///
    /// # Source
    ///
    /// Joshi et al. (2020), "The State and Fate of Linguistic Diversity and Inclusion in the NLP
    /// World", <https://aclanthology.org/2020.acl-main.560>.
    pub fn by_joshi_class<'a>(languages: impl IntoIterator<Item = &'a LanguageTag>) -> Self {
        Self::by("Joshi class", languages, |language| {
            language.facts()?.joshi_class.map(|class| class.to_string())
        })
    }

    fn by<'a>(
        name: &str,
        languages: impl IntoIterator<Item = &'a LanguageTag>,
        group: impl Fn(&LanguageTag) -> Option<String>,
    ) -> Self {
        let languages = languages.into_iter();
        let groups = languages.filter_map(|l| Some((l.clone(), group(l)?))).collect();
        Self::new(name, groups)
    }

    /// The group of a language.
    pub fn group(&self, language: &LanguageTag) -> &str {
        self.groups.get(language).map_or(Self::UNKNOWN, String::as_str)
    }

    /// The scores of each group; that with the worst mean first.
    ///
    /// # Errors
    ///
    /// As those of [`spread`].
    pub fn scores(
        &self,
        scores: &BTreeMap<LanguageTag, f64>,
    ) -> Result<Vec<GroupScore>, EvaluationError> {
        let mut groups: BTreeMap<&str, Vec<(LanguageTag, f64)>> = BTreeMap::new();
        for (language, score) in spread(scores, None)?.ordered {
            groups.entry(self.group(&language)).or_default().push((language, score));
        }
        let group = |(group, members): (&str, Vec<(LanguageTag, f64)>)| GroupScore {
            group: group.to_owned(),
            mean: members.iter().map(|(_, score)| score).sum::<f64>() / members.len() as f64,
            worst: members.iter().map(|(_, score)| *score).fold(f64::INFINITY, f64::min),
            languages: members.into_iter().map(|(language, _)| language).collect(),
        };
        let mut found: Vec<GroupScore> = groups.into_iter().map(group).collect();
        found.sort_by(|a, b| a.mean.total_cmp(&b.mean));
        Ok(found)
    }

    /// The variance of scores between groups and within them.
    ///
    /// # Errors
    ///
    /// As those of [`spread`].
    pub fn variance(
        &self,
        scores: &BTreeMap<LanguageTag, f64>,
    ) -> Result<VarianceSplit, EvaluationError> {
        let all = spread(scores, None)?.macro_average;
        let mut split = VarianceSplit { between: 0.0, within: 0.0 };
        let count = scores.len() as f64;
        for group in self.scores(scores)? {
            split.between += group.languages.len() as f64 / count * (group.mean - all).powi(2);
            let squares = group.languages.iter().filter_map(|language| scores.get(language));
            split.within += squares.map(|score| (score - group.mean).powi(2)).sum::<f64>() / count;
        }
        Ok(split)
    }
}

impl VarianceSplit {
    /// The share of the variance that lies between groups; `None` where all scores are equal.
    pub fn share_between(&self) -> Option<f64> {
        let total = self.between + self.within;
        (total > 0.0).then(|| self.between / total)
    }
}

/// Demand for language technology: how many people speak each language, and who says so.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Demand {
    /// Where the figures come from, with their year.
    pub source: String,
    /// Speakers of each language, all above 0.
    pub speakers: BTreeMap<LanguageTag, f64>,
}

/// How well a technology serves the world.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct GlobalUtility {
    /// From 1, where each speaker counts the same, to 0, where each language does.
    pub tau: f64,
    /// The utility, from 0 to 1.
    pub value: f64,
    /// Languages with speakers and without a result, which count 0.
    pub without_result: Vec<LanguageTag>,
    /// Languages with a result and without a figure for their speakers, which are not counted.
    pub without_demand: Vec<LanguageTag>,
}

impl Demand {
    /// Takes figures whose source is stated.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Config`] for a source that is empty, [`EvaluationError::Empty`] without
    /// figures, [`EvaluationError::NotFinite`] for a figure that is no number,
    /// [`EvaluationError::Config`] for one that is not above 0.
    pub fn try_new(
        source: impl Into<String>,
        speakers: BTreeMap<LanguageTag, f64>,
    ) -> Result<Self, EvaluationError> {
        let source = source.into();
        if source.trim().is_empty() {
            let (found, expected) = ("empty".to_owned(), "where the figures come from");
            return Err(EvaluationError::Config { field: "source", found, expected });
        }
        if speakers.is_empty() {
            return Err(EvaluationError::Empty { what: "figures of demand" });
        }
        let figures: Vec<f64> = speakers.values().copied().collect();
        check_finite("figure of demand", &figures)?;
        if let Some((language, found)) = speakers.iter().find(|(_, figure)| **figure <= 0.0) {
            let (found, expected) = (format!("{found} for {language}"), "a number above 0");
            return Err(EvaluationError::Config { field: "speakers", found, expected });
        }
        Ok(Self { source, speakers })
    }

    /// Utility weighted by demand.
    ///
    /// ```text
    /// M_τ = Σ_l d_l u_l     d_l = n_l^τ / Σ_k n_k^τ     u_l = score_l / maximum
    /// ```
    ///
    /// A language without a result counts 0, and is named.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Config`] for `tau` outside `[0, 1]`, a `maximum` that is not above 0, or a
    /// score outside `[0, maximum]`.
    ///
    /// # Source
    ///
    /// Blasi, Anastasopoulos and Neubig (2022), "Systematic Inequalities in Language Technology
    /// Performance across the World's Languages", <https://aclanthology.org/2022.acl-long.376>.
    pub fn utility(
        &self,
        scores: &BTreeMap<LanguageTag, f64>,
        maximum: f64,
        tau: f64,
    ) -> Result<GlobalUtility, EvaluationError> {
        let config = |field, found, expected| EvaluationError::Config { field, found, expected };
        if !(0.0..=1.0).contains(&tau) {
            return Err(config("tau", tau.to_string(), "0 <= tau <= 1"));
        }
        if !(maximum > 0.0 && maximum.is_finite()) {
            return Err(config("maximum", maximum.to_string(), "a number above 0"));
        }
        if let Some((language, score)) =
            scores.iter().find(|(_, score)| !(0.0..=maximum).contains(*score))
        {
            let found = format!("{score} for {language}");
            return Err(config("score", found, "a number from 0 to `maximum`"));
        }
        let (mut sum, mut weights) = (0.0, 0.0);
        for (language, speakers) in &self.speakers {
            let weight = speakers.powf(tau);
            weights += weight;
            sum += weight * scores.get(language).map_or(0.0, |score| score / maximum);
        }
        let absent = |from: &BTreeMap<LanguageTag, f64>, among: &BTreeMap<LanguageTag, f64>| {
            among.keys().filter(|language| !from.contains_key(*language)).cloned().collect()
        };
        Ok(GlobalUtility {
            tau,
            value: sum / weights,
            without_result: absent(scores, &self.speakers),
            without_demand: absent(&self.speakers, scores),
        })
    }
}

/// What a text costs in tokens, against the same text in another language: the items of
/// [`RatioOfSums`](crate::RatioOfSums), whose aggregate is the premium and whose resamples give its
/// interval.
///
/// `language` and `pivot` are the numbers of tokens of parallel sentences. The premium is a ratio of
/// sums, since a mean of ratios would let short sentences weigh as much as long ones.
///
/// # Errors
///
/// [`EvaluationError::Length`] where there are not equally many, [`EvaluationError::Empty`] without
/// sentences or where the pivot has no tokens.
///
/// # Source
///
/// Petrov et al. (2023), "Language Model Tokenizers Introduce Unfairness Between Languages",
/// <https://arxiv.org/abs/2305.15425>.
///
/// # Examples
///
/// ```
/// use isogloss_evaluation::{Metric, RatioOfSums, token_premium};
///
/// let items = token_premium(&[10, 6], &[5, 4])?;
/// assert_eq!(RatioOfSums.aggregate(&mut items.iter()), Some(16.0 / 9.0));
/// # Ok::<(), isogloss_evaluation::EvaluationError>(())
/// ```
pub fn token_premium(language: &[u64], pivot: &[u64]) -> Result<Vec<[f64; 2]>, EvaluationError> {
    if language.len() != pivot.len() {
        let (found, expected) = (language.len(), pivot.len());
        return Err(EvaluationError::Length { what: "sentences", found, expected });
    }
    if pivot.iter().all(|tokens| *tokens == 0) {
        return Err(EvaluationError::Empty { what: "tokens of the pivot" });
    }
    Ok(language.iter().zip(pivot).map(|(own, other)| [*own as f64, *other as f64]).collect())
}
