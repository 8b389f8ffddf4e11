//! Vectors of tokens that do not depend on context.

use std::collections::HashMap;
use std::ops::Range;

use isogloss_core::Seed;
use rand::RngExt;

use super::{EmbeddingMatrix, StaticVectorsError, ngrams};

/// Vectors of tokens, and of others by their character n-grams where they were trained with any.
///
/// Made by [`StaticVectorsConfig::train`](super::StaticVectorsConfig::train), or from vectors that
/// are there ([`try_from_words`](Self::try_from_words)).
#[derive(Clone, Debug)]
pub struct StaticVectors {
    pub(super) dim: usize,
    // From the most frequent; of equals in the order of code points.
    pub(super) tokens: Vec<(String, u64)>,
    // The place of each token; looked up, never walked.
    pub(super) places: HashMap<String, u32>,
    pub(super) subwords: Subwords,
    // A row for each token, then for each touched bucket.
    pub(super) rows: Vec<f32>,
}

/// Which rows make up a token's vector.
#[derive(Clone, Debug)]
pub(super) struct Subwords {
    // Lengths of n-grams; empty for none.
    pub(super) lengths: Range<usize>,
    pub(super) buckets: u32,
    // Rows of token i: `rows[offsets[i]..offsets[i + 1]]`, its own first.
    pub(super) offsets: Vec<usize>,
    pub(super) rows: Vec<u32>,
    // Buckets that an n-gram of a token falls in, ascending; the i-th has row `tokens + i`.
    pub(super) touched: Vec<u32>,
    // Where rows of other buckets come from.
    pub(super) seed: Seed,
}

impl Subwords {
    /// For tokens without n-grams.
    fn none(n_tokens: usize) -> Self {
        Self {
            lengths: 0..0,
            buckets: 1,
            offsets: (0..=n_tokens).collect(),
            rows: (0..=u32::MAX).take(n_tokens).collect(),
            touched: Vec::new(),
            seed: Seed::new(0),
        }
    }

    /// The rows of a token of the vocabulary.
    pub(super) fn rows_of(&self, token: usize) -> &[u32] {
        &self.rows[self.offsets[token]..self.offsets[token + 1]]
    }
}

/// The row of a bucket before training: uniform in `[-1/dim, 1/dim)`.
pub(super) fn first_row(
    seed: Seed,
    label: &str,
    index: u64,
    dim: usize,
) -> impl Iterator<Item = f32> {
    let mut rng = seed.derive(label).at(index).rng();
    let bound = 1.0 / dim as f32;
    std::iter::repeat_with(move || (2.0 * rng.random::<f32>() - 1.0) * bound).take(dim)
}

/// The label of the seeds of buckets.
pub(super) const BUCKET: &str = "static vectors: bucket";

impl StaticVectors {
    /// Takes tokens, with how often they occur and their vectors, from elsewhere.
    ///
    /// # Errors
    ///
    /// [`StaticVectorsError::Config`] for `dim` 0; [`StaticVectorsError::Length`],
    /// [`StaticVectorsError::NotFinite`], [`StaticVectorsError::Duplicate`].
    pub fn try_from_words(
        dim: usize,
        words: impl IntoIterator<Item = (String, u64, Vec<f32>)>,
    ) -> Result<Self, StaticVectorsError> {
        if dim == 0 {
            let (field, expected) = ("dim", "at least 1");
            return Err(StaticVectorsError::Config { field, found: "0".to_owned(), expected });
        }
        let (mut tokens, mut places, mut rows) = (Vec::new(), HashMap::new(), Vec::new());
        for ((token, count, vector), place) in words.into_iter().zip(0..) {
            if vector.len() != dim {
                let found = vector.len();
                return Err(StaticVectorsError::Length { token, found, expected: dim });
            }
            if let Some(column) = vector.iter().position(|value| !value.is_finite()) {
                let found = vector[column];
                return Err(StaticVectorsError::NotFinite { token, column, found });
            }
            if places.insert(token.clone(), place).is_some() {
                return Err(StaticVectorsError::Duplicate { token });
            }
            tokens.push((token, count));
            rows.extend(vector);
        }
        let subwords = Subwords::none(tokens.len());
        Ok(Self { dim, tokens, places, subwords, rows })
    }

    /// How many values a vector has.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Every token of the vocabulary and how often it occurs: trained ones from the most frequent,
    /// those from elsewhere in their order.
    pub fn tokens(&self) -> impl ExactSizeIterator<Item = (&str, u64)> {
        self.tokens.iter().map(|(token, count)| (token.as_str(), *count))
    }

    /// The vector of a token of the vocabulary: the mean of its row and those of its n-grams.
    pub fn vector(&self, token: &str) -> Option<Vec<f32>> {
        let place = usize::try_from(*self.places.get(token)?).ok()?;
        let rows = self.subwords.rows_of(place);
        let mut sum = vec![0.0_f32; self.dim];
        for row in rows.iter().filter_map(|row| usize::try_from(*row).ok()) {
            add(&mut sum, self.rows[row * self.dim..][..self.dim].iter().copied());
        }
        Some(divided(sum, rows.len()))
    }

    /// The vector of any token: as [`vector`](Self::vector) for one of the vocabulary, or the mean
    /// of the rows of its n-grams. There is none without n-grams, and none where training met no
    /// n-gram of it: fastText then returns the random numbers that the rows began with.
    pub fn composed_vector(&self, token: &str) -> Option<Vec<f32>> {
        self.vector(token).or_else(|| {
            let Subwords { lengths, buckets, touched, seed, .. } = &self.subwords;
            let of_token = ngrams::buckets_of(token, lengths, *buckets);
            let mut sum = vec![0.0_f32; self.dim];
            let mut is_known = false;
            for bucket in &of_token {
                if let Ok(place) = touched.binary_search(bucket) {
                    is_known = true;
                    let row = &self.rows[(self.tokens.len() + place) * self.dim..][..self.dim];
                    add(&mut sum, row.iter().copied());
                } else {
                    add(&mut sum, first_row(*seed, BUCKET, u64::from(*bucket), self.dim));
                }
            }
            is_known.then(|| divided(sum, of_token.len()))
        })
    }

    /// [`vector`](Self::vector) of some tokens, with a row of zeros where there is none: the
    /// auxiliary vectors of [`Focus`](super::Focus).
    ///
    /// # Shapes
    ///
    /// - returns: `[tokens, dim]`
    pub fn rows<'t>(&self, tokens: impl IntoIterator<Item = &'t str>) -> EmbeddingMatrix {
        self.matrix(tokens.into_iter().map(|token| self.vector(token)))
    }

    /// [`composed_vector`](Self::composed_vector) of some tokens, with a row of zeros where there is
    /// none: the vectors of [`Wechsel`](super::Wechsel), for the texts of tokens without marks of
    /// word starts ([`CanonicalToken::text`](super::CanonicalToken::text)).
    ///
    /// # Shapes
    ///
    /// - returns: `[tokens, dim]`
    pub fn composed_rows<'t>(&self, tokens: impl IntoIterator<Item = &'t str>) -> EmbeddingMatrix {
        self.matrix(tokens.into_iter().map(|token| self.composed_vector(token)))
    }

    fn matrix(&self, vectors: impl Iterator<Item = Option<Vec<f32>>>) -> EmbeddingMatrix {
        let mut values = Vec::new();
        for vector in vectors {
            match vector {
                Some(vector) => values.extend(vector),
                None => values.resize(values.len() + self.dim, 0.0),
            }
        }
        EmbeddingMatrix::trusted(self.dim, values)
    }
}

pub(super) fn add(sum: &mut [f32], row: impl IntoIterator<Item = f32>) {
    sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
}

fn divided(mut sum: Vec<f32>, n: usize) -> Vec<f32> {
    for value in &mut sum {
        *value /= n as f32;
    }
    sum
}
