//! The pieces that LASER knows, by their text.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use crate::SentenceError;

/// A dictionary of fairseq: pieces in the order of their ids, of which the first four are not in the file.
#[derive(Clone, Debug)]
pub(super) struct Dictionary {
    ids: HashMap<String, u32>,
}

impl Dictionary {
    pub(super) const PAD: u32 = 1;
    pub(super) const EOS: u32 = 2;
    const UNKNOWN: u32 = 3;
    const SPECIAL: [&'static str; 4] = ["<s>", "<pad>", "</s>", "<unk>"];

    /// Reads a `.cvocab`: on each line a piece and how often it was seen.
    pub(super) fn read(path: &Path) -> Result<Self, SentenceError> {
        let text = fs::read_to_string(path)
            .map_err(|source| SentenceError::Read { path: path.to_owned(), source })?;
        let mut ids = HashMap::new();
        for (id, piece) in (0_u32..).zip(Self::SPECIAL) {
            ids.insert(piece.to_owned(), id);
        }
        for (line, id) in text.lines().zip(4_u32..) {
            let fault = |expected: &str| SentenceError::Field {
                path: path.to_owned(),
                field: format!("line {}", id - 3),
                found: line.to_owned(),
                expected: expected.to_owned(),
            };
            // fairseq may say `#fairseq:overwrite` behind the count.
            let entry = line.strip_suffix(" #fairseq:overwrite").unwrap_or(line);
            let (piece, count) =
                entry.rsplit_once(' ').ok_or_else(|| fault("a piece and a count"))?;
            count.parse::<u64>().map_err(|_| fault("a piece and a count"))?;
            if ids.insert(piece.to_owned(), id).is_some() {
                return Err(fault("a piece that no line before has"));
            }
        }
        Ok(Self { ids })
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn id(&self, piece: &str) -> u32 {
        self.ids.get(piece).copied().unwrap_or(Self::UNKNOWN)
    }
}
