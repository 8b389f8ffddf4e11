//! Where the texts of a language are, to read them in any order.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use isogloss_core::LanguageTag;
use isogloss_sampling::{SizeUnit, TextSource};
use tempfile::TempPath;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::lines::{Lines, is_packed, open_unpacked};
use crate::{CorpusReadError, ReadOptions};

/// Where the texts of one language are, a line each, in one file or several.
///
/// It keeps the place of every 1,024th line, so that it takes a hundredth of a byte for each line
/// and a block of lines is read at once. A packed file is unpacked into a temporary one, which is
/// deleted with the index.
#[derive(Debug)]
pub struct TextIndex {
    language: LanguageTag,
    files: Vec<IndexedFile>,
    // The file, the lines before in that file, and the byte at which each block begins.
    blocks: Vec<(usize, u64, u64)>,
    counts: Counts,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    texts: u64,
    characters: u64,
    bytes: u64,
    hash: u64,
}

#[derive(Debug)]
struct IndexedFile {
    path: PathBuf,
    unpacked: Option<TempPath>,
    stamp: Stamp,
}

/// By what a file is known to be as it was.
#[derive(Debug, Eq, PartialEq)]
struct Stamp {
    bytes: u64,
    // Where the file system keeps it.
    modified: Option<SystemTime>,
}

impl Stamp {
    fn of(path: &Path) -> Result<Self, CorpusReadError> {
        let fail = |source| CorpusReadError::Io { path: path.to_owned(), action: "open", source };
        let metadata = fs::metadata(path).map_err(fail)?;
        Ok(Self { bytes: metadata.len(), modified: metadata.modified().ok() })
    }
}

impl TextIndex {
    /// Lines of a block, which are read together; a block may go on from one file into the next.
    pub const BLOCK: u64 = 1024;

    /// Without any text.
    pub fn new(language: LanguageTag) -> Self {
        Self { language, files: Vec::new(), blocks: Vec::new(), counts: Counts::default() }
    }

    /// Goes through a file and adds its lines, empty ones included, after those there are. Returns
    /// their number.
    ///
    /// # Errors
    ///
    /// [`CorpusReadError::Io`], [`CorpusReadError::Utf8`], [`CorpusReadError::Unpack`].
    pub fn push_file(&mut self, path: &Path) -> Result<u64, CorpusReadError> {
        let unpacked = if is_packed(path)? { Some(unpack(path)?) } else { None };
        let plain = unpacked.as_deref().unwrap_or(path);
        let stamp = Stamp::of(plain)?;
        let mut lines = Lines::open(plain, ReadOptions::default())?;
        let mut counts = self.counts;
        let mut blocks = Vec::new();
        loop {
            let (line, offset) = (lines.line(), lines.offset());
            // A fault is one of the file that the user knows.
            let text = lines.next_plain().map_err(|error| match error {
                CorpusReadError::Utf8 { line, byte, .. } => {
                    CorpusReadError::Utf8 { path: path.to_owned(), line, byte }
                }
                other => other,
            })?;
            let Some(text) = text else { break };
            if counts.texts.is_multiple_of(Self::BLOCK) {
                blocks.push((self.files.len(), line, offset));
            }
            counts.texts += 1;
            counts.characters += text.chars().count() as u64;
            counts.bytes += text.len() as u64;
            counts.hash = xxh3_64_with_seed(text.as_bytes(), counts.hash);
        }
        // A file that could not be read to its end leaves no trace.
        let added = counts.texts - self.counts.texts;
        self.counts = counts;
        self.blocks.extend(blocks);
        self.files.push(IndexedFile { path: path.to_owned(), unpacked, stamp });
        Ok(added)
    }

    /// How much text there is, or `None` for tokens, which depend on a vocabulary.
    ///
    /// Characters and bytes are those of the lines without their ends.
    pub fn size(&self, unit: SizeUnit) -> Option<u64> {
        match unit {
            SizeUnit::Sentences => Some(self.counts.texts),
            SizeUnit::Characters => Some(self.counts.characters),
            SizeUnit::Bytes => Some(self.counts.bytes),
            _ => None,
        }
    }

    /// The files, in the order of their lines.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| file.path.as_path())
    }

    /// Reads the lines of a block.
    pub(crate) fn read_block(&self, block: u64) -> Result<Block, CorpusReadError> {
        let wanted = Self::BLOCK.min(self.counts.texts - block * Self::BLOCK);
        #[expect(clippy::cast_possible_truncation, reason = "the place of a block in memory")]
        let (first_file, line, offset) = self.blocks[block as usize];
        let mut block = Block { text: String::new(), ends: Vec::new() };
        let mut files = self.files[first_file..].iter();
        let Some(mut file) = files.next() else { return Ok(block) };
        let mut lines = file.open_at(line, offset)?;
        while (block.ends.len() as u64) < wanted {
            let changed = || CorpusReadError::Changed { path: file.path.clone() };
            match lines.next_plain() {
                Ok(Some(text)) => {
                    block.text.push_str(text);
                    block.ends.push(block.text.len());
                }
                Ok(None) => {
                    file = files.next().ok_or_else(changed)?;
                    lines = file.open_at(0, 0)?;
                }
                Err(CorpusReadError::Utf8 { .. }) => return Err(changed()),
                Err(error) => return Err(error),
            }
        }
        Ok(block)
    }

    /// The file in which a text stands.
    pub(crate) fn file_of_block(&self, block: u64) -> &Path {
        #[expect(clippy::cast_possible_truncation, reason = "the place of a block in memory")]
        let (file, ..) = self.blocks[block as usize];
        &self.files[file].path
    }
}

impl IndexedFile {
    /// Opens it as it was.
    fn open_at(&self, line: u64, offset: u64) -> Result<Lines, CorpusReadError> {
        let plain = self.unpacked.as_deref().unwrap_or(&self.path);
        if Stamp::of(plain)? != self.stamp {
            return Err(CorpusReadError::Changed { path: self.path.clone() });
        }
        Lines::open_at(plain, line, offset)
    }
}

fn unpack(path: &Path) -> Result<TempPath, CorpusReadError> {
    let fail = |source| CorpusReadError::Unpack { path: path.to_owned(), source };
    let temporary = tempfile::NamedTempFile::new().map_err(fail)?.into_temp_path();
    let mut file = File::create(&temporary).map_err(fail)?;
    io::copy(&mut open_unpacked(path)?, &mut file).map_err(fail)?;
    Ok(temporary)
}

impl TextSource for TextIndex {
    fn language(&self) -> &LanguageTag {
        &self.language
    }

    fn text_count(&self) -> u64 {
        self.counts.texts
    }

    /// A hash (XXH3) of all lines: a state that was taken over other texts is refused.
    fn fingerprint(&self) -> Option<u64> {
        Some(self.counts.hash)
    }
}

/// Lines in memory.
#[derive(Debug)]
pub(crate) struct Block {
    text: String,
    ends: Vec<usize>,
}

impl Block {
    /// A line by its place in the block.
    pub(crate) fn line(&self, place: usize) -> Option<&str> {
        let end = *self.ends.get(place)?;
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.text.get(start..end)
    }
}
