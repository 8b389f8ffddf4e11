//! The shape of the space that vectors lie in, and how alike the spaces of two languages are.

mod cka;
mod isomorphism;
mod isotropy;
mod moments;
mod products;

pub use cka::{Cka, LayerAlignment, PairAlignment, align_layers, align_pairs};
pub use isomorphism::{eigenvector_similarity, relational_similarity};
pub use isotropy::{iso_score, mean_cosine, partition_isotropy};

use crate::jackknife::Groups;
use crate::{EmbeddingMatrix, EvaluationError};

/// What rounding leaves of no variance, as a share of that of all items: without a group, what is left may be alike.
const ALIKE: f64 = 1e-12;

/// Checks that there are enough vectors for a number to be defined, also without a group.
fn check_rows(
    what: &'static str,
    matrix: &EmbeddingMatrix,
    groups: &Groups,
    least: usize,
) -> Result<(), EvaluationError> {
    let rows = matrix.row_count() - groups.largest();
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
