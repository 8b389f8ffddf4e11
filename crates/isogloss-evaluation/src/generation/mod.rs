//! Scores of generated text against references: BLEU, chrF and TER, as sacrebleu computes them.

mod bleu;
mod chrf;
mod corpus;
mod edit_distance;
#[cfg(feature = "mecab")]
mod mecab;
mod nfc;
mod ngrams;
mod precision;
mod resampling;
mod separate;
mod shifts;
mod signature;
mod ter;
mod tercom;
mod tokenizer;
mod tokens;

pub use bleu::{Bleu, BleuDetail, Smoothing};
pub use chrf::Chrf;
pub use corpus::{GenerationMetric, References, SegmentScorer, SegmentStatistics};
pub use nfc::NfcNormalized;
pub use precision::Precision;
pub use resampling::{Comparison, PairedScore, PairedTest, Resampled, Resampling};
pub use signature::{Signature, SignatureKey};
pub use ter::Ter;
pub use tokenizer::{BleuTokenizer, PieceTokenizer};
