//! Lines of a file, whatever it is packed in.

use std::fs::File;
use std::io::{BufRead, BufReader};
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
const BOM: &str = "\u{feff}";

/// One line at a time, without its end, plain or from gzip or Zstandard (told by the first bytes).
///
/// A byte-order mark at the beginning is dropped, and `\r\n` ends a line as `\n` does.
pub(crate) struct Lines {
    path: PathBuf,
    reader: Box<dyn BufRead + Send>,
    options: ReadOptions,
    line: u64,
    // Nothing is read after a failure of the file itself: it would fail again without end.
    ended: bool,
    buffer: Vec<u8>,
}

impl Lines {
    pub(crate) fn open(path: &Path, options: ReadOptions) -> Result<Self, CorpusReadError> {
        let reader = open_unpacked(path)?;
        let path = path.to_owned();
        Ok(Self { path, reader, options, line: 0, ended: false, buffer: Vec::new() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The number of the line that was read last, counted from 1.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// The next line, or `None` at the end.
    pub(crate) fn next_line(&mut self) -> Result<Option<String>, CorpusReadError> {
        if self.ended {
            return Ok(None);
        }
        self.buffer.clear();
        let read = self.reader.read_until(b'\n', &mut self.buffer).map_err(|source| {
            self.ended = true;
            CorpusReadError::Io { path: self.path.clone(), action: "read", source }
        })?;
        if read == 0 {
            return Ok(None);
        }
        self.line += 1;
        if self.buffer.ends_with(b"\n") {
            self.buffer.pop();
            if self.buffer.ends_with(b"\r") {
                self.buffer.pop();
            }
        }
        let text = std::str::from_utf8(&self.buffer).map_err(|error| CorpusReadError::Utf8 {
            path: self.path.clone(),
            line: self.line,
            byte: error.valid_up_to() + 1,
        })?;
        let text = if self.line == 1 { text.strip_prefix(BOM).unwrap_or(text) } else { text };
        Ok(Some(self.options.apply(text)))
    }
}

/// A file as it was before it was packed: plain, or from gzip or Zstandard, as its first bytes say.
pub(crate) fn open_unpacked(path: &Path) -> Result<Box<dyn BufRead + Send>, CorpusReadError> {
    let fail = |source| CorpusReadError::Io { path: path.to_owned(), action: "open", source };
    let mut file = BufReader::new(File::open(path).map_err(fail)?);
    let start = file.fill_buf().map_err(fail)?;
    if start.starts_with(&GZIP) {
        return Ok(Box::new(BufReader::new(MultiGzDecoder::new(file))));
    }
    if start.get(1..4).is_some_and(|magic| ZSTD.contains(&magic)) {
        return Ok(Box::new(BufReader::new(ZstdReader::new(file))));
    }
    Ok(Box::new(file))
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines")
            .field("path", &self.path)
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}
