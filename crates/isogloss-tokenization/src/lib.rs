#![doc = include_str!("../README.md")]

mod assembly;
mod bpe;
mod charsmap;
mod config;
mod cutting;
pub mod embedding;
mod encoder;
mod error;
mod extension;
mod fairness;
mod lattice;
mod pairs;
mod parity;
mod reserved;
mod seeds;
mod segmenter;
mod sentencepiece;
mod special;
mod tokenizer;
mod trie;
mod unigram;
mod vocabulary;
mod words;

pub use config::{Algorithm, NormalForm, Normalization, VocabularyConfig};
pub use encoder::{EncodedWord, SpecialIds, TextEncoder, encode_words};
pub use error::{EncodeError, ExtendError, FairnessError, TokenizerFileError, TrainError};
pub use extension::{Extension, ExtensionConfig, NewToken};
pub use fairness::{FairnessGate, FairnessReport, FairnessRow, GateFailure};
pub use parity::ParityConfig;
pub use sentencepiece::{IdLayout, SentencePieceModel};
pub use tokenizer::SubwordTokenizer;
pub use vocabulary::Vocabulary;
