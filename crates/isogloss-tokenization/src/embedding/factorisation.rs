//! An embedding as coordinates of tokens times primitives.

use std::thread;

use nalgebra::{DMatrix, SymmetricEigen};

use super::matrix::to_f32;
use super::similarity::available_threads;
use super::{EmbeddingMatrix, InitialisationError};

/// Singular values below this part of the largest are noise of f32 rows.
const NUMERICAL_ZERO: f64 = 1e-6;
/// Rows that stay in the cache while the columns of a product pass.
const BLOCK: usize = 64;

/// An embedding in two factors of which only the first depends on the token.
///
/// ```text
/// E = U · S · Vᵀ,   F = U[:, :d],   P = diag(S[:d]) · V[:, :d]ᵀ,   E ≈ F · P
/// ```
///
/// `F` holds no singular values: its columns are of length one. The sign of a column, which the
/// decomposition leaves open, is chosen so that the largest value of its primitive is positive.
///
/// # Shapes
///
/// - `coordinates` `F`: `[tokens, d]`
/// - `primitives` `P`: `[d, dim]`
///
/// # Source
///
/// Liu, Lin, Wang and Schütze (2024), <https://aclanthology.org/2024.findings-naacl.68>, section 3,
/// and `perform_factorize` of `cisnlp/ofa`. `V` and `S` come from the eigenvectors and -values of
/// `EᵀE` in f64, and `U` as `E · V · S⁻¹`: the matrix that is decomposed has a row for each
/// dimension, not for each token.
#[derive(Clone, Debug, PartialEq)]
pub struct Factorisation {
    coordinates: EmbeddingMatrix,
    primitives: EmbeddingMatrix,
    singular_values: Vec<f64>,
}

impl Factorisation {
    /// Factorises an embedding.
    ///
    /// # Errors
    ///
    /// [`InitialisationError::Parameter`] for a rank of 0 or above that of the matrix, where columns
    /// of `F` would be arbitrary; [`InitialisationError::NotConverged`].
    pub fn try_new(embedding: &EmbeddingMatrix, rank: usize) -> Result<Self, InitialisationError> {
        let dim = embedding.dim();
        let gram = gram_matrix(embedding, available_threads());
        let eigen = SymmetricEigen::try_new(DMatrix::from_vec(dim, dim, gram), f64::EPSILON, 0)
            .ok_or(InitialisationError::NotConverged {
                decomposition: "singular value decomposition",
                rows: embedding.rows(),
                columns: dim,
            })?;
        let mut order: Vec<usize> = (0..dim).collect();
        order.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
        let singular_values: Vec<f64> =
            order.iter().map(|place| eigen.eigenvalues[*place].max(0.0).sqrt()).collect();
        let largest = singular_values.first().copied().unwrap_or(0.0);
        let full_rank =
            singular_values.iter().filter(|value| **value > NUMERICAL_ZERO * largest).count();
        if rank == 0 || rank > full_rank {
            return Err(InitialisationError::Parameter {
                field: "rank",
                found: rank.to_string(),
                expected: format!("from 1 to {full_rank}, the rank of the embedding"),
            });
        }
        let singular_values = singular_values[..rank].to_vec();
        // Columns of V, one after the other, with their signs chosen.
        let mut directions = Vec::with_capacity(rank * dim);
        for place in &order[..rank] {
            let column = eigen.eigenvectors.column(*place);
            let largest = column.iter().copied().fold(0.0_f64, |largest, value| {
                if value.abs() > largest.abs() { value } else { largest }
            });
            directions.extend(column.iter().map(|value| value * largest.signum()));
        }
        let coordinates = project(embedding, &directions, &singular_values, available_threads());
        let primitives =
            directions.chunks_exact(dim).zip(&singular_values).flat_map(|(direction, scale)| {
                direction.iter().map(move |value| to_f32(value * scale))
            });
        Ok(Self {
            coordinates,
            primitives: EmbeddingMatrix::trusted(dim, primitives.collect()),
            singular_values,
        })
    }

    /// `F`: a row for each token.
    pub fn coordinates(&self) -> &EmbeddingMatrix {
        &self.coordinates
    }

    /// `P`: a row for each coordinate.
    pub fn primitives(&self) -> &EmbeddingMatrix {
        &self.primitives
    }

    /// `S`, from the largest.
    pub fn singular_values(&self) -> &[f64] {
        &self.singular_values
    }

    /// Multiplies coordinates of tokens, old or new, by the primitives.
    ///
    /// # Shapes
    ///
    /// - `coordinates`: `[tokens, d]`
    /// - returns: `[tokens, dim]`
    ///
    /// # Errors
    ///
    /// [`InitialisationError::Shape`] for another `d`; [`InitialisationError::Matrix`] where a
    /// product leaves the range of f32.
    pub fn expand(
        &self,
        coordinates: &EmbeddingMatrix,
    ) -> Result<EmbeddingMatrix, InitialisationError> {
        let (found, expected) = (coordinates.dim(), self.primitives.rows());
        if found != expected {
            let what = "columns of coordinates, one for each primitive";
            return Err(InitialisationError::Shape { what, found, expected });
        }
        let dim = self.primitives.dim();
        let mut values = Vec::with_capacity(coordinates.rows() * dim);
        for row in coordinates.iter_rows() {
            let mut sum = vec![0.0_f64; dim];
            for (coordinate, primitive) in row.iter().zip(self.primitives.iter_rows()) {
                for (sum, value) in sum.iter_mut().zip(primitive) {
                    *sum += f64::from(*coordinate) * f64::from(*value);
                }
            }
            values.extend(sum.into_iter().map(to_f32));
        }
        Ok(EmbeddingMatrix::try_new([coordinates.rows(), dim], values)?)
    }
}

/// `EᵀE`. Every entry is summed in the order of rows by one thread.
fn gram_matrix(embedding: &EmbeddingMatrix, threads: usize) -> Vec<f64> {
    let dim = embedding.dim();
    let threads = threads.clamp(1, dim);
    let mut gram = vec![0.0_f64; dim * dim];
    // Row i of the upper triangle holds dim - i products, so threads take rows in turn.
    let mut shares: Vec<Vec<(usize, &mut [f64])>> = (0..threads).map(|_| Vec::new()).collect();
    for (i, row) in gram.chunks_exact_mut(dim).enumerate() {
        shares[i % threads].push((i, &mut row[i..]));
    }
    thread::scope(|scope| {
        for mut share in shares {
            scope.spawn(move || {
                for block in embedding.as_slice().chunks(BLOCK * dim) {
                    for (i, sums) in &mut share {
                        for row in block.chunks_exact(dim) {
                            let factor = f64::from(row[*i]);
                            for (sum, value) in sums.iter_mut().zip(&row[*i..]) {
                                *sum += factor * f64::from(*value);
                            }
                        }
                    }
                }
            });
        }
    });
    for i in 0..dim {
        for j in 0..i {
            gram[i * dim + j] = gram[j * dim + i];
        }
    }
    gram
}

/// `E · V · S⁻¹`, `directions` being the columns of `V` one after the other.
fn project(
    embedding: &EmbeddingMatrix,
    directions: &[f64],
    singular_values: &[f64],
    threads: usize,
) -> EmbeddingMatrix {
    let (dim, rank) = (embedding.dim(), singular_values.len());
    // `V · S⁻¹` row by row, so that the inner loop adds to neighbours.
    let mut scaled = vec![0.0_f64; dim * rank];
    for (j, (direction, scale)) in directions.chunks_exact(dim).zip(singular_values).enumerate() {
        for (i, value) in direction.iter().enumerate() {
            scaled[i * rank + j] = value / scale;
        }
    }
    let scaled = &scaled;
    let mut values = vec![0.0_f32; embedding.rows() * rank];
    let each = embedding.rows().div_ceil(threads.max(1)).max(1);
    thread::scope(|scope| {
        let parts = embedding.as_slice().chunks(each * dim).zip(values.chunks_mut(each * rank));
        for (rows, coordinates) in parts {
            scope.spawn(move || {
                let mut sums = vec![0.0_f64; rank];
                for (row, out) in rows.chunks_exact(dim).zip(coordinates.chunks_exact_mut(rank)) {
                    sums.fill(0.0);
                    for (value, factors) in row.iter().zip(scaled.chunks_exact(rank)) {
                        for (sum, factor) in sums.iter_mut().zip(factors) {
                            *sum += f64::from(*value) * factor;
                        }
                    }
                    for (coordinate, sum) in out.iter_mut().zip(&sums) {
                        *coordinate = to_f32(*sum);
                    }
                }
            });
        }
    });
    EmbeddingMatrix::trusted(rank, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_the_same_bits_on_any_number_of_threads() {
        let values: Vec<f32> = (0..150 * 7).map(|i| (i as f32 * 0.37).sin()).collect();
        let embedding = EmbeddingMatrix::trusted(7, values);
        let gram = gram_matrix(&embedding, 1);
        let directions: Vec<f64> = (0..21).map(|i| f64::from(i).cos()).collect();
        let scales = [1.0, 2.0, 3.0];
        for threads in [2, 3, 9] {
            assert_eq!(gram_matrix(&embedding, threads), gram);
            assert_eq!(
                project(&embedding, &directions, &scales, threads),
                project(&embedding, &directions, &scales, 1),
            );
        }
        let expected: f64 =
            embedding.iter_rows().map(|row| f64::from(row[5]) * f64::from(row[2])).sum();
        assert!((gram[5 * 7 + 2] - expected).abs() < 1e-12);
    }
}
