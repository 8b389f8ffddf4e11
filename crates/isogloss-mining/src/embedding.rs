//! Vectors of texts.

use std::borrow::Cow;

use crate::MiningError;

/// Vectors of one width, in rows.
#[derive(Clone, Debug)]
pub struct EmbeddingMatrix {
    // Invariant: a whole number of rows of `dim`, at least one of each, all finite.
    dim: usize,
    values: Vec<f32>,
    // Whether the rows are as `normalised` leaves them, so that it need not be done again.
    is_normalised: bool,
}

impl PartialEq for EmbeddingMatrix {
    fn eq(&self, other: &Self) -> bool {
        (self.dim, &self.values) == (other.dim, &other.values)
    }
}

impl EmbeddingMatrix {
    /// Checks row-major values. `[rows, dim]`
    ///
    /// # Errors
    ///
    /// [`MiningError::Empty`], [`MiningError::Length`] where the last row is not whole,
    /// [`MiningError::NotFinite`] with the place of the value.
    pub fn try_new(dim: usize, values: Vec<f32>) -> Result<Self, MiningError> {
        if dim == 0 || values.is_empty() {
            return Err(MiningError::Empty { what: "embedding matrix" });
        }
        if !values.len().is_multiple_of(dim) {
            let (found, expected) = (values.len(), values.len().next_multiple_of(dim));
            return Err(MiningError::Length { what: "embedding values", found, expected });
        }
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            let found = f64::from(values[index]);
            return Err(MiningError::NotFinite { what: "embedding value", index, found });
        }
        Ok(Self { dim, values, is_normalised: false })
    }

    /// The number of vectors.
    pub fn row_count(&self) -> usize {
        self.values.len() / self.dim
    }

    /// The width of a vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The vectors, in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.dim)
    }

    /// Moves the mean of the vectors to zero.
    ///
    /// What all texts of a language share is its language, not their meaning; without it, texts of
    /// two languages are easier to compare (Libovický, Rosa and Fraser, 2020,
    /// <https://aclanthology.org/2020.findings-emnlp.150>).
    #[must_use]
    pub fn centred(mut self) -> Self {
        let rows = self.row_count() as f64;
        let mut mean = vec![0.0_f64; self.dim];
        for row in self.values.chunks_exact(self.dim) {
            for (mean, value) in mean.iter_mut().zip(row) {
                *mean += f64::from(*value) / rows;
            }
        }
        for row in self.values.chunks_exact_mut(self.dim) {
            for (value, mean) in row.iter_mut().zip(&mean) {
                // A difference of two numbers at the ends of the range would not be finite.
                let centred = (f64::from(*value) - mean).clamp(f32::MIN.into(), f32::MAX.into());
                #[expect(clippy::cast_possible_truncation, reason = "vectors are f32")]
                let centred = centred as f32;
                *value = centred;
            }
        }
        self.is_normalised = false;
        self
    }

    /// Scales each vector to length 1; a zero vector stays.
    ///
    /// What compares vectors by their cosine uses such a matrix as it is, and makes a normalised copy
    /// of any other.
    #[must_use]
    pub fn normalised(mut self) -> Self {
        if self.is_normalised {
            return self;
        }
        for row in self.values.chunks_exact_mut(self.dim) {
            let norm = norm(row);
            if norm > 0.0 {
                for value in row {
                    *value = quotient(*value, norm);
                }
            }
        }
        self.is_normalised = true;
        self
    }

    /// The matrix with vectors of length 1, copied only where it is not
    /// [`normalised`](Self::normalised): for what compares it more than once.
    pub fn to_normalised(&self) -> Cow<'_, Self> {
        if self.is_normalised {
            return Cow::Borrowed(self);
        }
        // What `normalised` does, without a copy that is not yet normalised.
        let mut values = Vec::with_capacity(self.values.len());
        for row in self.rows() {
            let norm = norm(row);
            let norm = if norm > 0.0 { norm } else { 1.0 };
            values.extend(row.iter().map(|value| quotient(*value, norm)));
        }
        Cow::Owned(Self { dim: self.dim, values, is_normalised: true })
    }

    /// Some of the rows, in the order asked for and as often; normalised where this matrix is.
    ///
    /// # Errors
    ///
    /// [`MiningError::Empty`] without rows, [`MiningError::OutOfRange`] for one that is not there.
    pub fn select(&self, rows: &[usize]) -> Result<Self, MiningError> {
        if rows.is_empty() {
            return Err(MiningError::Empty { what: "rows of an embedding matrix" });
        }
        let bound = self.row_count();
        if let Some(index) = rows.iter().position(|row| *row >= bound) {
            let (what, found) = ("row", rows[index]);
            return Err(MiningError::OutOfRange { what, index, found, bound });
        }
        Ok(self.gather(rows.iter().copied()))
    }

    /// Some of the rows, in the order asked for, of which there must be one at least.
    pub(crate) fn gather(&self, rows: impl IntoIterator<Item = usize>) -> Self {
        let rows = rows.into_iter().flat_map(|row| &self.values[row * self.dim..][..self.dim]);
        let values = rows.copied().collect();
        Self { dim: self.dim, values, is_normalised: self.is_normalised }
    }

    /// The values, row-major.
    pub(crate) fn values(&self) -> &[f32] {
        &self.values
    }
}

/// The length of a vector, in f64, in which no square of an f32 is infinite, or zero without cause.
fn norm(row: &[f32]) -> f64 {
    // Sums that do not wait for one another.
    let (chunks, rest) = row.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for chunk in chunks {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(*value).powi(2);
        }
    }
    let squares = rest.iter().map(|value| f64::from(*value).powi(2));
    (sums.iter().sum::<f64>() + squares.sum::<f64>()).sqrt()
}

#[expect(clippy::cast_possible_truncation, reason = "vectors are f32")]
fn quotient(value: f32, norm: f64) -> f32 {
    (f64::from(value) / norm) as f32
}

/// Checks that vectors of two matrices can be compared.
pub(crate) fn check_widths(
    src: &EmbeddingMatrix,
    tgt: &EmbeddingMatrix,
) -> Result<(), MiningError> {
    if src.dim() == tgt.dim() {
        return Ok(());
    }
    Err(MiningError::Length { what: "target width", found: tgt.dim(), expected: src.dim() })
}
