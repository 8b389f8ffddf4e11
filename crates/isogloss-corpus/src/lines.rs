//! Lines of a file, whatever it is packed in.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use unicode_normalization::UnicodeNormalization;

use crate::CorpusReadError;
use crate::zstd::ZstdReader;

/// What is done to text on the way in. By default nothing.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct ReadOptions {
    /// Compose letters and marks (Unicode's normal form C). It changes bytes and no meaning, but it
    /// changes them, and so it waits to be asked.
    pub nfc: bool,
}

impl ReadOptions {
    /// Composes letters and marks.
    #[must_use]
    pub fn with_nfc(mut self) -> Self {
        self.nfc = true;
        self
    }

    /// A whole text as it was asked for.
    pub(crate) fn apply(self, text: &str) -> String {
        if self.nfc { text.nfc().collect() } else { text.to_owned() }
    }
}

const GZIP: [u8; 2] = [0x1f, 0x8b];
/// The end of the magic numbers of a frame and of one to be skipped.
const ZSTD: [&[u8]; 2] = [&[0xb5, 0x2f, 0xfd], &[0x2a, 0x4d, 0x18]];
pub(crate) const BOM: &str = "\u{feff}";

/// One line at a time, without its end, plain or from gzip or Zstandard (told by the first bytes).
///
/// A byte-order mark at the beginning is dropped, and `\r\n` ends a line as `\n` does.
pub(crate) struct Lines {
    path: PathBuf,
    reader: Box<dyn BufRead + Send>,
    options: ReadOptions,
    line: u64,
    // Where the next line begins, in bytes of the unpacked file.
    offset: u64,
    // Nothing is read after a failure of the file itself: it would fail again without end.
    ended: bool,
    buffer: Vec<u8>,
}

impl Lines {
    pub(crate) fn open(path: &Path, options: ReadOptions) -> Result<Self, CorpusReadError> {
        let reader = open_unpacked(path)?;
        let path = path.to_owned();
        Ok(Self { path, reader, options, line: 0, offset: 0, ended: false, buffer: Vec::new() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The number of the line that was read last, counted from 1.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// Where the next line begins, in bytes of the unpacked file.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next line, or `None` at the end.
    pub(crate) fn next_line(&mut self) -> Result<Option<String>, CorpusReadError> {
        let options = self.options;
        Ok(self.next_plain()?.map(|text| options.apply(text)))
    }

    /// The next line as it stands, whatever the options ask for; it is kept until the one after.
    pub(crate) fn next_plain(&mut self) -> Result<Option<&str>, CorpusReadError> {
        if self.ended {
            return Ok(None);
        }
        self.buffer.clear();
        if let Err(source) = read_line(&mut self.reader, &mut self.buffer) {
            self.ended = true;
            return Err(CorpusReadError::Io { path: self.path.clone(), action: "read", source });
        }
        if self.buffer.is_empty() {
            return Ok(None);
        }
        self.line += 1;
        self.offset += self.buffer.len() as u64;
        let text = simdutf8::compat::from_utf8(without_end(&self.buffer)).map_err(|error| {
            CorpusReadError::Utf8 {
                path: self.path.clone(),
                line: self.line,
                byte: error.valid_up_to() + 1,
            }
        })?;
        Ok(Some(if self.line == 1 { without_bom(text) } else { text }))
    }
}

/// A line without what ends it.
pub(crate) fn without_end(line: &[u8]) -> &[u8] {
    let Some(line) = line.strip_suffix(b"\n") else { return line };
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The text of a file, or its first line, without a byte-order mark.
pub(crate) fn without_bom(text: &str) -> &str {
    text.strip_prefix(BOM).unwrap_or(text)
}

/// What the standard library's `read_until` does, by a faster search.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let bytes = match reader.fill_buf() {
            Ok(bytes) => bytes,
            Err(fault) if fault.kind() == io::ErrorKind::Interrupted => continue,
            Err(fault) => return Err(fault),
        };
        let end = memchr::memchr(b'\n', bytes);
        let taken = end.map_or(bytes.len(), |at| at + 1);
        line.extend_from_slice(&bytes[..taken]);
        reader.consume(taken);
        if end.is_some() || taken == 0 {
            return Ok(());
        }
    }
}

/// A file as it was before it was packed: plain, or from gzip or Zstandard, as its first bytes say.
pub(crate) fn open_unpacked(path: &Path) -> Result<Box<dyn BufRead + Send>, CorpusReadError> {
    let fail = |source| CorpusReadError::Io { path: path.to_owned(), action: "open", source };
    let mut file = BufReader::new(File::open(path).map_err(fail)?);
    Ok(match Packing::of(file.fill_buf().map_err(fail)?) {
        Packing::Plain => Box::new(file),
        Packing::Gzip => Box::new(BufReader::new(MultiGzDecoder::new(file))),
        Packing::Zstd => Box::new(BufReader::new(ZstdReader::new(file))),
    })
}

/// Whether a file is packed, and so cannot be read from its middle.
pub(crate) fn is_packed(path: &Path) -> Result<bool, CorpusReadError> {
    let fail = |source| CorpusReadError::Io { path: path.to_owned(), action: "open", source };
    let mut file = BufReader::new(File::open(path).map_err(fail)?);
    Ok(!matches!(Packing::of(file.fill_buf().map_err(fail)?), Packing::Plain))
}

enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    /// Told by the first bytes of a file.
    fn of(start: &[u8]) -> Self {
        if start.starts_with(&GZIP) {
            Self::Gzip
        } else if start.get(1..4).is_some_and(|magic| ZSTD.contains(&magic)) {
            Self::Zstd
        } else {
            Self::Plain
        }
    }
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines")
            .field("path", &self.path)
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}
