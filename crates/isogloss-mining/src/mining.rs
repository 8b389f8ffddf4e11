//! Pairs of sentences that are likely translations.

use std::collections::HashSet;

use isogloss_core::Progress;
use serde::{Deserialize, Serialize};

use crate::margin::MarginScores;
use crate::{EmbeddingMatrix, Margin, MiningError, MutualNeighbours, mutual_neighbours};

/// Two sentences, and how likely they are translations of one another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MinedPair {
    /// The row of the source, counted from 0.
    pub src: usize,
    /// The row of the target, counted from 0.
    pub tgt: usize,
    /// Its margin; comparable only with others of the same sets, margin and `k`.
    pub score: f64,
}

/// Which pairs are taken, of those that are best for a source or for a target.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Strategy {
    /// For each source its best target, which several sources may share.
    Forward,
    /// For each target its best source, which several targets may share.
    Backward,
    /// Pairs that are best for both.
    Intersection,
    /// Pairs that are best for either, from the best on, unless one of the two is taken already.
    #[default]
    Max,
}

/// Mines pairs of translations from two sets of sentence vectors.
///
/// Candidates for a sentence are its `k` nearest in the other set by cosine; each has the score that
/// [`Margin`] says, and [`Strategy`] chooses among the best.
///
/// Departures from the reference, `mine_bitexts.py` of LASER: the threshold holds for every strategy,
/// where the reference applies it to `Max` alone, and lets a score pass that equals it; the forward and
/// backward strategies work, where the reference lacks the neighbours of the other direction.
///
/// # Source
///
/// Artetxe and Schwenk (2019), section 3, <https://aclanthology.org/P19-1309>.
///
/// # Examples
///
/// ```
/// use isogloss_mining::{EmbeddingMatrix, MiningConfig};
///
/// let src = EmbeddingMatrix::try_new(2, vec![1.0, 0.1, 0.1, 1.0, 0.7, 0.7])?;
/// let tgt = EmbeddingMatrix::try_new(2, vec![0.0, 1.0, 1.0, 0.0])?;
/// let pairs = MiningConfig::new().with_threshold(1.0).mine(&src, &tgt, &())?;
/// let rows: Vec<_> = pairs.iter().map(|pair| (pair.src, pair.tgt)).collect();
/// assert_eq!(rows, [(0, 1), (1, 0)]);
/// # Ok::<(), isogloss_mining::MiningError>(())
/// ```
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct MiningConfig {
    /// How candidates are scored; `Ratio` by default.
    pub margin: Margin,
    /// Which candidates are taken; `Max` by default.
    pub strategy: Strategy,
    /// How many neighbours are candidates and stand for the neighbourhood, capped by the size of either
    /// set; 4 by default.
    pub k: usize,
    /// The least score of a pair; none by default.
    pub threshold: Option<f64>,
}

impl Default for MiningConfig {
    fn default() -> Self {
        Self { margin: Margin::default(), strategy: Strategy::default(), k: 4, threshold: None }
    }
}

impl MiningConfig {
    /// Ratio margin, four neighbours, the max strategy, no threshold.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how candidates are scored.
    #[must_use]
    pub fn with_margin(self, margin: Margin) -> Self {
        Self { margin, ..self }
    }

    /// Sets which candidates are taken.
    #[must_use]
    pub fn with_strategy(self, strategy: Strategy) -> Self {
        Self { strategy, ..self }
    }

    /// Sets the number of neighbours.
    #[must_use]
    pub fn with_k(self, k: usize) -> Self {
        Self { k, ..self }
    }

    /// Sets the least score of a pair.
    #[must_use]
    pub fn with_threshold(self, threshold: f64) -> Self {
        Self { threshold: Some(threshold), ..self }
    }

    /// Mines pairs by exact search, the best first; of equal scores, the lower source, then the lower
    /// target.
    ///
    /// Memory is that of [`mutual_neighbours`].
    ///
    /// # Shapes
    ///
    /// - `src`: `[n_src, dim]`, `tgt`: `[n_tgt, dim]`
    ///
    /// # Errors
    ///
    /// [`MiningError::Length`] where the widths differ; [`MiningError::Config`] where `k` is 0 or the
    /// threshold not finite; [`MiningError::Ratio`] with the pair whose neighbours are not near.
    pub fn mine(
        &self,
        src: &EmbeddingMatrix,
        tgt: &EmbeddingMatrix,
        progress: &dyn Progress,
    ) -> Result<Vec<MinedPair>, MiningError> {
        self.check()?;
        self.select(&mutual_neighbours(src, tgt, self.k, progress)?)
    }

    /// Mines pairs from neighbours that were found before, exactly or approximately, in the order of
    /// [`mine`](Self::mine). The number of neighbours is theirs, and not `k`.
    ///
    /// # Errors
    ///
    /// [`MiningError::Config`] where the threshold is not finite; [`MiningError::Ratio`] with the pair
    /// whose neighbours are not near.
    pub fn select(&self, neighbours: &MutualNeighbours) -> Result<Vec<MinedPair>, MiningError> {
        self.check()?;
        let scores = MarginScores::new(self.margin, neighbours);
        let mut pairs = match self.strategy {
            Strategy::Forward => scores.best_forward()?,
            Strategy::Backward => scores.best_backward()?,
            Strategy::Intersection => {
                let backward = scores.best_backward()?;
                let backward: HashSet<_> =
                    backward.iter().map(|pair| (pair.src, pair.tgt)).collect();
                let mut pairs = scores.best_forward()?;
                pairs.retain(|pair| backward.contains(&(pair.src, pair.tgt)));
                pairs
            }
            Strategy::Max => [scores.best_forward()?, scores.best_backward()?].concat(),
        };
        pairs.retain(|pair| self.threshold.is_none_or(|threshold| pair.score >= threshold));
        sort_best_first(&mut pairs);
        if self.strategy == Strategy::Max {
            let mut src_taken = vec![false; neighbours.forward.row_count()];
            let mut tgt_taken = vec![false; neighbours.backward.row_count()];
            pairs.retain(|pair| {
                let is_free = !src_taken[pair.src] && !tgt_taken[pair.tgt];
                if is_free {
                    (src_taken[pair.src], tgt_taken[pair.tgt]) = (true, true);
                }
                is_free
            });
        }
        Ok(pairs)
    }

    fn check(&self) -> Result<(), MiningError> {
        if let Some(threshold) = self.threshold.filter(|threshold| !threshold.is_finite()) {
            let (field, found) = ("threshold", threshold.to_string());
            return Err(MiningError::Config { field, found, expected: "a finite number" });
        }
        Ok(())
    }
}

/// Sorts pairs by falling score, then by rising rows.
pub(crate) fn sort_best_first(pairs: &mut [MinedPair]) {
    pairs.sort_by(|a, b| {
        b.score.total_cmp(&a.score).then_with(|| (a.src, a.tgt).cmp(&(b.src, b.tgt)))
    });
}
