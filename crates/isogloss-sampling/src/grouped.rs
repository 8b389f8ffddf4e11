//! First a group of languages, then a language of it.

use std::collections::BTreeMap;

use isogloss_core::LanguageTag;
use serde::{Deserialize, Serialize};

use crate::{DistributionError, LanguageDistribution, LanguageSizes, LanguageWeighting};

/// What languages are grouped by.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Grouping {
    /// The script they are written in.
    Script,
    /// The top-level family, from the built-in table
    /// ([`LanguageFacts`](isogloss_core::LanguageFacts)).
    Family,
    /// The group that is given for each.
    Given(BTreeMap<LanguageTag, String>),
}

/// Draws a group by one weighting and a language of the group by another.
///
/// ```text
/// q_l = Q_g · q_l|g        Q_g from the sizes of groups, q_l|g from those of its languages
/// ```
///
/// A group's size is the sum of its languages'. To the weighting between groups, a group goes by
/// the name of its first language, which is how [`ExplicitWeights`](crate::ExplicitWeights) between
/// groups are to be keyed. A budget, as of [`UniMaxConfig`](crate::UniMaxConfig), is one for all
/// groups or one for each; in proportion within groups, a cap on the epochs of groups is one on those
/// of languages.
///
/// # Source
///
/// Two-level mixing is usual practice rather than one paper's; Arivazhagan et al. (2019), "Massively
/// Multilingual Neural Machine Translation in the Wild", <https://arxiv.org/abs/1907.05019>, sample
/// directions and then languages so.
///
/// # Examples
///
/// ```
/// use isogloss_sampling::{
///     ExponentConfig, GroupedWeighting, Grouping, LanguageSizes, LanguageWeighting, SizeUnit,
/// };
///
/// let sizes = [("en".parse()?, 900), ("yo".parse()?, 100), ("am".parse()?, 50)];
/// let sizes = LanguageSizes::try_new(SizeUnit::Characters, sizes)?;
/// let evenly = ExponentConfig::uniform();
/// let by_script = GroupedWeighting::new(Grouping::Script, evenly, ExponentConfig::proportional());
/// let distribution = by_script.distribution(&sizes)?;
/// // Half for the Latin script, of which a tenth is Yoruba's; half for the Ethiopic.
/// let q: Vec<f64> = distribution.iter().map(|(_, q)| q).collect();
/// assert!(q.iter().zip([0.45, 0.05, 0.5]).all(|(q, by_hand)| (q - by_hand).abs() < 1e-12));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GroupedWeighting<B, W> {
    grouping: Grouping,
    between: B,
    within: W,
}

impl<B: LanguageWeighting, W: LanguageWeighting> GroupedWeighting<B, W> {
    /// Groups, with the weighting between them and that within each.
    pub fn new(grouping: Grouping, between: B, within: W) -> Self {
        Self { grouping, between, within }
    }
}

impl Grouping {
    fn name(&self) -> &'static str {
        match self {
            Self::Script => "script",
            Self::Family => "family in the built-in table",
            Self::Given(_) => "group",
        }
    }

    fn group<'a>(&'a self, language: &'a LanguageTag) -> Result<&'a str, DistributionError> {
        let group = match self {
            Self::Script => language.script(),
            Self::Family => language.facts().map(|facts| facts.family),
            Self::Given(groups) => groups.get(language).map(String::as_str),
        };
        let (language, grouping) = (language.clone(), self.name());
        group.ok_or(DistributionError::NoGroup { language, grouping })
    }
}

impl<B: LanguageWeighting, W: LanguageWeighting> LanguageWeighting for GroupedWeighting<B, W> {
    /// # Errors
    ///
    /// [`DistributionError::NoGroup`], and those of the two weightings.
    fn distribution(
        &self,
        sizes: &LanguageSizes,
    ) -> Result<LanguageDistribution, DistributionError> {
        // The languages of each group, with their places.
        let mut groups: BTreeMap<&str, Vec<(usize, &LanguageTag, u64)>> = BTreeMap::new();
        for (place, (language, size)) in sizes.iter().enumerate() {
            groups.entry(self.grouping.group(language)?).or_default().push((place, language, size));
        }
        let total = |members: &[(usize, &LanguageTag, u64)]| {
            members.iter().fold(0_u64, |sum, (_, _, size)| sum.saturating_add(*size))
        };
        let totals = groups.values().map(|members| (members[0].1.clone(), total(members)));
        let between = LanguageSizes::try_new(sizes.unit(), totals)?;
        let between = self.between.distribution(&between)?;
        let mut weights = vec![f64::NEG_INFINITY; sizes.len()];
        for ((_, of_group), members) in between.iter().zip(groups.values()) {
            let within = members.iter().map(|(_, language, size)| ((*language).clone(), *size));
            let within = LanguageSizes::try_new(sizes.unit(), within)?;
            let within = self.within.distribution(&within)?;
            for ((place, ..), (_, of_language)) in members.iter().zip(within.iter()) {
                weights[*place] = libm::log(of_group) + libm::log(of_language);
            }
        }
        let languages = sizes.iter().map(|(language, _)| language.clone());
        LanguageDistribution::from_log_weights(languages.zip(weights))
    }
}
