//! FOCUS: new rows from old tokens that mean the like, by their use in the new language.

use super::plan::{RowPlan, RowRecipe};
use super::similarity::{available_threads, map_scores};
use super::weights::sparsemax;
use super::{Deviation, EmbeddingMatrix, InitialisationError, Overlap};

/// Rows from the tokens that the old vocabulary shares, weighted by the cosines of auxiliary vectors.
///
/// ```text
/// row(t) = Σ_o sparsemax(cos(a_t, a_o))_o · old row(o),   o over the overlap
/// ```
///
/// `a` are [`StaticVectors`](super::StaticVectors) of the tokens of the *new* vocabulary, trained on
/// text of the new language that it has cut
/// ([`StaticVectorsConfig::focus`](super::StaticVectorsConfig::focus)); a row of zeros is no vector.
/// A token of the overlap is copied, and used for others if it has a vector. A token without one is
/// drawn from `N(mean, std)`, with the sample deviation.
///
/// To *extend* a vocabulary, give the tokens of the tokenizer that was trained on the new language
/// alone: what they share with the old vocabulary is the overlap, the other rows are appended.
///
/// # Shapes
///
/// - `auxiliary`: `[new tokens, auxiliary dim]`
///
/// # Source
///
/// Dobler and de Melo (2023), "FOCUS: Effective Embedding Initialization for Monolingual
/// Specialization of Multilingual Models", <https://aclanthology.org/2023.emnlp-main.829>, and
/// `deepfocus` 1.0.1, which leaves out tokens without a vector as here. Not here: its match of
/// numerals and punctuation across word starts.
#[derive(Clone, Copy, Debug)]
pub struct Focus<'a> {
    /// Which new tokens the old vocabulary has.
    pub overlap: &'a Overlap,
    /// A vector for each new token.
    pub auxiliary: &'a EmbeddingMatrix,
}

impl Focus<'_> {
    /// Finds the weights.
    ///
    /// # Errors
    ///
    /// [`InitialisationError::Shape`] where overlap and vectors differ in number,
    /// [`InitialisationError::NoVectors`] where a row must be weighted and no token of the overlap
    /// has a vector.
    pub fn plan(&self) -> Result<RowPlan, InitialisationError> {
        let old_ids = self.overlap.old_ids();
        let (found, expected) = (self.auxiliary.rows(), old_ids.len());
        if found != expected {
            let what = "rows of auxiliary vectors, one for each token of the overlap";
            return Err(InitialisationError::Shape { what, found, expected });
        }
        let has_vector = self.auxiliary.rows_with_vectors();
        let select = |wanted: &dyn Fn(usize) -> bool| -> Vec<usize> {
            (0..old_ids.len()).filter(|token| has_vector[*token] && wanted(*token)).collect()
        };
        let sources = select(&|token| old_ids[token].is_some());
        let targets = select(&|token| old_ids[token].is_none());
        if sources.is_empty() && !targets.is_empty() {
            return Err(InitialisationError::NoVectors { what: "no token of the overlap" });
        }
        let unit = self.auxiliary.to_unit_rows();
        let source_ids: Vec<u32> = sources.iter().filter_map(|token| old_ids[*token]).collect();
        let weighted = map_scores(
            &unit.select(&targets),
            &unit.select(&sources),
            available_threads(),
            &|_, scores| weights_of(&source_ids, &sparsemax(scores)),
        );
        let mut recipes: Vec<RowRecipe> = old_ids
            .iter()
            .map(|old| old.map_or(RowRecipe::Draw, |id| RowRecipe::Copy { id }))
            .collect();
        for (token, weights) in targets.into_iter().zip(weighted) {
            recipes[token] = RowRecipe::Weighted { weights };
        }
        Ok(RowPlan::new(recipes, Deviation::Sample))
    }
}

/// Weights by old id, each id once: two tokens of the overlap may share one.
fn weights_of(source_ids: &[u32], weights: &[(usize, f32)]) -> Vec<(u32, f32)> {
    let mut weights: Vec<(u32, f32)> =
        weights.iter().map(|(place, weight)| (source_ids[*place], *weight)).collect();
    weights.sort_by_key(|(id, _)| *id);
    weights.dedup_by(|next, first| {
        let same = next.0 == first.0;
        if same {
            first.1 += next.1;
        }
        same
    });
    weights
}
