//! Products of matrices that lie anywhere in memory.

use std::ops::Range;

use gemm::{Parallelism, gemm};
use rayon::current_num_threads;
use rayon::prelude::*;

/// A matrix of which row `i`, column `j` is `numbers[i · strides[0] + j · strides[1]]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix<'a> {
    pub(crate) numbers: &'a [f32],
    pub(crate) strides: [usize; 2],
}

impl Matrix<'_> {
    /// Rows for columns.
    pub(crate) fn transposed(self) -> Self {
        let [rows, columns] = self.strides;
        Self { strides: [columns, rows], ..self }
    }
}

/// A matrix to write, of rows that are contiguous.
#[derive(Debug)]
pub(crate) struct MatrixMut<'a> {
    pub(crate) numbers: &'a mut [f32],
    pub(crate) dims: [usize; 2],
    pub(crate) row_stride: usize,
}

/// What becomes of the numbers that stand where a product is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Write {
    Over,
    Add,
}

/// `out = scale · a b`, or that added to `out`, on this thread.
///
/// - `a`: `[m, inner]`, `b`: `[inner, n]`, `out`: `[m, n]`
///
/// # Panics
///
/// Where a slice is too short for its matrix.
pub(crate) fn product(
    out: &mut MatrixMut<'_>,
    write: Write,
    factors: [Matrix<'_>; 2],
    inner: usize,
    scale: f32,
) {
    checked(out, factors, inner);
    let block = Block { rows: 0..out.dims[0], columns: 0..out.dims[1] };
    let numbers = Shared(out.numbers.as_mut_ptr());
    #[expect(unsafe_code, reason = "strided matrices are read and written through pointers")]
    // SAFETY: every index is within its slice, as was checked; `out` is borrowed alone, and its rows do not
    // overlap.
    unsafe {
        multiply(numbers, block, out.row_stride, write, factors, inner, scale);
    }
}

/// As [`product`], on all threads.
pub(crate) fn product_on_all(
    out: &mut MatrixMut<'_>,
    write: Write,
    factors: [Matrix<'_>; 2],
    inner: usize,
    scale: f32,
) {
    checked(out, factors, inner);
    let (numbers, stride) = (Shared(out.numbers.as_mut_ptr()), out.row_stride);
    for_each_block(out.dims, |block| {
        #[expect(unsafe_code, reason = "blocks of a matrix are written by several threads")]
        // SAFETY: all indices were checked above, and no other block has these places.
        unsafe {
            multiply(numbers, block, stride, write, factors, inner, scale);
        }
    });
}

/// `a b`, and a bias added to each row, in memory of its own: row after row.
///
/// - `a`: `[m, inner]`, `b`: `[inner, n]`, `bias`: `[n]`
///
/// # Panics
///
/// Where a slice is too short for its matrix.
pub(crate) fn product_of(
    factors: [Matrix<'_>; 2],
    [m, n]: [usize; 2],
    inner: usize,
    bias: Option<&[f32]>,
) -> Vec<f32> {
    assert!(bias.is_none_or(|bias| bias.len() == n), "a bias for each column");
    if inner == 0 {
        return bias.map_or_else(|| vec![0.0; m * n], |bias| bias.repeat(m));
    }
    assert_within(factors, [m, n], inner);
    let mut values = Vec::with_capacity(m * n);
    let numbers = Shared(values.as_mut_ptr());
    for_each_block([m, n], |block| {
        #[expect(unsafe_code, reason = "memory that is written before it is read is not cleared")]
        // SAFETY: there is room for all blocks, none has the places of another, and what is added to is written
        // first.
        unsafe {
            if let Some(bias) = bias {
                for row in block.rows.clone() {
                    let place = numbers.at(row * n + block.columns.start);
                    let of_block = &bias[block.columns.clone()];
                    place.copy_from_nonoverlapping(of_block.as_ptr(), of_block.len());
                }
            }
            let write = if bias.is_some() { Write::Add } else { Write::Over };
            multiply(numbers, block, n, write, factors, inner, 1.0);
        }
    });
    #[expect(unsafe_code, reason = "memory that is written before it is read is not cleared")]
    // SAFETY: the blocks are the whole matrix, and all were written.
    unsafe {
        values.set_len(m * n);
    }
    values
}

/// Some rows and columns of a matrix.
struct Block {
    rows: Range<usize>,
    columns: Range<usize>,
}

/// Shares a matrix among all threads: each makes some of the rows, or some of the columns if those are more.
///
/// The threads of the library that multiplies share what it takes from the two matrices, and wait for one
/// another more often than the sharing is worth. How a number is summed up does not depend on who makes it.
fn for_each_block([m, n]: [usize; 2], visit: impl Fn(Block) + Sync) {
    /// Rows or columns that are worth a thread, and more than those for which the library sums up otherwise.
    const LEAST: usize = 64;
    let longer = m.max(n);
    if m == 0 || n == 0 {
        return;
    }
    let share = longer.div_ceil(current_num_threads().min(longer / LEAST).max(1));
    (0..longer.div_ceil(share)).into_par_iter().for_each(|block| {
        let some = block * share..((block + 1) * share).min(longer);
        visit(if m >= n {
            Block { rows: some, columns: 0..n }
        } else {
            Block { rows: 0..m, columns: some }
        });
    });
}

/// Where several threads write, each to places of its own.
#[derive(Clone, Copy)]
struct Shared(*mut f32);

#[expect(unsafe_code, reason = "a pointer goes to other threads")]
// SAFETY: whoever writes through it answers for the places.
unsafe impl Send for Shared {}
#[expect(unsafe_code, reason = "a pointer goes to other threads")]
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// # Safety
    ///
    /// `index` must be within what the pointer is of.
    #[expect(unsafe_code, reason = "a pointer is moved")]
    unsafe fn at(self, index: usize) -> *mut f32 {
        // SAFETY: as the caller says.
        unsafe { self.0.add(index) }
    }
}

/// Panics where a slice is too short for its matrix.
fn checked(out: &MatrixMut<'_>, factors: [Matrix<'_>; 2], inner: usize) {
    let [m, n] = out.dims;
    assert_within(factors, [m, n], inner);
    assert!(
        is_within(out.numbers.len(), [m, n], [out.row_stride, 1])
            && (m <= 1 || n <= out.row_stride),
        "a matrix within its slice",
    );
}

fn assert_within([a, b]: [Matrix<'_>; 2], [m, n]: [usize; 2], inner: usize) {
    assert!(
        is_within(a.numbers.len(), [m, inner], a.strides)
            && is_within(b.numbers.len(), [inner, n], b.strides),
        "matrices within their slices",
    );
}

fn is_within(len: usize, [rows, columns]: [usize; 2], strides: [usize; 2]) -> bool {
    rows == 0 || columns == 0 || (rows - 1) * strides[0] + (columns - 1) * strides[1] < len
}

/// Makes a block of a product.
///
/// # Safety
///
/// Every index of the three matrices must be within what they are of, rows of the first must not overlap, and
/// nobody else may read or write the block.
#[expect(unsafe_code, reason = "strided matrices are read and written through pointers")]
unsafe fn multiply(
    out: Shared,
    Block { rows, columns }: Block,
    row_stride: usize,
    write: Write,
    [a, b]: [Matrix<'_>; 2],
    inner: usize,
    scale: f32,
) {
    let stride = usize::cast_signed;
    let a_from = a.numbers.as_ptr().wrapping_add(rows.start * a.strides[0]);
    let b_from = b.numbers.as_ptr().wrapping_add(columns.start * b.strides[1]);
    // SAFETY: as the caller says.
    unsafe {
        gemm(
            rows.len(),
            columns.len(),
            inner,
            out.at(rows.start * row_stride + columns.start),
            1,
            stride(row_stride),
            write == Write::Add,
            a_from,
            stride(a.strides[1]),
            stride(a.strides[0]),
            b_from,
            stride(b.strides[1]),
            stride(b.strides[0]),
            1.0,
            scale,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}
