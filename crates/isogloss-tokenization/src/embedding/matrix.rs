//! Embedding rows without a tensor framework.

use super::EmbeddingMatrixError;

/// By what a sum of squares is divided.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Deviation {
    /// By `n - 1`, as PyTorch and FOCUS do.
    Sample,
    /// By `n`, as NumPy, WECHSEL and OFA do.
    Population,
}

/// Rows of an embedding, one for each id, in a plain row-major buffer.
///
/// # Shapes
///
/// - `[rows, dim]`; no rows is a matrix, no columns is not
///
/// # Examples
///
/// ```
/// use isogloss_tokenization::embedding::EmbeddingMatrix;
///
/// let matrix = EmbeddingMatrix::try_new([2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0])?;
/// assert_eq!(matrix.row(1), Some([4.0, 5.0, 6.0].as_slice()));
/// assert_eq!(matrix.mean(&[0, 1])?, [2.5, 3.5, 4.5]);
/// # Ok::<(), isogloss_tokenization::embedding::EmbeddingMatrixError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddingMatrix {
    // Above 0.
    dim: usize,
    // Finite; a multiple of `dim` in number.
    values: Vec<f32>,
}

impl EmbeddingMatrix {
    /// Takes values row by row.
    ///
    /// # Errors
    ///
    /// [`EmbeddingMatrixError::NoColumns`], [`EmbeddingMatrixError::Length`],
    /// [`EmbeddingMatrixError::NotFinite`] with the first such place.
    pub fn try_new(
        [rows, dim]: [usize; 2],
        values: Vec<f32>,
    ) -> Result<Self, EmbeddingMatrixError> {
        if dim == 0 {
            return Err(EmbeddingMatrixError::NoColumns);
        }
        if rows.checked_mul(dim) != Some(values.len()) {
            return Err(EmbeddingMatrixError::Length { rows, dim, found: values.len() });
        }
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            let (row, column, found) = (at / dim, at % dim, values[at]);
            return Err(EmbeddingMatrixError::NotFinite { row, column, found });
        }
        Ok(Self { dim, values })
    }

    /// For values that are finite and whose number is a multiple of `dim`.
    pub(super) fn trusted(dim: usize, values: Vec<f32>) -> Self {
        debug_assert!(dim > 0 && values.len().is_multiple_of(dim), "shape of an embedding matrix");
        Self { dim, values }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.values.len() / self.dim
    }

    /// How many columns there are.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The row of an id, if it has one.
    pub fn row(&self, id: usize) -> Option<&[f32]> {
        self.values.get(id.checked_mul(self.dim)?..)?.get(..self.dim)
    }

    /// For an index below `rows`.
    pub(super) fn row_at(&self, index: usize) -> &[f32] {
        &self.values[index * self.dim..][..self.dim]
    }

    /// All rows in order.
    pub fn iter_rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.dim)
    }

    /// The values, row by row.
    pub fn as_slice(&self) -> &[f32] {
        &self.values
    }

    /// The values, row by row, without a copy.
    pub fn into_values(self) -> Vec<f32> {
        self.values
    }

    /// Every id, for a matrix without unused rows.
    pub fn all_ids(&self) -> Vec<u32> {
        (0..=u32::MAX).take(self.rows()).collect()
    }

    /// The mean of some rows, in each dimension.
    ///
    /// # Errors
    ///
    /// [`EmbeddingMatrixError::NoRow`]; [`EmbeddingMatrixError::TooFewRows`] for no id.
    pub fn mean(&self, ids: &[u32]) -> Result<Vec<f32>, EmbeddingMatrixError> {
        Ok(self.mean_f64("mean", ids, 1)?.into_iter().map(to_f32).collect())
    }

    /// The standard deviation of some rows, in each dimension.
    ///
    /// # Errors
    ///
    /// [`EmbeddingMatrixError::NoRow`]; [`EmbeddingMatrixError::TooFewRows`] for no id, and for one
    /// with [`Deviation::Sample`].
    pub fn standard_deviation(
        &self,
        ids: &[u32],
        deviation: Deviation,
    ) -> Result<Vec<f32>, EmbeddingMatrixError> {
        let (least, divisor) = match deviation {
            Deviation::Sample => (2, ids.len().saturating_sub(1)),
            Deviation::Population => (1, ids.len()),
        };
        let mean = self.mean_f64("standard deviation", ids, least)?;
        let mut squares = vec![0.0_f64; self.dim];
        for id in ids {
            let row = self.row_of(*id)?;
            for ((square, value), mean) in squares.iter_mut().zip(row).zip(&mean) {
                *square += (f64::from(*value) - mean).powi(2);
            }
        }
        Ok(squares.into_iter().map(|square| to_f32((square / divisor as f64).sqrt())).collect())
    }

    fn mean_f64(
        &self,
        statistic: &'static str,
        ids: &[u32],
        expected: usize,
    ) -> Result<Vec<f64>, EmbeddingMatrixError> {
        if ids.len() < expected {
            let found = ids.len();
            return Err(EmbeddingMatrixError::TooFewRows { statistic, found, expected });
        }
        let mut sums = vec![0.0_f64; self.dim];
        for id in ids {
            for (sum, value) in sums.iter_mut().zip(self.row_of(*id)?) {
                *sum += f64::from(*value);
            }
        }
        Ok(sums.into_iter().map(|sum| sum / ids.len() as f64).collect())
    }

    fn row_of(&self, id: u32) -> Result<&[f32], EmbeddingMatrixError> {
        let missing = EmbeddingMatrixError::NoRow { id, rows: self.rows() };
        usize::try_from(id).ok().and_then(|index| self.row(index)).ok_or(missing)
    }

    /// Every row divided by its Euclidean length; rows of zeros stay.
    pub(super) fn to_unit_rows(&self) -> Self {
        let mut values = self.values.clone();
        for row in values.chunks_exact_mut(self.dim) {
            let length = row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
            if length > 0.0 {
                for value in row {
                    *value = to_f32(f64::from(*value) / length);
                }
            }
        }
        Self { dim: self.dim, values }
    }

    /// The rows at some places, each below `rows`, in the order of the places.
    pub(super) fn select(&self, places: &[usize]) -> Self {
        let rows = places.iter().flat_map(|place| self.row_at(*place)).copied();
        Self { dim: self.dim, values: rows.collect() }
    }

    /// Which rows hold something else than zeros.
    pub(super) fn rows_with_vectors(&self) -> Vec<bool> {
        self.iter_rows().map(|row| row.iter().any(|value| *value != 0.0)).collect()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "sums are f64, rows are f32")]
pub(super) fn to_f32(value: f64) -> f32 {
    value as f32
}
