//! Which target words are nearest to a source word.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use isogloss_core::Progress;
use isogloss_mining::{Neighbour, for_each_cosine_block, nearest_neighbours, paired_cosines};
use serde::{Deserialize, Serialize};

use crate::{EmbeddingMatrix, EvaluationError};

/// How near a target word is to a source word.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum WordSimilarity {
    /// The cosine: the plain nearest neighbour.
    Cosine,
    /// The cosine beside the mean cosine of either word to its `k` nearest of the other language, which
    /// takes from words that are near to everything what they have too much.
    ///
    /// ```text
    /// 2 cos(x, y) − mean over NN_k(x) of cos(x, z) − mean over NN_k(y) of cos(y, z)
    /// ```
    ///
    /// Neighbours are sought among all words of the other language, so a score depends on how many
    /// there are.
    ///
    /// Conneau, Lample, Ranzato, Denoyer and Jégou (2018), "Word Translation Without Parallel Data",
    /// section 2.3, <https://arxiv.org/abs/1710.04087>.
    Csls {
        /// How many neighbours, capped by the words there are; 10 in the paper.
        k: usize,
    },
}

impl Default for WordSimilarity {
    /// CSLS with the ten neighbours of the paper.
    fn default() -> Self {
        Self::Csls { k: 10 }
    }
}

/// A word to translate, and its right translations.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LexiconQuery {
    /// The row of the source word.
    pub source: usize,
    /// The rows of its translations, at least one.
    pub targets: BTreeSet<usize>,
}

/// The rank of the first right translation of each query.
///
/// Ranks count from 1. A wrong word that is as near as the nearest right one is ranked before it:
/// vectors that are all alike find nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct LexiconInduction {
    /// The rank of each query, in order.
    pub ranks: Vec<usize>,
}

/// Ranks all target words for each source word that is asked: bilingual lexicon induction.
///
/// Vectors must lie in one space already. Memory is a normalised copy of each matrix that is not
/// [`normalised`](EmbeddingMatrix::normalised), the vectors of the queries and of their translations,
/// the `k` neighbours of each target word, and for each thread a block of cosines: never source words ×
/// target words.
///
/// # Shapes
///
/// - `src`: `[n_src, dim]`, `tgt`: `[n_tgt, dim]`
///
/// # Errors
///
/// [`EvaluationError::Empty`] without queries; [`EvaluationError::Config`] for a row that is not
/// there, and for a query without targets; [`EvaluationError::Mining`] where the widths differ or `k`
/// is 0.
///
/// # Examples
///
/// ```
/// use isogloss_evaluation::{EmbeddingMatrix, LexiconQuery, WordSimilarity, induce_lexicon};
///
/// let swahili = EmbeddingMatrix::try_new(2, vec![1.0, 0.0, 0.0, 1.0])?;
/// let english = EmbeddingMatrix::try_new(2, vec![0.8, 0.6, 0.9, 0.1, 0.1, 0.9])?;
/// let query = LexiconQuery { source: 0, targets: [0, 1].into() };
/// let found = induce_lexicon(&swahili, &english, &[query], WordSimilarity::Cosine, &())?;
/// assert_eq!(found.ranks, [1]);
/// # Ok::<(), isogloss_evaluation::EvaluationError>(())
/// ```
pub fn induce_lexicon(
    src: &EmbeddingMatrix,
    tgt: &EmbeddingMatrix,
    queries: &[LexiconQuery],
    similarity: WordSimilarity,
    progress: &dyn Progress,
) -> Result<LexiconInduction, EvaluationError> {
    check(src, tgt, queries)?;
    let tgt = &*tgt.to_normalised();
    // Nothing is taken from a query's own mean: it moves all of its scores alike.
    let hubness = match similarity {
        WordSimilarity::Cosine => vec![0.0; tgt.row_count()],
        WordSimilarity::Csls { k } => mean_cosines(tgt, src, k, progress)?,
    };
    let score = |cosine: f32, target: usize| 2.0 * f64::from(cosine) - hubness[target];
    let sources: Vec<usize> = queries.iter().map(|query| query.source).collect();
    let asked = src.select(&sources)?.normalised();
    let own = best_own(&asked, tgt, queries, &score)?;
    let before: Vec<AtomicUsize> = queries.iter().map(|_| AtomicUsize::new(0)).collect();
    for_each_cosine_block(&asked, tgt, progress, &|block| {
        for (query, cosines) in block.rows().zip(block.iter()) {
            let scores =
                block.columns().zip(cosines).map(|(target, cosine)| score(*cosine, target));
            let count = scores.filter(|score| *score >= own[query].score).count();
            before[query].fetch_add(count, Ordering::Relaxed);
        }
    })?;
    // The right ones that are as near as the nearest of them were counted, too.
    let rank = |(before, own): (AtomicUsize, &Own)| before.into_inner() - own.ties + 1;
    Ok(LexiconInduction { ranks: before.into_iter().zip(&own).map(rank).collect() })
}

impl LexiconInduction {
    /// For each query, 1 where a right translation is among the first `k`, else 0: the items of P@k.
    pub fn hits_at(&self, k: usize) -> Vec<f64> {
        self.ranks.iter().map(|rank| if *rank <= k { 1.0 } else { 0.0 }).collect()
    }

    /// For each query, one over the rank of its first right translation: the items of MRR.
    pub fn reciprocal_ranks(&self) -> Vec<f64> {
        self.ranks.iter().map(|rank| 1.0 / *rank as f64).collect()
    }
}

/// The right translations of a query that are nearest.
struct Own {
    score: f64,
    /// How many right translations have this score.
    ties: usize,
}

fn check(
    src: &EmbeddingMatrix,
    tgt: &EmbeddingMatrix,
    queries: &[LexiconQuery],
) -> Result<(), EvaluationError> {
    if queries.is_empty() {
        return Err(EvaluationError::Empty { what: "lexicon queries" });
    }
    let fault = |field, place: usize, found: String, expected| {
        let found = format!("{found} in query {place}");
        Err(EvaluationError::Config { field, found, expected })
    };
    for (place, query) in queries.iter().enumerate() {
        if query.source >= src.row_count() {
            return fault("source", place, query.source.to_string(), "a row of the source vectors");
        }
        match query.targets.last() {
            None => return fault("targets", place, "empty".to_owned(), "at least one translation"),
            Some(last) if *last >= tgt.row_count() => {
                return fault("targets", place, last.to_string(), "rows of the target vectors");
            }
            Some(_) => (),
        }
    }
    Ok(())
}

/// The mean cosine of each vector to its `k` nearest in the other set.
fn mean_cosines(
    of: &EmbeddingMatrix,
    to: &EmbeddingMatrix,
    k: usize,
    progress: &dyn Progress,
) -> Result<Vec<f64>, EvaluationError> {
    let found = nearest_neighbours(of, to, k, progress)?;
    let mean = |row: &[Neighbour]| {
        let sum: f64 = row.iter().map(|neighbour| f64::from(neighbour.cosine)).sum();
        sum / row.len().max(1) as f64
    };
    Ok(found.rows().map(mean).collect())
}

/// The best score among the right translations of each query.
fn best_own(
    asked: &EmbeddingMatrix,
    tgt: &EmbeddingMatrix,
    queries: &[LexiconQuery],
    score: &impl Fn(f32, usize) -> f64,
) -> Result<Vec<Own>, EvaluationError> {
    let places = queries.iter().enumerate();
    let (queried, targets): (Vec<usize>, Vec<usize>) = places
        .flat_map(|(place, query)| query.targets.iter().map(move |target| (place, *target)))
        .unzip();
    // They have the bits of those that are counted later, so that a score is equal to itself.
    let cosines = paired_cosines(&asked.select(&queried)?, &tgt.select(&targets)?)?;
    let mut all: Vec<Own> =
        queries.iter().map(|_| Own { score: f64::NEG_INFINITY, ties: 0 }).collect();
    for ((place, target), cosine) in queried.into_iter().zip(targets).zip(cosines) {
        let (score, own) = (score(cosine, target), &mut all[place]);
        if score > own.score {
            *own = Own { score, ties: 1 };
        } else if score >= own.score {
            own.ties += 1;
        }
    }
    Ok(all)
}
