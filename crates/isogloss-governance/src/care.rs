//! What a community says of its data, in the words of CARE.

use serde::{Deserialize, Serialize};

/// Statements under the four CARE principles: what was agreed, in sentences.
///
/// A machine carries them and prints them; it does not judge them.
///
/// # Source
///
/// Carroll et al. (2020), "The CARE Principles for Indigenous Data Governance", Data Science Journal
/// 19:43, <https://doi.org/10.5334/dsj-2020-043>.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct CareStatements {
    /// Who benefits, and how.
    pub collective_benefit: Option<String>,
    /// Who decides.
    pub authority_to_control: Option<String>,
    /// What those who use the text owe.
    pub responsibility: Option<String>,
    /// How harm is avoided, now and in future uses.
    pub ethics: Option<String>,
}

impl CareStatements {
    /// Those that are stated, each with the name of its principle.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("collective benefit", &self.collective_benefit),
            ("authority to control", &self.authority_to_control),
            ("responsibility", &self.responsibility),
            ("ethics", &self.ethics),
        ]
        .into_iter()
        .filter_map(|(principle, text)| text.as_deref().map(|text| (principle, text)))
    }
}
