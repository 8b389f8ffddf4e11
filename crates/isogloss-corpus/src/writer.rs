//! Making a corpus: texts with their terms, and the manifest that names them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use isogloss_core::{LanguageTag, write_dir_atomically, write_file_atomically};
use isogloss_governance::Terms;

use crate::manifest::Content;
use crate::{BitextPart, LabelledPart, ManifestError, Split, TextPart};

const MANIFEST: &str = "manifest.toml";

/// Writes a corpus into a directory: each file as a whole when its part is added, and the manifest,
/// without which nothing is a corpus, when it is finished. [`CorpusWriter::write`] lets the directory
/// appear as a whole.
#[derive(Debug)]
pub struct CorpusWriter {
    dir: PathBuf,
    content: Content,
    written: BTreeSet<PathBuf>,
    terms: BTreeMap<String, Terms>,
}

impl CorpusWriter {
    /// A corpus without parts.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        let (content, written, terms) = Default::default();
        Self { dir: dir.into(), content, written, terms }
    }

    /// Makes a whole corpus, or none: `fill` adds its parts, and the directory takes its place, and
    /// that of one that stood there, when all is written. Returns the path of the manifest.
    ///
    /// # Errors
    ///
    /// What `fill` returned, and [`ManifestError::Write`].
    pub fn write(
        dir: &Path,
        fill: impl FnOnce(&mut Self) -> Result<(), ManifestError>,
    ) -> Result<PathBuf, ManifestError> {
        write_dir_atomically(dir, |temporary| {
            let mut writer = Self::new(temporary);
            fill(&mut writer)?;
            writer.finish().map(|_| ())
        })?;
        Ok(dir.join(MANIFEST))
    }

    /// Adds text in one language, under terms that are written beside it.
    ///
    /// # Errors
    ///
    /// [`ManifestError::Unwritable`] for a text that a line cannot hold, [`ManifestError::Taken`] for a
    /// name that an earlier part has, [`ManifestError::Write`].
    pub fn text<S: AsRef<str>>(
        &mut self,
        name: &str,
        language: LanguageTag,
        texts: &[S],
        terms: &Terms,
        split: Split,
    ) -> Result<(), ManifestError> {
        let path = PathBuf::from(format!("{name}.txt"));
        self.lines(&path, None, texts.iter().map(|text| text.as_ref().to_owned()))?;
        let terms_file = self.terms(name, terms)?;
        self.content.text.push(TextPart {
            language,
            path,
            terms: Some(terms_file),
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
        // Two scripts of one language are told apart by the whole tag.
        let is_one_language = languages[0].language() == languages[1].language();
        let paths = languages.each_ref().map(|tag| {
            let extension = if is_one_language { tag.as_str() } else { tag.language() };
            PathBuf::from(format!("{name}.{extension}"))
        });
        for (side, path) in paths.iter().enumerate() {
            self.lines(path, None, pairs.iter().map(|pair| pair[side].clone()))?;
        }
        let terms_file = self.terms(name, terms)?;
        self.content.bitext.push(BitextPart {
            languages,
            paths,
            terms: Some(terms_file),
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
            let (index, found) = (index / 2 + 1, "a tab");
            return Err(ManifestError::Unwritable { path, index, found });
        }
        self.lines(&path, Some("text\tlabel"), rows.iter().map(|row| row.join("\t")))?;
        let terms_file = self.terms(name, terms)?;
        self.content.labelled.push(LabelledPart {
            language,
            path,
            terms: Some(terms_file),
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
        let path = self.dir.join(MANIFEST);
        write_file_atomically(&path, |file| {
            let text = toml::to_string(&self.content).map_err(std::io::Error::other)?;
            file.write_all(text.as_bytes())
        })?;
        Ok(path)
    }

    fn terms(&mut self, name: &str, terms: &Terms) -> Result<String, ManifestError> {
        let file = format!("{name}.terms.toml");
        // A text and a bitext of one name may share the file, if they share the terms.
        if self.terms.get(&file) == Some(terms) {
            return Ok(file);
        }
        self.take(Path::new(&file))?;
        terms.to_toml_file(&self.dir.join(&file)).map_err(|source| ManifestError::TermsFile {
            path: self.dir.clone(),
            part: name.to_owned(),
            source,
        })?;
        self.terms.insert(file.clone(), terms.clone());
        Ok(file)
    }

    /// Writes texts on a line each, under a header where there is one.
    fn lines(
        &mut self,
        path: &Path,
        header: Option<&str>,
        texts: impl Iterator<Item = String> + Clone,
    ) -> Result<(), ManifestError> {
        for (index, text) in texts.clone().enumerate() {
            let found = if text.contains(['\n', '\r']) {
                "a line break"
            } else if index == 0 && header.is_none() && text.starts_with('\u{feff}') {
                "a byte-order mark"
            } else {
                continue;
            };
            let path = path.to_owned();
            return Err(ManifestError::Unwritable { path, index: index + 1, found });
        }
        self.take(path)?;
        write_file_atomically(&self.dir.join(path), |file| {
            header.iter().try_for_each(|line| writeln!(file, "{line}"))?;
            texts.into_iter().try_for_each(|line| writeln!(file, "{line}"))
        })?;
        Ok(())
    }

    fn take(&mut self, path: &Path) -> Result<(), ManifestError> {
        if path == Path::new(MANIFEST) || !self.written.insert(path.to_owned()) {
            return Err(ManifestError::Taken { path: path.to_owned() });
        }
        Ok(())
    }
}
