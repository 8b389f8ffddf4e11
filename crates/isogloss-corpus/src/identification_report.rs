//! How well an identifier knows each language.

use std::collections::BTreeMap;
use std::fmt;

use isogloss_core::LanguageTag;
use serde::{Deserialize, Serialize};

use crate::LanguageIdentifier;
use crate::identifier::is_same_variety;

/// How many texts of each language an identifier knows for what they are.
///
/// Displayed, it is a table with the lowest recall first. There is no mean over languages, on
/// purpose: an identifier with a recall of .95 "on average" may know nothing of the language whose
/// text is about to be removed.
///
/// # Source
///
/// Kreutzer et al. (2022), "Quality at a Glance", <https://aclanthology.org/2022.tacl-1.4>, and
/// Caswell et al. (2020), "Language ID in the Wild",
/// <https://aclanthology.org/2020.coling-main.579>, on what such means hide.
///
/// # Examples
///
/// ```
/// use isogloss_core::LanguageTag;
/// use isogloss_corpus::{IdentificationReport, NgramConfig};
///
/// let [luganda, rwanda]: [LanguageTag; 2] = ["lg".parse()?, "rw".parse()?];
/// let texts = [(&luganda, "Webale nnyo"), (&rwanda, "Murakoze cyane")];
/// let identifier = NgramConfig::default().train(texts)?;
/// let report = IdentificationReport::measure(&identifier, texts);
/// assert_eq!(report.languages[&luganda].recall(), Some(1.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct IdentificationReport {
    /// The name of the identifier.
    pub identifier: String,
    /// Every language of the texts.
    pub languages: BTreeMap<LanguageTag, IdentificationCounts>,
}

/// What an identifier took the texts of a language for.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct IdentificationCounts {
    /// Whether the identifier knows the language at all.
    pub is_covered: bool,
    /// Texts of the language.
    pub support: u64,
    /// Texts that were taken for what they are.
    pub right: u64,
    /// Texts of which it said nothing.
    pub unanswered: u64,
    /// What the other texts were taken for.
    pub taken_for: BTreeMap<LanguageTag, u64>,
    /// Texts in other languages that were taken for this one.
    pub wrongly_given: u64,
}

impl IdentificationReport {
    /// Asks an identifier for the language of texts whose language is known.
    pub fn measure<'t>(
        identifier: &dyn LanguageIdentifier,
        texts: impl IntoIterator<Item = (&'t LanguageTag, &'t str)>,
    ) -> Self {
        let mut languages: BTreeMap<LanguageTag, IdentificationCounts> = BTreeMap::new();
        for (language, text) in texts {
            let counts = languages.entry(language.clone()).or_default();
            counts.support += 1;
            match identifier.identify(text) {
                Some(guess) if is_same_variety(&guess.language, language) => counts.right += 1,
                Some(guess) => *counts.taken_for.entry(guess.language).or_default() += 1,
                None => counts.unanswered += 1,
            }
        }
        let mut wrongly_given: BTreeMap<LanguageTag, u64> = BTreeMap::new();
        for (guess, count) in languages.values().flat_map(|counts| &counts.taken_for) {
            *wrongly_given.entry(guess.clone()).or_default() += count;
        }
        for (language, counts) in &mut languages {
            counts.is_covered = identifier.covers(language);
            let given = wrongly_given.iter().filter(|(guess, _)| is_same_variety(guess, language));
            counts.wrongly_given = given.map(|(_, count)| count).sum();
        }
        Self { identifier: identifier.name().to_owned(), languages }
    }

    /// The languages that the identifier does not know, and of which it can say nothing right.
    pub fn not_covered(&self) -> impl Iterator<Item = &LanguageTag> {
        self.languages.iter().filter(|(_, counts)| !counts.is_covered).map(|(language, _)| language)
    }

    /// The languages that it knows, that with the lowest recall first.
    pub fn worst_first(&self) -> Vec<(&LanguageTag, &IdentificationCounts)> {
        let mut rows: Vec<_> =
            self.languages.iter().filter(|(_, counts)| counts.is_covered).collect();
        let recall = |counts: &IdentificationCounts| counts.recall().unwrap_or_default();
        rows.sort_by(|a, b| recall(a.1).total_cmp(&recall(b.1)));
        rows
    }
}

impl IdentificationCounts {
    /// The share of the language's texts that were taken for what they are; `None` where the
    /// identifier does not know the language.
    pub fn recall(&self) -> Option<f64> {
        (self.is_covered && self.support > 0).then(|| self.right as f64 / self.support as f64)
    }

    /// The interval of 95 % for [`recall`](Self::recall), by Wilson's score (1927).
    ///
    /// ```text
    /// (p + z²/2n ± z √(p (1 − p)/n + z²/4n²)) / (1 + z²/n),  z = 1.96
    /// ```
    pub fn recall_interval(&self) -> Option<[f64; 2]> {
        let (p, n) = (self.recall()?, self.support as f64);
        let z = 1.959_963_984_540_054;
        let z2 = z * z;
        let centre = p + z2 / (2.0 * n);
        let spread = z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
        let scale = 1.0 + z2 / n;
        Some([((centre - spread) / scale).max(0.0), ((centre + spread) / scale).min(1.0)])
    }

    /// The share that is of the language among all measured texts that were taken for it. It depends
    /// on how many texts of each language were measured, as recall does not.
    pub fn precision(&self) -> Option<f64> {
        let given = self.right + self.wrongly_given;
        (given > 0).then(|| self.right as f64 / given as f64)
    }

    /// What the language is most often taken for besides itself, and how often.
    pub fn most_often_taken_for(&self) -> Option<(&LanguageTag, u64)> {
        let most = self.taken_for.values().max()?;
        let (language, count) = self.taken_for.iter().find(|(_, count)| *count == most)?;
        Some((language, *count))
    }
}

impl fmt::Display for IdentificationReport {
    /// A table for a terminal, the lowest recall first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widest = self.languages.keys().map(|tag| tag.as_str().len()).max().unwrap_or(0);
        let width = widest.max("language".len());
        let taken = |counts: &IdentificationCounts| {
            let most = counts.most_often_taken_for();
            most.map_or_else(String::new, |(language, count)| format!("{language} ({count})"))
        };
        writeln!(
            f,
            "{:width$}    texts  recall  95 % interval  precision  most often taken for",
            "language"
        )?;
        for (language, counts) in self.worst_first() {
            let recall = counts.recall().unwrap_or_default();
            let [low, high] = counts.recall_interval().unwrap_or_default();
            let precision =
                counts.precision().map_or_else(|| "–".to_owned(), |p| format!("{p:.3}"));
            let (texts, taken) = (counts.support, taken(counts));
            let row = format!(
                "{language:width$} {texts:>8}  {recall:>6.3}  {low:>5.3} – {high:<5.3}  {precision:>9}  \
                 {taken}"
            );
            writeln!(f, "{}", row.trim_end())?;
        }
        for (language, counts) in self.languages.iter().filter(|(_, counts)| !counts.is_covered) {
            let (texts, taken) = (counts.support, taken(counts));
            let row = format!("{language:width$} {texts:>8}  not known to {}", self.identifier);
            let row = format!("{row:w$}  {taken}", w = width + 43);
            writeln!(f, "{}", row.trim_end())?;
        }
        Ok(())
    }
}
