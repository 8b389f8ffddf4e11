//! What a search finds.

use crate::top_k::TopK;

/// A vector that is near another.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Neighbour {
    /// Its row, counted from 0.
    pub index: usize,
    /// The cosine between the two, within rounding of -1 to 1; 0 where one is a zero vector.
    pub cosine: f32,
}

impl Neighbour {
    pub(crate) fn new(index: usize, cosine: f32) -> Self {
        Self { index, cosine }
    }

    /// Whether it is the better of two neighbours of one vector: nearer, or as near with the lower row.
    pub(crate) fn precedes(&self, other: &Self) -> bool {
        self.cosine > other.cosine || (self.cosine >= other.cosine && self.index < other.index)
    }
}

/// The nearest vectors of each query, the nearest first; of two that are as near, the lower row.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbours {
    best: TopK,
}

impl Neighbours {
    pub(crate) fn new(best: TopK) -> Self {
        Self { best }
    }

    /// The number of queries.
    pub fn row_count(&self) -> usize {
        self.best.len()
    }

    /// The most neighbours that a query has: what was asked for, or the number of targets.
    ///
    /// An exact search finds as many for every query, an approximate one sometimes fewer.
    pub fn k(&self) -> usize {
        self.best.k()
    }

    /// The neighbours of a query, the nearest first; `None` where there is no such query.
    pub fn row(&self, query: usize) -> Option<&[Neighbour]> {
        (query < self.row_count()).then(|| self.best.row(query))
    }

    /// The neighbours of each query, in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[Neighbour]> {
        (0..self.row_count()).map(|query| self.best.row(query))
    }

    /// The mean cosine of each query to its neighbours; 0 where none was found.
    pub(crate) fn mean_cosines(&self) -> Vec<f64> {
        let mean = |row: &[Neighbour]| {
            let sum: f64 = row.iter().map(|neighbour| f64::from(neighbour.cosine)).sum();
            sum / row.len().max(1) as f64
        };
        self.rows().map(mean).collect()
    }
}

/// The nearest vectors in both directions.
#[derive(Clone, Debug, PartialEq)]
pub struct MutualNeighbours {
    // Invariant: both are of the same two matrices, so that an index of one is a row of the other.
    pub(crate) forward: Neighbours,
    pub(crate) backward: Neighbours,
}

impl MutualNeighbours {
    /// Of each source, the nearest targets.
    pub fn forward(&self) -> &Neighbours {
        &self.forward
    }

    /// Of each target, the nearest sources.
    pub fn backward(&self) -> &Neighbours {
        &self.backward
    }
}
