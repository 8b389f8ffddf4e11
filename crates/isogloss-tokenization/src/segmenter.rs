//! A Unigram model of the `tokenizers` crate at work.

use tokenizers::Model as _;
use tokenizers::models::unigram::Unigram;

use crate::lattice::{Pieces, UNKNOWN, Workspace};
use crate::special::byte_piece;

/// Finds the pieces that the library finds, with the same sums in the same precision and the same
/// choice among equals, in a double array and without a string for each piece.
#[derive(Debug)]
pub(crate) struct Segmenter {
    pieces: Pieces,
    unknown: OfUnknown,
}

/// What becomes of a run of unknown characters.
#[derive(Debug)]
enum OfUnknown {
    Bytes(Box<[u32; 256]>),
    Id(u32),
}

impl Segmenter {
    /// `None` for a model without an unknown token, or with pieces for some bytes only: what the
    /// library says of those is left to it.
    pub(crate) fn new(model: &Unigram) -> Option<Self> {
        let unknown = if model.byte_fallback() {
            let mut bytes = Box::new([0; 256]);
            for (byte, id) in (0..=u8::MAX).zip(bytes.iter_mut()) {
                *id = model.token_to_id(&byte_piece(byte))?;
            }
            OfUnknown::Bytes(bytes)
        } else {
            // A character that is no piece tells.
            let mut no_pieces = ('\u{100000}'..='\u{10ffff}').map(String::from);
            let no_piece = no_pieces.find(|text| model.token_to_id(text).is_none())?;
            OfUnknown::Id(model.tokenize(&no_piece).ok()?.first()?.id)
        };
        let pieces: Vec<(String, f64)> = model.iter().cloned().collect();
        let is_whole = pieces.iter().all(|(piece, _)| !piece.is_empty());
        is_whole.then(|| Self { pieces: Pieces::new(&pieces), unknown })
    }

    /// Adds the ids of a word.
    pub(crate) fn encode(&self, word: &str, space: &mut Workspace, ids: &mut Vec<u32>) {
        self.pieces.viterbi(word, false, space);
        let ends = space.starts.iter().skip(1).map(|start| *start as usize).chain([word.len()]);
        let mut is_after_unknown = false;
        for ((piece, start), end) in space.path.iter().zip(&space.starts).zip(ends) {
            let is_unknown = *piece == UNKNOWN;
            match &self.unknown {
                _ if !is_unknown => ids.push(*piece),
                OfUnknown::Bytes(of_bytes) => {
                    let bytes = &word.as_bytes()[*start as usize..end];
                    ids.extend(bytes.iter().map(|byte| of_bytes[usize::from(*byte)]));
                }
                // A run of unknown characters is one token.
                OfUnknown::Id(_) if is_after_unknown => {}
                OfUnknown::Id(id) => ids.push(*id),
            }
            is_after_unknown = is_unknown;
        }
    }
}
