//! Why a text stays closed.

use std::io;
use std::path::PathBuf;

use isogloss_core::WriteError;
use jiff::civil::Date;
use thiserror::Error;

use crate::Purpose;

/// The clause by which a text may not be used for a purpose.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum TermsError {
    /// The purpose is not among those permitted.
    #[error(
        "`purposes` does not permit to {purpose}, only to {} (ask the custodian: {contact})",
        list(permitted)
    )]
    Purpose {
        /// What was asked for.
        purpose: Purpose,
        /// What is permitted.
        permitted: Vec<Purpose>,
        /// Whom to ask.
        contact: String,
    },

    /// Consent was withdrawn.
    #[error("`consent` is withdrawn, so the text may not be used at all")]
    Withdrawn,

    /// Nobody knows whether there was consent.
    #[error("`consent` is unknown, which does not permit to {purpose}")]
    ConsentUnknown {
        /// What was asked for.
        purpose: Purpose,
    },

    /// The terms have ended.
    #[error("`expires` was {expired}, expected {today} or later (agree on new terms)")]
    Expired {
        /// The last day of the terms.
        expired: Date,
        /// The day of the check.
        today: Date,
    },

    /// A label that a community put on the text restricts it.
    #[error("label `{code}` does not permit to {purpose}: {reason}")]
    Label {
        /// The code of the Local Contexts label.
        code: String,
        /// What was asked for.
        purpose: Purpose,
        /// What the label asks.
        reason: &'static str,
    },

    /// No terms are stated, and the purpose needs some.
    #[error("terms are unstated, which does not permit to {purpose}")]
    Unstated {
        /// What was asked for.
        purpose: Purpose,
    },

    /// No terms are stated, and the policy asks for them.
    #[error("terms are unstated, and `require_terms` refuses such text")]
    TermsRequired,
}

fn list(purposes: &[Purpose]) -> String {
    if purposes.is_empty() {
        return "nothing".to_owned();
    }
    purposes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Why a file of terms could not be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TermsFileError {
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },

    /// It is not TOML, or lacks a key, or has one that terms do not have.
    #[error("{}: not terms", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The line, and what was expected there.
        source: Box<toml::de::Error>,
    },

    /// The licence is neither an SPDX expression nor a reference.
    #[error(
        "{}: `licence` is `{found}`, expected an SPDX expression such as `CC-BY-4.0`, or \
         `LicenseRef-` and a name of its own",
        path.display()
    )]
    Licence {
        /// The file.
        path: PathBuf,
        /// What stands there.
        found: String,
    },

    /// They have no form as TOML.
    #[error("{}: cannot be written as TOML", path.display())]
    Serialize {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<toml::ser::Error>,
    },

    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}
