//! WECHSEL and OFA: new rows from the old tokens whose word vectors are nearest.

use super::plan::{RowPlan, RowRecipe};
use super::similarity::{available_threads, map_scores};
use super::weights::{nearest, softmax};
use super::{Deviation, EmbeddingMatrix, InitialisationError, Overlap};

/// How many neighbours have a part in a row, and how sharply the nearer are preferred.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbourhood {
    /// How many, at least 1. Default: 10.
    pub neighbours: usize,
    /// By what cosines are divided before the softmax, above 0. Default: 0.1.
    pub temperature: f32,
}

impl Default for Neighbourhood {
    fn default() -> Self {
        Self { neighbours: 10, temperature: 0.1 }
    }
}

/// Rows from the old tokens whose vectors are nearest in one space of words for both languages.
///
/// ```text
/// row(t) = Σ_s softmax(cos(w_t, w_s) / T)_s · old row(s),   s over the k old tokens nearest to t
/// ```
///
/// `w` are vectors of subword tokens in a space of *words*: by the character n-grams of their text
/// ([`StaticVectors::composed_rows`](super::StaticVectors::composed_rows)) or as the mean of the
/// words that contain them ([`mean_of_words`](super::mean_of_words), weighted by frequency). The
/// old language's are turned into the new one's space with an [`Alignment`](super::Alignment).
/// A row of zeros is no vector: such a new token is drawn from `N(mean, std)`, with the population
/// deviation, and such an old token is nobody's neighbour, where the reference gives it a cosine
/// of zero.
///
/// # Shapes
///
/// - `source`: `[old tokens, word dim]`, `target`: `[new tokens, word dim]`
///
/// # Source
///
/// Minixhofer, Paischer and Rekabsaz (2022), "WECHSEL: Effective initialization of subword
/// embeddings for cross-lingual transfer of monolingual language models",
/// <https://aclanthology.org/2022.naacl-main.293>, and `wechsel` 0.0.4.
#[derive(Clone, Copy, Debug)]
pub struct Wechsel<'a> {
    /// A vector for each old token.
    pub source: &'a EmbeddingMatrix,
    /// A vector for each new token, in the same space.
    pub target: &'a EmbeddingMatrix,
    /// The special tokens, which are copied. WECHSEL copies nothing else.
    pub special_tokens: &'a Overlap,
    /// How neighbours are weighted.
    pub neighbourhood: Neighbourhood,
}

impl Wechsel<'_> {
    /// Finds the neighbours and their weights.
    ///
    /// # Errors
    ///
    /// [`InitialisationError::Parameter`] for no neighbour or a temperature that is not above 0;
    /// [`InitialisationError::Shape`] where inputs differ in number or width;
    /// [`InitialisationError::NoVectors`] where a row must be weighted and no old token has a vector.
    pub fn plan(&self) -> Result<RowPlan, InitialisationError> {
        plan_by_neighbours(self.source, self.target, self.special_tokens, self.neighbourhood)
    }
}

/// Rows as in [`Wechsel`], but for tokens that the old vocabulary has, which are copied; over the
/// coordinates of a factorised embedding where `rank` is given.
///
/// `source` and `target` are means of the words that contain a token, all of one weight, in one
/// multilingual space ([`mean_of_words`](super::mean_of_words)).
///
/// With a rank `d`, rows are made in `F` of `E ≈ F · P` ([`Factorisation`](super::Factorisation)):
/// mean and deviation are those of `F`, and the model may hold both factors.
///
/// # Source
///
/// Liu, Lin, Wang and Schütze (2024), "OFA: A Framework of Initializing Unseen Subword Embeddings
/// for Efficient Large-scale Multilingual Continued Pretraining",
/// <https://aclanthology.org/2024.findings-naacl.68>, and `cisnlp/ofa` at 8501a89.
///
/// What differs: the reference takes the word vectors of ColexNet+, nodes of a graph that joins
/// words of 1,335 languages which share translations in a parallel Bible. Here they come from the
/// user's own texts, as [`StaticVectors`](super::StaticVectors) trained over all languages together
/// or aligned with dictionaries. Trained together, languages are tied by the strings and n-grams
/// they share alone, so for languages of different scripts an [`Alignment`](super::Alignment) is
/// needed.
#[derive(Clone, Copy, Debug)]
pub struct Ofa<'a> {
    /// A vector for each old token.
    pub source: &'a EmbeddingMatrix,
    /// A vector for each new token, in the same space.
    pub target: &'a EmbeddingMatrix,
    /// Which new tokens the old vocabulary has
    /// ([`TokenMatching::IgnoringCase`](super::TokenMatching::IgnoringCase) in the reference).
    pub overlap: &'a Overlap,
    /// How neighbours are weighted.
    pub neighbourhood: Neighbourhood,
    /// How many coordinates a token has; `None` leaves the embedding whole.
    pub rank: Option<usize>,
}

impl Ofa<'_> {
    /// Finds the neighbours and their weights, which do not depend on `rank`.
    ///
    /// # Errors
    ///
    /// As [`Wechsel::plan`].
    pub fn plan(&self) -> Result<RowPlan, InitialisationError> {
        plan_by_neighbours(self.source, self.target, self.overlap, self.neighbourhood)
    }
}

fn plan_by_neighbours(
    source: &EmbeddingMatrix,
    target: &EmbeddingMatrix,
    copied: &Overlap,
    Neighbourhood { neighbours, temperature }: Neighbourhood,
) -> Result<RowPlan, InitialisationError> {
    let parameter = |field, found: String, expected: &str| {
        Err(InitialisationError::Parameter { field, found, expected: expected.to_owned() })
    };
    if neighbours == 0 {
        return parameter("neighbours", "0".to_owned(), "at least 1");
    }
    if !(temperature > 0.0 && temperature.is_finite()) {
        return parameter("temperature", temperature.to_string(), "above 0");
    }
    let shape = |what, found, expected| {
        if found == expected {
            Ok(())
        } else {
            Err(InitialisationError::Shape { what, found, expected })
        }
    };
    shape("columns of the new tokens' vectors, as of the old ones'", target.dim(), source.dim())?;
    shape("rows of new tokens' vectors, one for each", target.rows(), copied.old_ids().len())?;

    let has_source = source.rows_with_vectors();
    let weighted: Vec<usize> = target
        .rows_with_vectors()
        .into_iter()
        .zip(copied.old_ids())
        .enumerate()
        .filter(|(_, (has_vector, old))| *has_vector && old.is_none())
        .map(|(token, _)| token)
        .collect();
    if !weighted.is_empty() && !has_source.contains(&true) {
        return Err(InitialisationError::NoVectors { what: "no old token" });
    }
    let neighbours_of = |_, scores: &[f32]| {
        let nearest = nearest(scores, &has_source, neighbours);
        let cosines: Vec<f32> = nearest.iter().map(|(_, cosine)| *cosine).collect();
        let ids = nearest.into_iter().filter_map(|(id, _)| u32::try_from(id).ok());
        ids.zip(softmax(&cosines, temperature)).collect::<Vec<(u32, f32)>>()
    };
    let targets = target.select(&weighted).to_unit_rows();
    let weights = map_scores(&targets, &source.to_unit_rows(), available_threads(), &neighbours_of);
    let mut recipes: Vec<RowRecipe> = copied
        .old_ids()
        .iter()
        .map(|old| old.map_or(RowRecipe::Draw, |id| RowRecipe::Copy { id }))
        .collect();
    for (token, weights) in weighted.into_iter().zip(weights) {
        recipes[token] = RowRecipe::Weighted { weights };
    }
    Ok(RowPlan::new(recipes, Deviation::Population))
}
