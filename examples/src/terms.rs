//! The terms of texts that adapters learn from, kept beside the adapters.

use std::path::{Path, PathBuf};

use isogloss::core::LanguageTag;
use isogloss::governance::{
    PartTerms, Permit, Policy, Provenance, ProvenanceEntry, Purpose, Terms,
};
use isogloss::peft::AdapterCard;

use crate::Outcome;

/// What they are called in the directory of an adapter.
const TERMS: &str = "terms.toml";
const PROVENANCE: &str = "provenance.toml";

/// A text that was opened under its terms.
#[derive(Clone, Debug)]
pub struct TextTerms {
    file: PathBuf,
    permit: Permit,
}

impl TextTerms {
    /// Reads terms, and opens the text for training.
    ///
    /// # Errors
    ///
    /// What is wrong with the file, or which of its clauses refuses.
    pub fn open(file: &Path) -> Outcome<Self> {
        let permit = opened(file, Purpose::Train)?;
        Ok(Self { file: file.to_owned(), permit })
    }

    /// Where the text came from: `from`, unless its terms say it. The language is not known of every text.
    pub fn provenance(
        &self,
        language: Option<&LanguageTag>,
        from: &Path,
        segments: usize,
    ) -> Provenance {
        let languages = language.into_iter().cloned().collect();
        let source = self.permit.source().map_or_else(|| from.display().to_string(), str::to_owned);
        let mut provenance = Provenance::default();
        provenance.push(ProvenanceEntry::new(languages, source, &self.permit, segments as u64));
        provenance
    }

    /// Lets terms and provenance go with an adapter; the latter is written into a file first.
    ///
    /// # Errors
    ///
    /// Those of writing.
    pub fn beside(
        &self,
        card: AdapterCard,
        provenance: &Provenance,
        path: &Path,
    ) -> Outcome<AdapterCard> {
        provenance.to_toml_file(path)?;
        Ok(card.with_file(&self.file, TERMS).with_file(path, PROVENANCE))
    }
}

/// Refuses an adapter whose text may not, or no longer, be used so.
///
/// # Errors
///
/// The clause that refuses, with the file.
pub fn check_terms(adapter: &Path, purpose: Purpose) -> Outcome<()> {
    let file = adapter.join(TERMS);
    if file.exists() {
        opened(&file, purpose)?;
    }
    Ok(())
}

/// Lets what another adapter has beside it of its texts go with a copy of it.
pub fn with_terms_of(adapter: &Path, card: AdapterCard) -> AdapterCard {
    let files = [TERMS, PROVENANCE].map(|name| (adapter.join(name), name)).into_iter();
    files
        .filter(|(file, _)| file.exists())
        .fold(card, |card, (file, name)| card.with_file(file, name))
}

fn opened(file: &Path, purpose: Purpose) -> Outcome<Permit> {
    let terms = PartTerms::Stated(Box::new(Terms::from_toml_file(file)?));
    let permit = terms.open(purpose, Policy::today());
    Ok(permit.map_err(|error| format!("{}: {error}", file.display()))?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use isogloss::governance::Consent;

    use super::*;

    #[test]
    fn terms_go_with_an_adapter_and_refuse_it_once_they_do() {
        let dir = std::env::temp_dir().join(format!("isogloss-terms-{}", std::process::id()));
        let adapter = dir.join("adapter");
        fs::create_dir_all(&adapter).unwrap();
        let given = dir.join("given.toml");
        let purposes = [Purpose::Train, Purpose::Evaluate];
        let terms = Terms::new("CC-BY-4.0").with_consent(Consent::Given).with_purposes(purposes);
        terms.to_toml_file(&given).unwrap();
        let text = TextTerms::open(&given).unwrap();
        let provenance = text.provenance(None, Path::new("sw.txt"), 7);
        assert_eq!(provenance.entries[0].source, "sw.txt");
        let card = text.beside(AdapterCard::default(), &provenance, &dir.join("made.toml"));
        for (from, name) in card.unwrap().beside {
            fs::copy(from, adapter.join(name)).unwrap();
        }
        check_terms(&adapter, Purpose::Evaluate).unwrap();
        assert_eq!(with_terms_of(&adapter, AdapterCard::default()).beside.len(), 2);
        let error = check_terms(&adapter, Purpose::Redistribute).unwrap_err().to_string();
        assert!(error.contains("terms.toml") && error.contains("purposes"), "{error}");
        let withdrawn = terms.with_consent(Consent::Withdrawn);
        withdrawn.to_toml_file(&adapter.join(TERMS)).unwrap();
        let error = check_terms(&adapter, Purpose::Evaluate).unwrap_err().to_string();
        assert!(error.contains("`consent` is withdrawn"), "{error}");
        withdrawn.to_toml_file(&given).unwrap();
        assert!(TextTerms::open(&given).is_err());
        // One that says nothing is let through.
        check_terms(&dir, Purpose::Evaluate).unwrap();
        fs::remove_dir_all(dir).unwrap();
    }
}
