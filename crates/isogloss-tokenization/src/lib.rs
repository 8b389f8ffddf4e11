#![doc = include_str!("../README.md")]

mod config;
pub mod embedding;
mod encoder;
mod error;
mod fairness;
mod lattice;
mod tokenizer;
mod unigram;

pub use config::{Algorithm, VocabularyConfig};
pub use encoder::{SpecialIds, TextEncoder};
pub use error::{EncodeError, FairnessError, TokenizerFileError, TrainError};
pub use fairness::{FairnessReport, FairnessRow};
pub use tokenizer::SubwordTokenizer;
