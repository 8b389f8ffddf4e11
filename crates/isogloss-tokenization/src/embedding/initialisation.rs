//! New rows by any of the methods, with an account of each.

use isogloss_core::Seed;

use super::plan::{RecipeCounts, RowPlan, RowRecipe};
use super::{Deviation, EmbeddingMatrix, Factorisation, Focus, InitialisationError, Ofa, Wechsel};

/// How the rows of new tokens are made.
///
/// | method | needs | for a token of which nothing is known |
/// |---|---|---|
/// | `Mean` | nothing | is the method |
/// | `SubpieceMean` | the old tokenizer | the mean of all |
/// | `Focus` | text of the new language | a draw |
/// | `Wechsel` | text of both, a dictionary | a draw |
/// | `Ofa` | text of all languages | a draw |
///
/// # Examples
///
/// ```
/// use isogloss_core::Seed;
/// use isogloss_tokenization::embedding::{EmbeddingMatrix, Initialisation, RowRecipe};
///
/// let old = EmbeddingMatrix::try_new([3, 2], vec![1.0, 0.0, 0.0, 1.0, 9.0, 9.0])?;
/// // Row 2 is padding. The first new token was cut into 0, 1, 1; the second could not be cut.
/// let pieces = [vec![0, 1, 1], vec![]];
/// let method = Initialisation::SubpieceMean { pieces: &pieces };
/// let new = method.initialise(&old, &[0, 1], Seed::new(42))?;
/// assert_eq!(new.rows.row(0), Some([1.0 / 3.0, 2.0 / 3.0].as_slice()));
/// assert_eq!(new.rows.row(1), Some([0.5, 0.5].as_slice()));
/// assert_eq!(new.plan.recipes()[1], RowRecipe::Mean);
/// # Ok::<(), isogloss_tokenization::embedding::InitialisationError>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Initialisation<'a> {
    /// Every new row is the mean of the real old rows; transformers without `mean_resizing` noise.
    Mean {
        /// How many there are.
        new_tokens: usize,
    },
    /// The mean of the rows that the old tokenizer cuts a token's surface into, each as often as it
    /// occurs; of all real rows where it cuts it into none. Mind that a tokenizer may put a mark of
    /// a word start before a surface that has none.
    SubpieceMean {
        /// The old ids of each new token, without special tokens.
        pieces: &'a [Vec<u32>],
    },
    /// Sparsemax over the tokens that both vocabularies have.
    Focus(Focus<'a>),
    /// The nearest old tokens in one space of words.
    Wechsel(Wechsel<'a>),
    /// The same, but shared tokens are copied, and the embedding may be factorised.
    Ofa(Ofa<'a>),
}

/// New rows, and how each was made.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct InitialisedRows {
    /// A row for each new token, `[new tokens, dim]`.
    pub rows: EmbeddingMatrix,
    /// How each was made; it serves the output embedding too, where that is not tied.
    pub plan: RowPlan,
    /// The factors, where a rank was given: `rows` is their product.
    pub factors: Option<InitialisedFactors>,
}

/// New rows in the coordinates of a factorised embedding.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct InitialisedFactors {
    /// The old embedding in factors.
    pub factorisation: Factorisation,
    /// The coordinates of the new tokens, `[new tokens, rank]`.
    pub coordinates: EmbeddingMatrix,
}

impl InitialisedRows {
    /// How many rows were made in which way.
    pub fn counts(&self) -> RecipeCounts {
        self.plan.counts()
    }
}

impl Initialisation<'_> {
    /// Finds what each new row is made of, without making it.
    ///
    /// # Errors
    ///
    /// Those of the method's own `plan`.
    pub fn plan(&self) -> Result<RowPlan, InitialisationError> {
        let without_draws = |recipes| Ok(RowPlan::new(recipes, Deviation::Population));
        match self {
            Self::Mean { new_tokens } => without_draws(vec![RowRecipe::Mean; *new_tokens]),
            Self::SubpieceMean { pieces } => {
                without_draws(pieces.iter().map(|pieces| mean_of(pieces)).collect())
            }
            Self::Focus(focus) => focus.plan(),
            Self::Wechsel(wechsel) => wechsel.plan(),
            Self::Ofa(ofa) => ofa.plan(),
        }
    }

    /// Makes the rows: [`plan`](Self::plan) and [`RowPlan::apply`], in coordinates where OFA has a
    /// rank.
    ///
    /// # Shapes
    ///
    /// - `old`: `[old tokens, dim]`
    /// - `real_ids`: the rows of which means and deviations are taken, without padded and unused ones
    ///
    /// # Errors
    ///
    /// Those of the method's own `plan`, of [`RowPlan::apply`] and [`Factorisation::try_new`].
    pub fn initialise(
        &self,
        old: &EmbeddingMatrix,
        real_ids: &[u32],
        seed: Seed,
    ) -> Result<InitialisedRows, InitialisationError> {
        let plan = self.plan()?;
        let Self::Ofa(Ofa { rank: Some(rank), .. }) = self else {
            return Ok(InitialisedRows {
                rows: plan.apply(old, real_ids, seed)?,
                plan,
                factors: None,
            });
        };
        let factorisation = Factorisation::try_new(old, *rank)?;
        let coordinates = plan.apply(factorisation.coordinates(), real_ids, seed)?;
        let rows = factorisation.expand(&coordinates)?;
        let factors = Some(InitialisedFactors { factorisation, coordinates });
        Ok(InitialisedRows { rows, plan, factors })
    }
}

/// Equal weights for pieces, each as often as it occurs.
fn mean_of(pieces: &[u32]) -> RowRecipe {
    if pieces.is_empty() {
        return RowRecipe::Mean;
    }
    let mut sorted = pieces.to_vec();
    sorted.sort_unstable();
    let weights = sorted
        .chunk_by(|a, b| a == b)
        .map(|equal| (equal[0], equal.len() as f32 / pieces.len() as f32))
        .collect();
    RowRecipe::Weighted { weights }
}
