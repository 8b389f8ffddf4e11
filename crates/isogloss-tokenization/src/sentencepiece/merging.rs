//! Merges by score, as SentencePiece does them.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use rustc_hash::FxHashMap;

use super::Piece;
use super::proto::PieceKind;
use crate::trie::Trie;

/// A BPE model: two neighbours merge where their concatenation is a piece, that of the highest score
/// first, and of equal scores the leftmost.
#[derive(Clone, Debug)]
pub(crate) struct Merging {
    // Pieces that may come about, with their scores and whether they are for use.
    pieces: FxHashMap<String, (f32, bool)>,
}

struct Symbol<'a> {
    text: &'a str,
    // Where it begins; symbols that follow one another in the text are one string.
    start: usize,
    previous: Option<usize>,
    next: Option<usize>,
    is_frozen: bool,
}

struct Candidate {
    score: f32,
    left: usize,
    right: usize,
    length: usize,
}

impl Merging {
    pub(crate) fn new(pieces: &[Piece]) -> Self {
        let can_come_about =
            |kind| matches!(kind, PieceKind::Normal | PieceKind::UserDefined | PieceKind::Unused);
        let kept = pieces.iter().filter(|piece| can_come_about(piece.kind));
        let scored =
            |piece: &Piece| (piece.text.clone(), (piece.score, piece.kind != PieceKind::Unused));
        Self { pieces: kept.map(scored).collect() }
    }

    pub(crate) fn cut<'a>(
        &self,
        text: &'a str,
        user_defined: Option<&Trie>,
        id: impl Fn(&str) -> u32,
    ) -> Vec<(&'a str, u32)> {
        let mut symbols: Vec<Symbol<'a>> = Vec::with_capacity(text.len());
        let mut start = 0;
        while let Some(first) = text[start..].chars().next() {
            let symbol = user_defined.and_then(|trie| trie.longest(&text.as_bytes()[start..]));
            let length = symbol.map_or(first.len_utf8(), |(length, _)| length);
            let place = symbols.len();
            symbols.push(Symbol {
                text: &text[start..start + length],
                start,
                previous: place.checked_sub(1),
                next: (start + length < text.len()).then_some(place + 1),
                is_frozen: symbol.is_some(),
            });
            start += length;
        }
        let mut candidates = BinaryHeap::new();
        // What an unused piece was made of, to be taken apart again.
        let mut parts: FxHashMap<&'a str, (&'a str, &'a str)> = FxHashMap::default();
        for right in 1..symbols.len() {
            self.propose(text, &symbols, (right - 1, right), &mut candidates, &mut parts);
        }
        while let Some(Candidate { left, right, length, .. }) = candidates.pop() {
            let (first, second) = (symbols[left].text, symbols[right].text);
            // One of the two has merged with another since.
            if first.is_empty() || second.is_empty() || first.len() + second.len() != length {
                continue;
            }
            let start = symbols[left].start;
            symbols[left].text = &text[start..start + length];
            let after = symbols[right].next;
            symbols[left].next = after;
            if let Some(after) = after {
                symbols[after].previous = Some(left);
            }
            symbols[right].text = "";
            if let Some(before) = symbols[left].previous {
                self.propose(text, &symbols, (before, left), &mut candidates, &mut parts);
            }
            if let Some(after) = after {
                self.propose(text, &symbols, (left, after), &mut candidates, &mut parts);
            }
        }
        let mut cut = Vec::new();
        let mut place = (!symbols.is_empty()).then_some(0);
        while let Some(at) = place {
            self.emit(symbols[at].text, &parts, &id, &mut cut);
            place = symbols[at].next;
        }
        cut
    }

    fn propose<'a>(
        &self,
        text: &'a str,
        symbols: &[Symbol<'a>],
        (left, right): (usize, usize),
        candidates: &mut BinaryHeap<Candidate>,
        parts: &mut FxHashMap<&'a str, (&'a str, &'a str)>,
    ) {
        let (first, second) = (&symbols[left], &symbols[right]);
        if first.is_frozen || second.is_frozen {
            return;
        }
        let length = first.text.len() + second.text.len();
        let piece = &text[first.start..first.start + length];
        if let Some((score, is_for_use)) = self.pieces.get(piece) {
            candidates.push(Candidate { score: *score, left, right, length });
            if !is_for_use {
                parts.insert(piece, (first.text, second.text));
            }
        }
    }

    /// A piece that is not for use is taken apart into what it was made of.
    fn emit<'a>(
        &self,
        piece: &'a str,
        parts: &FxHashMap<&'a str, (&'a str, &'a str)>,
        id: &impl Fn(&str) -> u32,
        cut: &mut Vec<(&'a str, u32)>,
    ) {
        let is_for_use = self.pieces.get(piece).is_none_or(|(_, is_for_use)| *is_for_use);
        match parts.get(piece) {
            Some((first, second)) if !is_for_use => {
                self.emit(first, parts, id, cut);
                self.emit(second, parts, id, cut);
            }
            _ => cut.push((piece, id(piece))),
        }
    }
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(other.left.cmp(&self.left))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Candidate {}
