//! Exact search.

use isogloss_core::Progress;

use crate::embedding::check_widths;
use crate::selection::{Best, Rows, Vectors};
use crate::tiles::{Tile, Tiling, tiles, with_progress};
use crate::{EmbeddingMatrix, MiningError, MutualNeighbours, Neighbours};

/// Finds the `k` targets with the largest cosine to each query, exactly.
///
/// Of targets that are as near, those in lower rows come first; the result does not depend on the
/// number of threads, and differs between processors by how they round. `k` is capped by the number of
/// targets. Memory is a normalised copy of each matrix that is not
/// [`normalised`](EmbeddingMatrix::normalised), what is returned, and for each thread 4 MiB of cosines,
/// 3 MiB of vectors and 32 KiB for each of the `k`: a block, never queries × targets.
///
/// # Shapes
///
/// - `queries`: `[n_queries, dim]`, `targets`: `[n_targets, dim]`
///
/// # Errors
///
/// [`MiningError::Length`] where the widths differ, [`MiningError::Config`] where `k` is 0.
///
/// # Examples
///
/// ```
/// use isogloss_mining::{EmbeddingMatrix, nearest_neighbours};
///
/// let queries = EmbeddingMatrix::try_new(2, vec![2.0, 1.0])?;
/// let targets = EmbeddingMatrix::try_new(2, vec![0.0, 1.0, 1.0, 0.0, 1.0, 1.0])?;
/// let found = nearest_neighbours(&queries, &targets, 2, &())?;
/// let rows: Vec<usize> = found.rows().flatten().map(|neighbour| neighbour.index).collect();
/// assert_eq!(rows, [2, 1]);
/// # Ok::<(), isogloss_mining::MiningError>(())
/// ```
pub fn nearest_neighbours(
    queries: &EmbeddingMatrix,
    targets: &EmbeddingMatrix,
    k: usize,
    progress: &dyn Progress,
) -> Result<Neighbours, MiningError> {
    check(queries, targets, k)?;
    let best = Best::forward(queries.row_count(), k.min(targets.row_count()));
    let tiling = Tiling::of(queries.row_count(), targets.row_count());
    compare_all(queries, targets, &best, tiling, progress);
    Ok(best.into_neighbours().forward)
}

/// Finds the `k` nearest targets of each source and the `k` nearest sources of each target, exactly.
///
/// Each cosine is computed once and serves both directions, which halves the work of two calls of
/// [`nearest_neighbours`]; all that is said there holds here.
///
/// # Shapes
///
/// - `src`: `[n_src, dim]`, `tgt`: `[n_tgt, dim]`
///
/// # Errors
///
/// [`MiningError::Length`] where the widths differ, [`MiningError::Config`] where `k` is 0.
///
/// # Examples
///
/// ```
/// use isogloss_mining::{EmbeddingMatrix, mutual_neighbours};
///
/// let src = EmbeddingMatrix::try_new(2, vec![1.0, 0.0, 0.0, 1.0])?;
/// let tgt = EmbeddingMatrix::try_new(2, vec![0.6, 0.8, 0.8, 0.6, 1.0, 0.0])?;
/// let found = mutual_neighbours(&src, &tgt, 1, &())?;
/// let nearest = |row: &[isogloss_mining::Neighbour]| row[0].index;
/// assert_eq!(found.forward().rows().map(nearest).collect::<Vec<_>>(), [2, 0]);
/// assert_eq!(found.backward().rows().map(nearest).collect::<Vec<_>>(), [1, 0, 0]);
/// # Ok::<(), isogloss_mining::MiningError>(())
/// ```
pub fn mutual_neighbours(
    src: &EmbeddingMatrix,
    tgt: &EmbeddingMatrix,
    k: usize,
    progress: &dyn Progress,
) -> Result<MutualNeighbours, MiningError> {
    check(src, tgt, k)?;
    let tiling = Tiling::of(src.row_count(), tgt.row_count());
    Ok(mutual_in_tiles(src, tgt, k, tiling, progress))
}

fn mutual_in_tiles(
    src: &EmbeddingMatrix,
    tgt: &EmbeddingMatrix,
    k: usize,
    tiling: Tiling,
    progress: &dyn Progress,
) -> MutualNeighbours {
    let (n_src, n_tgt) = (src.row_count(), tgt.row_count());
    let best = Best::forward(n_src, k.min(n_tgt)).and_backward(n_tgt, k.min(n_src));
    compare_all(src, tgt, &best, tiling, progress);
    best.into_neighbours()
}

/// Checks what a search is asked for.
pub(crate) fn check(
    src: &EmbeddingMatrix,
    tgt: &EmbeddingMatrix,
    k: usize,
) -> Result<(), MiningError> {
    check_widths(src, tgt)?;
    if k == 0 {
        let (field, found) = ("k", k.to_string());
        return Err(MiningError::Config { field, found, expected: "at least 1" });
    }
    Ok(())
}

fn compare_all(
    src: &EmbeddingMatrix,
    tgt: &EmbeddingMatrix,
    best: &Best,
    tiling: Tiling,
    progress: &dyn Progress,
) {
    let (src, tgt) = (src.to_normalised(), tgt.to_normalised());
    let tiles = tiles(src.row_count(), tgt.row_count(), tiling);
    let src = Vectors { dim: src.dim(), values: src.values() };
    let tgt = Vectors { dim: tgt.dim(), values: tgt.values() };
    with_progress(progress, ("nearest neighbours", "blocks"), tiles.len() as u64, |progress| {
        tiling.run(
            &tiles,
            progress,
            || best.workspace(),
            |workspace, Tile { rows, columns }| {
                let (rows, columns) = (Rows::Range(rows.clone()), Rows::Range(columns.clone()));
                best.compare((src, &rows), (tgt, &columns), workspace);
            },
        );
    });
}

#[cfg(test)]
mod tests {
    use isogloss_core::Seed;
    use proptest::prelude::*;
    use rand::RngExt;

    use super::*;

    /// Vectors with many that are equal.
    fn matrix(seed: u64, rows: usize, dim: usize) -> EmbeddingMatrix {
        let mut rng = Seed::new(seed).rng();
        let distinct: Vec<f32> = (0..8 * dim).map(|_| rng.random_range(-1.0..1.0)).collect();
        let values = (0..rows).flat_map(|_| {
            let row = rng.random_range(0..8) * dim;
            distinct[row..row + dim].to_vec()
        });
        EmbeddingMatrix::try_new(dim, values.collect()).unwrap()
    }

    proptest! {
        #[test]
        fn neither_threads_nor_tiles_are_part_of_the_result(
            (n_src, n_tgt) in (1_usize..90, 1_usize..90),
            dim in prop_oneof![1_usize..20, 250_usize..270, 380_usize..390, 500_usize..530],
            k in 1_usize..6,
            (rows, columns) in (1_usize..100, 1_usize..100),
            threads in 1_usize..5,
        ) {
            let (src, tgt) = (matrix(1, n_src, dim), matrix(2, n_tgt, dim));
            let whole = Tiling { rows: 1_000, columns: 1_000, threads: 1 };
            let tiling = Tiling { rows, columns, threads };
            prop_assert_eq!(
                mutual_in_tiles(&src, &tgt, k, tiling, &()),
                mutual_in_tiles(&src, &tgt, k, whole, &()),
            );
        }
    }
}
