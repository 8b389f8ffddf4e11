#![doc = include_str!("../README.md")]

mod care;
mod error;
mod model_card;
mod permit;
mod provenance;
mod terms;

pub use care::CareStatements;
pub use error::{TermsError, TermsFileError};
pub use model_card::ModelCard;
pub use permit::{PartTerms, Permit, Policy};
pub use provenance::{Provenance, ProvenanceEntry};
pub use terms::{Consent, Label, Purpose, Terms};
