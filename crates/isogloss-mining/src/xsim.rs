//! How often a sentence is not nearest to its translation.

use std::collections::BTreeMap;

use isogloss_core::Progress;
use serde::{Deserialize, Serialize};

use crate::exact::check;
use crate::margin::MarginScores;
use crate::{EmbeddingMatrix, Margin, MiningError, mutual_neighbours};

/// A target that was made from a translation so that it means something else.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Alternation {
    /// The row of the translation that it was made from, counted from 0.
    pub original: usize,
    /// What was changed: in xsim++ causality, an entity or a number.
    pub kind: String,
}

/// Scores vectors by xsim or xsim++: for each source, is the target with the best margin its
/// translation?
///
/// Candidates are the `k` nearest targets by cosine. Error rates are comparable only between sets of
/// one size: among more targets it is easier to err.
///
/// # Source
///
/// `source/xsim.py` of LASER, <https://github.com/facebookresearch/LASER>; for xsim++ Chen, Heffernan,
/// Çelebi, Mourachko and Schwenk (2023), <https://arxiv.org/abs/2306.12907>.
///
/// # Examples
///
/// ```
/// use isogloss_mining::{Alternation, EmbeddingMatrix, XsimConfig};
///
/// let src = EmbeddingMatrix::try_new(2, vec![1.0, 0.0, 0.0, 1.0])?;
/// // Two translations, and the second of them with another number.
/// let tgt = EmbeddingMatrix::try_new(2, vec![1.0, 0.1, 0.6, 0.8, 0.5, 0.9])?;
/// let number = Alternation { original: 1, kind: "number".to_owned() };
/// let xsim = XsimConfig::new().evaluate_augmented(&src, &tgt, &[number], &())?;
/// assert_eq!(xsim.error_rate(), 0.5);
/// assert_eq!(xsim.errors_by_kind()["number"], 1);
/// # Ok::<(), isogloss_mining::MiningError>(())
/// ```
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct XsimConfig {
    /// How candidates are scored; `Ratio` by default. `Absolute` takes the nearest.
    pub margin: Margin,
    /// How many neighbours are candidates and stand for the neighbourhood, capped by the size of either
    /// set; 4 by default.
    pub k: usize,
}

impl Default for XsimConfig {
    fn default() -> Self {
        Self { margin: Margin::default(), k: 4 }
    }
}

impl XsimConfig {
    /// Ratio margin and four neighbours, as LASER has it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how candidates are scored.
    #[must_use]
    pub fn with_margin(self, margin: Margin) -> Self {
        Self { margin, ..self }
    }

    /// Sets the number of neighbours.
    #[must_use]
    pub fn with_k(self, k: usize) -> Self {
        Self { k, ..self }
    }

    /// Scores by xsim: row `i` of one set translates row `i` of the other.
    ///
    /// # Shapes
    ///
    /// - `src`: `[n, dim]`, `tgt`: `[n, dim]`
    ///
    /// # Errors
    ///
    /// [`MiningError::Length`] where rows or widths differ; [`MiningError::Config`] where `k` is 0;
    /// [`MiningError::Ratio`] with the pair whose neighbours are not near.
    pub fn evaluate(
        &self,
        src: &EmbeddingMatrix,
        tgt: &EmbeddingMatrix,
        progress: &dyn Progress,
    ) -> Result<Xsim, MiningError> {
        self.evaluate_augmented(src, tgt, &[], progress)
    }

    /// Scores by xsim++: the first targets translate the sources, row by row, and target `n + j` is
    /// `alternations[j]`.
    ///
    /// # Shapes
    ///
    /// - `src`: `[n, dim]`, `tgt`: `[n + alternations, dim]`
    ///
    /// # Errors
    ///
    /// As [`evaluate`](Self::evaluate), and [`MiningError::OutOfRange`] where an alternation is of no
    /// translation.
    pub fn evaluate_augmented(
        &self,
        src: &EmbeddingMatrix,
        tgt: &EmbeddingMatrix,
        alternations: &[Alternation],
        progress: &dyn Progress,
    ) -> Result<Xsim, MiningError> {
        check(src, tgt, self.k)?;
        let (n, found) = (src.row_count(), tgt.row_count());
        let expected = n + alternations.len();
        if found != expected {
            return Err(MiningError::Length { what: "target rows", found, expected });
        }
        if let Some(index) = alternations.iter().position(|alternation| alternation.original >= n) {
            let (what, found) = ("original of alternation", alternations[index].original);
            return Err(MiningError::OutOfRange { what, index, found, bound: n });
        }
        let neighbours = mutual_neighbours(src, tgt, self.k, progress)?;
        // An exact search finds a neighbour for every source, so that no source is left out.
        let best = MarginScores::new(self.margin, &neighbours).best_forward()?;
        let nearest: Vec<usize> = best.into_iter().map(|pair| pair.tgt).collect();
        let is_error = nearest.iter().enumerate().map(|(src, &tgt)| src != tgt).collect();
        Ok(Xsim { nearest, is_error, alternations: alternations.to_vec() })
    }
}

/// What xsim or xsim++ found.
#[derive(Clone, Debug, PartialEq)]
pub struct Xsim {
    nearest: Vec<usize>,
    is_error: Vec<bool>,
    alternations: Vec<Alternation>,
}

impl Xsim {
    /// The kind of an error that is no alternation of the source's own translation.
    pub const MISALIGNED: &str = "Misaligned";

    /// No longer counts errors whose text is that of the translation, to the letter.
    ///
    /// `texts` are those of all targets, in order.
    ///
    /// # Errors
    ///
    /// [`MiningError::Length`] where there are not as many texts as targets.
    pub fn with_texts<T: AsRef<str>>(mut self, texts: &[T]) -> Result<Self, MiningError> {
        let (found, expected) = (texts.len(), self.nearest.len() + self.alternations.len());
        if found != expected {
            return Err(MiningError::Length { what: "target texts", found, expected });
        }
        for (src, (&tgt, is_error)) in self.nearest.iter().zip(&mut self.is_error).enumerate() {
            *is_error &= texts[src].as_ref() != texts[tgt].as_ref();
        }
        Ok(self)
    }

    /// The target that was found for each source.
    pub fn nearest(&self) -> &[usize] {
        &self.nearest
    }

    /// For each source, whether it erred.
    pub fn is_error(&self) -> &[bool] {
        &self.is_error
    }

    /// How many sources erred.
    pub fn error_count(&self) -> usize {
        self.is_error.iter().filter(|is_error| **is_error).count()
    }

    /// The share of sources that erred, from 0 to 1; LASER prints it in per cent.
    pub fn error_rate(&self) -> f64 {
        self.error_count() as f64 / self.nearest.len() as f64
    }

    /// How many sources erred, by the kind of the alternation of their own translation that they took
    /// for it; those that took another sentence, or an alternation of another, are
    /// [`MISALIGNED`](Self::MISALIGNED). Kinds without an error are left out.
    pub fn errors_by_kind(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for (src, &tgt) in self.nearest.iter().enumerate().filter(|(src, _)| self.is_error[*src]) {
            let taken = tgt.checked_sub(self.nearest.len()).map(|j| &self.alternations[j]);
            let own = taken.filter(|alternation| alternation.original == src);
            let kind = own.map_or(Self::MISALIGNED, |alternation| alternation.kind.as_str());
            *counts.entry(kind).or_default() += 1;
        }
        counts
    }
}
