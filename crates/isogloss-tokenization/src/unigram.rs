//! Training of a unigram vocabulary.

use std::collections::{BTreeMap, HashMap};

use crate::TrainError;
use crate::lattice::Pieces;

/// What to train.
pub(crate) struct UnigramTraining {
    /// How many pieces.
    pub(crate) pieces: usize,
    /// The share of characters that must be pieces.
    pub(crate) character_coverage: f64,
    /// The most characters of a piece.
    pub(crate) max_piece_length: usize,
}

/// The mark of a word's beginning.
pub(crate) const WORD_MARK: char = '▁';
/// Repeated substrings that training begins with, at most.
const SEED_PIECES: usize = 200_000;
/// Expectation and maximisation between two prunings.
const SUB_ITERATIONS: usize = 2;
/// What a pruning leaves.
const SHRINKING_FACTOR: f64 = 0.75;
/// Pieces that are expected less often are dropped.
const LEAST_EXPECTED: f64 = 0.5;

/// A word as characters, with its count.
type Word = (Vec<char>, f64);

/// Finds pieces under which the words are most probable, and their log-probabilities: required
/// characters first in choice, all sorted from the most probable.
///
/// Expectation–maximisation from repeated substrings, with a sparse prior (the digamma of the
/// expected counts), pruning the pieces whose loss costs least between rounds; in the manner of
/// SentencePiece's trainer (Kudo and Richardson, 2018, <https://aclanthology.org/D18-2012>). Words
/// and pieces are always walked in a stated order and all ties are broken by the text of a piece, so
/// the result is a function of the word counts.
pub(crate) fn train(
    training: &UnigramTraining,
    counts: &BTreeMap<String, u64>,
    on_round: &mut dyn FnMut(u64, usize),
) -> Result<Vec<(String, f64)>, TrainError> {
    let marked =
        |word: &String| -> Vec<char> { std::iter::once(WORD_MARK).chain(word.chars()).collect() };
    let words: Vec<Word> =
        counts.iter().map(|(word, count)| (marked(word), *count as f64)).collect();
    let required = required_characters(&words, training.character_coverage);
    if training.pieces < required.len() {
        return Err(TrainError::Config {
            field: "vocab_size",
            found: format!("enough for {} pieces", training.pieces),
            expected: format!("at least the {} characters that must be covered", required.len()),
        });
    }
    // A character that is not covered is in no piece, so words are cut at it.
    let words: Vec<Word> = words
        .iter()
        .flat_map(|(word, count)| {
            word.split(|character| !required.contains_key(character))
                .filter(|part| !part.is_empty())
                .map(|part| (part.to_vec(), *count))
        })
        .collect();
    let mut pieces = seed_pieces(&words, training.max_piece_length);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a size that is a usize"
    )]
    let wanted = (1.1 * training.pieces as f64) as usize;
    for round in 1.. {
        for _ in 0..SUB_ITERATIONS {
            let trie = Pieces::new(&pieces);
            let mut expected = vec![0.0; pieces.len()];
            for (word, count) in &words {
                trie.expect(word, *count, &mut expected);
            }
            pieces = maximise(&pieces, &expected);
        }
        on_round(round, pieces.len());
        if pieces.len() <= wanted {
            break;
        }
        let before = pieces.len();
        pieces = prune(&pieces, &words, wanted);
        if pieces.len() == before {
            break;
        }
    }
    Ok(finalise(pieces, &required, training.pieces))
}

/// The most frequent characters that make up `coverage` of the text, with their counts.
fn required_characters(words: &[Word], coverage: f64) -> BTreeMap<char, f64> {
    let mut counts: BTreeMap<char, f64> = BTreeMap::new();
    for (word, count) in words {
        for character in word {
            *counts.entry(*character).or_default() += count;
        }
    }
    let total: f64 = counts.values().sum();
    let mut sorted: Vec<(char, f64)> = counts.into_iter().collect();
    sorted.sort_by(|(a, a_count), (b, b_count)| b_count.total_cmp(a_count).then(a.cmp(b)));
    let mut covered = 0.0;
    let mut required = BTreeMap::new();
    for (character, count) in sorted {
        if covered / total >= coverage {
            break;
        }
        covered += count;
        required.insert(character, count);
    }
    required
}

/// Every character, and the substrings that occur at least twice, the best by count times length.
fn seed_pieces(words: &[Word], max_length: usize) -> Vec<(String, f64)> {
    let mut counts: HashMap<&[char], f64> = HashMap::new();
    for (word, count) in words {
        for start in 0..word.len() {
            for end in start + 1..=word.len().min(start + max_length) {
                *counts.entry(&word[start..end]).or_default() += count;
            }
        }
    }
    let mut seeds: Vec<(&[char], f64)> =
        counts.into_iter().filter(|(piece, count)| piece.len() == 1 || *count >= 2.0).collect();
    let score = |(piece, count): &(&[char], f64)| count * piece.len() as f64;
    // The order of a hash map is lost here: equal scores are told apart by their text.
    seeds.sort_by(|a, b| {
        (b.0.len() == 1)
            .cmp(&(a.0.len() == 1))
            .then(score(b).total_cmp(&score(a)))
            .then(a.0.cmp(b.0))
    });
    seeds.truncate(SEED_PIECES);
    let total: f64 = seeds.iter().map(score).sum();
    seeds.iter().map(|seed| (seed.0.iter().collect(), (score(seed) / total).ln())).collect()
}

/// `log p = ψ(c) - ψ(Σc)` over the pieces that are expected often enough.
fn maximise(pieces: &[(String, f64)], expected: &[f64]) -> Vec<(String, f64)> {
    let kept = || pieces.iter().zip(expected).filter(|(_, count)| **count >= LEAST_EXPECTED);
    let total = digamma(kept().map(|(_, count)| count).sum());
    kept().map(|((piece, _), count)| (piece.clone(), digamma(*count) - total)).collect()
}

/// Drops the pieces without which the text loses least.
fn prune(pieces: &[(String, f64)], words: &[Word], wanted: usize) -> Vec<(String, f64)> {
    let losses = losses(pieces, words);
    let mut order: Vec<usize> = (0..pieces.len()).filter(|id| losses[*id].is_some()).collect();
    let loss = |id: usize| losses[id].unwrap_or(f64::NEG_INFINITY);
    order.sort_by(|a, b| loss(*b).total_cmp(&loss(*a)).then(pieces[*a].0.cmp(&pieces[*b].0)));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a length"
    )]
    let shrunk = (SHRINKING_FACTOR * pieces.len() as f64) as usize;
    order.truncate(wanted.max(shrunk));
    order.sort_unstable();
    order.into_iter().map(|id| pieces[id].clone()).collect()
}

/// What the text's log-probability loses with each piece; `None` for a piece that no best path uses.
fn losses(pieces: &[(String, f64)], words: &[Word]) -> Vec<Option<f64>> {
    let trie = Pieces::new(pieces);
    // How often the best paths use a piece, and how often words occur whose best path does.
    let (mut uses, mut in_words) = (vec![0.0; pieces.len()], vec![0.0; pieces.len()]);
    for (word, count) in words {
        let (path, _) = trie.viterbi(word, false);
        let mut ids: Vec<usize> = path.into_iter().flatten().map(|id| id as usize).collect();
        for id in &ids {
            uses[*id] += count;
        }
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            in_words[id] += count;
        }
    }
    let all_uses: f64 = uses.iter().sum();
    let all_words: f64 = words.iter().map(|(_, count)| count).sum();
    pieces
        .iter()
        .enumerate()
        .map(|(id, (piece, _))| {
            let word: Vec<char> = piece.chars().collect();
            let is_itself = trie.viterbi(&word, false).0.len() == 1;
            if word.len() > 1 && !is_itself {
                return None;
            }
            let (alternative, _) = trie.viterbi(&word, true);
            if alternative.is_empty() || alternative.contains(&None) {
                // Nothing else spells it: it stays.
                return Some(f64::INFINITY);
            }
            if uses[id] == 0.0 {
                return None;
            }
            let parts = alternative.len() as f64;
            let with = uses[id].ln() - all_uses.ln();
            let all_without = (all_uses + uses[id] * (parts - 1.0)).ln();
            let without: f64 = alternative
                .iter()
                .flatten()
                .map(|part| (uses[*part as usize] + uses[id]).ln() - all_without)
                .sum();
            Some(in_words[id] / all_words * (with - without))
        })
        .collect()
}

/// Every required character, then the best of the others, sorted from the most probable.
fn finalise(
    pieces: Vec<(String, f64)>,
    required: &BTreeMap<char, f64>,
    wanted: usize,
) -> Vec<(String, f64)> {
    let lowest = pieces.iter().map(|(_, score)| *score).fold(0.0, f64::min);
    let by_score = |a: &(String, f64), b: &(String, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    let mut scores: BTreeMap<String, f64> = pieces.into_iter().collect();
    let mut chosen: Vec<(String, f64)> = (1_u32..)
        .zip(required.keys())
        .map(|(place, character)| {
            let piece = character.to_string();
            // One that training dropped is less probable than any that it kept.
            let score = scores.remove(&piece).unwrap_or(lowest - 1e-4 * f64::from(place));
            (piece, score)
        })
        .collect();
    let mut others: Vec<(String, f64)> = scores.into_iter().collect();
    others.sort_by(by_score);
    others.truncate(wanted.saturating_sub(chosen.len()));
    chosen.extend(others);
    chosen.sort_by(by_score);
    chosen
}

/// The derivative of the logarithm of the gamma function, for `x` above 0.
fn digamma(mut x: f64) -> f64 {
    // Upwards by ψ(x) = ψ(x + 1) - 1/x to where the asymptotic series has all its digits.
    let mut result = 0.0;
    while x < 8.0 {
        result -= 1.0 / x;
        x += 1.0;
    }
    let y = 1.0 / (x * x);
    let series =
        y * (1.0 / 12.0 - y * (1.0 / 120.0 - y * (1.0 / 252.0 - y * (1.0 / 240.0 - y / 132.0))));
    result + x.ln() - 0.5 / x - series
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> (Vec<(String, f64)>, Vec<Word>) {
        let p = [("a", 0.3_f64), ("b", 0.2), ("ab", 0.35), ("c", 0.05), ("abc", 0.1)];
        let pieces = p.iter().map(|(piece, p)| ((*piece).to_owned(), p.ln())).collect();
        let words = [("ab", 3.0), ("abc", 2.0), ("ca", 1.0)];
        (pieces, words.iter().map(|(word, count)| (word.chars().collect(), *count)).collect())
    }

    #[test]
    fn a_step_of_em_gives_the_counts_and_scores_worked_by_hand() {
        let (pieces, words) = example();
        let mut expected = vec![0.0; 5];
        let trie = Pieces::new(&pieces);
        for (word, count) in &words {
            trie.expect(word, *count, &mut expected);
        }
        for (found, by_hand) in
            expected.iter().zip([1.488_817, 0.488_817, 2.851_432, 1.340_249, 1.659_751])
        {
            assert!((found - by_hand).abs() < 1e-6, "{found}, not {by_hand}");
        }
        let scores = maximise(&pieces, &expected);
        let names: Vec<_> = scores.iter().map(|(piece, _)| piece.as_str()).collect();
        assert_eq!(names, ["a", "ab", "c", "abc"]);
        for ((_, found), by_hand) in
            scores.iter().zip([-1.897_728, -1.061_370, -2.048_195, -1.747_589])
        {
            assert!((found - by_hand).abs() < 1e-6, "{found}, not {by_hand}");
        }
    }

    #[test]
    fn the_loss_of_a_piece_is_that_worked_by_hand() {
        let (pieces, words) = example();
        let loss = losses(&pieces, &words)[2].unwrap();
        assert!((loss - 0.636_483).abs() < 1e-6, "{loss}");
    }

    #[test]
    fn coverage_takes_characters_until_it_is_reached() {
        let words: Vec<Word> =
            [('a', 90.0), ('b', 8.0), ('c', 1.0), ('d', 1.0)].map(|(c, n)| (vec![c], n)).to_vec();
        for (coverage, expected) in [(0.9, "a"), (0.98, "ab"), (0.99, "abc"), (1.0, "abcd")] {
            let found: String = required_characters(&words, coverage).into_keys().collect();
            assert_eq!(found, expected, "{coverage}");
        }
    }
}
