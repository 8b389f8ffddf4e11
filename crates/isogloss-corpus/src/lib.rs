#![doc = include_str!("../README.md")]

mod cleaning;
mod conllu;
mod corpus;
mod error;
mod filter;
mod identification_report;
mod identifier;
mod index;
mod jsonl;
mod line_buffer;
mod lines;
#[cfg(feature = "lingua")]
mod lingua_identifier;
mod manifest;
mod moses;
mod ngram_identifier;
mod opened;
mod part;
mod po;
mod read_ahead;
mod record;
mod sampled;
mod text;
mod tmx;
mod tsv;
#[cfg(feature = "whatlang")]
mod whatlang_identifier;
mod window;
mod words;
mod writer;
mod zstd;

pub use cleaning::{CleaningConfig, CleaningCounts, CleaningReport, Duplicates, clean};
pub use conllu::{ConlluReader, open_conllu};
pub use corpus::Corpus;
pub use error::{
    ConfigFault, CorpusReadError, FilterError, IdentifierError, ManifestError, VarietyLoss,
};
pub use filter::{
    CodeSwitchingCheck, Fault, Filter, FilterConfig, FilterPass, FilterReason, FilterReport,
    FilterSample, LanguageCheck, MachineTranslationCheck, MinHashSignature, MultiWay,
    NearDuplicateCheck, NgramLimit, ReasonReport, RepetitionCheck, ScriptCheck, Shingle,
    SwitchedBy, VarietyReport, Verdict,
};
pub use identification_report::{IdentificationCounts, IdentificationReport};
pub use identifier::{Guess, LanguageIdentifier};
pub use index::TextIndex;
pub use jsonl::{JsonlReader, open_jsonl};
pub use lines::ReadOptions;
#[cfg(feature = "lingua")]
pub use lingua_identifier::LinguaIdentifier;
pub use manifest::Manifest;
pub use moses::{MosesReader, open_moses};
pub use ngram_identifier::{NgramConfig, NgramIdentifier};
pub use opened::{Opened, PartReader};
pub use part::{BitextPart, LabelledPart, Split, TextPart};
pub use po::{PoReader, SkippedMessages, open_po};
pub use record::{LabelledText, Pair, Sentence, Text, Word};
pub use sampled::{SampledText, SampledTexts};
pub use text::{TextReader, open_text};
pub use tmx::{TmxReader, open_tmx};
pub use tsv::{TsvReader, open_tsv};
#[cfg(feature = "whatlang")]
pub use whatlang_identifier::WhatlangIdentifier;
pub use writer::CorpusWriter;
