//! Products of matrices that lie anywhere in memory.

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

    /// Without the rows before `row`, which must be one of them.
    fn starting_at(self, row: usize) -> Self {
        Self { numbers: &self.numbers[row * self.strides[0]..], ..self }
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
    #[expect(unsafe_code, reason = "strided matrices are read and written through pointers")]
    // SAFETY: every index is within its slice, as was checked; `out` is borrowed alone, and its rows do not
    // overlap.
    unsafe {
        let numbers = out.numbers.as_mut_ptr();
        multiply(numbers, out.dims, out.row_stride, write, factors, inner, scale);
    }
}

/// As [`product`], on all threads: each makes some of the rows, or some of the columns if those are more.
///
/// The library's own threads share what it takes from the two matrices, and wait for one another more often
/// than the sharing is worth. How a number is summed up does not depend on who makes it.
pub(crate) fn product_on_all(
    out: &mut MatrixMut<'_>,
    write: Write,
    [a, b]: [Matrix<'_>; 2],
    inner: usize,
    scale: f32,
) {
    /// Rows or columns that are worth a thread, and more than those for which the library sums up otherwise.
    const LEAST: usize = 64;
    let [m, n] = out.dims;
    if m == 0 || n == 0 {
        return;
    }
    let longer = m.max(n);
    let share = longer.div_ceil(current_num_threads().min(longer / LEAST).max(1)).max(1);
    if m >= n {
        let (columns, stride) = (n, out.row_stride);
        let blocks = out.numbers.par_chunks_mut((share * stride).max(1)).enumerate();
        blocks.for_each(|(block, numbers)| {
            let first = block * share;
            if first >= m {
                return;
            }
            let dims = [share.min(m - first), columns];
            let mut out = MatrixMut { numbers, dims, row_stride: stride };
            product(&mut out, write, [a.starting_at(first), b], inner, scale);
        });
    } else {
        checked(out, [a, b], inner);
        let (numbers, stride) = (Shared(out.numbers.as_mut_ptr()), out.row_stride);
        (0..n.div_ceil(share)).into_par_iter().for_each(|block| {
            let first = block * share;
            let dims = [m, share.min(n - first)];
            let b = b.transposed().starting_at(first).transposed();
            // SAFETY: all indices were checked above, and no other block writes to these columns.
            #[expect(unsafe_code, reason = "columns of a matrix are written by several threads")]
            unsafe {
                let numbers = numbers.at(first);
                multiply(numbers, dims, stride, write, [a, b], inner, scale);
            }
        });
    }
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
fn checked(out: &MatrixMut<'_>, [a, b]: [Matrix<'_>; 2], inner: usize) {
    let [m, n] = out.dims;
    let fits = |len: usize, [rows, columns]: [usize; 2], strides: [usize; 2]| {
        rows == 0 || columns == 0 || (rows - 1) * strides[0] + (columns - 1) * strides[1] < len
    };
    assert!(
        fits(out.numbers.len(), [m, n], [out.row_stride, 1])
            && (m <= 1 || n <= out.row_stride)
            && fits(a.numbers.len(), [m, inner], a.strides)
            && fits(b.numbers.len(), [inner, n], b.strides),
        "matrices within their slices",
    );
}

/// # Safety
///
/// Every index of the three matrices must be within what they are of, rows of the first must not overlap, and
/// nobody else may read or write it.
#[expect(unsafe_code, reason = "strided matrices are read and written through pointers")]
unsafe fn multiply(
    out: *mut f32,
    [m, n]: [usize; 2],
    row_stride: usize,
    write: Write,
    [a, b]: [Matrix<'_>; 2],
    inner: usize,
    scale: f32,
) {
    let stride = usize::cast_signed;
    // SAFETY: as the caller says.
    unsafe {
        gemm(
            m,
            n,
            inner,
            out,
            1,
            stride(row_stride),
            write == Write::Add,
            a.numbers.as_ptr(),
            stride(a.strides[1]),
            stride(a.strides[0]),
            b.numbers.as_ptr(),
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
