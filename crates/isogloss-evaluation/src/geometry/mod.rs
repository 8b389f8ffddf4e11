//! The shape of the space that vectors lie in, and how alike the spaces of two languages are.

mod cka;
mod isomorphism;
mod isotropy;
mod products;

pub use cka::{Cka, LayerAlignment, align_layers};
pub use isomorphism::{eigenvector_similarity, relational_similarity};
pub use isotropy::{iso_score, mean_cosine, partition_isotropy};

use crate::{EmbeddingMatrix, EvaluationError};

/// Checks that there are enough vectors for a number to be defined.
fn check_rows(
    what: &'static str,
    matrix: &EmbeddingMatrix,
    least: usize,
) -> Result<(), EvaluationError> {
    let rows = matrix.row_count();
    if rows < least {
        let reason = format!("{rows} vectors, expected at least {least}");
        return Err(EvaluationError::Undefined { what, reason });
    }
    Ok(())
}

/// Checks that two matrices have a vector each for the same items.
fn check_pairs(src: &EmbeddingMatrix, tgt: &EmbeddingMatrix) -> Result<(), EvaluationError> {
    let (found, expected) = (tgt.row_count(), src.row_count());
    if found == expected {
        return Ok(());
    }
    Err(EvaluationError::Length { what: "target rows", found, expected })
}

/// Whether all vectors are one.
fn is_constant(matrix: &EmbeddingMatrix) -> bool {
    let mut rows = matrix.rows();
    rows.next().is_none_or(|first| rows.all(|row| row == first))
}
