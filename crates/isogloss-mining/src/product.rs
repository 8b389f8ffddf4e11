//! Many cosines at once.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use isogloss_core::Progress;

use crate::embedding::check_widths;
#[cfg(target_arch = "x86_64")]
use crate::panels::Panels;
use crate::tiles::{Tile, Tiling, ranges, tiles, with_progress};
use crate::{EmbeddingMatrix, MiningError};

/// Pairs whose cosines are computed at once.
const PAIRS: usize = 16;

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
/// [`normalised`](EmbeddingMatrix::normalised), and for each thread 4 MiB of
/// cosines and 3 MiB of vectors.
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
    let tiling = Tiling::of(src.row_count(), tgt.row_count());
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
    // Small squares on the diagonal, as all else in them is computed for nothing.
    let tiles: Vec<_> = ranges(n, PAIRS).map(|rows| Tile { columns: rows.clone(), rows }).collect();
    let paired = Mutex::new(vec![0.0; n]);
    visit_blocks(src, tgt, (Tiling::default(), &tiles), &(), &|block| {
        let mut paired = paired.lock().unwrap_or_else(PoisonError::into_inner);
        for (row, cosines) in block.rows().zip(block.iter()) {
            paired[row] = cosines[row - block.columns.start];
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
        tiling.run(tiles, progress, Products::default, |products, Tile { rows, columns }| {
            let src = &src.values()[rows.start * dim..rows.end * dim];
            let tgt = &tgt.values()[columns.start * dim..columns.end * dim];
            let cosines = products.multiply(src, tgt, dim);
            visit(&CosineBlock { rows: rows.clone(), columns: columns.clone(), cosines });
        });
    });
}

/// What a thread computes products in, again for each block.
#[derive(Debug, Default)]
pub(crate) struct Products {
    products: Vec<f32>,
    #[cfg(target_arch = "x86_64")]
    panels: Panels,
}

impl Products {
    /// The dot products of two lists of vectors. `[rows, dim] × [columns, dim] → [rows, columns]`
    ///
    /// Each product is summed in one order, whatever its place and the size of the lists.
    pub(crate) fn multiply(&mut self, rows: &[f32], columns: &[f32], dim: usize) -> &[f32] {
        #[cfg(target_arch = "x86_64")]
        if Panels::are_supported() {
            self.products.resize((rows.len() / dim) * (columns.len() / dim), 0.0);
            #[expect(unsafe_code, reason = "the processor is not known at compile time")]
            // SAFETY: the processor has been asked for what the call needs.
            unsafe {
                self.panels.multiply(rows, columns, dim, &mut self.products);
            }
            return &self.products;
        }
        multiply(rows, columns, dim, &mut self.products);
        &self.products
    }
}

/// The dot products of two lists of vectors. `[rows, dim] × [columns, dim] → [rows, columns]`
///
/// `matrixmultiply` cuts sums at the same terms always, and computes what overhangs with the same code.
fn multiply(rows: &[f32], columns: &[f32], dim: usize, products: &mut Vec<f32>) {
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

#[cfg(test)]
mod tests {
    use isogloss_core::Seed;
    use proptest::prelude::*;
    use rand::RngExt;

    use super::*;

    fn vectors(seed: u64, values: usize) -> Vec<f32> {
        let mut rng = Seed::new(seed).rng();
        (0..values).map(|_| rng.random_range(-1.0..1.0)).collect()
    }

    proptest! {
        #[test]
        fn products_are_sums_of_products_whose_bits_are_those_of_two_vectors_alone(
            (n_rows, n_columns) in (1_usize..300, 1_usize..40),
            dim in prop_oneof![1_usize..20, 250_usize..270, 380_usize..390, 500_usize..530],
        ) {
            let (rows, columns) = (vectors(1, n_rows * dim), vectors(2, n_columns * dim));
            let (mut products, mut alone) = (Products::default(), Products::default());
            // What was there before is no part of what comes.
            products.multiply(&columns, &rows, dim);
            let mut products = products.multiply(&rows, &columns, dim).iter();
            for row in rows.chunks_exact(dim) {
                for column in columns.chunks_exact(dim) {
                    let product = products.next().copied();
                    let pairs = row.iter().zip(column);
                    let expected: f64 = pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                    prop_assert!(product.is_some_and(|it| (f64::from(it) - expected).abs() < 1e-4));
                    if n_rows < 20 {
                        prop_assert_eq!(product, alone.multiply(row, column, dim).first().copied());
                    }
                }
            }
            prop_assert!(products.next().is_none());
        }
    }

    #[test]
    fn matrixmultiply_computes_the_same() {
        let (rows, columns) = (vectors(1, 13 * 300), vectors(2, 35 * 300));
        let (mut products, mut expected) = (Products::default(), Vec::new());
        multiply(&rows, &columns, 300, &mut expected);
        let products = products.multiply(&rows, &columns, 300);
        assert_eq!(products.len(), expected.len());
        assert!(products.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-4));
    }
}
