//! Mined pairs against a gold list, as the BUCC shared task scores them.

use std::collections::{HashMap, HashSet};

use crate::mining::sort_best_first;
use crate::{MinedPair, MiningError};

/// How well mined pairs agree with a gold list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct PairScore {
    /// Mined pairs that are in the gold list.
    pub correct: usize,
    /// Mined pairs.
    pub mined: usize,
    /// Pairs of the gold list, of which there is at least one.
    pub gold: usize,
}

impl PairScore {
    /// The share of mined pairs that are right; 0 where nothing was mined, as the reference has it.
    pub fn precision(&self) -> f64 {
        self.correct as f64 / self.mined.max(1) as f64
    }

    /// The share of gold pairs that were mined.
    pub fn recall(&self) -> f64 {
        self.correct as f64 / self.gold as f64
    }

    /// The harmonic mean of precision and recall; 0 where nothing is right, as the reference has it.
    pub fn f1(&self) -> f64 {
        2.0 * self.correct as f64 / (self.mined + self.gold) as f64
    }
}

/// A threshold, and what it gives on the pairs that it was chosen by.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct BestThreshold {
    /// Pairs with this score or a better one are taken.
    pub threshold: f64,
    /// Their score.
    pub score: PairScore,
}

/// Scores mined pairs against a gold list of `(source, target)`. A pair that stands twice counts once.
///
/// # Errors
///
/// [`MiningError::Empty`] where the gold list is.
pub fn score_pairs(mined: &[MinedPair], gold: &[(usize, usize)]) -> Result<PairScore, MiningError> {
    let gold = gold_set(gold)?;
    let mined: HashSet<(usize, usize)> = mined.iter().map(|pair| (pair.src, pair.tgt)).collect();
    let correct = mined.intersection(&gold).count();
    Ok(PairScore { correct, mined: mined.len(), gold: gold.len() })
}

/// Chooses the threshold with the best F1 against a gold list, on pairs that are for training.
///
/// Pairs are taken from the best on; the threshold lies midway between the last that is taken and the
/// first that is not, and is the score of the last where all are taken. Of equal F1 the highest
/// threshold is chosen. Of a pair that stands twice, the better score counts.
///
/// Departures from the reference, which fails where all are taken: pairs with equal scores are taken
/// together, as no threshold parts them.
///
/// # Errors
///
/// [`MiningError::Empty`] where the gold list is; [`MiningError::NoneCorrect`] where it holds no mined
/// pair; [`MiningError::NotFinite`] with the place of a score.
///
/// # Source
///
/// `tasks/bucc/bucc.py` of LASER, <https://github.com/facebookresearch/LASER>.
///
/// # Examples
///
/// ```
/// use isogloss_mining::{MinedPair, best_threshold};
///
/// let pair = |src, tgt, score| MinedPair { src, tgt, score };
/// let mined = [pair(0, 0, 1.4), pair(1, 1, 1.2), pair(2, 0, 1.0)];
/// let best = best_threshold(&mined, &[(0, 0), (1, 1)])?;
/// assert!((best.threshold - 1.1).abs() < 1e-12);
/// assert_eq!(best.score.f1(), 1.0);
/// # Ok::<(), isogloss_mining::MiningError>(())
/// ```
pub fn best_threshold(
    mined: &[MinedPair],
    gold: &[(usize, usize)],
) -> Result<BestThreshold, MiningError> {
    let gold = gold_set(gold)?;
    if let Some(index) = mined.iter().position(|pair| !pair.score.is_finite()) {
        let found = mined[index].score;
        return Err(MiningError::NotFinite { what: "score of pair", index, found });
    }
    let mut pairs = mined.to_vec();
    sort_best_first(&mut pairs);
    let mut seen = HashSet::new();
    pairs.retain(|pair| seen.insert((pair.src, pair.tgt)));
    let mut correct = 0;
    let mut best: Option<BestThreshold> = None;
    for (i, pair) in pairs.iter().enumerate() {
        correct += usize::from(gold.contains(&(pair.src, pair.tgt)));
        let next = pairs.get(i + 1).map(|next| next.score);
        if next == Some(pair.score) {
            continue;
        }
        let score = PairScore { correct, mined: i + 1, gold: gold.len() };
        if score.f1() > best.map_or(0.0, |best| best.score.f1()) {
            let midway = next.map_or(pair.score, |next| f64::midpoint(pair.score, next));
            // Between neighbouring numbers there is no other, and the lower takes one pair more.
            let threshold = if next == Some(midway) { pair.score } else { midway };
            best = Some(BestThreshold { threshold, score });
        }
    }
    best.ok_or(MiningError::NoneCorrect { found: pairs.len() })
}

/// Drops pairs with a text that stands more than once in its set, as the shared task does: which of its
/// places is meant, nobody can tell.
///
/// # Errors
///
/// [`MiningError::OutOfRange`] where a pair has no text.
pub fn without_repeated<T: AsRef<str>>(
    pairs: &[MinedPair],
    src_texts: &[T],
    tgt_texts: &[T],
) -> Result<Vec<MinedPair>, MiningError> {
    for (index, pair) in pairs.iter().enumerate() {
        for (what, found, bound) in [
            ("source of pair", pair.src, src_texts.len()),
            ("target of pair", pair.tgt, tgt_texts.len()),
        ] {
            if found >= bound {
                return Err(MiningError::OutOfRange { what, index, found, bound });
            }
        }
    }
    let (src_counts, tgt_counts) = (counts(src_texts), counts(tgt_texts));
    let is_single = |pair: &&MinedPair| {
        src_counts[src_texts[pair.src].as_ref()] == 1
            && tgt_counts[tgt_texts[pair.tgt].as_ref()] == 1
    };
    Ok(pairs.iter().filter(is_single).copied().collect())
}

fn counts<T: AsRef<str>>(texts: &[T]) -> HashMap<&str, usize> {
    let mut counts = HashMap::new();
    for text in texts {
        *counts.entry(text.as_ref()).or_default() += 1;
    }
    counts
}

fn gold_set(gold: &[(usize, usize)]) -> Result<HashSet<(usize, usize)>, MiningError> {
    if gold.is_empty() {
        return Err(MiningError::Empty { what: "gold pairs" });
    }
    Ok(gold.iter().copied().collect())
}
