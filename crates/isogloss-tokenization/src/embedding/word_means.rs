//! From vectors of words to vectors of the tokens that they are cut into.

use super::matrix::to_f32;
use super::{EmbeddingMatrix, EmbeddingMatrixError, InitialisationError};

/// A word, what it weighs, and how a tokenizer cuts it.
#[derive(Clone, Debug, PartialEq)]
pub struct SegmentedWord {
    /// Its vector.
    pub vector: Vec<f32>,
    /// What it weighs in the mean, not below 0: its count for WECHSEL, 1 for OFA.
    pub weight: f64,
    /// The ids of each of its spellings: the word inside a text and at its beginning; for OFA also
    /// with an upper-case letter. A token counts once for each spelling that holds it.
    pub segmentations: Vec<Vec<u32>>,
}

/// The vector of each token: the weighted mean of the words that contain it, or zeros where no word
/// does.
///
/// ```text
/// v(t) = Σ_w weight(w) · n(w, t) · v(w) / Σ_w weight(w) · n(w, t)
/// ```
///
/// `n` counts the spellings of the word whose ids hold the token.
///
/// # Shapes
///
/// - returns: `[vocab_size, dim]`
///
/// # Errors
///
/// [`InitialisationError::Shape`] for a vector of another length than `dim`;
/// [`InitialisationError::Parameter`] for a weight below 0 or not finite, and for an id that is not
/// below `vocab_size`;
/// [`InitialisationError::Matrix`] for `dim` 0 and vectors that are not finite.
///
/// # Source
///
/// Minixhofer, Paischer and Rekabsaz (2022), `wechsel` 0.0.4, with `use_subword_info=False`; Liu,
/// Lin, Wang and Schütze (2024), `cisnlp/ofa`, with weights of 1.
pub fn mean_of_words(
    [vocab_size, dim]: [usize; 2],
    words: impl IntoIterator<Item = SegmentedWord>,
) -> Result<EmbeddingMatrix, InitialisationError> {
    if dim == 0 {
        return Err(EmbeddingMatrixError::NoColumns.into());
    }
    let mut sums = vec![0.0_f64; vocab_size * dim];
    let mut weights = vec![0.0_f64; vocab_size];
    for SegmentedWord { vector, weight, segmentations } in words {
        if vector.len() != dim {
            let what = "values of a word's vector";
            return Err(InitialisationError::Shape { what, found: vector.len(), expected: dim });
        }
        if !(weight >= 0.0 && weight.is_finite()) {
            let (field, expected) = ("weight", "a number not below 0".to_owned());
            return Err(InitialisationError::Parameter {
                field,
                found: weight.to_string(),
                expected,
            });
        }
        for mut ids in segmentations {
            ids.sort_unstable();
            ids.dedup();
            for id in ids {
                let place = usize::try_from(id).ok().filter(|place| *place < vocab_size);
                let Some(place) = place else {
                    let (field, found) = ("segmentations", id.to_string());
                    let expected = format!("ids below {vocab_size}");
                    return Err(InitialisationError::Parameter { field, found, expected });
                };
                weights[place] += weight;
                for (sum, value) in sums[place * dim..][..dim].iter_mut().zip(&vector) {
                    *sum += weight * f64::from(*value);
                }
            }
        }
    }
    for (sums, weight) in sums.chunks_exact_mut(dim).zip(weights) {
        if weight > 0.0 {
            for sum in sums {
                *sum /= weight;
            }
        }
    }
    let values = sums.into_iter().map(to_f32).collect();
    Ok(EmbeddingMatrix::try_new([vocab_size, dim], values)?)
}
