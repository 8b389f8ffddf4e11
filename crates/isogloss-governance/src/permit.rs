//! The check that opens a text, and what it leaves in the opener's hand.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::{Purpose, Terms, TermsError};

/// What a part of a corpus comes under.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PartTerms {
    /// Terms that somebody stated.
    Stated(Box<Terms>),
    /// The word `unstated`: it opens for training and evaluation, with a warning that goes where the
    /// model goes, and never for redistribution or generation.
    Unstated,
}

/// How strict a run is, and on what day.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Policy {
    /// Refuse text whose terms are unstated.
    pub require_terms: bool,
    /// The day against which expiry is held.
    pub today: Date,
}

/// Leave to use a text for a purpose. It comes out of [`PartTerms::open`] and from nowhere else.
#[derive(Clone, Debug, PartialEq)]
pub struct Permit {
    // Invariant: made by a check that the terms passed.
    purpose: Purpose,
    licence: String,
    source: Option<String>,
    attribution: Option<String>,
    warning: Option<String>,
}

impl Policy {
    /// The policy of this day, by the machine's clock, which takes unstated text with a warning.
    pub fn today() -> Self {
        Self::on(jiff::ZonedDateTime::now().date())
    }

    /// The policy of a day.
    pub fn on(today: Date) -> Self {
        Self { require_terms: false, today }
    }

    /// Sets whether text whose terms are unstated is refused.
    #[must_use]
    pub fn with_require_terms(mut self, require_terms: bool) -> Self {
        self.require_terms = require_terms;
        self
    }
}

impl PartTerms {
    /// Asks for leave.
    ///
    /// # Errors
    ///
    /// [`TermsError`], naming the clause that refuses it.
    pub fn open(&self, purpose: Purpose, policy: Policy) -> Result<Permit, TermsError> {
        match self {
            Self::Stated(terms) => {
                terms.try_check(purpose, policy.today)?;
                Ok(Permit {
                    purpose,
                    licence: terms.licence.clone(),
                    source: terms.source.clone(),
                    attribution: terms.attribution.clone(),
                    warning: None,
                })
            }
            Self::Unstated if policy.require_terms => Err(TermsError::TermsRequired),
            Self::Unstated if matches!(purpose, Purpose::Train | Purpose::Evaluate) => Ok(Permit {
                purpose,
                licence: "unstated".to_owned(),
                source: None,
                attribution: None,
                warning: Some(format!("terms are unstated; opened to {purpose} all the same")),
            }),
            Self::Unstated => Err(TermsError::Unstated { purpose }),
        }
    }

    /// The terms, where they are stated.
    pub fn stated(&self) -> Option<&Terms> {
        match self {
            Self::Stated(terms) => Some(terms),
            Self::Unstated => None,
        }
    }
}

impl Permit {
    /// What for.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// The licence, or `unstated`.
    pub fn licence(&self) -> &str {
        &self.licence
    }

    /// Where the text is from, as its terms state it.
    pub fn source(&self) -> Option<&str> {
        self.source.as_deref()
    }

    /// Whom to name, as the terms state it.
    pub fn attribution(&self) -> Option<&str> {
        self.attribution.as_deref()
    }

    /// What a person should know, if anything.
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }
}
