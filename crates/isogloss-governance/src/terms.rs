//! The terms a text comes under.

use std::fmt;
use std::fs;
use std::path::Path;

use isogloss_core::write_file_atomically;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::{CareStatements, TermsError, TermsFileError};

/// What somebody wants to do with a text.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Purpose {
    /// Learn weights or a vocabulary from it.
    Train,
    /// Measure a model on it.
    Evaluate,
    /// Give it to others.
    Redistribute,
    /// Make new text from it.
    Generate,
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Evaluate => "evaluate",
            Self::Redistribute => "redistribute",
            Self::Generate => "generate",
        })
    }
}

/// Whether those whose text it is agreed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Consent {
    /// They did, for the purposes that the terms list.
    Given,
    /// The licence or the law makes it unnecessary.
    NotRequired,
    /// Nobody knows: it may be read, and neither passed on nor made text from.
    Unknown,
    /// They took it back.
    Withdrawn,
}

/// A label of Local Contexts (<https://localcontexts.org>): traditional knowledge (`tk…`) or
/// biocultural (`bc…`). Only a community puts one on; this type carries it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// The code, such as `tknc`.
    pub code: String,
    /// The community's own words, which prevail over any default text.
    pub text: Option<String>,
}

/// The terms a text comes under, as they stand in a TOML file beside it.
///
/// # Examples
///
/// ```
/// use isogloss_governance::{Purpose, Terms};
///
/// let terms = Terms::new("CC-BY-4.0").with_purposes([Purpose::Train, Purpose::Evaluate]);
/// let today = "2026-11-23".parse()?;
/// assert!(terms.try_check(Purpose::Train, today).is_ok());
/// assert_eq!(
///     terms.try_check(Purpose::Generate, today).unwrap_err().to_string(),
///     "`purposes` does not permit to generate, only to train, evaluate (ask the custodian: not \
///      stated)",
/// );
/// # Ok::<(), jiff::Error>(())
/// ```
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Terms {
    /// An SPDX expression, or `LicenseRef-` with the name of a community's licence.
    pub licence: String,
    /// Whether those whose text it is agreed.
    pub consent: Consent,
    /// What the text may be used for; nothing that is not listed.
    pub purposes: Vec<Purpose>,
    /// Where it is from.
    #[serde(default)]
    pub source: Option<String>,
    /// Whom to name.
    #[serde(default)]
    pub attribution: Option<String>,
    /// The community or body that decides about it.
    #[serde(default)]
    pub custodian: Option<String>,
    /// How to reach them.
    #[serde(default)]
    pub contact: Option<String>,
    /// The last day on which the terms hold.
    #[serde(default)]
    pub expires: Option<Date>,
    /// The labels that communities put on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
    /// What was agreed under the CARE principles.
    #[serde(default)]
    pub care: CareStatements,
}

impl Terms {
    /// Terms of a licence that makes consent unnecessary and permits training and evaluation.
    pub fn new(licence: impl Into<String>) -> Self {
        Self {
            licence: licence.into(),
            consent: Consent::NotRequired,
            purposes: vec![Purpose::Train, Purpose::Evaluate],
            source: None,
            attribution: None,
            custodian: None,
            contact: None,
            expires: None,
            labels: Vec::new(),
            care: CareStatements::default(),
        }
    }

    /// Sets the state of consent.
    #[must_use]
    pub fn with_consent(mut self, consent: Consent) -> Self {
        self.consent = consent;
        self
    }

    /// Sets what is permitted.
    #[must_use]
    pub fn with_purposes(mut self, purposes: impl IntoIterator<Item = Purpose>) -> Self {
        self.purposes = purposes.into_iter().collect();
        self
    }

    /// Sets where the text is from.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<String>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Sets whom to name.
    #[must_use]
    pub fn with_attribution(mut self, attribution: impl Into<String>) -> Self {
        self.attribution = Some(attribution.into());
        self
    }

    /// Sets the community or body that decides about the text.
    #[must_use]
    pub fn with_custodian(mut self, custodian: impl Into<String>) -> Self {
        self.custodian = Some(custodian.into());
        self
    }

    /// Sets how to reach them.
    #[must_use]
    pub fn with_contact(mut self, contact: impl Into<String>) -> Self {
        self.contact = Some(contact.into());
        self
    }

    /// Sets what was agreed under the CARE principles.
    #[must_use]
    pub fn with_care(mut self, care: CareStatements) -> Self {
        self.care = care;
        self
    }

    /// Sets the last day of the terms.
    #[must_use]
    pub fn with_expires(mut self, expires: Date) -> Self {
        self.expires = Some(expires);
        self
    }

    /// Adds a label.
    #[must_use]
    pub fn with_label(mut self, label: Label) -> Self {
        self.labels.push(label);
        self
    }

    /// Whether the text may be used for a purpose on a day.
    ///
    /// # Errors
    ///
    /// [`TermsError`], naming the clause that does not permit it.
    pub fn try_check(&self, purpose: Purpose, today: Date) -> Result<(), TermsError> {
        match self.consent {
            Consent::Withdrawn => return Err(TermsError::Withdrawn),
            Consent::Unknown if matches!(purpose, Purpose::Redistribute | Purpose::Generate) => {
                return Err(TermsError::ConsentUnknown { purpose });
            }
            _ => {}
        }
        if let Some(expired) = self.expires.filter(|expires| *expires < today) {
            return Err(TermsError::Expired { expired, today });
        }
        if !self.purposes.contains(&purpose) {
            let contact = self.contact.clone().or_else(|| self.custodian.clone());
            return Err(TermsError::Purpose {
                purpose,
                permitted: self.purposes.clone(),
                contact: contact.unwrap_or_else(|| "not stated".to_owned()),
            });
        }
        let restricting = self.labels.iter().find_map(|label| {
            restriction(&label.code, purpose).map(|reason| (label.code.clone(), reason))
        });
        match restricting {
            Some((code, reason)) => Err(TermsError::Label { code, purpose, reason }),
            None => Ok(()),
        }
    }

    /// Whether the licence is an SPDX expression, or `LicenseRef-` and a name of its own. SPDX's
    /// `NOASSERTION` and `NONE` say that there is none.
    pub fn is_licence_known(&self) -> bool {
        let says_nothing = matches!(self.licence.as_str(), "NOASSERTION" | "NONE");
        !says_nothing && spdx::Expression::parse(&self.licence).is_ok()
    }

    /// Reads terms from a TOML file.
    ///
    /// # Errors
    ///
    /// [`TermsFileError`], with the file and the line or key at fault.
    pub fn from_toml_file(path: &Path) -> Result<Self, TermsFileError> {
        let text = fs::read_to_string(path)
            .map_err(|source| TermsFileError::Read { path: path.to_owned(), source })?;
        let terms: Self = toml::from_str(&text).map_err(|source| TermsFileError::Parse {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        terms.try_licence(path)?;
        Ok(terms)
    }

    /// Writes terms to a TOML file, as a whole or not at all.
    ///
    /// # Errors
    ///
    /// [`TermsFileError::Licence`] where it could not be read back, [`TermsFileError::Write`].
    pub fn to_toml_file(&self, path: &Path) -> Result<(), TermsFileError> {
        self.try_licence(path)?;
        let text = toml::to_string(self).map_err(|source| TermsFileError::Serialize {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        Ok(write_file_atomically(path, |file| file.write_all(text.as_bytes()))?)
    }

    fn try_licence(&self, path: &Path) -> Result<(), TermsFileError> {
        if self.is_licence_known() {
            return Ok(());
        }
        Err(TermsFileError::Licence { path: path.to_owned(), found: self.licence.clone() })
    }
}

/// The least that a label asks, where it forbids a purpose; the community's own text prevails. What
/// a label asks that nobody here knows is not known to permit anything.
fn restriction(code: &str, purpose: Purpose) -> Option<&'static str> {
    let spreads = matches!(purpose, Purpose::Redistribute | Purpose::Generate);
    match code.to_ascii_lowercase().as_str() {
        "tkss" | "tkmr" | "tkwr" | "tkmg" | "tkwg" | "tkcl" | "bccl" | "tkf" | "tkco" => {
            Some("it keeps the text within the community")
        }
        "tkcs" | "tks" | "tknv" | "bccnv" => Some("it asks for a review by the community first"),
        "tko" | "bco" if purpose != Purpose::Evaluate => Some("it is for education and outreach"),
        "tknc" | "bcnc" | "bcr" if spreads => Some("it excludes commercial use downstream"),
        // The purpose is within the label, or the label names somebody and forbids nothing.
        "tko" | "bco" | "tknc" | "bcnc" | "bcr" | "tka" | "tkmc" | "tkcv" | "tkcr" | "tkv"
        | "tkcb" | "tkoc" | "tkc" | "bcp" | "bcmc" | "bcv" | "bccv" | "bccb" | "bcoc" | "bcc" => {
            None
        }
        _ => Some("it is no label of Local Contexts that we know, so ask what it asks"),
    }
}
