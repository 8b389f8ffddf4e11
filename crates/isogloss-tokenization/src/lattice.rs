//! All ways of cutting a word into pieces.

use crate::trie::Trie;

/// Pieces with their log-probabilities, to be found at any place of a word. A piece that is dropped
/// stays in the trie and is passed over.
#[derive(Debug)]
pub(crate) struct Pieces {
    trie: Trie,
    /// `None` for a piece that was dropped.
    scores: Vec<Option<f64>>,
    probabilities: Vec<f64>,
    /// What a character costs that is no piece.
    unknown: f64,
}

/// A piece at a place of a word, in bytes.
#[derive(Clone, Copy, Debug)]
struct Edge {
    start: u32,
    end: u32,
    /// [`UNKNOWN`] for a character that is no piece.
    piece: u32,
}

/// The id of a character that is no piece.
pub(crate) const UNKNOWN: u32 = u32::MAX;
/// How far below the least probable piece an unknown character is, as in SentencePiece.
const UNKNOWN_PENALTY: f64 = 10.0;
/// A probability from which on products are taken in logarithms.
const SMALLEST: f64 = 1e-280;

/// Room to work in, which is used again for each word.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    edges: Vec<Edge>,
    forward: Vec<f64>,
    backward: Vec<f64>,
    best: Vec<(f64, u32, u32)>,
    pub(crate) path: Vec<u32>,
    /// Where each piece of the path begins, in bytes.
    pub(crate) starts: Vec<u32>,
}

impl Pieces {
    pub(crate) fn new(pieces: &[(String, f64)]) -> Self {
        let keys = (0_u32..).zip(pieces).map(|(id, (piece, _))| (piece.as_bytes(), id));
        let mut this = Self {
            trie: Trie::new(keys),
            scores: Vec::new(),
            probabilities: Vec::new(),
            unknown: 0.0,
        };
        this.set_scores(pieces.iter().map(|(_, score)| Some(*score)).collect());
        this
    }

    pub(crate) fn set_scores(&mut self, scores: Vec<Option<f64>>) {
        let lowest = scores.iter().flatten().copied().fold(f64::INFINITY, f64::min);
        self.probabilities = scores.iter().map(|score| score.map_or(0.0, libm::exp)).collect();
        self.unknown = lowest - UNKNOWN_PENALTY;
        self.scores = scores;
    }

    pub(crate) fn scores(&self) -> &[Option<f64>] {
        &self.scores
    }

    fn score(&self, piece: u32) -> f64 {
        self.scores.get(piece as usize).copied().flatten().unwrap_or(self.unknown)
    }

    /// Calls with every piece at every place, by start and then by length; where no single character
    /// is a piece, with an unknown one.
    #[inline]
    fn each_edge(&self, word: &str, mut on_edge: impl FnMut(usize, usize, u32)) {
        let bytes = word.as_bytes();
        for (start, character) in word.char_indices() {
            let width = character.len_utf8();
            let mut has_single = false;
            for (length, piece) in self.trie.prefixes(&bytes[start..]) {
                if self.scores[piece as usize].is_some() {
                    has_single |= length == width;
                    on_edge(start, start + length, piece);
                }
            }
            if !has_single {
                on_edge(start, start + width, UNKNOWN);
            }
        }
    }

    /// The most probable pieces of a word go to `space.path`; returns their log-probability. Without
    /// the piece that is the whole word if `is_split`.
    pub(crate) fn viterbi(&self, word: &str, is_split: bool, space: &mut Workspace) -> f64 {
        let best = &mut space.best;
        best.clear();
        best.resize(word.len() + 1, (f64::NEG_INFINITY, UNKNOWN, 0));
        best[0].0 = 0.0;
        self.each_edge(word, |start, end, piece| {
            if is_split && end - start == word.len() {
                return;
            }
            let score = best[start].0 + self.score(piece);
            // Only a better path replaces one: of equals, that with the longest last piece stays.
            if score > best[end].0 {
                #[expect(clippy::cast_possible_truncation, reason = "a place in a word")]
                let start = start as u32;
                best[end] = (score, piece, start);
            }
        });
        space.path.clear();
        space.starts.clear();
        let total = best[word.len()].0;
        if total == f64::NEG_INFINITY {
            return total;
        }
        let mut place = word.len();
        while place > 0 {
            let (_, piece, start) = best[place];
            space.path.push(piece);
            space.starts.push(start);
            place = start as usize;
        }
        space.path.reverse();
        space.starts.reverse();
        total
    }

    /// Adds `count` times the expected number of each piece in a word to `expected`.
    pub(crate) fn expect(
        &self,
        word: &str,
        count: f64,
        expected: &mut [f64],
        space: &mut Workspace,
    ) {
        let edges = &mut space.edges;
        edges.clear();
        let (forward, backward) = (&mut space.forward, &mut space.backward);
        forward.clear();
        forward.resize(word.len() + 1, 0.0);
        forward[0] = 1.0;
        let unknown = libm::exp(self.unknown);
        let probability = |piece: u32| match piece {
            UNKNOWN => unknown,
            piece => self.probabilities[piece as usize],
        };
        self.each_edge(word, |start, end, piece| {
            forward[end] += forward[start] * probability(piece);
            #[expect(clippy::cast_possible_truncation, reason = "places in a word")]
            edges.push(Edge { start: start as u32, end: end as u32, piece });
        });
        let total = forward[word.len()];
        if total < SMALLEST {
            return self.expect_in_logarithms(word, count, expected, space);
        }
        backward.clear();
        backward.resize(word.len() + 1, 0.0);
        backward[word.len()] = 1.0;
        let share = count / total;
        for Edge { start, end, piece } in edges.iter().rev() {
            let onwards = probability(*piece) * backward[*end as usize];
            backward[*start as usize] += onwards;
            if *piece != UNKNOWN {
                expected[*piece as usize] += share * forward[*start as usize] * onwards;
            }
        }
    }

    /// The same for a word that is too improbable for plain numbers.
    fn expect_in_logarithms(
        &self,
        word: &str,
        count: f64,
        expected: &mut [f64],
        space: &mut Workspace,
    ) {
        let Workspace { edges, forward, backward, .. } = space;
        for sums in [&mut *forward, &mut *backward] {
            sums.clear();
            sums.resize(word.len() + 1, f64::NEG_INFINITY);
        }
        (forward[0], backward[word.len()]) = (0.0, 0.0);
        for Edge { start, end, piece } in edges.iter() {
            let (start, end) = (*start as usize, *end as usize);
            forward[end] = log_add(forward[end], forward[start] + self.score(*piece));
        }
        for Edge { start, end, piece } in edges.iter().rev() {
            let (start, end) = (*start as usize, *end as usize);
            backward[start] = log_add(backward[start], backward[end] + self.score(*piece));
        }
        let total = forward[word.len()];
        for Edge { start, end, piece } in edges.iter() {
            if *piece != UNKNOWN {
                let (before, after) = (forward[*start as usize], backward[*end as usize]);
                let log_share = before + self.score(*piece) + after - total;
                expected[*piece as usize] += count * libm::exp(log_share);
            }
        }
    }
}

/// `ln(e^a + e^b)`
fn log_add(a: f64, b: f64) -> f64 {
    let (high, low) = if a > b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY { high } else { high + libm::log1p(libm::exp(low - high)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Pieces {
        let p = [("a", 0.3_f64), ("b", 0.2), ("ab", 0.35), ("c", 0.05), ("abc", 0.1)];
        let pieces: Vec<_> = p.iter().map(|(piece, p)| ((*piece).to_owned(), p.ln())).collect();
        Pieces::new(&pieces)
    }

    #[test]
    fn the_best_path_is_that_worked_by_hand() {
        let (pieces, mut space) = (example(), Workspace::default());
        let score = pieces.viterbi("abcab", false, &mut space);
        assert_eq!(space.path, [4, 2]);
        assert!((score - -3.352_407_22).abs() < 1e-8);
        let score = pieces.viterbi("abxyc", false, &mut space);
        assert_eq!(space.path, [2, UNKNOWN, UNKNOWN, 3]);
        assert!((score - -30.037_018_95).abs() < 1e-8);
    }

    #[test]
    fn plain_numbers_and_logarithms_expect_the_same() {
        let (pieces, mut space) = (example(), Workspace::default());
        let word = "abcabcaabc".repeat(20);
        let mut found = [[0.0; 5]; 2];
        pieces.expect(&word, 3.0, &mut found[0], &mut space);
        pieces.expect_in_logarithms(&word, 3.0, &mut found[1], &mut space);
        for (plain, by_logarithms) in found[0].iter().zip(found[1]) {
            assert!((plain - by_logarithms).abs() < 1e-9 * by_logarithms, "{found:?}");
        }
        // And where plain numbers do not reach, every character is still expected once.
        let word = "abc".repeat(2_000);
        let mut expected = [0.0; 5];
        pieces.expect(&word, 1.0, &mut expected, &mut space);
        let lengths = [1.0, 1.0, 2.0, 1.0, 3.0];
        let characters: f64 = expected.iter().zip(lengths).map(|(n, length)| n * length).sum();
        assert!((characters - 6_000.0).abs() < 1e-6, "{characters}");
    }
}
