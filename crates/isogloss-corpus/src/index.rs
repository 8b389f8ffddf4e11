//! Where the texts of a language are, to read them in any order.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use isogloss_core::LanguageTag;
use isogloss_sampling::{SizeUnit, TextSource};
use tempfile::TempPath;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::line_buffer::{BufferedLines, LineBuffer};
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
    // The file and the byte at which each block begins.
    blocks: Vec<(usize, u64)>,
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
    fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
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
        let fail = |source| CorpusReadError::Io { path: path.to_owned(), action: "open", source };
        let stamp = File::open(plain).and_then(|file| Stamp::of(&file)).map_err(fail)?;
        let mut lines = Lines::open(plain, ReadOptions::default())?;
        let mut counts = self.counts;
        let mut blocks = Vec::new();
        loop {
            let offset = lines.offset();
            // A fault is one of the file that the user knows.
            let text = lines.next_plain().map_err(|error| match error {
                CorpusReadError::Utf8 { line, byte, .. } => {
                    CorpusReadError::Utf8 { path: path.to_owned(), line, byte }
                }
                other => other,
            })?;
            let Some(text) = text else { break };
            if counts.texts.is_multiple_of(Self::BLOCK) {
                blocks.push((self.files.len(), offset));
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

    /// How many blocks there are.
    pub(crate) fn block_count(&self) -> u64 {
        self.blocks.len() as u64
    }

    /// Reads the lines of blocks in the place of others, each file's part of a block at once.
    pub(crate) fn read_blocks<'a>(
        &self,
        blocks: impl IntoIterator<Item = u64>,
        lines: &'a mut LineBuffer,
    ) -> Result<BufferedLines<'a>, CorpusReadError> {
        lines.clear();
        for block in blocks {
            self.read_block(block, lines)?;
        }
        lines
            .check()
            .map_err(|file| CorpusReadError::Changed { path: self.files[file].path.clone() })
    }

    /// Tells the system that blocks are read next, so that a disk is not idle until then. Where it cannot be told,
    /// nothing is lost but time.
    pub(crate) fn announce(&self, blocks: impl IntoIterator<Item = u64>) {
        for (_, file, bytes) in blocks.into_iter().flat_map(|block| self.parts_of(block)) {
            file.announce(bytes);
        }
    }

    /// What there is of a block in each file, and the number of the file.
    fn parts_of(&self, block: u64) -> impl Iterator<Item = (usize, &IndexedFile, Range<u64>)> {
        let (first, from) = self.start_of(block);
        let (last, until) = self.start_of(block + 1);
        let files = self.files.iter().enumerate().take(last + 1).skip(first);
        let parts = files.map(move |(place, file)| {
            let start = if place == first { from } else { 0 };
            (place, file, start..if place == last { until } else { file.stamp.bytes })
        });
        parts.filter(|(_, _, bytes)| !bytes.is_empty())
    }

    fn read_block(&self, block: u64, read: &mut LineBuffer) -> Result<(), CorpusReadError> {
        let before = read.line_count();
        for (place, file, bytes) in self.parts_of(block) {
            file.read(bytes, place, read)?;
        }
        let added = (read.line_count() - before) as u64;
        if added != Self::BLOCK.min(self.counts.texts - block * Self::BLOCK) {
            return Err(CorpusReadError::Changed { path: self.file_of_block(block).to_owned() });
        }
        Ok(())
    }

    /// The file and the byte at which a block begins; for the one after the last, the end of the
    /// last file.
    fn start_of(&self, block: u64) -> (usize, u64) {
        let place = usize::try_from(block).unwrap_or(usize::MAX);
        self.blocks.get(place).copied().unwrap_or_else(|| {
            (self.files.len().saturating_sub(1), self.files.last().map_or(0, |f| f.stamp.bytes))
        })
    }

    /// The file in which a text stands.
    pub(crate) fn file_of_block(&self, block: u64) -> &Path {
        &self.files[self.start_of(block).0].path
    }
}

impl IndexedFile {
    #[cfg(target_os = "linux")]
    fn announce(&self, bytes: Range<u64>) {
        use rustix::fs::{Advice, fadvise};

        let path = self.unpacked.as_deref().unwrap_or(&self.path);
        if let Ok(file) = File::open(path) {
            let len = std::num::NonZeroU64::new(bytes.end - bytes.start);
            let _ = fadvise(&file, bytes.start, len, Advice::WillNeed);
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn announce(&self, _: Range<u64>) {}

    /// Adds the lines from one byte up to another, where the file, of this number, is as it was.
    fn read(
        &self,
        bytes: Range<u64>,
        number: usize,
        lines: &mut LineBuffer,
    ) -> Result<(), CorpusReadError> {
        let path = self.unpacked.as_deref().unwrap_or(&self.path);
        let fail =
            |action| move |source| CorpusReadError::Io { path: path.to_owned(), action, source };
        let changed = || CorpusReadError::Changed { path: self.path.clone() };
        let mut file = File::open(path).map_err(fail("open"))?;
        if Stamp::of(&file).map_err(fail("open"))? != self.stamp {
            return Err(changed());
        }
        file.seek(SeekFrom::Start(bytes.start)).map_err(fail("read"))?;
        let wanted = bytes.end - bytes.start;
        let read = lines.push(number, bytes.start == 0, |buffer| {
            buffer.reserve(usize::try_from(wanted).unwrap_or_default());
            file.take(wanted).read_to_end(buffer)
        });
        if read.map_err(fail("read"))? as u64 != wanted {
            return Err(changed());
        }
        Ok(())
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
