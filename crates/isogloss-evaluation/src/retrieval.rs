//! Finding a text's translation among others.

use std::sync::atomic::{AtomicUsize, Ordering};

use isogloss_mining::{for_each_cosine_block, paired_cosines};

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
/// [`EvaluationError::Mining`] where rows or widths differ.
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
    let (sources, targets) = (&*sources.to_normalised(), &*targets.to_normalised());
    let own = paired_cosines(sources, targets)?;
    let n = own.len();
    // The right one is counted with those that are as near.
    let counters = || -> Vec<AtomicUsize> { (0..n).map(|_| AtomicUsize::new(0)).collect() };
    let (forward, backward) = (counters(), counters());
    for_each_cosine_block(sources, targets, &(), &|block| {
        let column_own = &own[block.columns()];
        // A block has few rows and columns, and narrow counters pass through registers by the many.
        let mut column_counts = vec![0_u32; column_own.len()];
        for (row, cosines) in block.rows().zip(block.iter()) {
            let (row_own, mut row_count) = (own[row], 0_u32);
            let columns = column_own.iter().zip(&mut column_counts);
            for (cosine, (own_of_column, column_count)) in cosines.iter().zip(columns) {
                row_count += u32::from(*cosine >= row_own);
                *column_count += u32::from(cosine >= own_of_column);
            }
            forward[row].fetch_add(row_count as usize, Ordering::Relaxed);
        }
        for (column, count) in block.columns().zip(column_counts) {
            backward[column].fetch_add(count as usize, Ordering::Relaxed);
        }
    })?;
    let ranks = |counters: Vec<AtomicUsize>| {
        counters.into_iter().map(AtomicUsize::into_inner).collect::<Vec<_>>()
    };
    Ok(Retrieval { forward: ranks(forward), backward: ranks(backward) })
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
