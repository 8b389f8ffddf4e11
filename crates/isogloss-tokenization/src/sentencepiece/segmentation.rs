//! The most probable pieces, as SentencePiece finds them.

use super::Piece;
use super::proto::PieceKind;
use crate::trie::Trie;

/// A Unigram model.
///
/// Scores are kept and added as SentencePiece's `EncodeOptimized` does, a best path in single
/// precision and a candidate in double where a symbol of the user is concerned: two paths of the same
/// pieces in another order differ in their last bits, and those decide.
#[derive(Clone, Debug)]
pub(crate) struct Segmentation {
    trie: Trie,
    scores: Vec<(f32, bool)>,
    highest: f32,
    of_unknown: f32,
    unknown: u32,
}

/// How far below the least probable piece an unknown character is.
const UNKNOWN_PENALTY: f32 = 10.0;
/// What a symbol of the user gives up for not being two.
const USER_DEFINED_PENALTY: f64 = 0.1;

#[derive(Clone, Copy)]
struct Best {
    piece: u32,
    score: f32,
    start: usize,
}

const NOWHERE: usize = usize::MAX;

impl Segmentation {
    pub(crate) fn new(pieces: &[Piece], unknown: u32) -> Self {
        // Unused pieces are never found; control, unknown and byte pieces are never in a text.
        let found = |kind| matches!(kind, PieceKind::Normal | PieceKind::UserDefined);
        let trie = Trie::new(
            (0..).zip(pieces).filter(|(_, p)| found(p.kind)).map(|(id, p)| (p.text.as_bytes(), id)),
        );
        let normal = || pieces.iter().filter(|p| p.kind == PieceKind::Normal).map(|p| p.score);
        Self {
            trie,
            scores: pieces.iter().map(|p| (p.score, p.kind == PieceKind::UserDefined)).collect(),
            // The reference begins with the least positive number, not with the lowest.
            highest: normal().fold(f32::MIN_POSITIVE, f32::max),
            of_unknown: normal().fold(f32::MAX, f32::min) - UNKNOWN_PENALTY,
            unknown,
        }
    }

    pub(crate) fn cut<'a>(&self, text: &'a str) -> Vec<(&'a str, u32)> {
        let bytes = text.as_bytes();
        let mut best =
            vec![Best { piece: self.unknown, score: 0.0, start: NOWHERE }; bytes.len() + 1];
        for (start, character) in text.char_indices() {
            let before = best[start].score;
            let width = character.len_utf8();
            let mut has_single = false;
            for (length, piece) in self.trie.prefixes(&bytes[start..]) {
                let (score, is_user_defined) = self.scores[piece as usize];
                let candidate = if is_user_defined {
                    let bonus = f64::from(length as f32 * self.highest) - USER_DEFINED_PENALTY;
                    bonus + f64::from(before)
                } else {
                    f64::from(score) + f64::from(before)
                };
                update(&mut best[start + length], candidate, piece, start);
                has_single |= length == width;
            }
            if !has_single {
                let candidate = f64::from(self.of_unknown + before);
                update(&mut best[start + width], candidate, self.unknown, start);
            }
        }
        let (mut cut, mut end) = (Vec::new(), bytes.len());
        while end > 0 {
            let Best { piece, start, .. } = best[end];
            cut.push((&text[start..end], piece));
            end = start;
        }
        cut.reverse();
        cut
    }
}

/// Only a better path replaces one.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "as the reference rounds")]
fn update(best: &mut Best, candidate: f64, piece: u32, start: usize) {
    if best.start == NOWHERE || candidate > f64::from(best.score) {
        *best = Best { piece, score: candidate as f32, start };
    }
}
