//! Whether a text is in the script that its tag says.

use isogloss_core::LanguageTag;
use serde::{Deserialize, Serialize};
use unicode_script::{Script, UnicodeScript};

use super::Finding;

/// Removes a text when too few of its letters are in the script of its tag.
///
/// ```text
/// share = letters in the script / letters of any script
/// ```
///
/// Letters that all scripts share count in neither. A text without letters, and one whose tag has
/// no script that Unicode knows, is kept and reported as not judged.
///
/// # Source
///
/// Kargaran, Yvon and Schütze (2024), "GlotScript: A Resource and Tool for Low Resource Writing System
/// Identification", <https://arxiv.org/abs/2309.13320>, which cleans corpora of text in scripts that
/// their languages are not written in. The default limit is ours.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ScriptCheck {
    /// The smallest share of letters, from 0 to 1: 0.5 by default.
    pub min_share: f64,
}

impl Default for ScriptCheck {
    fn default() -> Self {
        Self { min_share: 0.5 }
    }
}

impl ScriptCheck {
    /// With the smallest share of letters, from 0 to 1.
    pub fn new(min_share: f64) -> Self {
        Self { min_share }
    }

    pub(super) fn finding(self, text: &str, scripts: &[Script]) -> Finding {
        let Some(share) = share_in(text, scripts) else { return Finding::Unjudged };
        if share >= self.min_share {
            return Finding::Fine;
        }
        let names: Vec<_> = scripts.iter().map(|script| script.full_name()).collect();
        Finding::Fault(format!(
            "{share:.2} of letters are {}, expected at least {}",
            names.join(" or "),
            self.min_share
        ))
    }
}

/// The scripts that a tag allows; none where it has no script, or one that Unicode does not know.
pub(super) fn scripts_of(language: &LanguageTag) -> Vec<Script> {
    match language.script() {
        Some("Hans" | "Hant" | "Hani" | "Hanb") => vec![Script::Han, Script::Bopomofo],
        Some("Jpan" | "Hrkt") => vec![Script::Han, Script::Hiragana, Script::Katakana],
        Some("Kore") => vec![Script::Hangul, Script::Han],
        // Styles of a script that have a code of their own.
        Some("Aran") => vec![Script::Arabic],
        Some("Cyrs") => vec![Script::Cyrillic],
        Some("Latf" | "Latg") => vec![Script::Latin],
        Some(code) => Script::from_short_name(code).into_iter().collect(),
        None => Vec::new(),
    }
}

/// The share of the letters that are in one of the scripts; `None` without letters or scripts.
pub(super) fn share_in(text: &str, scripts: &[Script]) -> Option<f64> {
    if scripts.is_empty() {
        return None;
    }
    let (mut letters, mut inside) = (0_u64, 0_u64);
    for char in text.chars().filter(|char| char.is_alphabetic()) {
        // A mark that several scripts use is of each of them.
        let extension = char.script_extension();
        if !matches!(char.script(), Script::Common | Script::Inherited | Script::Unknown) {
            letters += 1;
            inside += u64::from(scripts.iter().any(|script| extension.contains_script(*script)));
        }
    }
    (letters > 0).then(|| inside as f64 / letters as f64)
}
