//! Two spaces of words made one.

use nalgebra::{DMatrix, SVD};

use super::matrix::to_f32;
use super::{EmbeddingMatrix, InitialisationError, StaticVectors};

/// The largest entry of `WᵀW - I` that rounding in f64 explains, with room.
const ORTHOGONALITY: f64 = 1e-8;

/// The orthogonal matrix that best turns rows into their partners.
///
/// ```text
/// W = argmin ‖A·W - B‖  with WᵀW = I;   W = U·Vᵀ where AᵀB = U·S·Vᵀ
/// ```
///
/// Where rows span less than the space, `W` is orthogonal still, and free in the rest of it.
///
/// # Shapes
///
/// - `a`, `b`: `[pairs, dim]`
/// - returns: `[dim, dim]`, to be multiplied from the right: `row · W`
///
/// # Errors
///
/// [`InitialisationError::Shape`] where the two differ; [`InitialisationError::NoVectors`] for no
/// pair; [`InitialisationError::NotConverged`].
///
/// # Source
///
/// Schönemann (1966), "A generalized solution of the orthogonal Procrustes problem",
/// <https://doi.org/10.1007/BF02289451>; `scipy.linalg.orthogonal_procrustes`.
pub fn orthogonal_procrustes(
    a: &EmbeddingMatrix,
    b: &EmbeddingMatrix,
) -> Result<EmbeddingMatrix, InitialisationError> {
    let shape = |what, found, expected| {
        if found == expected {
            Ok(())
        } else {
            Err(InitialisationError::Shape { what, found, expected })
        }
    };
    shape("rows of the second matrix, as of the first", b.rows(), a.rows())?;
    shape("columns of the second matrix, as of the first", b.dim(), a.dim())?;
    if a.rows() == 0 {
        return Err(InitialisationError::NoVectors { what: "no pair" });
    }
    let dim = a.dim();
    let mut product = DMatrix::<f64>::zeros(dim, dim);
    for (row_a, row_b) in a.iter_rows().zip(b.iter_rows()) {
        // Columns are what nalgebra stores together.
        for (j, value_b) in row_b.iter().enumerate() {
            for (sum, value_a) in product.column_mut(j).iter_mut().zip(row_a) {
                *sum += f64::from(*value_a) * f64::from(*value_b);
            }
        }
    }
    let failed = InitialisationError::NotConverged {
        decomposition: "singular value decomposition",
        rows: dim,
        columns: dim,
    };
    let svd = SVD::try_new(product, true, true, f64::EPSILON, 0).ok_or(failed.clone())?;
    let (Some(u), Some(v_t)) = (svd.u, svd.v_t) else { return Err(failed) };
    let rotation = u * v_t;
    let identity = DMatrix::<f64>::identity(dim, dim);
    let defect = (rotation.tr_mul(&rotation) - identity).amax();
    if defect.is_nan() || defect > ORTHOGONALITY {
        return Err(failed);
    }
    let values = (0..dim * dim).map(|i| to_f32(rotation[(i / dim, i % dim)])).collect();
    Ok(EmbeddingMatrix::try_new([dim, dim], values)?)
}

/// A rotation of one language's word vectors into another's space, found from a dictionary.
///
/// # Source
///
/// Minixhofer, Paischer and Rekabsaz (2022), `wechsel` 0.0.4: for every entry the word itself, in
/// lower case and in title case are tried on both sides, and each of the nine combinations of which
/// both have a vector counts as a pair; where two spellings are equal the pair counts twice.
#[derive(Clone, Debug, PartialEq)]
pub struct Alignment {
    rotation: EmbeddingMatrix,
    pairs: usize,
    unused_entries: usize,
}

impl Alignment {
    /// Finds the rotation of `source` into the space of `target`.
    ///
    /// # Errors
    ///
    /// [`InitialisationError::Shape`] where vectors differ in width (the reference reduces the wider
    /// by its principal components; train both to one width),
    /// [`InitialisationError::NoDictionaryPair`], [`InitialisationError::NotConverged`].
    pub fn from_dictionary<S: AsRef<str>>(
        source: &StaticVectors,
        target: &StaticVectors,
        dictionary: &[(S, S)],
    ) -> Result<Self, InitialisationError> {
        let (found, expected) = (target.dim(), source.dim());
        if found != expected {
            let what = "columns of the target's vectors, as of the source's";
            return Err(InitialisationError::Shape { what, found, expected });
        }
        let spellings = |vectors: &StaticVectors, word: &str| -> Vec<Vec<f32>> {
            [word.to_owned(), word.to_lowercase(), title_case(word)]
                .iter()
                .filter_map(|spelling| vectors.vector(spelling))
                .collect()
        };
        let (mut a, mut b) = (Vec::new(), Vec::new());
        let (mut pairs, mut unused_entries) = (0, 0);
        for (source_word, target_word) in dictionary {
            let sources = spellings(source, source_word.as_ref());
            let targets = spellings(target, target_word.as_ref());
            for source_vector in &sources {
                for target_vector in &targets {
                    a.extend_from_slice(source_vector);
                    b.extend_from_slice(target_vector);
                }
            }
            pairs += sources.len() * targets.len();
            unused_entries += usize::from(sources.is_empty() || targets.is_empty());
        }
        if pairs == 0 {
            return Err(InitialisationError::NoDictionaryPair { entries: dictionary.len() });
        }
        let matrix = |values| EmbeddingMatrix::trusted(expected, values);
        let rotation = orthogonal_procrustes(&matrix(a), &matrix(b))?;
        Ok(Self { rotation, pairs, unused_entries })
    }

    /// Turns rows of the source into the target's space.
    ///
    /// # Errors
    ///
    /// [`InitialisationError::Shape`] for rows of another width; [`InitialisationError::Matrix`]
    /// where a value leaves the range of f32.
    pub fn apply(&self, rows: &EmbeddingMatrix) -> Result<EmbeddingMatrix, InitialisationError> {
        let (found, expected) = (rows.dim(), self.rotation.dim());
        if found != expected {
            let what = "columns of the rows to align, as of the dictionary's vectors";
            return Err(InitialisationError::Shape { what, found, expected });
        }
        let mut values = Vec::with_capacity(rows.as_slice().len());
        for row in rows.iter_rows() {
            let mut turned = vec![0.0_f64; expected];
            for (value, rotation) in row.iter().zip(self.rotation.iter_rows()) {
                for (sum, factor) in turned.iter_mut().zip(rotation) {
                    *sum += f64::from(*value) * f64::from(*factor);
                }
            }
            values.extend(turned.into_iter().map(to_f32));
        }
        Ok(EmbeddingMatrix::try_new([rows.rows(), expected], values)?)
    }

    /// The matrix that rows are multiplied by from the right, `[dim, dim]`.
    pub fn rotation(&self) -> &EmbeddingMatrix {
        &self.rotation
    }

    /// How many pairs of vectors it was found from.
    pub fn pairs(&self) -> usize {
        self.pairs
    }

    /// How many dictionary entries have no vector on one side or on both.
    pub fn unused_entries(&self) -> usize {
        self.unused_entries
    }
}

/// A letter after one that is cased in lower case, any other in upper case.
fn title_case(word: &str) -> String {
    let mut title = String::with_capacity(word.len());
    let mut after_cased = false;
    for character in word.chars() {
        if after_cased {
            title.extend(character.to_lowercase());
        } else {
            // `ß` becomes `Ss`: only the first of several upper-case letters stays one.
            let mut upper = character.to_uppercase();
            title.extend(upper.next());
            title.extend(upper.flat_map(char::to_lowercase));
        }
        after_cased = character.is_lowercase() || character.is_uppercase();
    }
    title
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_those_of_python() {
        // What `str.title` of Python 3.11 makes of them.
        let cases = [
            ("they're bill's friends", "They'Re Bill'S Friends"),
            ("ÉCOLE", "École"),
            ("straße", "Straße"),
            ("ßa", "Ssa"),
            ("ọ̀yọ́", "Ọ̀Yọ́"),
            ("3rd", "3Rd"),
            ("नमस्ते", "नमस्ते"),
            ("", ""),
        ];
        for (word, title) in cases {
            assert_eq!(title_case(word), title);
        }
    }
}
