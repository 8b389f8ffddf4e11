//! Training of a unigram vocabulary.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::TrainError;
use crate::lattice::{Pieces, UNKNOWN, Workspace};
use crate::seeds::seed_pieces;
use crate::words::WordCounts;

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
/// Expectation and maximisation between two prunings.
const SUB_ITERATIONS: usize = 2;
/// What a pruning leaves.
const SHRINKING_FACTOR: f64 = 0.75;
/// Pieces that are expected less often are dropped.
const LEAST_EXPECTED: f64 = 0.5;

/// A word with its count.
type Word<'a> = (&'a str, u64);

/// Words are gone through in this many parts, whatever the number of cores, and the sums of the parts
/// are added in their order: so the result does not depend on the machine.
const PARTS: usize = 8;

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
    counts: &WordCounts,
    on_round: &mut dyn FnMut(u64, usize),
) -> Result<Vec<(String, f64)>, TrainError> {
    let required = counts.required_characters(training.character_coverage);
    if training.pieces < required.len() {
        return Err(TrainError::Config {
            field: "vocab_size",
            found: format!("enough for {} pieces", training.pieces),
            expected: format!("at least the {} characters that must be covered", required.len()),
        });
    }
    // A character that is not covered is in no piece, so words are cut at it.
    let words: Vec<Word<'_>> = counts
        .sorted()
        .into_iter()
        .flat_map(|(word, count)| {
            let parts = word.split(|character| !required.contains_key(&character));
            parts.filter(|part| !part.is_empty()).map(move |part| (part, count))
        })
        .collect();
    let seeds = seed_pieces(&words, &required, training.max_piece_length);
    let texts: Vec<&str> = seeds.iter().map(|(piece, _)| piece.as_str()).collect();
    let mut pieces = Pieces::new(&seeds);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a size that is a usize"
    )]
    let wanted = (1.1 * training.pieces as f64) as usize;
    for round in 1.. {
        for _ in 0..SUB_ITERATIONS {
            let expected = expect(&pieces, &words);
            pieces.set_scores(maximise(pieces.scores(), &expected));
        }
        let left = pieces.scores().iter().flatten().count();
        on_round(round, left);
        if left <= wanted {
            break;
        }
        let kept = prune(&pieces, &texts, &words, wanted);
        let is_done = kept.iter().flatten().count() == left;
        pieces.set_scores(kept);
        if is_done {
            break;
        }
    }
    let scored = pieces.scores().iter().zip(&texts);
    let left = scored.filter_map(|(score, text)| Some(((*text).to_owned(), (*score)?))).collect();
    Ok(finalise(left, &required, training.pieces))
}

/// How often the best cuts of some words have each piece.
pub(crate) fn uses<'a>(
    pieces: &[(String, f64)],
    words: impl Iterator<Item = (&'a str, u64)>,
) -> Vec<u64> {
    let (lattice, mut space) = (Pieces::new(pieces), Workspace::default());
    let mut uses = vec![0; pieces.len()];
    for (word, count) in words {
        lattice.viterbi(word, false, &mut space);
        for id in space.path.iter().filter(|id| **id != UNKNOWN) {
            uses[*id as usize] += count;
        }
    }
    uses
}

/// Does a piece of work for each part of some items, on all cores, and gives the results in order.
fn in_parts<I: Sync, R: Send>(items: &[I], work: impl Fn(&[I]) -> R + Sync) -> Vec<R> {
    let size = items.len().div_ceil(PARTS).max(1);
    let parts: Vec<&[I]> = items.chunks(size).collect();
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(parts.len());
    if workers < 2 {
        return parts.into_iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let mut results: Vec<(usize, R)> = std::thread::scope(|scope| {
        let worker = || {
            let mut own = Vec::new();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(part) = parts.get(at) else { break own };
                own.push((at, work(part)));
            }
        };
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        let joined = threads.into_iter().map(|thread| match thread.join() {
            Ok(own) => own,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        joined.flatten().collect()
    });
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Adds the sums of parts in their order.
fn add_up(parts: Vec<Vec<f64>>, len: usize) -> Vec<f64> {
    let mut total = vec![0.0; len];
    for part in parts {
        for (sum, term) in total.iter_mut().zip(part) {
            *sum += term;
        }
    }
    total
}

/// How often each piece is expected in the words.
fn expect(pieces: &Pieces, words: &[Word<'_>]) -> Vec<f64> {
    let len = pieces.scores().len();
    let parts = in_parts(words, |words| {
        let (mut expected, mut space) = (vec![0.0; len], Workspace::default());
        for (word, count) in words {
            pieces.expect(word, *count as f64, &mut expected, &mut space);
        }
        expected
    });
    add_up(parts, len)
}

/// `log p = ψ(c) - ψ(Σc)` over the pieces that are expected often enough.
fn maximise(scores: &[Option<f64>], expected: &[f64]) -> Vec<Option<f64>> {
    let kept = |(score, count): (&Option<f64>, &f64)| {
        (score.is_some() && *count >= LEAST_EXPECTED).then_some(*count)
    };
    let total = digamma(scores.iter().zip(expected).filter_map(kept).sum());
    scores.iter().zip(expected).map(|piece| Some(digamma(kept(piece)?) - total)).collect()
}

/// Drops the pieces without which the text loses least.
fn prune(pieces: &Pieces, texts: &[&str], words: &[Word<'_>], wanted: usize) -> Vec<Option<f64>> {
    let losses = losses(pieces, texts, words);
    let mut order: Vec<usize> = (0..texts.len()).filter(|id| losses[*id].is_some()).collect();
    let loss = |id: usize| losses[id].unwrap_or(f64::NEG_INFINITY);
    order.sort_by(|a, b| loss(*b).total_cmp(&loss(*a)).then(texts[*a].cmp(texts[*b])));
    let left = pieces.scores().iter().flatten().count();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a length"
    )]
    let shrunk = (SHRINKING_FACTOR * left as f64) as usize;
    order.truncate(wanted.max(shrunk));
    let mut kept = vec![None; texts.len()];
    for id in order {
        kept[id] = pieces.scores()[id];
    }
    kept
}

/// What the text's log-probability loses with each piece; `None` for a piece that no best path uses.
fn losses(pieces: &Pieces, texts: &[&str], words: &[Word<'_>]) -> Vec<Option<f64>> {
    let len = texts.len();
    // How often the best paths use a piece, and how often words occur whose best path does.
    let parts = in_parts(words, |words| {
        let (mut uses, mut in_words) = (vec![0.0; len], vec![0.0; len]);
        let mut space = Workspace::default();
        for (word, count) in words {
            let count = *count as f64;
            pieces.viterbi(word, false, &mut space);
            space.path.retain(|id| *id != UNKNOWN);
            for id in &space.path {
                uses[*id as usize] += count;
            }
            space.path.sort_unstable();
            space.path.dedup();
            for id in &space.path {
                in_words[*id as usize] += count;
            }
        }
        (uses, in_words)
    });
    let (uses, in_words): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    let (uses, in_words) = (add_up(uses, len), add_up(in_words, len));
    let all_uses: f64 = uses.iter().sum();
    let all_words: f64 = words.iter().map(|(_, count)| *count as f64).sum();
    let loss = |id: usize, space: &mut Workspace| {
        let text = texts[id];
        pieces.scores()[id]?;
        pieces.viterbi(text, false, space);
        let is_itself = space.path.len() == 1;
        if text.chars().nth(1).is_some() && !is_itself {
            return None;
        }
        pieces.viterbi(text, true, space);
        if space.path.is_empty() || space.path.contains(&UNKNOWN) {
            // Nothing else spells it: it stays.
            return Some(f64::INFINITY);
        }
        if uses[id] == 0.0 {
            return None;
        }
        let parts = space.path.len() as f64;
        let with = libm::log(uses[id]) - libm::log(all_uses);
        let all_without = libm::log(all_uses + uses[id] * (parts - 1.0));
        let without: f64 = space
            .path
            .iter()
            .map(|part| libm::log(uses[*part as usize] + uses[id]) - all_without)
            .sum();
        Some(in_words[id] / all_words * (with - without))
    };
    let ids: Vec<usize> = (0..len).collect();
    let parts = in_parts(&ids, |ids| {
        let mut space = Workspace::default();
        ids.iter().map(|id| loss(*id, &mut space)).collect::<Vec<_>>()
    });
    parts.concat()
}

/// Every required character, then the best of the others, sorted from the most probable.
fn finalise(
    pieces: Vec<(String, f64)>,
    required: &BTreeMap<char, u64>,
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
    result + libm::log(x) - 0.5 / x - series
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: [Word<'static>; 3] = [("ab", 3), ("abc", 2), ("ca", 1)];
    const TEXTS: [&str; 5] = ["a", "b", "ab", "c", "abc"];

    fn example() -> Pieces {
        let p = [0.3_f64, 0.2, 0.35, 0.05, 0.1];
        let pieces: Vec<_> =
            TEXTS.iter().zip(p).map(|(piece, p)| ((*piece).to_owned(), p.ln())).collect();
        Pieces::new(&pieces)
    }

    #[test]
    fn a_step_of_em_gives_the_counts_and_scores_worked_by_hand() {
        let pieces = example();
        let expected = expect(&pieces, &WORDS);
        for (found, by_hand) in
            expected.iter().zip([1.488_817, 0.488_817, 2.851_432, 1.340_249, 1.659_751])
        {
            assert!((found - by_hand).abs() < 1e-6, "{found}, not {by_hand}");
        }
        let scores = maximise(pieces.scores(), &expected);
        let by_hand =
            [Some(-1.897_728), None, Some(-1.061_370), Some(-2.048_195), Some(-1.747_589)];
        for (found, by_hand) in scores.iter().zip(by_hand) {
            assert_eq!(found.is_some(), by_hand.is_some());
            let difference = found.unwrap_or_default() - by_hand.unwrap_or_default();
            assert!(difference.abs() < 1e-6, "{found:?}, not {by_hand:?}");
        }
    }

    #[test]
    fn the_loss_of_a_piece_is_that_worked_by_hand() {
        let loss = losses(&example(), &TEXTS, &WORDS)[2].unwrap();
        assert!((loss - 0.636_483).abs() < 1e-6, "{loss}");
    }
}
