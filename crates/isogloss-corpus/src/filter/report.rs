//! What the filter removed of each variety, and why.

use std::collections::BTreeMap;
use std::fmt;

use isogloss_core::LanguageTag;
use serde::{Deserialize, Serialize};

use super::{Fault, FilterConfig, FilterReason, Verdict};
use crate::error::{FilterError, VarietyLoss};

/// What became of the texts of each variety, and why.
///
/// Displayed, it is a table with the worst loss first. There is no total: a variety that lost all it
/// had does not show in one.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct FilterReport {
    /// What was asked for.
    pub config: FilterConfig,
    /// The name of the identifier, where there was one.
    pub identifier: Option<String>,
    /// The variety of every text that was seen.
    pub varieties: BTreeMap<LanguageTag, VarietyReport>,
}

/// What became of the texts of a variety.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct VarietyReport {
    /// Texts seen: those kept and those removed.
    pub seen: u64,
    /// Texts kept.
    pub kept: u64,
    /// Texts removed, each under its first fault.
    pub removed: BTreeMap<FilterReason, ReasonReport>,
    /// Texts flagged and not removed for that.
    pub flagged: BTreeMap<FilterReason, ReasonReport>,
    /// Texts that a heuristic could not judge and left alone.
    pub unjudged: BTreeMap<FilterReason, u64>,
}

/// The texts of a variety with one fault.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ReasonReport {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub samples: Vec<FilterSample>,
}

/// A text with a fault, to be looked at.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct FilterSample {
    /// Its place among the texts of its variety, counted from 1.
    pub place: u64,
    /// Its beginning.
    pub excerpt: String,
    /// What was found, and what was expected.
    pub detail: String,
}

/// Characters of an excerpt.
const EXCERPT: usize = 80;

impl FilterReport {
    pub(super) fn new(config: FilterConfig, identifier: Option<String>) -> Self {
        Self { config, identifier, varieties: BTreeMap::new() }
    }

    /// How many texts of a variety were removed.
    pub fn removed(&self, language: &LanguageTag) -> u64 {
        self.varieties.get(language).map_or(0, VarietyReport::removed)
    }

    /// Whether every variety keeps what the configuration says it must.
    ///
    /// # Errors
    ///
    /// [`FilterError::Loss`] with each variety that loses a larger share than
    /// [`max_loss`](FilterConfig::max_loss).
    pub fn check_loss(&self) -> Result<(), FilterError> {
        let Some(limit) = self.config.max_loss else { return Ok(()) };
        let over = self.worst_first().into_iter().filter(|(_, row)| row.loss() > limit);
        let losses: Vec<_> = over
            .map(|(language, row)| VarietyLoss {
                language: language.clone(),
                removed: row.removed(),
                seen: row.seen,
                reason: row.main_reason(),
            })
            .collect();
        if losses.is_empty() { Ok(()) } else { Err(FilterError::Loss { limit, losses }) }
    }

    /// The varieties, that with the largest share removed first.
    pub fn worst_first(&self) -> Vec<(&LanguageTag, &VarietyReport)> {
        let mut rows: Vec<_> = self.varieties.iter().collect();
        rows.sort_by(|a, b| b.1.loss().total_cmp(&a.1.loss()));
        rows
    }

    pub(super) fn push(&mut self, language: &LanguageTag, text: &str, verdict: &Verdict) {
        let limit = self.config.samples;
        let row = self.varieties.entry(language.clone()).or_default();
        row.seen += 1;
        row.kept += u64::from(verdict.is_kept());
        let place = row.seen;
        let add = |reasons: &mut BTreeMap<FilterReason, ReasonReport>, fault: &Fault| {
            reasons.entry(fault.reason).or_default().push(place, text, fault, limit);
        };
        verdict.removed.iter().for_each(|fault| add(&mut row.removed, fault));
        verdict.flagged.iter().for_each(|fault| add(&mut row.flagged, fault));
        for reason in &verdict.unjudged {
            *row.unjudged.entry(*reason).or_default() += 1;
        }
    }
}

impl VarietyReport {
    /// How many texts were removed.
    pub fn removed(&self) -> u64 {
        self.seen - self.kept
    }

    /// The share of the texts that was removed.
    pub fn loss(&self) -> f64 {
        if self.seen == 0 { 0.0 } else { self.removed() as f64 / self.seen as f64 }
    }

    /// The reason for which most were removed, the first checked of several.
    pub fn main_reason(&self) -> Option<FilterReason> {
        let most = self.removed.values().map(|reason| reason.count).max()?;
        self.removed.iter().find(|(_, found)| found.count == most).map(|(reason, _)| *reason)
    }

    /// The counts in words, for a table.
    fn why(&self) -> String {
        let counted = |reasons: &BTreeMap<FilterReason, ReasonReport>| {
            reasons.iter().map(|(reason, found)| (*reason, found.count)).collect()
        };
        let columns = [
            ("removed", counted(&self.removed)),
            ("flagged", counted(&self.flagged)),
            ("not judged", self.unjudged.clone()),
        ];
        let parts = columns.into_iter().filter(|(_, counts)| !counts.is_empty());
        let parts = parts.map(|(label, counts)| {
            let counts = counts.iter().map(|(reason, count)| format!("{reason} {count}"));
            format!("{label}: {}", counts.collect::<Vec<_>>().join(", "))
        });
        parts.collect::<Vec<_>>().join("; ")
    }
}

impl ReasonReport {
    fn push(&mut self, place: u64, text: &str, fault: &Fault, limit: usize) {
        self.count += 1;
        if self.samples.len() < limit {
            let mut excerpt: String = text.chars().take(EXCERPT).collect();
            if excerpt.len() < text.len() {
                excerpt.push('…');
            }
            self.samples.push(FilterSample { place, excerpt, detail: fault.detail.clone() });
        }
    }
}

impl fmt::Display for FilterReport {
    /// A table for a terminal, the worst loss first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widest = self.varieties.keys().map(|tag| tag.as_str().len()).max().unwrap_or(0);
        let width = widest.max("variety".len());
        writeln!(f, "{:width$}      texts       kept    lost  why", "variety")?;
        for (language, row) in self.worst_first() {
            let (seen, kept, lost) = (row.seen, row.kept, 100.0 * row.loss());
            let is_over = self.config.max_loss.is_some_and(|limit| row.loss() > limit);
            let mark = if is_over { '!' } else { ' ' };
            let row =
                format!("{language:width$} {seen:>10} {kept:>10} {lost:>6.1}%{mark} {}", row.why());
            writeln!(f, "{}", row.trim_end())?;
        }
        if let (Some(limit), Err(_)) = (self.config.max_loss, self.check_loss()) {
            writeln!(f, "! loses more than {:.1} %: a run would stop", 100.0 * limit)?;
        }
        Ok(())
    }
}
