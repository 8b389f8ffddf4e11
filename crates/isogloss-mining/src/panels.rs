//! Products of vectors in the vector registers of x86-64 with AVX2.
//!
//! The shape of Goto and van de Geijn (2008), *Anatomy of High-Performance Matrix Multiplication*,
//! <https://doi.org/10.1145/1356052.1356053>: vectors are packed so that the innermost loop reads
//! memory in order, and cut so that what it reads again is in a cache.

use std::ops::Range;

use crate::tiles::ranges;

/// Rows and columns of the products that stay in registers: twelve of sixteen, two numbers from the
/// columns and one from the rows fill the others but one.
const ROWS: usize = 6;
const COLUMNS: usize = 16;
/// The most terms that are summed in registers: a panel of columns is in the first cache (24 KiB), and
/// products are read again as seldom as that allows.
const TERMS: usize = 384;
/// Panels of rows that meet one panel of columns after the other: they are in the second (216 KiB).
const ROW_PANELS: usize = 24;

/// Vectors as the innermost loop reads them: for each panel, term by term.
#[derive(Debug, Default)]
pub(crate) struct Panels {
    rows: Vec<[f32; ROWS]>,
    columns: Vec<[f32; COLUMNS]>,
}

impl Panels {
    /// Whether the processor has what `multiply` is compiled for, and nothing wider, which
    /// `matrixmultiply` makes use of.
    pub(crate) fn are_supported() -> bool {
        is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && !is_x86_feature_detected!("avx512f")
    }

    /// The dot products of two lists of vectors. `[rows, dim] × [columns, dim] → [rows, columns]`
    ///
    /// Each product is summed in one order, whatever its place and the size of the lists: terms are cut
    /// by `dim` alone, and what overhangs is computed by the same code, of panels filled with zeros.
    #[target_feature(enable = "avx2,fma")]
    pub(crate) fn multiply(
        &mut self,
        rows: &[f32],
        columns: &[f32],
        dim: usize,
        products: &mut [f32],
    ) {
        let n_columns = columns.len() / dim;
        for terms in ranges(dim, TERMS) {
            let (first, len) = (terms.start == 0, terms.len());
            pack(rows, dim, &terms, &mut self.rows);
            pack(columns, dim, &terms, &mut self.columns);
            let blocks = products.chunks_mut(ROW_PANELS * ROWS * n_columns);
            for (block, row_panels) in blocks.zip(self.rows.chunks(ROW_PANELS * len)) {
                for (at, columns) in self.columns.chunks_exact(len).enumerate() {
                    let at = at * COLUMNS;
                    let lines = block.chunks_mut(ROWS * n_columns);
                    for (lines, rows) in lines.zip(row_panels.chunks_exact(len)) {
                        if lines.len() == ROWS * n_columns && at + COLUMNS <= n_columns {
                            add_products(rows, columns, &mut lines[at..], n_columns, first);
                            continue;
                        }
                        let mut whole = [0.0; ROWS * COLUMNS];
                        add_products(rows, columns, &mut whole, COLUMNS, true);
                        let n = COLUMNS.min(n_columns - at);
                        for (line, whole) in
                            lines.chunks_exact_mut(n_columns).zip(whole.chunks_exact(COLUMNS))
                        {
                            for (product, more) in line[at..at + n].iter_mut().zip(whole) {
                                *product = if first { *more } else { *product + more };
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Packs some terms of all vectors, with zeros for the vectors that the last panel lacks.
#[inline]
fn pack<const N: usize>(
    vectors: &[f32],
    dim: usize,
    terms: &Range<usize>,
    packed: &mut Vec<[f32; N]>,
) {
    let n_panels = (vectors.len() / dim).div_ceil(N);
    packed.resize(n_panels * terms.len(), [0.0; N]);
    for (panel, vectors) in packed.chunks_exact_mut(terms.len()).zip(vectors.chunks(N * dim)) {
        if vectors.len() < N * dim {
            panel.fill([0.0; N]);
        }
        for (place, vector) in vectors.chunks_exact(dim).enumerate() {
            for (values, value) in panel.iter_mut().zip(&vector[terms.clone()]) {
                values[place] = *value;
            }
        }
    }
}

/// The products of a panel of rows and a panel of columns, put in their place or added to it.
#[target_feature(enable = "avx2,fma")]
fn add_products(
    rows: &[[f32; ROWS]],
    columns: &[[f32; COLUMNS]],
    products: &mut [f32],
    stride: usize,
    first: bool,
) {
    // Nothing but loops of lengths that the compiler knows, so that all of it is in registers.
    let mut sums = [[0.0_f32; COLUMNS]; ROWS];
    for (row, column) in rows.iter().zip(columns) {
        for (sums, row) in sums.iter_mut().zip(row) {
            for (sum, column) in sums.iter_mut().zip(column) {
                *sum = row.mul_add(*column, *sum);
            }
        }
    }
    for (i, sums) in sums.iter().enumerate() {
        let products = &mut products[i * stride..][..COLUMNS];
        if first {
            products.copy_from_slice(sums);
        } else {
            for (product, sum) in products.iter_mut().zip(sums) {
                *product += sum;
            }
        }
    }
}
