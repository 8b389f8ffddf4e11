//! Products of matrices of vectors, in double precision and a block of rows at a time.

use std::ops::Range;

use nalgebra::DMatrix;

use crate::EmbeddingMatrix;

/// Rows of a block: enough that a product is worth its call, few enough to stay in the cache.
const BLOCK: usize = 512;

/// Vectors in double precision, in rows of one width.
pub(super) struct Vectors {
    pub(super) dim: usize,
    // Row-major, which is what nalgebra stores for the transposed matrix.
    pub(super) values: Vec<f64>,
}

impl Vectors {
    pub(super) fn new(matrix: &EmbeddingMatrix) -> Self {
        let values = matrix.rows().flatten().map(|value| f64::from(*value)).collect();
        Self { dim: matrix.dim(), values }
    }

    /// Puts rows in another order.
    pub(super) fn in_order(&self, order: &[usize]) -> Self {
        let values = order.iter().flat_map(|row| self.row(*row)).copied().collect();
        Self { dim: self.dim, values }
    }

    /// Vectors of the same products in as many dimensions as there are vectors, where those are fewer by half: less than
    /// that is not worth finding them.
    pub(super) fn narrowed(self) -> Self {
        let rows = self.row_count();
        if 2 * rows > self.dim {
            return self;
        }
        // X = RᵀQᵀ, of which Q turns and changes no product.
        let columns = DMatrix::from_vec(self.dim, rows, self.values);
        Self { dim: rows, values: columns.qr().r().as_slice().to_vec() }
    }

    pub(super) fn row_count(&self) -> usize {
        self.values.len() / self.dim
    }

    pub(super) fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.dim..(row + 1) * self.dim]
    }

    /// Some rows, one after the other.
    fn values(&self, rows: &Range<usize>) -> &[f64] {
        &self.values[rows.start * self.dim..rows.end * self.dim]
    }

    /// The sum of some vectors, or with a weight for each. `[dim]`
    pub(super) fn sum(&self, rows: Range<usize>, weights: Option<&[f64]>) -> Vec<f64> {
        let mut sum = vec![0.0; self.dim];
        for (place, row) in self.values(&rows).chunks_exact(self.dim).enumerate() {
            let weight = weights.map_or(1.0, |weights| weights[place]);
            for (sum, value) in sum.iter_mut().zip(row) {
                *sum += weight * value;
            }
        }
        sum
    }

    /// Moves the mean of the vectors to zero.
    pub(super) fn centred(mut self) -> Self {
        let rows = self.row_count();
        let mean: Vec<f64> = self.sum(0..rows, None).iter().map(|sum| sum / rows as f64).collect();
        for row in self.values.chunks_exact_mut(self.dim) {
            for (value, mean) in row.iter_mut().zip(&mean) {
                *value -= mean;
            }
        }
        self
    }

    /// Scales each vector to length 1; a zero vector stays.
    pub(super) fn normalised(mut self) -> Self {
        for row in self.values.chunks_exact_mut(self.dim) {
            let norm = dot(row, row).sqrt();
            if norm > 0.0 {
                for value in row {
                    *value /= norm;
                }
            }
        }
        self
    }

    /// The product of each of some vectors with itself. `[n]`
    pub(super) fn squares(&self, rows: Range<usize>) -> Vec<f64> {
        self.values(&rows).chunks_exact(self.dim).map(|row| dot(row, row)).collect()
    }

    /// `XᵀY` over some rows of both. `[dim, other.dim]`
    pub(super) fn cross(&self, other: &Self, rows: Range<usize>) -> DMatrix<f64> {
        let mut product = DMatrix::zeros(self.dim, other.dim);
        let [left, right] = [self, other].map(|it| it.values(&rows).chunks(BLOCK * it.dim));
        for (left, right) in left.zip(right) {
            let left = DMatrix::from_column_slice(self.dim, left.len() / self.dim, left);
            let right = DMatrix::from_row_slice(right.len() / other.dim, other.dim, right);
            product.gemm(1.0, &left, &right, 1.0);
        }
        product
    }

    /// Calls `each` with the number of a direction and its product with each vector. `[dim, directions]`
    pub(super) fn for_each_product(
        &self,
        directions: &DMatrix<f64>,
        mut each: impl FnMut(usize, f64),
    ) {
        let directions = directions.transpose();
        for block in self.values.chunks(BLOCK * self.dim) {
            let block = DMatrix::from_column_slice(self.dim, block.len() / self.dim, block);
            let products = &directions * block;
            for vector in products.column_iter() {
                vector.iter().enumerate().for_each(|(direction, it)| each(direction, *it));
            }
        }
    }
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
