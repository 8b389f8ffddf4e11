//! Vectors of texts.

use crate::EvaluationError;

/// Vectors of one width, in rows.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddingMatrix {
    // Invariant: a whole number of rows of `dim`, at least one of each, all finite.
    dim: usize,
    values: Vec<f32>,
}

impl EmbeddingMatrix {
    /// Checks row-major values. `[rows, dim]`
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Empty`], [`EvaluationError::Length`] where the last row is not whole,
    /// [`EvaluationError::NotFinite`] with the place of the value.
    pub fn try_new(dim: usize, values: Vec<f32>) -> Result<Self, EvaluationError> {
        if dim == 0 || values.is_empty() {
            return Err(EvaluationError::Empty { what: "embedding matrix" });
        }
        if !values.len().is_multiple_of(dim) {
            let (found, expected) = (values.len(), values.len().next_multiple_of(dim));
            return Err(EvaluationError::Length { what: "embedding values", found, expected });
        }
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            let found = f64::from(values[index]);
            return Err(EvaluationError::NotFinite { what: "embedding value", index, found });
        }
        Ok(Self { dim, values })
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
                #[expect(clippy::cast_possible_truncation, reason = "vectors are f32")]
                let centred = (f64::from(*value) - mean) as f32;
                *value = centred;
            }
        }
        self
    }

    /// Scales each vector to length 1; a zero vector stays.
    #[must_use]
    pub fn normalised(mut self) -> Self {
        for row in self.values.chunks_exact_mut(self.dim) {
            let norm = row.iter().map(|value| value * value).sum::<f32>().sqrt();
            if norm > 0.0 {
                for value in row {
                    *value /= norm;
                }
            }
        }
        self
    }
}
