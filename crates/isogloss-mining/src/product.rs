//! Many cosines at once.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use isogloss_core::Progress;

use crate::embedding::check_widths;
use crate::tiles::{Tile, Tiling, tiles, with_progress};
use crate::{EmbeddingMatrix, MiningError};

/// The cosines of some sources with some targets.
#[derive(Clone, Debug)]
pub struct CosineBlock<'a> {
    rows: Range<usize>,
    columns: Range<usize>,
    cosines: &'a [f32],
}

impl CosineBlock<'_> {
    /// The sources of the block, as rows of their matrix.
    pub fn rows(&self) -> Range<usize> {
        self.rows.clone()
    }

    /// The targets of the block, as rows of their matrix.
    pub fn columns(&self) -> Range<usize> {
        self.columns.clone()
    }

    /// For each source of the block, in order, its cosine with each target. `[rows][columns]`
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.cosines.chunks_exact(self.columns.len())
    }
}

/// Calls `visit` with the cosines of all sources and all targets, a block at a time, on all cores.
///
/// The order of blocks is not given. A cosine has the same bits in whatever block it falls, and two
/// vectors that are equal have equal cosines. Memory is a normalised copy of each matrix that is not
/// [`normalised`](EmbeddingMatrix::normalised), and 4 MiB of cosines for each thread.
///
/// # Shapes
///
/// - `src`: `[n_src, dim]`, `tgt`: `[n_tgt, dim]`
///
/// # Errors
///
/// [`MiningError::Length`] where the widths differ.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use isogloss_mining::{EmbeddingMatrix, for_each_cosine_block};
///
/// let src = EmbeddingMatrix::try_new(2, vec![1.0, 0.0, 0.0, 1.0])?;
/// let tgt = EmbeddingMatrix::try_new(2, vec![3.0, 0.0, 1.0, -1.0, -1.0, 1.0])?;
/// let positive = AtomicUsize::new(0);
/// for_each_cosine_block(&src, &tgt, &(), &|block| {
///     let count = block.iter().flatten().filter(|&&cosine| cosine > 0.0).count();
///     positive.fetch_add(count, Ordering::Relaxed);
/// })?;
/// assert_eq!(positive.into_inner(), 3);
/// # Ok::<(), isogloss_mining::MiningError>(())
/// ```
pub fn for_each_cosine_block(
    src: &EmbeddingMatrix,
    tgt: &EmbeddingMatrix,
    progress: &dyn Progress,
    visit: &(dyn Fn(&CosineBlock<'_>) + Sync),
) -> Result<(), MiningError> {
    check_widths(src, tgt)?;
    let tiling = Tiling::default();
    let tiles = tiles(src.row_count(), tgt.row_count(), tiling);
    visit_blocks(src, tgt, (tiling, &tiles), progress, visit);
    Ok(())
}

/// The cosine of each source with the target in the same row. `[n]`
///
/// It has the same bits as in [`for_each_cosine_block`].
///
/// # Errors
///
/// [`MiningError::Length`] where rows or widths differ.
pub fn paired_cosines(
    src: &EmbeddingMatrix,
    tgt: &EmbeddingMatrix,
) -> Result<Vec<f32>, MiningError> {
    check_widths(src, tgt)?;
    let (n, found) = (src.row_count(), tgt.row_count());
    if found != n {
        return Err(MiningError::Length { what: "target rows", found, expected: n });
    }
    let tiling = Tiling::default();
    // Of the blocks of all pairs, those that the diagonal crosses.
    let tiles: Vec<_> = tiles(n, n, tiling)
        .into_iter()
        .filter(|Tile { rows, columns }| columns.start < rows.end && rows.start < columns.end)
        .collect();
    let paired = Mutex::new(vec![0.0; n]);
    visit_blocks(src, tgt, (tiling, &tiles), &(), &|block| {
        let mut paired = paired.lock().unwrap_or_else(PoisonError::into_inner);
        for (row, cosines) in block.rows().zip(block.iter()) {
            if block.columns.contains(&row) {
                paired[row] = cosines[row - block.columns.start];
            }
        }
    });
    Ok(paired.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn visit_blocks(
    src: &EmbeddingMatrix,
    tgt: &EmbeddingMatrix,
    (tiling, tiles): (Tiling, &[Tile]),
    progress: &dyn Progress,
    visit: &(dyn Fn(&CosineBlock<'_>) + Sync),
) {
    let (src, tgt) = (src.to_normalised(), tgt.to_normalised());
    let dim = src.dim();
    with_progress(progress, ("cosines", "blocks"), tiles.len() as u64, |progress| {
        tiling.run(tiles, progress, Vec::new, |cosines, Tile { rows, columns }| {
            let src = &src.values()[rows.start * dim..rows.end * dim];
            let tgt = &tgt.values()[columns.start * dim..columns.end * dim];
            multiply(src, tgt, dim, cosines);
            visit(&CosineBlock { rows: rows.clone(), columns: columns.clone(), cosines });
        });
    });
}

/// The dot products of two lists of vectors. `[rows, dim] × [columns, dim] → [rows, columns]`
///
/// Each product is summed in one order, whatever its place and the size of the lists: `matrixmultiply`
/// cuts sums at the same terms always, and computes what overhangs with the same code.
pub(crate) fn multiply(rows: &[f32], columns: &[f32], dim: usize, products: &mut Vec<f32>) {
    let (n_rows, n_columns) = (rows.len() / dim, columns.len() / dim);
    products.resize(n_rows * n_columns, 0.0);
    let (stride, product_stride) = (dim.cast_signed(), n_columns.cast_signed());
    #[expect(unsafe_code, reason = "`matrixmultiply` has no safe interface")]
    // SAFETY: with these strides, row-major, the call reads `n_rows · dim` values of `rows` and
    // `n_columns · dim` of `columns`, which is what they have at least, and writes as many products as
    // were made room for above; that is borrowed mutably, so that it overlaps neither.
    unsafe {
        matrixmultiply::sgemm(
            n_rows,
            dim,
            n_columns,
            1.0,
            rows.as_ptr(),
            stride,
            1,
            columns.as_ptr(),
            1,
            stride,
            0.0,
            products.as_mut_ptr(),
            product_stride,
            1,
        );
    }
}
