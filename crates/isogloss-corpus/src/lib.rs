#![doc = include_str!("../README.md")]

mod cleaning;
mod conllu;
mod corpus;
mod error;
mod jsonl;
mod lines;
mod manifest;
mod moses;
mod opened;
mod part;
mod po;
mod record;
mod text;
mod tmx;
mod tsv;
mod writer;
mod zstd;

pub use cleaning::{CleaningConfig, CleaningCounts, CleaningReport, Duplicates, clean};
pub use conllu::{ConlluReader, open_conllu};
pub use corpus::Corpus;
pub use error::{CorpusReadError, ManifestError};
pub use jsonl::{JsonlReader, open_jsonl};
pub use lines::ReadOptions;
pub use manifest::Manifest;
pub use moses::{MosesReader, open_moses};
pub use opened::{Opened, PartReader};
pub use part::{BitextPart, LabelledPart, Split, TextPart};
pub use po::{PoReader, SkippedMessages, open_po};
pub use record::{LabelledText, Pair, Sentence, Text, Word};
pub use text::{TextReader, open_text};
pub use tmx::{TmxReader, open_tmx};
pub use tsv::{TsvReader, open_tsv};
pub use writer::CorpusWriter;
