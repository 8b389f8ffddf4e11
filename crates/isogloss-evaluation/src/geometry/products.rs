//! Products of matrices of vectors, in double precision and a block of rows at a time.

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

    pub(super) fn rows(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.values.chunks_exact(self.dim)
    }

    /// The sum of the vectors. `[dim]`
    pub(super) fn sum(&self) -> Vec<f64> {
        let mut sum = vec![0.0; self.dim];
        for row in self.rows() {
            for (sum, value) in sum.iter_mut().zip(row) {
                *sum += value;
            }
        }
        sum
    }

    /// Moves the mean of the vectors to zero.
    pub(super) fn centred(mut self) -> Self {
        let rows = self.rows().len() as f64;
        let mean: Vec<f64> = self.sum().iter().map(|sum| sum / rows).collect();
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

    /// The product of each vector with itself. `[n]`
    pub(super) fn squares(&self) -> Vec<f64> {
        self.rows().map(|row| dot(row, row)).collect()
    }

    /// The product of each vector with one. `[n]`
    pub(super) fn times(&self, vector: &[f64]) -> Vec<f64> {
        self.rows().map(|row| dot(row, vector)).collect()
    }

    /// `XᵀY`, of as many rows each. `[dim, other.dim]`
    pub(super) fn cross(&self, other: &Self) -> DMatrix<f64> {
        let mut product = DMatrix::zeros(self.dim, other.dim);
        for (left, right) in
            self.values.chunks(BLOCK * self.dim).zip(other.values.chunks(BLOCK * other.dim))
        {
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

    /// `XXᵀ`. `[n, n]`
    pub(super) fn gram(&self) -> DMatrix<f64> {
        let columns = DMatrix::from_column_slice(self.dim, self.rows().len(), &self.values);
        columns.transpose() * columns
    }
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
