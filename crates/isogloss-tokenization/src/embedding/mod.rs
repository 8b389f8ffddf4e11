//! Rows for the tokens that a new language adds to a vocabulary.
//!
//! Everything here works on plain rows of `f32`, so that a model of any framework can be extended:
//! give the old rows as an [`EmbeddingMatrix`], choose an [`Initialisation`], and append what it
//! returns. Each method tells for every token what its row is made of ([`RowRecipe`]).
//!
//! FOCUS, from text that the new language's tokenizer has cut, goes thus:
//!
//! ```
//! use isogloss_core::Seed;
//! use isogloss_tokenization::embedding::{
//!     EmbeddingMatrix, Focus, Initialisation, Overlap, StaticVectorsConfig, TokenForm,
//!     TokenMatching,
//! };
//!
//! let old_tokens = [(0, "Ġa"), (1, "Ġb")];
//! let old = EmbeddingMatrix::try_new([2, 4], vec![1.0, 0.0, 2.0, 0.0, 0.0, 3.0, 0.0, 4.0])?;
//! let new_tokens = ["▁a", "▁b", "▁c"];
//! let texts = ["▁a ▁b ▁c ▁b", "▁c ▁a ▁a ▁b"];
//!
//! let seed = Seed::new(42);
//! let vectors = StaticVectorsConfig::focus(seed)
//!     .with_min_count(1)
//!     .train(|| texts.iter().map(|text| text.split(' ')), &())?;
//! let auxiliary = vectors.rows(new_tokens);
//! let overlap = Overlap::find(
//!     (old_tokens, TokenForm::ByteLevel),
//!     (new_tokens, TokenForm::SentencePiece),
//!     TokenMatching::Exact,
//! );
//! let method = Initialisation::Focus(Focus { overlap: &overlap, auxiliary: &auxiliary });
//! let new = method.initialise(&old, &old.all_ids(), seed)?;
//! assert_eq!((new.counts().copied, new.counts().weighted), (2, 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod alignment;
mod canonical;
mod error;
mod factorisation;
mod focus;
mod initialisation;
mod matrix;
mod neighbours;
mod ngrams;
mod overlap;
mod plan;
mod similarity;
mod static_config;
mod static_training;
mod static_vectors;
mod weights;
mod word_means;

pub use alignment::{Alignment, orthogonal_procrustes};
pub use canonical::{CanonicalToken, TokenForm};
pub use error::{EmbeddingMatrixError, InitialisationError, StaticVectorsError};
pub use factorisation::Factorisation;
pub use focus::Focus;
pub use initialisation::{Initialisation, InitialisedFactors, InitialisedRows};
pub use matrix::{Deviation, EmbeddingMatrix};
pub use neighbours::{Neighbourhood, Ofa, Wechsel};
pub use overlap::{Overlap, TokenMatching};
pub use plan::{RecipeCounts, RowPlan, RowRecipe};
pub use static_config::{Architecture, StaticVectorsConfig};
pub use static_vectors::StaticVectors;
pub use weights::sparsemax;
pub use word_means::{SegmentedWord, mean_of_words};
