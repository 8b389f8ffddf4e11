//! Approximate search in inverted lists.
//!
//! Lists rather than a graph (HNSW): they are searched by products of matrices, which both directions
//! share, and what they find does not depend on the order in which threads happen to insert.

use isogloss_core::{Progress, Seed};
use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::exact::check;
use crate::selection::{Best, Rows, Vectors};
use crate::tiles::{Tile, Tiling, ranges, tiles, with_progress};
use crate::{EmbeddingMatrix, MiningError, MutualNeighbours, Neighbours, nearest_neighbours};

/// Sources that are looked up at once: what is held of them beside their vectors is for so many.
const SOURCES: usize = 1 << 16;
/// Targets for each centroid in the sample that centroids are trained on.
const SAMPLE_PER_LIST: usize = 40;
/// Passes over that sample.
const ITERATIONS: u64 = 8;

/// Searches a part of the targets, for sets in which comparing all pairs would take too long.
///
/// Targets are clustered by cosine (spherical k-means), and each is kept in the list of its nearest
/// centroid. A source is compared with the targets in the lists of its `n_probes` nearest centroids,
/// and with no other: that is what is approximate. A neighbour that lies in another list is missed;
/// whatever is found has its exact cosine. In the backward direction, a target is compared with the
/// sources that looked into its list, so that one pass serves both, and mean cosines of a margin are
/// over what was found. A vector whose lists are short may have fewer than `k` neighbours, or none.
///
/// With about `√n` lists for `n` targets, the products are in proportion to `n_src · √n` instead of
/// `n_src · n`. How much is missed depends on the vectors: of clustered ones little; of translations
/// among 100,000 random directions, the worst case, one in twenty.
///
/// Equal seeds give equal results on any number of threads. Memory is a normalised copy of each matrix
/// that is not [`normalised`](EmbeddingMatrix::normalised), the result, a sample of 40 targets for each
/// list, 8 bytes for each target, what blocks take in an exact search, and 24 bytes for each probe of
/// 65,536 sources.
///
/// # Source
///
/// Sivic and Zisserman (2003), *Video Google*; as faiss has it in `IndexIVFFlat`: Johnson, Douze and
/// Jégou (2019), <https://arxiv.org/abs/1702.08734>.
///
/// # Examples
///
/// ```
/// use isogloss_core::Seed;
/// use isogloss_mining::{EmbeddingMatrix, IvfConfig, MiningConfig};
///
/// let src = EmbeddingMatrix::try_new(2, vec![1.0, 0.1, 0.1, 1.0])?;
/// let tgt = EmbeddingMatrix::try_new(2, vec![0.0, 1.0, 1.0, 0.0])?;
/// let found = IvfConfig::new(Seed::new(1)).mutual_neighbours(&src, &tgt, 4, &())?;
/// let pairs = MiningConfig::new().select(&found)?;
/// assert_eq!((pairs[0].src, pairs[0].tgt), (0, 1));
/// # Ok::<(), isogloss_mining::MiningError>(())
/// ```
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct IvfConfig {
    /// Where the first centroids come from.
    pub seed: Seed,
    /// The number of lists, capped by the number of targets; `2 · √n_tgt` without one.
    #[serde(default)]
    pub n_lists: Option<usize>,
    /// How many lists a source is compared with, capped by their number; 96 by default. All of them
    /// make the search exact.
    #[serde(default = "n_probes")]
    pub n_probes: usize,
}

fn n_probes() -> usize {
    96
}

impl IvfConfig {
    /// As many lists as suit the targets, of which 96 are searched.
    pub fn new(seed: Seed) -> Self {
        Self { seed, n_lists: None, n_probes: n_probes() }
    }

    /// Sets the number of lists.
    #[must_use]
    pub fn with_lists(self, n_lists: usize) -> Self {
        Self { n_lists: Some(n_lists), ..self }
    }

    /// Sets how many lists a source is compared with.
    #[must_use]
    pub fn with_probes(self, n_probes: usize) -> Self {
        Self { n_probes, ..self }
    }

    /// Finds near targets of each query.
    ///
    /// # Shapes
    ///
    /// - `queries`: `[n_queries, dim]`, `targets`: `[n_targets, dim]`
    ///
    /// # Errors
    ///
    /// [`MiningError::Length`] where the widths differ; [`MiningError::Config`] where `k`, `n_lists` or
    /// `n_probes` is 0.
    pub fn nearest_neighbours(
        &self,
        queries: &EmbeddingMatrix,
        targets: &EmbeddingMatrix,
        k: usize,
        progress: &dyn Progress,
    ) -> Result<Neighbours, MiningError> {
        let best = Best::forward(queries.row_count(), k.min(targets.row_count()));
        Ok(self.search(queries, targets, (k, best), progress)?.forward)
    }

    /// Finds near targets of each source and near sources of each target, in one pass.
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
        let (n_src, n_tgt) = (src.row_count(), tgt.row_count());
        let best = Best::forward(n_src, k.min(n_tgt)).and_backward(n_tgt, k.min(n_src));
        self.search(src, tgt, (k, best), progress)
    }

    fn search(
        &self,
        src: &EmbeddingMatrix,
        tgt: &EmbeddingMatrix,
        (k, best): (usize, Best),
        progress: &dyn Progress,
    ) -> Result<MutualNeighbours, MiningError> {
        check(src, tgt, k)?;
        let n_lists = self.n_lists.unwrap_or(2 * tgt.row_count().isqrt());
        for (field, value) in [("n_lists", n_lists), ("n_probes", self.n_probes)] {
            if value == 0 {
                let found = value.to_string();
                return Err(MiningError::Config { field, found, expected: "at least 1" });
            }
        }
        let (src, tgt) = (src.to_normalised(), tgt.to_normalised());
        let dim = src.dim();
        let centroids = self.train(&tgt, n_lists.min(tgt.row_count()), progress)?;
        let lists =
            invert(&nearest_neighbours(&tgt, &centroids, 1, &())?, 0, centroids.row_count());
        let (src_vectors, tgt_vectors) =
            (Vectors { dim, values: src.values() }, Vectors { dim, values: tgt.values() });
        let total = src.row_count() as u64;
        let task = "approximate neighbours";
        with_progress(progress, (task, "sources"), total, |progress| {
            for sources in ranges(src.row_count(), SOURCES) {
                let chunk = src.gather(sources.clone());
                let probed = nearest_neighbours(&chunk, &centroids, self.n_probes, &())?;
                let probing = invert(&probed, sources.start, centroids.row_count());
                compare_lists((src_vectors, &probing), (tgt_vectors, &lists), &best);
                progress(sources.end as u64);
            }
            Ok(best.into_neighbours())
        })
    }

    /// Clusters a sample of the targets.
    fn train(
        &self,
        tgt: &EmbeddingMatrix,
        n_lists: usize,
        progress: &dyn Progress,
    ) -> Result<EmbeddingMatrix, MiningError> {
        let n = tgt.row_count();
        let mut order: Vec<usize> = (0..n).collect();
        let n_sample = n.min(n_lists.saturating_mul(SAMPLE_PER_LIST));
        let mut rng = self.seed.derive("inverted lists").rng();
        for place in 0..n_sample {
            order.swap(place, rng.random_range(place..n));
        }
        let sample = tgt.gather(order[..n_sample].iter().copied());
        let mut centroids = sample.gather(0..n_lists);
        with_progress(progress, ("clustering", "passes"), ITERATIONS, |progress| {
            for pass in 0..ITERATIONS {
                let nearest = nearest_neighbours(&sample, &centroids, 1, &())?;
                centroids = means(&sample, &nearest, &centroids)?;
                progress(pass + 1);
            }
            Ok(centroids)
        })
    }
}

/// The directions of the means of what is nearest to each centroid.
fn means(
    sample: &EmbeddingMatrix,
    nearest: &Neighbours,
    centroids: &EmbeddingMatrix,
) -> Result<EmbeddingMatrix, MiningError> {
    let dim = sample.dim();
    let mut sums = vec![0.0_f64; centroids.row_count() * dim];
    for (vector, nearest) in sample.rows().zip(nearest.rows()) {
        let sum = &mut sums[nearest[0].index * dim..][..dim];
        sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    let mut values = Vec::with_capacity(sums.len());
    for (sum, before) in sums.chunks_exact(dim).zip(centroids.rows()) {
        if sum.iter().all(|&value| value == 0.0) {
            // A centroid that is nearest to nothing, or to what cancels out, stays.
            values.extend_from_slice(before);
        } else {
            #[expect(clippy::cast_possible_truncation, reason = "vectors are f32")]
            values.extend(sum.iter().map(|&sum| sum as f32));
        }
    }
    Ok(EmbeddingMatrix::try_new(dim, values)?.normalised())
}

/// Which rows are in each list, in order.
struct Lists {
    rows: Vec<usize>,
    // Invariant: where each list begins in `rows`, and the end.
    bounds: Vec<usize>,
}

impl Lists {
    fn list(&self, list: usize) -> &[usize] {
        &self.rows[self.bounds[list]..self.bounds[list + 1]]
    }
}

/// From the lists that are nearest to each row, to the rows of each list; the first row is `first`.
fn invert(nearest: &Neighbours, first: usize, n_lists: usize) -> Lists {
    let lists_of = || nearest.rows().map(|row| row.iter().map(|neighbour| neighbour.index));
    let mut bounds = vec![0; n_lists + 1];
    lists_of().flatten().for_each(|list| bounds[list + 1] += 1);
    for list in 0..n_lists {
        bounds[list + 1] += bounds[list];
    }
    let mut next = bounds.clone();
    let mut rows = vec![0; bounds[n_lists]];
    for (row, lists) in (first..).zip(lists_of()) {
        for list in lists {
            rows[next[list]] = row;
            next[list] += 1;
        }
    }
    Lists { rows, bounds }
}

/// Compares the sources that look into each list with the targets in it.
fn compare_lists(
    (src, probing): (Vectors<'_>, &Lists),
    (tgt, lists): (Vectors<'_>, &Lists),
    best: &Best,
) {
    let tiling = Tiling::default();
    let n_lists = lists.bounds.len() - 1;
    let tiles: Vec<(&[usize], &[usize])> = (0..n_lists)
        .flat_map(|list| {
            let (sources, targets) = (probing.list(list), lists.list(list));
            tiles(sources.len(), targets.len(), tiling)
                .into_iter()
                .map(|Tile { rows, columns }| (&sources[rows], &targets[columns]))
        })
        .collect();
    tiling.run(
        &tiles,
        &mut |_| (),
        || best.workspace(),
        |workspace, (rows, columns)| {
            let (rows, columns) = (Rows::Listed(rows), Rows::Listed(columns));
            best.compare((src, &rows), (tgt, &columns), workspace);
        },
    );
}
