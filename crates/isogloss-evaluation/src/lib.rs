#![doc = include_str!("../README.md")]

mod bootstrap;
mod classification;
mod correlation;
mod entities;
mod error;
mod estimate;
mod generation;
mod language_model;
mod metric;
mod numpy_random;
mod palette;
mod plot;
mod report;
mod report_html;
mod report_text;
mod retrieval;
mod whitespace;

pub use bootstrap::{BootstrapConfig, PairedDifference};
pub use classification::{ClassScore, ClassificationReport, MacroF1, Prediction};
pub use correlation::{Pearson, Spearman};
pub use entities::{Entity, EntityScore, entities};
pub use error::EvaluationError;
pub use estimate::Estimate;
pub use generation::{
    Bleu, BleuDetail, BleuTokenizer, Chrf, Comparison, GenerationMetric, PairedScore, PairedTest,
    PieceTokenizer, Precision, References, Resampled, Resampling, SegmentScorer, SegmentStatistics,
    Signature, SignatureKey, Smoothing, Ter,
};
pub use isogloss_mining::EmbeddingMatrix;
pub use language_model::{MaskedToken, PseudoPerplexity};
pub use metric::{Mean, Metric, RatioOfSums};
pub use plot::{BarSeries, Bars, Plot, Point, Scatter};
pub use report::{Block, Cell, Report, Section, Table};
pub use retrieval::{Retrieval, retrieve};
