//! All ways of cutting a word into pieces.

use std::collections::HashMap;

/// Pieces with their log-probabilities, to be found at any place of a word.
pub(crate) struct Pieces {
    /// `(node, character)` to the next node; the root is 0.
    edges: HashMap<(u32, char), u32>,
    /// For each node, the piece that ends there.
    ends: Vec<Option<u32>>,
    scores: Vec<f64>,
    /// What a character costs that is no piece.
    unknown: f64,
}

/// A piece at a place of a word.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edge {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// `None` for a character that is no piece.
    pub(crate) piece: Option<u32>,
    pub(crate) score: f64,
}

/// How far below the least probable piece an unknown character is, as in SentencePiece.
const UNKNOWN_PENALTY: f64 = 10.0;

impl Pieces {
    pub(crate) fn new(pieces: &[(String, f64)]) -> Self {
        let lowest = pieces.iter().map(|(_, score)| *score).fold(f64::INFINITY, f64::min);
        let mut this = Self {
            edges: HashMap::new(),
            ends: vec![None],
            scores: pieces.iter().map(|(_, score)| *score).collect(),
            unknown: lowest - UNKNOWN_PENALTY,
        };
        for (id, (piece, _)) in (0_u32..).zip(pieces) {
            let mut node = 0;
            for character in piece.chars() {
                let next = u32::try_from(this.ends.len()).unwrap_or(u32::MAX);
                node = *this.edges.entry((node, character)).or_insert(next);
                if node == next {
                    this.ends.push(None);
                }
            }
            this.ends[node as usize] = Some(id);
        }
        this
    }

    /// Every piece at every place, by start and then by length; where no single character is a
    /// piece, an unknown one.
    pub(crate) fn edges(&self, word: &[char]) -> Vec<Edge> {
        let mut edges = Vec::new();
        for start in 0..word.len() {
            let (mut node, mut has_single) = (0, false);
            for (end, character) in word.iter().enumerate().skip(start) {
                let Some(next) = self.edges.get(&(node, *character)) else { break };
                node = *next;
                if let Some(piece) = self.ends[node as usize] {
                    has_single |= end == start;
                    let score = self.scores[piece as usize];
                    edges.push(Edge { start, end: end + 1, piece: Some(piece), score });
                }
            }
            if !has_single {
                edges.push(Edge { start, end: start + 1, piece: None, score: self.unknown });
            }
        }
        edges
    }

    /// The most probable pieces of a word, and their log-probability; without the piece that is the
    /// whole word if `is_split`. `None` for an unknown character.
    pub(crate) fn viterbi(&self, word: &[char], is_split: bool) -> (Vec<Option<u32>>, f64) {
        let mut best: Vec<(f64, Option<Edge>)> = vec![(f64::NEG_INFINITY, None); word.len() + 1];
        best[0].0 = 0.0;
        for edge in self.edges(word) {
            if is_split && edge.end - edge.start == word.len() {
                continue;
            }
            let score = best[edge.start].0 + edge.score;
            // Only a better path replaces one: of equals, that with the longest last piece stays.
            if score > best[edge.end].0 {
                best[edge.end] = (score, Some(edge));
            }
        }
        let (mut path, mut place) = (Vec::new(), word.len());
        while let Some(edge) = best[place].1 {
            path.push(edge.piece);
            place = edge.start;
        }
        path.reverse();
        (path, best[word.len()].0)
    }

    /// Adds `count` times the expected number of each piece in a word to `expected`, and returns
    /// the word's log-probability.
    pub(crate) fn expect(&self, word: &[char], count: f64, expected: &mut [f64]) -> f64 {
        let edges = self.edges(word);
        let mut forward = vec![f64::NEG_INFINITY; word.len() + 1];
        let mut backward = forward.clone();
        (forward[0], backward[word.len()]) = (0.0, 0.0);
        for edge in &edges {
            forward[edge.end] = log_add(forward[edge.end], forward[edge.start] + edge.score);
        }
        for edge in edges.iter().rev() {
            backward[edge.start] = log_add(backward[edge.start], backward[edge.end] + edge.score);
        }
        let total = forward[word.len()];
        for edge in &edges {
            if let Some(piece) = edge.piece {
                let log_share = forward[edge.start] + edge.score + backward[edge.end] - total;
                expected[piece as usize] += count * log_share.exp();
            }
        }
        total
    }
}

/// `ln(e^a + e^b)`
fn log_add(a: f64, b: f64) -> f64 {
    let (high, low) = if a > b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_path_is_that_worked_by_hand() {
        let p = [("a", 0.3_f64), ("b", 0.2), ("ab", 0.35), ("c", 0.05), ("abc", 0.1)];
        let pieces: Vec<_> = p.iter().map(|(piece, p)| ((*piece).to_owned(), p.ln())).collect();
        let pieces = Pieces::new(&pieces);
        let viterbi = |text: &str| pieces.viterbi(&text.chars().collect::<Vec<_>>(), false);
        let (path, score) = viterbi("abcab");
        assert_eq!(path, [Some(4), Some(2)]);
        assert!((score - -3.352_407_22).abs() < 1e-8);
        let (path, score) = viterbi("abxyc");
        assert_eq!(path, [Some(2), None, None, Some(3)]);
        assert!((score - -30.037_018_95).abs() < 1e-8);
    }
}
