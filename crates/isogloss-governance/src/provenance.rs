//! Where a model's text came from, to be kept beside the model.

use std::path::Path;

use isogloss_core::{LanguageTag, write_file_atomically};
use serde::{Deserialize, Serialize};

use crate::{Permit, TermsFileError};

/// Every text that went into something, with its source, terms and amount.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Provenance {
    /// The texts, in the order in which they were opened.
    pub entries: Vec<ProvenanceEntry>,
}

/// One text.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ProvenanceEntry {
    /// Its languages: one, or two for a bitext.
    pub languages: Vec<LanguageTag>,
    /// Where it is from, or its file.
    pub source: String,
    /// Its licence, or `unstated`.
    pub licence: String,
    /// Whom to name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attribution: Option<String>,
    /// What it was opened for.
    pub purpose: crate::Purpose,
    /// How many segments were read.
    pub segments: u64,
    /// What a person should know.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub warning: Option<String>,
}

impl ProvenanceEntry {
    /// Notes a text that was opened under a permit.
    pub fn new(
        languages: Vec<LanguageTag>,
        source: impl Into<String>,
        permit: &Permit,
        segments: u64,
    ) -> Self {
        Self {
            languages,
            source: source.into(),
            licence: permit.licence().to_owned(),
            attribution: permit.attribution().map(str::to_owned),
            purpose: permit.purpose(),
            segments,
            warning: permit.warning().map(str::to_owned),
        }
    }
}

impl Provenance {
    /// Adds a text.
    pub fn push(&mut self, entry: ProvenanceEntry) {
        self.entries.push(entry);
    }

    /// Adds the texts of another.
    pub fn merge(&mut self, other: Self) {
        self.entries.extend(other.entries);
    }

    /// Writes it to a TOML file, such as one beside a model, as a whole or not at all.
    ///
    /// # Errors
    ///
    /// [`TermsFileError::Serialize`], [`TermsFileError::Write`].
    pub fn to_toml_file(&self, path: &Path) -> Result<(), TermsFileError> {
        let text = toml::to_string(self).map_err(|source| TermsFileError::Serialize {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        Ok(write_file_atomically(path, |file| file.write_all(text.as_bytes()))?)
    }

    /// The warnings, each with the source it is about, and none twice.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings: Vec<String> = self
            .entries
            .iter()
            .filter_map(|entry| Some(format!("{}: {}", entry.source, entry.warning.as_ref()?)))
            .collect();
        warnings.sort();
        warnings.dedup();
        warnings
    }
}
