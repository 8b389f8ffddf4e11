//! Approximate search in a graph, by usearch.

use std::sync::{Mutex, PoisonError};

use isogloss_core::Progress;
use serde::{Deserialize, Serialize};
use usearch::{Index, IndexOptions, MetricKind, ScalarKind};

use crate::exact::check;
use crate::tiles::{Tiling, ranges, with_progress};
use crate::top_k::TopK;
use crate::{EmbeddingMatrix, MiningError, MutualNeighbours, Neighbour, Neighbours};

/// Vectors that a thread takes at a time.
const ROWS: usize = 256;

/// Walks a graph from near to nearer, for sets in which comparing all pairs would take too long.
///
/// Every vector is a node that is linked with some of its nearest; a query follows the links towards
/// itself. Neighbours that no walk comes by are missed, and whatever is found has its exact cosine. The
/// index is [usearch](https://github.com/unum-cloud/usearch)'s; this is behind the feature `hnsw`,
/// because building it takes a compiler of C++.
///
/// Beside [`IvfConfig`](crate::IvfConfig): a walk costs about the logarithm of the number of targets, so that
/// few queries among millions are answered sooner; the graph takes long to build, and mining needs one for
/// each direction. And threads link the graph in the order in which they happen to come, so that two runs
/// may differ in what they miss.
///
/// Memory is a normalised copy of each matrix that is not
/// [`normalised`](EmbeddingMatrix::normalised), the result, and the graph of one direction at a time: a copy
/// of its vectors, and about `12 · connectivity` bytes for each.
///
/// # Source
///
/// Malkov and Yashunin (2018), *Efficient and robust approximate nearest neighbor search using Hierarchical
/// Navigable Small World graphs*, <https://arxiv.org/abs/1603.09320>.
///
/// # Examples
///
/// ```
/// use isogloss_mining::{EmbeddingMatrix, HnswConfig, MiningConfig};
///
/// let src = EmbeddingMatrix::try_new(2, vec![1.0, 0.1, 0.1, 1.0])?;
/// let tgt = EmbeddingMatrix::try_new(2, vec![0.0, 1.0, 1.0, 0.0])?;
/// let found = HnswConfig::new().mutual_neighbours(&src, &tgt, 4, &())?;
/// let pairs = MiningConfig::new().select(&found)?;
/// assert_eq!((pairs[0].src, pairs[0].tgt), (0, 1));
/// # Ok::<(), isogloss_mining::MiningError>(())
/// ```
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct HnswConfig {
    /// The links of a vector in the upper layers of the graph, twice as many in the lowest; 16 by default.
    pub connectivity: usize,
    /// Candidates that are held while a vector is linked; 128 by default.
    pub expansion_add: usize,
    /// Candidates that are held during a search, and at least `k`; 64 by default. More find more, for
    /// more time.
    pub expansion_search: usize,
}

impl Default for HnswConfig {
    fn default() -> Self {
        Self { connectivity: 16, expansion_add: 128, expansion_search: 64 }
    }
}

impl HnswConfig {
    /// The defaults of usearch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the links of a vector.
    #[must_use]
    pub fn with_connectivity(self, connectivity: usize) -> Self {
        Self { connectivity, ..self }
    }

    /// Sets the candidates that are held while a vector is linked.
    #[must_use]
    pub fn with_expansion_add(self, expansion_add: usize) -> Self {
        Self { expansion_add, ..self }
    }

    /// Sets the candidates that are held during a search.
    #[must_use]
    pub fn with_expansion_search(self, expansion_search: usize) -> Self {
        Self { expansion_search, ..self }
    }

    /// Finds near targets of each query.
    ///
    /// # Shapes
    ///
    /// - `queries`: `[n_queries, dim]`, `targets`: `[n_targets, dim]`
    ///
    /// # Errors
    ///
    /// [`MiningError::Length`] where the widths differ; [`MiningError::Config`] where `k` or a field is 0, or
    /// `connectivity` is 1; [`MiningError::Index`] with what usearch says, as that there is no memory for the
    /// graph.
    pub fn nearest_neighbours(
        &self,
        queries: &EmbeddingMatrix,
        targets: &EmbeddingMatrix,
        k: usize,
        progress: &dyn Progress,
    ) -> Result<Neighbours, MiningError> {
        check(queries, targets, k)?;
        self.check()?;
        self.search(&queries.to_normalised(), &targets.to_normalised(), k, progress)
    }

    /// Finds near targets of each source and near sources of each target, with a graph for each.
    ///
    /// # Shapes
    ///
    /// - `src`: `[n_src, dim]`, `tgt`: `[n_tgt, dim]`
    ///
    /// # Errors
    ///
    /// As [`nearest_neighbours`](Self::nearest_neighbours).
    pub fn mutual_neighbours(
        &self,
        src: &EmbeddingMatrix,
        tgt: &EmbeddingMatrix,
        k: usize,
        progress: &dyn Progress,
    ) -> Result<MutualNeighbours, MiningError> {
        check(src, tgt, k)?;
        self.check()?;
        let (src, tgt) = (src.to_normalised(), tgt.to_normalised());
        Ok(MutualNeighbours {
            forward: self.search(&src, &tgt, k, progress)?,
            backward: self.search(&tgt, &src, k, progress)?,
        })
    }

    fn check(&self) -> Result<(), MiningError> {
        for (field, value, least, expected) in [
            ("connectivity", self.connectivity, 2, "at least 2"),
            ("expansion_add", self.expansion_add, 1, "at least 1"),
            ("expansion_search", self.expansion_search, 1, "at least 1"),
        ] {
            if value < least {
                return Err(MiningError::Config { field, found: value.to_string(), expected });
            }
        }
        Ok(())
    }

    /// Looks for vectors of length 1 among vectors of length 1.
    fn search(
        &self,
        queries: &EmbeddingMatrix,
        targets: &EmbeddingMatrix,
        k: usize,
        progress: &dyn Progress,
    ) -> Result<Neighbours, MiningError> {
        let k = k.min(targets.row_count());
        let index = self.index(targets, k)?;
        in_shares(targets, "linking vectors", progress, |row, vector| {
            index.add(row as u64, vector).map_err(failed)
        })?;
        let best = Mutex::new(TopK::new(queries.row_count(), k));
        in_shares(queries, "approximate neighbours", progress, |row, query| {
            let keys = index.search(query, k).map_err(failed)?.keys;
            let mut found: Vec<Neighbour> = Vec::with_capacity(keys.len());
            for target in keys {
                let target = usize::try_from(target).map_err(failed)?;
                let vector = &targets.values()[target * targets.dim()..][..targets.dim()];
                let cosine = query.iter().zip(vector).map(|(a, b)| a * b).sum();
                found.push(Neighbour::new(target, cosine));
            }
            // Nothing that holds the lock can panic.
            let mut best = best.lock().unwrap_or_else(PoisonError::into_inner);
            for neighbour in found {
                best.offer(row, neighbour);
            }
            Ok(())
        })?;
        Ok(Neighbours::new(best.into_inner().unwrap_or_else(PoisonError::into_inner)))
    }

    /// A graph with room for the targets, and for all threads.
    fn index(&self, targets: &EmbeddingMatrix, k: usize) -> Result<Index, MiningError> {
        let index = Index::new(&IndexOptions {
            dimensions: targets.dim(),
            metric: MetricKind::IP,
            quantization: ScalarKind::F32,
            connectivity: self.connectivity,
            expansion_add: self.expansion_add,
            expansion_search: self.expansion_search.max(k),
            multi: false,
        })
        .map_err(failed)?;
        let threads = Tiling::default().threads;
        index.reserve_capacity_and_threads(targets.row_count(), threads).map_err(failed)?;
        Ok(index)
    }
}

fn failed(error: impl std::error::Error) -> MiningError {
    MiningError::Index { message: error.to_string() }
}

/// Does `work` on each row, on all threads, until one fails.
fn in_shares(
    matrix: &EmbeddingMatrix,
    task: &str,
    progress: &dyn Progress,
    work: impl Fn(usize, &[f32]) -> Result<(), MiningError> + Sync,
) -> Result<(), MiningError> {
    let dim = matrix.dim();
    let shares: Vec<_> = ranges(matrix.row_count(), ROWS).collect();
    let failure = Mutex::new(None);
    with_progress(progress, (task, "blocks"), shares.len() as u64, |progress| {
        Tiling::default().run(
            &shares,
            progress,
            || (),
            |(), rows| {
                let lock = || failure.lock().unwrap_or_else(PoisonError::into_inner);
                if lock().is_some() {
                    return;
                }
                for row in rows.clone() {
                    if let Err(error) = work(row, &matrix.values()[row * dim..][..dim]) {
                        lock().get_or_insert(error);
                        return;
                    }
                }
            },
        );
    });
    failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}
