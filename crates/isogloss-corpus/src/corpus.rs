//! A corpus in memory.

use std::collections::BTreeMap;

use isogloss_core::LanguageTag;
use isogloss_governance::{Policy, Provenance, Purpose};

use crate::{LabelledText, Manifest, ManifestError, Split};

/// The parts of a manifest, read into memory and put together by language.
///
/// # Examples
///
/// ```
/// use isogloss_corpus::{Corpus, CorpusWriter, Manifest, Split};
/// use isogloss_governance::{Policy, Purpose, Terms};
///
/// let dir = tempfile::tempdir()?;
/// let mut writer = CorpusWriter::new(dir.path());
/// let (yoruba, terms) = ("yo".parse()?, Terms::new("CC0-1.0"));
/// writer.text("a", "yo".parse()?, &["ilé"], &terms, Split::Train)?;
/// writer.text("b", "yo".parse()?, &["omi"], &terms, Split::Train)?;
/// writer.text("c", "yo".parse()?, &["ojú"], &terms, Split::Test)?;
/// let manifest = Manifest::open(&writer.finish()?)?;
///
/// let policy = Policy::on("2026-11-23".parse()?);
/// let corpus = Corpus::load(&manifest, Some(Split::Train), Purpose::Train, policy)?;
/// assert_eq!(corpus.texts[&yoruba], ["ilé", "omi"]);
/// assert_eq!(corpus.provenance.entries.len(), 2);
/// assert_eq!(corpus.tagged_texts().last(), Some((&yoruba, "omi")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Corpus {
    /// Segments by language, in the order of the manifest and its files.
    pub texts: BTreeMap<LanguageTag, Vec<String>>,
    /// Pairs by their languages, in the order in which a part names them.
    pub bitexts: BTreeMap<[LanguageTag; 2], Vec<[String; 2]>>,
    /// Segments with labels, by language.
    pub labelled: BTreeMap<LanguageTag, Vec<LabelledText>>,
    /// What was read, and under which terms.
    pub provenance: Provenance,
}

impl Corpus {
    /// Reads the parts of a split, or with `None` every part, for a purpose.
    ///
    /// A part that states no split is one to learn from: it counts as [`Split::Train`].
    ///
    /// # Errors
    ///
    /// [`ManifestError::Refused`] for the first part whose terms do not permit the purpose, with the
    /// clause; [`ManifestError::Record`] with file and line.
    pub fn load(
        manifest: &Manifest,
        split: Option<Split>,
        purpose: Purpose,
        policy: Policy,
    ) -> Result<Self, ManifestError> {
        let mut corpus = Self::default();
        let is_asked = |stated: Option<Split>| {
            split.is_none_or(|asked| asked == stated.unwrap_or(Split::Train))
        };
        for (index, part) in manifest.texts().iter().enumerate() {
            if is_asked(part.split) {
                let opened = manifest.read_text(index, purpose, policy)?;
                let texts = corpus.texts.entry(part.language.clone()).or_default();
                texts.extend(opened.records.into_iter().map(|record| record.text));
                corpus.provenance.push(opened.provenance);
            }
        }
        for (index, part) in manifest.bitexts().iter().enumerate() {
            if is_asked(part.split) {
                let opened = manifest.read_bitext(index, purpose, policy)?;
                let pairs = corpus.bitexts.entry(part.languages.clone()).or_default();
                pairs.extend(opened.records.into_iter().map(|record| record.texts));
                corpus.provenance.push(opened.provenance);
            }
        }
        for (index, part) in manifest.labelled().iter().enumerate() {
            if is_asked(part.split) {
                let opened = manifest.read_labelled(index, purpose, policy)?;
                corpus.labelled.entry(part.language.clone()).or_default().extend(opened.records);
                corpus.provenance.push(opened.provenance);
            }
        }
        Ok(corpus)
    }

    /// Each segment beside its language, for identifiers to learn from and be measured on.
    pub fn tagged_texts(&self) -> impl Iterator<Item = (&LanguageTag, &str)> {
        let languages = self.texts.iter();
        languages.flat_map(|(tag, texts)| texts.iter().map(move |text| (tag, text.as_str())))
    }
}
