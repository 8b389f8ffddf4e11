#![doc = include_str!("../README.md")]

mod batching;
mod dense;
mod directory;
mod encode;
mod encoder;
mod error;
mod laser;
mod long_text;
mod reading;
mod stage;

pub use dense::Dense;
pub use encode::{EncodeConfig, LongText, Prompt, SentenceModel, SentenceVectors};
pub use encoder::{SentenceEncoder, open_sentence_model};
pub use error::SentenceError;
pub use laser::LaserEncoder;
pub use stage::Stage;
