//! Products of matrices that lie anywhere in memory.

use gemm::{Parallelism, gemm};

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
    product_on(Parallelism::None, out, write, factors, inner, scale);
}

/// As [`product`], on all threads.
pub(crate) fn product_on_all(
    out: &mut MatrixMut<'_>,
    write: Write,
    factors: [Matrix<'_>; 2],
    inner: usize,
    scale: f32,
) {
    product_on(Parallelism::Rayon(0), out, write, factors, inner, scale);
}

fn product_on(
    threads: Parallelism,
    out: &mut MatrixMut<'_>,
    write: Write,
    [a, b]: [Matrix<'_>; 2],
    inner: usize,
    scale: f32,
) {
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
    let stride = usize::cast_signed;
    #[expect(unsafe_code, reason = "strided matrices are read and written through pointers")]
    // SAFETY: every index is within its slice, as was asserted; `out` is borrowed alone, and its rows do not
    // overlap.
    unsafe {
        gemm(
            m,
            n,
            inner,
            out.numbers.as_mut_ptr(),
            1,
            stride(out.row_stride),
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
            threads,
        );
    }
}
