//! What a model is, what it was made from, and under which terms: the page beside it.

use std::fmt::Write as _;

use isogloss_core::LanguageTag;

use crate::Provenance;

/// A model card in Markdown, with the header that model hubs read.
///
/// # Source
///
/// Mitchell et al. (2019), "Model Cards for Model Reporting", <https://arxiv.org/abs/1810.03993>. The
/// header is that of the Hugging Face Hub.
///
/// # Examples
///
/// ```
/// use isogloss_core::LanguageTag;
/// use isogloss_governance::{
///     ModelCard, PartTerms, Policy, Provenance, ProvenanceEntry, Purpose, Terms,
/// };
///
/// let terms = Terms::new("CC-BY-4.0").with_attribution("Ẹgbẹ́ Akọ̀wé");
/// let policy = Policy::on("2026-11-23".parse()?);
/// let permit = PartTerms::Stated(Box::new(terms)).open(Purpose::Train, policy)?;
/// let yoruba: LanguageTag = "yor_Latn".parse()?;
/// let mut provenance = Provenance::default();
/// provenance.push(ProvenanceEntry::new(vec![yoruba], "news.txt", &permit, 1200));
///
/// let card = ModelCard::new("A tagger for Yoruba", "Apache-2.0")
///     .with_base("xlm-roberta-base")
///     .with_provenance(provenance);
/// let text = card.to_markdown();
/// assert!(text.starts_with("---\nlicense: \"apache-2.0\"\n"));
/// assert!(text.contains("| Yoruba (yo-Latn) | news.txt | CC-BY-4.0 | Ẹgbẹ́ Akọ̀wé | train | 1200 |"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ModelCard {
    /// What the model is called.
    pub title: String,
    /// The licence of the model, an SPDX expression, or `unstated`.
    pub licence: String,
    /// The model that it was made from.
    pub base: Option<String>,
    /// What it is and how it was made, in Markdown.
    pub summary: String,
    /// The texts that went into it.
    pub provenance: Provenance,
}

impl ModelCard {
    /// A card that names nothing but the model and its licence.
    pub fn new(title: impl Into<String>, licence: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            licence: licence.into(),
            base: None,
            summary: String::new(),
            provenance: Provenance::default(),
        }
    }

    /// Sets the model that it was made from.
    #[must_use]
    pub fn with_base(self, base: impl Into<String>) -> Self {
        Self { base: Some(base.into()), ..self }
    }

    /// Sets what it is and how it was made.
    #[must_use]
    pub fn with_summary(self, summary: impl Into<String>) -> Self {
        Self { summary: summary.into(), ..self }
    }

    /// Sets the texts that went into it.
    #[must_use]
    pub fn with_provenance(self, provenance: Provenance) -> Self {
        Self { provenance, ..self }
    }

    /// The page. Every text is named with its source, licence and whom to name, and every warning of a
    /// permit is repeated.
    pub fn to_markdown(&self) -> String {
        let mut page = self.header();
        let _ = writeln!(page, "# {}\n", self.title);
        if !self.summary.is_empty() {
            let _ = writeln!(page, "{}\n", self.summary.trim_end());
        }
        let _ = writeln!(page, "## Terms\n");
        let _ = match self.licence.as_str() {
            "unstated" => {
                writeln!(page, "No licence is stated: ask those who made it before you use it.\n")
            }
            licence => writeln!(page, "Licence: {licence}.\n"),
        };
        if let Some(base) = &self.base {
            let _ = writeln!(page, "Made from {base}, whose terms hold as well.\n");
        }
        if !self.provenance.entries.is_empty() {
            page.push_str(&self.texts());
        }
        page
    }

    /// Values are written as JSON, which is YAML, too.
    fn header(&self) -> String {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let mut header = String::from("---\n");
        if self.licence != "unstated" {
            let _ = writeln!(header, "license: {}", quoted(&self.licence.to_lowercase()));
        }
        let languages = self.provenance.entries.iter().flat_map(|entry| &entry.languages);
        let mut languages: Vec<&str> = languages.map(LanguageTag::language).collect();
        languages.sort_unstable();
        languages.dedup();
        if !languages.is_empty() {
            let _ = writeln!(header, "language:");
        }
        for language in languages {
            // A tag such as `no` is a word of YAML's own.
            let _ = writeln!(header, "- {}", quoted(language));
        }
        if let Some(base) = &self.base {
            let _ = writeln!(header, "base_model: {}", quoted(base));
        }
        header + "---\n"
    }

    fn texts(&self) -> String {
        let mut page = String::from(
            "## Texts\n\n| language | source | licence | whom to name | opened to | segments |\n\
             |---|---|---|---|---|---|\n",
        );
        for entry in &self.provenance.entries {
            let languages = entry.languages.iter();
            let languages: Vec<String> =
                languages.map(|language| format!("{} ({language})", language.name())).collect();
            let cells = [
                languages.join(" and "),
                entry.source.clone(),
                entry.licence.clone(),
                entry.attribution.clone().unwrap_or_default(),
                entry.purpose.to_string(),
                entry.segments.to_string(),
            ];
            let cells = cells.map(|cell| cell.replace('|', "\\|").replace('\n', " "));
            let _ = writeln!(page, "| {} |", cells.join(" | "));
        }
        let warnings = self.provenance.warnings();
        if !warnings.is_empty() {
            page.push_str("\nWhat a reader should know:\n\n");
        }
        for warning in warnings {
            let _ = writeln!(page, "- {warning}");
        }
        page
    }
}
