//! Languages as a reader knows them.

use isogloss_core::LanguageTag;

use super::{Part, TransferReportConfig};
use crate::Cell;

impl TransferReportConfig {
    /// The name given, else the English one.
    pub(super) fn name<'b>(&'b self, language: &'b LanguageTag) -> &'b str {
        self.names.get(language).map_or_else(|| language.name(), String::as_str)
    }

    /// The name as it stands in a table: what was given is in the language itself.
    pub(super) fn name_cell(&self, language: &LanguageTag) -> Cell {
        match self.names.get(language) {
            Some(name) => Cell::Name { name: name.clone(), language: language.clone() },
            None => language.name().into(),
        }
    }

    /// The name as it stands in a sentence, where it must not turn what is beside it round.
    pub(super) fn in_prose(&self, language: &LanguageTag) -> String {
        let name = self.name(language);
        if name.chars().any(is_right_to_left) {
            format!("\u{2068}{name}\u{2069}")
        } else {
            name.to_owned()
        }
    }

    /// Names in a sentence.
    pub(super) fn listed<'b>(
        &self,
        languages: impl IntoIterator<Item = &'b LanguageTag>,
    ) -> String {
        const SHOWN: usize = 20;
        let names: Vec<String> = languages.into_iter().map(|l| self.in_prose(l)).collect();
        if names.len() > SHOWN {
            format!("{} and {} more", names[..SHOWN].join(", "), names.len() - SHOWN)
        } else {
            names.join(", ")
        }
    }
}

impl Part<'_> {
    /// Names as labels of a plot.
    pub(super) fn labels(&self, languages: &[&LanguageTag]) -> Vec<String> {
        languages.iter().map(|language| self.config.name(language).to_owned()).collect()
    }
}

/// Whether a sign is of a block of a script written from right to left.
fn is_right_to_left(sign: char) -> bool {
    matches!(
        u32::from(sign),
        0x0590..=0x08FF | 0xFB1D..=0xFDFF | 0xFE70..=0xFEFF | 0x1_0800..=0x1_0FFF | 0x1_E800..=0x1_EFFF
    )
}
