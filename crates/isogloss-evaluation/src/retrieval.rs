//! Finding a text's translation among others.

use crate::{EmbeddingMatrix, EvaluationError};

/// The rank of each query's own translation among all targets, in both directions.
///
/// Ranks count from 1. A target that is as near as the right one is ranked before it: vectors that
/// are all alike find nothing.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Retrieval {
    /// From each source to the targets.
    pub forward: Vec<usize>,
    /// From each target to the sources.
    pub backward: Vec<usize>,
}

/// Ranks translations by the cosine of their vectors; row `i` of one translates row `i` of the other.
///
/// # Errors
///
/// [`EvaluationError::Length`] where rows or widths differ.
///
/// # Examples
///
/// ```
/// use isogloss_evaluation::{EmbeddingMatrix, retrieve};
///
/// let english = EmbeddingMatrix::try_new(2, vec![1.0, 0.0, 0.0, 1.0])?;
/// let yoruba = EmbeddingMatrix::try_new(2, vec![0.9, 0.1, 0.8, 0.6])?;
/// let found = retrieve(&english, &yoruba)?;
/// assert_eq!(found.forward, [1, 1]);
/// assert_eq!(found.backward, [1, 2]);
/// # Ok::<(), isogloss_evaluation::EvaluationError>(())
/// ```
pub fn retrieve(
    sources: &EmbeddingMatrix,
    targets: &EmbeddingMatrix,
) -> Result<Retrieval, EvaluationError> {
    for (what, found, expected) in [
        ("target rows", targets.row_count(), sources.row_count()),
        ("target width", targets.dim(), sources.dim()),
    ] {
        if found != expected {
            return Err(EvaluationError::Length { what, found, expected });
        }
    }
    let (sources, targets) = (sources.clone().normalised(), targets.clone().normalised());
    let n = sources.row_count();
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let own: Vec<f32> = sources.rows().zip(targets.rows()).map(|(s, t)| dot(s, t)).collect();
    let (mut forward, mut backward) = (vec![1; n], vec![1; n]);
    for (i, source) in sources.rows().enumerate() {
        for (j, target) in targets.rows().enumerate() {
            if i != j {
                let cosine = dot(source, target);
                forward[i] += usize::from(cosine >= own[i]);
                backward[j] += usize::from(cosine >= own[j]);
            }
        }
    }
    Ok(Retrieval { forward, backward })
}

impl Retrieval {
    /// For each query of both directions, 1 where its translation is among the first `k`, else 0.
    pub fn hits_at(&self, k: usize) -> Vec<f64> {
        self.ranks().map(|rank| if rank <= k { 1.0 } else { 0.0 }).collect()
    }

    /// For each query of both directions, one over the rank of its translation.
    pub fn reciprocal_ranks(&self) -> Vec<f64> {
        self.ranks().map(|rank| 1.0 / rank as f64).collect()
    }

    fn ranks(&self) -> impl Iterator<Item = usize> {
        self.forward.iter().chain(&self.backward).copied()
    }
}
