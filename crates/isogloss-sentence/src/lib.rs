#![doc = include_str!("../README.md")]

mod batching;
mod dense;
mod directory;
mod encode;
mod encoder;
mod error;
mod long_text;
mod stage;

pub use dense::Dense;
pub use encode::{EncodeConfig, LongText, Prompt, SentenceVectors};
pub use encoder::SentenceEncoder;
pub use error::SentenceError;
pub use stage::Stage;
