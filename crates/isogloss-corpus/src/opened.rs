//! A part that was opened under its terms.

use std::path::{Path, PathBuf};

use isogloss_core::LanguageTag;
use isogloss_governance::{Permit, ProvenanceEntry};

use crate::{CorpusReadError, ManifestError};

/// The records of a part that its terms opened for a purpose, read as they are asked for.
///
/// Where the manifest states the number of segments and the file has another, the item after the
/// last record is [`CorpusReadError::Segments`]. Nothing follows an error.
#[derive(Debug)]
pub struct PartReader<I> {
    // Invariant: `permit` came out of the check of this part's terms.
    records: I,
    path: PathBuf,
    expected: Option<u64>,
    found: u64,
    ended: bool,
    languages: Vec<LanguageTag>,
    source: String,
    permit: Permit,
}

/// A part that was opened for a purpose: its records, and what is to be kept of the opening.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Opened<R> {
    /// The records, in the order of the file.
    pub records: Vec<R>,
    /// Leave to use them.
    pub permit: Permit,
    /// What goes into the provenance of whatever is made from them.
    pub provenance: ProvenanceEntry,
}

impl<I> PartReader<I> {
    pub(crate) fn new(
        records: I,
        path: &Path,
        expected: Option<u64>,
        languages: Vec<LanguageTag>,
        source: Option<&str>,
        permit: Permit,
    ) -> Self {
        let name = || path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let source = source.or(permit.source()).map_or_else(name, str::to_owned);
        let path = path.to_owned();
        Self { records, path, expected, found: 0, ended: false, languages, source, permit }
    }

    /// Leave to use the records.
    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// What goes into the provenance of whatever is made from the records read so far.
    pub fn provenance(&self) -> ProvenanceEntry {
        let (languages, source) = (self.languages.clone(), self.source.clone());
        ProvenanceEntry::new(languages, source, &self.permit, self.found)
    }
}

impl<R, I: Iterator<Item = Result<R, CorpusReadError>>> PartReader<I> {
    /// Reads what is left into memory.
    pub(crate) fn into_opened(mut self) -> Result<Opened<R>, ManifestError> {
        let records = self.by_ref().collect::<Result<_, _>>()?;
        let provenance = self.provenance();
        Ok(Opened { records, permit: self.permit, provenance })
    }
}

impl<R, I: Iterator<Item = Result<R, CorpusReadError>>> Iterator for PartReader<I> {
    type Item = Result<R, CorpusReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let record = self.records.next();
        match &record {
            Some(Ok(_)) => {
                self.found += 1;
                return record;
            }
            Some(Err(_)) => self.ended = true,
            None => {
                self.ended = true;
                let (path, found) = (self.path.clone(), self.found);
                if let Some(expected) = self.expected.filter(|expected| *expected != found) {
                    return Some(Err(CorpusReadError::Segments { path, found, expected }));
                }
            }
        }
        record
    }
}
