//! Finding the translations of words by their vectors.

mod dictionary;
mod induction;
mod lines;
mod word_vectors;

pub use dictionary::{BilingualDictionary, LexiconQueries};
pub use induction::{LexiconInduction, LexiconQuery, WordSimilarity, induce_lexicon};
pub use word_vectors::WordVectors;
