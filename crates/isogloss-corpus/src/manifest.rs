//! The file that says what a corpus consists of.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use isogloss_core::LanguageTag;
use isogloss_governance::{PartTerms, Permit, Policy, Provenance, ProvenanceEntry, Purpose, Terms};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::part::Statement;
use crate::{
    BitextPart, CorpusReadError, LabelledPart, LabelledText, ManifestError, MosesReader, Opened,
    Pair, PartReader, ReadOptions, Split, Text, TextIndex, TextPart, TextReader, TsvReader,
    open_moses, open_text, open_tsv,
};

/// What a corpus consists of: a TOML file, with paths relative to it.
///
/// ```toml
/// [[text]]
/// language = "swh_Latn"
/// path = "swh.txt"
/// terms = "swh.terms.toml"
/// ```
///
/// Every part says its terms: a file, a licence with its source, or the word `unstated`. A part that
/// says nothing, and an unknown key, are errors.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Manifest {
    path: PathBuf,
    content: Content,
    // One for each part, in the order of texts, bitexts, labelled texts.
    terms: Vec<PartTerms>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Content {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) text: Vec<TextPart>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) bitext: Vec<BitextPart>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) labelled: Vec<LabelledPart>,
}

/// A manifest before its parts are looked at, so that a fault can name its part.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Tables {
    text: Vec<toml::Table>,
    bitext: Vec<toml::Table>,
    labelled: Vec<toml::Table>,
}

fn parts<P: DeserializeOwned>(
    path: &Path,
    kind: &str,
    tables: Vec<toml::Table>,
) -> Result<Vec<P>, ManifestError> {
    let read = |(index, table): (usize, toml::Table)| {
        table.try_into().map_err(|source| ManifestError::Part {
            path: path.to_owned(),
            part: part_name(kind, index),
            source: Box::new(source),
        })
    };
    tables.into_iter().enumerate().map(read).collect()
}

fn part_name(kind: &str, index: usize) -> String {
    format!("[[{kind}]] {}", index + 1)
}

impl Manifest {
    /// Reads a manifest and the terms that it names.
    ///
    /// # Errors
    ///
    /// [`ManifestError::Read`], [`ManifestError::Parse`], [`ManifestError::Part`],
    /// [`ManifestError::Terms`], [`ManifestError::TermsFile`].
    pub fn open(path: &Path) -> Result<Self, ManifestError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ManifestError::Read { path: path.to_owned(), source })?;
        let tables: Tables = toml::from_str(&text).map_err(|source| ManifestError::Parse {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        let content = Content {
            text: parts(path, "text", tables.text)?,
            bitext: parts(path, "bitext", tables.bitext)?,
            labelled: parts(path, "labelled", tables.labelled)?,
        };
        let mut this = Self { path: path.to_owned(), content, terms: Vec::new() };
        let statements: Vec<(String, Statement)> = this.statements().collect();
        for (part, statement) in statements {
            let terms = this.read_terms(&part, &statement)?;
            this.terms.push(terms);
        }
        Ok(this)
    }

    /// The texts in one language.
    pub fn texts(&self) -> &[TextPart] {
        &self.content.text
    }

    /// The texts in two languages.
    pub fn bitexts(&self) -> &[BitextPart] {
        &self.content.bitext
    }

    /// The texts with labels.
    pub fn labelled(&self) -> &[LabelledPart] {
        &self.content.labelled
    }

    /// Opens the `index`-th text for a purpose and reads it.
    ///
    /// # Errors
    ///
    /// [`ManifestError::NoPart`]; [`ManifestError::Refused`] with the clause; [`ManifestError::Record`] with file and line.
    pub fn read_text(
        &self,
        index: usize,
        purpose: Purpose,
        policy: Policy,
    ) -> Result<Opened<Text>, ManifestError> {
        self.open_text(index, purpose, policy)?.into_opened()
    }

    /// Opens the `index`-th text for a purpose, to be read record by record.
    ///
    /// # Errors
    ///
    /// [`ManifestError::NoPart`]; [`ManifestError::Refused`] with the clause; [`ManifestError::Record`] with the file. As items,
    /// those of the reader, and [`CorpusReadError::Segments`](crate::CorpusReadError::Segments).
    pub fn open_text(
        &self,
        index: usize,
        purpose: Purpose,
        policy: Policy,
    ) -> Result<PartReader<TextReader>, ManifestError> {
        let part = self.part(&self.content.text, "text", index)?;
        let permit = self.permit(index, purpose, policy)?;
        let path = self.resolve(&part.path);
        let reader = open_text(&path, part.language.clone(), ReadOptions::default())?;
        let languages = vec![part.language.clone()];
        let source_name = part.source.as_deref();
        Ok(PartReader::new(reader, &path, part.segments, languages, source_name, permit))
    }

    /// Goes through the texts of a split, or with `None` all of them, for a purpose, and keeps where
    /// they are: an index for each language, in the order of tags, to read them in any order
    /// ([`SampledTexts`](crate::SampledTexts)).
    ///
    /// A part that states no split is one to learn from: it counts as [`Split::Train`].
    ///
    /// # Errors
    ///
    /// [`ManifestError::Refused`] for the first part whose terms do not permit the purpose, with the
    /// clause; [`ManifestError::Record`] with file and line.
    pub fn index_texts(
        &self,
        split: Option<Split>,
        purpose: Purpose,
        policy: Policy,
    ) -> Result<(Vec<TextIndex>, Provenance), ManifestError> {
        let mut indices: BTreeMap<&LanguageTag, TextIndex> = BTreeMap::new();
        let mut provenance = Provenance::default();
        for (place, part) in self.content.text.iter().enumerate() {
            if split.is_some_and(|asked| asked != part.split.unwrap_or(Split::Train)) {
                continue;
            }
            let permit = self.permit(place, purpose, policy)?;
            let path = self.resolve(&part.path);
            let index = indices
                .entry(&part.language)
                .or_insert_with(|| TextIndex::new(part.language.clone()));
            let found = index.push_file(&path)?;
            if let Some(expected) = part.segments.filter(|expected| *expected != found) {
                return Err(CorpusReadError::Segments { path, found, expected }.into());
            }
            let languages = vec![part.language.clone()];
            let source = part.source.as_deref().or(permit.source());
            let source = source.map_or_else(|| part.path.display().to_string(), str::to_owned);
            provenance.push(ProvenanceEntry::new(languages, source, &permit, found));
        }
        Ok((indices.into_values().collect(), provenance))
    }

    /// Opens the `index`-th bitext for a purpose and reads it.
    ///
    /// # Errors
    ///
    /// As those of [`read_text`](Self::read_text).
    pub fn read_bitext(
        &self,
        index: usize,
        purpose: Purpose,
        policy: Policy,
    ) -> Result<Opened<Pair>, ManifestError> {
        self.open_bitext(index, purpose, policy)?.into_opened()
    }

    /// Opens the `index`-th bitext for a purpose, to be read record by record.
    ///
    /// # Errors
    ///
    /// As those of [`open_text`](Self::open_text).
    pub fn open_bitext(
        &self,
        index: usize,
        purpose: Purpose,
        policy: Policy,
    ) -> Result<PartReader<MosesReader>, ManifestError> {
        let part = self.part(&self.content.bitext, "bitext", index)?;
        let permit = self.permit(self.content.text.len() + index, purpose, policy)?;
        let [source, target] = part.paths.each_ref().map(|path| self.resolve(path));
        let paths = [source.as_path(), target.as_path()];
        let reader = open_moses(paths, part.languages.clone(), ReadOptions::default())?;
        let languages = part.languages.to_vec();
        let source_name = part.source.as_deref();
        Ok(PartReader::new(reader, &source, part.segments, languages, source_name, permit))
    }

    /// Opens the `index`-th labelled text for a purpose and reads it.
    ///
    /// # Errors
    ///
    /// As those of [`read_text`](Self::read_text).
    pub fn read_labelled(
        &self,
        index: usize,
        purpose: Purpose,
        policy: Policy,
    ) -> Result<Opened<LabelledText>, ManifestError> {
        self.open_labelled(index, purpose, policy)?.into_opened()
    }

    /// Opens the `index`-th labelled text for a purpose, to be read record by record.
    ///
    /// # Errors
    ///
    /// As those of [`open_text`](Self::open_text).
    pub fn open_labelled(
        &self,
        index: usize,
        purpose: Purpose,
        policy: Policy,
    ) -> Result<PartReader<TsvReader>, ManifestError> {
        let part = self.part(&self.content.labelled, "labelled", index)?;
        let before = self.content.text.len() + self.content.bitext.len();
        let permit = self.permit(before + index, purpose, policy)?;
        let path = self.resolve(&part.path);
        let columns = ["text", "label"];
        let reader = open_tsv(&path, part.language.clone(), columns, ReadOptions::default())?;
        let languages = vec![part.language.clone()];
        let source_name = part.source.as_deref();
        Ok(PartReader::new(reader, &path, part.segments, languages, source_name, permit))
    }

    fn part<'a, P>(
        &self,
        parts: &'a [P],
        kind: &'static str,
        index: usize,
    ) -> Result<&'a P, ManifestError> {
        parts.get(index).ok_or_else(|| ManifestError::NoPart {
            path: self.path.clone(),
            part: part_name(kind, index),
            parts: parts.len(),
        })
    }

    fn resolve(&self, path: &Path) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(path)
    }

    /// Every part, by its name for a person, with what it says of its terms.
    fn statements(&self) -> impl Iterator<Item = (String, Statement)> {
        let Content { text, bitext, labelled } = &self.content;
        let text = text.iter().enumerate().map(move |(i, p)| (part_name("text", i), p.statement()));
        let bitext =
            bitext.iter().enumerate().map(move |(i, p)| (part_name("bitext", i), p.statement()));
        let labelled = labelled
            .iter()
            .enumerate()
            .map(move |(i, p)| (part_name("labelled", i), p.statement()));
        text.chain(bitext).chain(labelled)
    }

    fn read_terms(&self, part: &str, statement: &Statement) -> Result<PartTerms, ManifestError> {
        let fault = |fault| {
            let (path, part) = (self.path.clone(), part.to_owned());
            Err(ManifestError::Terms { path, part, fault })
        };
        match (&statement.terms, &statement.licence, &statement.source) {
            (None, None, _) => fault("it says nothing of its terms"),
            (Some(_), Some(_), _) => fault("it has both `terms` and `licence`"),
            (None, Some(_), None) => fault("its `licence` has no `source`"),
            (Some(unstated), None, _) if unstated == "unstated" => Ok(PartTerms::Unstated),
            (Some(file), None, _) => {
                let terms = Terms::from_toml_file(&self.resolve(Path::new(file)));
                terms.map(|terms| PartTerms::Stated(Box::new(terms))).map_err(|source| {
                    let (path, part) = (self.path.clone(), part.to_owned());
                    ManifestError::TermsFile { path, part, source }
                })
            }
            (None, Some(licence), Some(source)) => {
                let terms = Terms::new(licence).with_source(source);
                if !terms.is_licence_known() {
                    return fault("its `licence` is no SPDX expression");
                }
                Ok(PartTerms::Stated(Box::new(terms)))
            }
        }
    }

    fn permit(
        &self,
        index: usize,
        purpose: Purpose,
        policy: Policy,
    ) -> Result<Permit, ManifestError> {
        self.terms[index].open(purpose, policy).map_err(|source| {
            let part = self.statements().nth(index).map(|(part, _)| part).unwrap_or_default();
            ManifestError::Refused { path: self.path.clone(), part, source }
        })
    }
}
