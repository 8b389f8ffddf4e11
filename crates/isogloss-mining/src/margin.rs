//! How much nearer two vectors are than their neighbours.

use serde::{Deserialize, Serialize};

use crate::{MinedPair, MiningError, MutualNeighbours, Neighbour};

/// How the cosine of two vectors is compared with those of their neighbours.
///
/// Some vectors are near to everything, so that one cosine says little; a margin sees it beside the
/// mean cosine of either vector to its `k` nearest in the other language.
///
/// ```text
/// a = cos(x, y)        b = (mean over NN_k(x) of cos(x, z) + mean over NN_k(y) of cos(y, z)) / 2
/// ```
///
/// CSLS (Conneau et al. 2018) is twice the distance margin.
///
/// # Source
///
/// Artetxe and Schwenk (2019), *Margin-based Parallel Corpus Mining with Multilingual Sentence
/// Embeddings*, section 3, <https://aclanthology.org/P19-1309>.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Margin {
    /// `a / b`, which is an error where `b` is not above 0.
    #[default]
    Ratio,
    /// `a − b`.
    Distance,
    /// `a`.
    Absolute,
}

/// Scores of pairs of neighbours.
pub(crate) struct MarginScores<'a> {
    margin: Margin,
    neighbours: &'a MutualNeighbours,
    forward_means: Vec<f64>,
    backward_means: Vec<f64>,
}

impl<'a> MarginScores<'a> {
    pub(crate) fn new(margin: Margin, neighbours: &'a MutualNeighbours) -> Self {
        let forward_means = neighbours.forward.mean_cosines();
        let backward_means = neighbours.backward.mean_cosines();
        Self { margin, neighbours, forward_means, backward_means }
    }

    fn score(&self, src: usize, tgt: usize, cosine: f32) -> Result<MinedPair, MiningError> {
        let cosine = f64::from(cosine);
        let mean = f64::midpoint(self.forward_means[src], self.backward_means[tgt]);
        let score = match self.margin {
            Margin::Ratio if mean <= 0.0 => return Err(MiningError::Ratio { src, tgt, mean }),
            Margin::Ratio => cosine / mean,
            Margin::Distance => cosine - mean,
            Margin::Absolute => cosine,
        };
        Ok(MinedPair { src, tgt, score })
    }

    /// Each source with the target that scores best among its neighbours, where it has any.
    pub(crate) fn best_forward(&self) -> Result<Vec<MinedPair>, MiningError> {
        let pair_of = |(src, row)| best(row, |tgt, cosine| self.score(src, tgt, cosine));
        self.neighbours
            .forward
            .rows()
            .enumerate()
            .filter_map(|row| pair_of(row).transpose())
            .collect()
    }

    /// Each target with the source that scores best among its neighbours, where it has any.
    pub(crate) fn best_backward(&self) -> Result<Vec<MinedPair>, MiningError> {
        let pair_of = |(tgt, row)| best(row, |src, cosine| self.score(src, tgt, cosine));
        self.neighbours
            .backward
            .rows()
            .enumerate()
            .filter_map(|row| pair_of(row).transpose())
            .collect()
    }
}

/// The pair of one row with the best score, the nearer of equals.
fn best(
    row: &[Neighbour],
    score: impl Fn(usize, f32) -> Result<MinedPair, MiningError>,
) -> Result<Option<MinedPair>, MiningError> {
    let mut best: Option<MinedPair> = None;
    for &Neighbour { index, cosine } in row {
        let pair = score(index, cosine)?;
        if best.is_none_or(|best| pair.score > best.score) {
            best = Some(pair);
        }
    }
    Ok(best)
}
