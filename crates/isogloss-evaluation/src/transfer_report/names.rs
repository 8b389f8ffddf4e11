//! Languages as a reader knows them.

use std::collections::{BTreeMap, BTreeSet};

use isogloss_core::LanguageTag;

use super::{Part, TransferReportConfig};
use crate::transfer::Condition;
use crate::{Cell, Run, Setting};

impl TransferReportConfig {
    /// With English names that tell the languages of the runs apart.
    pub(super) fn for_runs(mut self, runs: &[Run]) -> Self {
        let of_run =
            |run: &Run| run.sources.iter().chain([&run.target]).cloned().collect::<Vec<_>>();
        let all: BTreeSet<LanguageTag> = runs.iter().flat_map(of_run).collect();
        let mut by_name: BTreeMap<String, Vec<LanguageTag>> = BTreeMap::new();
        for language in all {
            by_name.entry(language.name().to_owned()).or_default().push(language);
        }
        for (name, languages) in by_name.into_iter().filter(|(_, languages)| languages.len() > 1) {
            let told_apart = languages.into_iter().map(|language| {
                let name = format!("{name} ({language})");
                (language, name)
            });
            self.shared_names.extend(told_apart);
        }
        self
    }

    /// The English name, with the tag where another language has the same.
    pub(super) fn english<'b>(&'b self, language: &'b LanguageTag) -> &'b str {
        self.shared_names.get(language).map_or_else(|| language.name(), String::as_str)
    }

    /// Sources as part of a system's name.
    pub(super) fn sources(&self, sources: &[LanguageTag]) -> String {
        let names: Vec<&str> = sources.iter().map(|source| self.english(source)).collect();
        names.join(" + ")
    }

    /// A system by its model, its setting if it is not transfer, and its sources.
    pub(super) fn system(&self, condition: &Condition) -> String {
        let Condition { model, setting, sources, .. } = condition;
        let sources = self.sources(sources);
        match setting {
            Setting::Transfer => format!("{model}, from {sources}"),
            setting => format!("{model}, {setting}, from {sources}"),
        }
    }

    /// The name given, else the English one.
    pub(super) fn name<'b>(&'b self, language: &'b LanguageTag) -> &'b str {
        self.names.get(language).map_or_else(|| self.english(language), String::as_str)
    }

    /// The name as it stands in a table: what was given is in the language itself.
    pub(super) fn name_cell(&self, language: &LanguageTag) -> Cell {
        match self.names.get(language) {
            Some(name) => Cell::Name { name: name.clone(), language: language.clone() },
            None => self.english(language).into(),
        }
    }

    /// The English name and the one given, which must not turn round what stands beside it.
    pub(super) fn in_prose(&self, language: &LanguageTag) -> String {
        let english = self.english(language);
        match self.names.get(language) {
            Some(name) if name.chars().any(is_right_to_left) => {
                format!("{english} (\u{2068}{name}\u{2069})")
            }
            Some(name) if name != english => format!("{english} ({name})"),
            _ => english.to_owned(),
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
