#![doc = include_str!("../README.md")]

mod cleaning;
mod error;
mod jsonl;
mod lines;
mod manifest;
mod moses;
mod record;
mod text;
mod tsv;
mod writer;

pub use cleaning::{CleaningConfig, CleaningReport, clean};
pub use error::{CorpusReadError, ManifestError};
pub use jsonl::{JsonlReader, open_jsonl};
pub use lines::ReadOptions;
pub use manifest::{BitextPart, LabelledPart, Manifest, Opened, Split, TextPart};
pub use moses::{MosesReader, open_moses};
pub use record::{LabelledText, Pair, Text};
pub use text::{TextReader, open_text};
pub use tsv::{TsvReader, open_tsv};
pub use writer::CorpusWriter;
