//! Making a corpus: texts with their terms, and the manifest that names them.

use std::path::{Path, PathBuf};

use isogloss_core::{LanguageTag, write_file_atomically};
use isogloss_governance::Terms;

use crate::manifest::Content;
use crate::{BitextPart, LabelledPart, ManifestError, Split, TextPart};

/// Writes a corpus into a directory: parts as they are added, the manifest when it is finished.
#[derive(Debug)]
pub struct CorpusWriter {
    dir: PathBuf,
    content: Content,
}

impl CorpusWriter {
    /// A corpus without parts.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), content: Content::default() }
    }

    /// Adds text in one language, under terms that are written beside it.
    ///
    /// # Errors
    ///
    /// [`ManifestError::Unwritable`] for a text with a line break, [`ManifestError::Write`].
    pub fn text<S: AsRef<str>>(
        &mut self,
        name: &str,
        language: LanguageTag,
        texts: &[S],
        terms: &Terms,
        split: Split,
    ) -> Result<(), ManifestError> {
        let path = PathBuf::from(format!("{name}.txt"));
        self.lines(&path, texts.iter().map(|text| text.as_ref().to_owned()))?;
        self.content.text.push(TextPart {
            language,
            path,
            terms: Some(self.terms(name, terms)?),
            licence: None,
            source: terms.source.clone(),
            segments: Some(texts.len() as u64),
            split: Some(split),
            note: None,
        });
        Ok(())
    }

    /// Adds pairs, in two files.
    ///
    /// # Errors
    ///
    /// As those of [`text`](Self::text).
    pub fn bitext(
        &mut self,
        name: &str,
        languages: [LanguageTag; 2],
        pairs: &[[String; 2]],
        terms: &Terms,
        split: Split,
    ) -> Result<(), ManifestError> {
        let paths = [0, 1]
            .map(|side: usize| PathBuf::from(format!("{name}.{}", languages[side].language())));
        for (side, path) in paths.iter().enumerate() {
            self.lines(path, pairs.iter().map(|pair| pair[side].clone()))?;
        }
        self.content.bitext.push(BitextPart {
            languages,
            paths,
            terms: Some(self.terms(name, terms)?),
            licence: None,
            source: terms.source.clone(),
            segments: Some(pairs.len() as u64),
            split: Some(split),
            note: None,
        });
        Ok(())
    }

    /// Adds text with labels.
    ///
    /// # Errors
    ///
    /// As those of [`text`](Self::text).
    pub fn labelled(
        &mut self,
        name: &str,
        language: LanguageTag,
        rows: &[[String; 2]],
        terms: &Terms,
        split: Split,
    ) -> Result<(), ManifestError> {
        let path = PathBuf::from(format!("{name}.tsv"));
        if let Some(index) = rows.iter().flatten().position(|field| field.contains('\t')) {
            return Err(ManifestError::Unwritable { path, index: index / 2 + 1 });
        }
        let header = std::iter::once("text\tlabel".to_owned());
        self.lines(&path, header.chain(rows.iter().map(|row| row.join("\t"))))?;
        self.content.labelled.push(LabelledPart {
            language,
            path,
            terms: Some(self.terms(name, terms)?),
            licence: None,
            source: terms.source.clone(),
            segments: Some(rows.len() as u64),
            split: Some(split),
            note: None,
        });
        Ok(())
    }

    /// Writes `manifest.toml` and returns its path.
    ///
    /// # Errors
    ///
    /// [`ManifestError::Write`].
    pub fn finish(self) -> Result<PathBuf, ManifestError> {
        let path = self.dir.join("manifest.toml");
        write_file_atomically(&path, |file| {
            let text = toml::to_string(&self.content).map_err(std::io::Error::other)?;
            file.write_all(text.as_bytes())
        })?;
        Ok(path)
    }

    fn terms(&self, name: &str, terms: &Terms) -> Result<String, ManifestError> {
        let file = format!("{name}.terms.toml");
        terms.to_toml_file(&self.dir.join(&file)).map_err(|source| ManifestError::TermsFile {
            path: self.dir.clone(),
            part: name.to_owned(),
            source,
        })?;
        Ok(file)
    }

    fn lines(
        &self,
        path: &Path,
        lines: impl Iterator<Item = String> + Clone,
    ) -> Result<(), ManifestError> {
        let breaks = |line: String| line.contains(['\n', '\r']);
        if let Some(index) = lines.clone().position(breaks) {
            return Err(ManifestError::Unwritable { path: path.to_owned(), index: index + 1 });
        }
        write_file_atomically(&self.dir.join(path), |file| {
            lines.into_iter().try_for_each(|line| writeln!(file, "{line}"))
        })?;
        Ok(())
    }
}
