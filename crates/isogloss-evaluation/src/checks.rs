//! What numbers may be.

use crate::EvaluationError;

/// Refuses what is not a finite number.
pub(crate) fn check_finite(what: &'static str, numbers: &[f64]) -> Result<(), EvaluationError> {
    match numbers.iter().position(|number| !number.is_finite()) {
        Some(index) => Err(EvaluationError::NotFinite { what, index, found: numbers[index] }),
        None => Ok(()),
    }
}

/// Refuses what is not inside of `(0, 1)`.
pub(crate) fn check_share(field: &'static str, share: f64) -> Result<(), EvaluationError> {
    if share > 0.0 && share < 1.0 {
        return Ok(());
    }
    let (found, expected) = (share.to_string(), "a number between 0 and 1, without them");
    Err(EvaluationError::Config { field, found, expected })
}
