//! Lines of files in memory.

use std::io;

use crate::lines::{BOM, without_end};

/// Lines as files have them, in memory that is used again.
#[derive(Debug, Default)]
pub(crate) struct LineBuffer {
    bytes: Vec<u8>,
    // Where each line begins and ends.
    places: Vec<(usize, usize)>,
    // Where what was read of a file begins, and the number of the file.
    parts: Vec<(usize, usize)>,
}

impl LineBuffer {
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.places.clear();
        self.parts.clear();
    }

    pub(crate) fn line_count(&self) -> usize {
        self.places.len()
    }

    /// Adds what is read of a file, from its start or from another line on.
    pub(crate) fn push(
        &mut self,
        file: usize,
        is_start: bool,
        read: impl FnOnce(&mut Vec<u8>) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let from = self.bytes.len();
        self.parts.push((from, file));
        let count = read(&mut self.bytes)?;
        let mark =
            if is_start && self.bytes[from..].starts_with(BOM.as_bytes()) { BOM.len() } else { 0 };
        let mut start = from + mark;
        for end in memchr::memchr_iter(b'\n', &self.bytes[from..]) {
            let end = from + end;
            self.places.push((start, start + without_end(&self.bytes[start..=end]).len()));
            start = end + 1;
        }
        // The last line of a file may lack its end.
        if start < self.bytes.len() || (mark > 0 && start == from + mark) {
            self.places.push((start, self.bytes.len()));
        }
        Ok(count)
    }

    /// The lines, where all are text; else the number of the file that is at fault.
    pub(crate) fn check(&self) -> Result<BufferedLines<'_>, usize> {
        // All at once, so that they need not be copied to be known as text.
        match simdutf8::compat::from_utf8(&self.bytes) {
            Ok(text) => Ok(BufferedLines { text, places: &self.places }),
            Err(fault) => {
                let parts = self.parts.partition_point(|(start, _)| *start <= fault.valid_up_to());
                Err(parts.checked_sub(1).map_or(0, |part| self.parts[part].1))
            }
        }
    }
}

/// Lines that are text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BufferedLines<'a> {
    text: &'a str,
    places: &'a [(usize, usize)],
}

impl<'a> BufferedLines<'a> {
    /// A line, by its number.
    #[inline]
    pub(crate) fn get(self, line: u64) -> Option<&'a str> {
        let (start, end) = *self.places.get(usize::try_from(line).ok()?)?;
        self.text.get(start..end)
    }

    /// The bytes of all of them, with their ends.
    pub(crate) fn bytes(self) -> usize {
        self.text.len()
    }

    /// The same in memory of their own.
    pub(crate) fn to_kept(self) -> KeptLines {
        KeptLines { text: self.text.to_owned(), places: self.places.to_vec() }
    }
}

/// Lines that stay in memory.
#[derive(Debug)]
pub(crate) struct KeptLines {
    text: String,
    places: Vec<(usize, usize)>,
}

impl KeptLines {
    pub(crate) fn as_lines(&self) -> BufferedLines<'_> {
        BufferedLines { text: &self.text, places: &self.places }
    }
}
