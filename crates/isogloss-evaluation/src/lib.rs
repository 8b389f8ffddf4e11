#![doc = include_str!("../README.md")]

mod bootstrap;
mod classification;
mod corrections;
mod correlation;
mod distribution;
mod error;
mod estimate;
mod generation;
mod geometry;
mod interval;
mod language_model;
mod lexicon;
mod metric;
mod numpy_random;
mod palette;
mod permutation;
mod plot;
mod power;
mod report;
mod report_html;
mod report_text;
mod retrieval;
mod seeds;
mod tagging;
mod whitespace;

pub use bootstrap::{BootstrapConfig, PairedDifference};
pub use classification::{
    BalancedAccuracy, ClassScore, ClassificationReport, CohenKappa, MacroF1, Mcc, MicroF1,
    Prediction, WeightedF1,
};
pub use corrections::Correction;
pub use correlation::{KendallTau, Pearson, Spearman};
pub use distribution::{normal_cdf, normal_quantile, student_t_quantile};
pub use error::EvaluationError;
pub use estimate::Estimate;
pub use generation::{
    Bleu, BleuDetail, BleuTokenizer, Chrf, Comparison, GenerationMetric, PairedScore, PairedTest,
    PieceTokenizer, Precision, References, Resampled, Resampling, SegmentScorer, SegmentStatistics,
    Signature, SignatureKey, Smoothing, Ter,
};
pub use geometry::{
    Cka, LayerAlignment, align_layers, eigenvector_similarity, iso_score, mean_cosine,
    partition_isotropy, relational_similarity,
};
pub use interval::{Interval, acceleration, bca_interval, percentile_interval};
pub use isogloss_mining::EmbeddingMatrix;
pub use language_model::{
    BitsPerByte, MaskedToken, Perplexity, PseudoPerplexity, TextCounts, TextLikelihood, TextUnit,
};
pub use lexicon::{
    BilingualDictionary, LexiconInduction, LexiconQueries, LexiconQuery, WordSimilarity,
    WordVectors, induce_lexicon,
};
pub use metric::{Mean, Metric, RatioOfSums};
pub use permutation::{McNemar, PermutationConfig, PermutationTest};
pub use plot::{BarSeries, Bars, Plot, Point, Scatter};
pub use power::Power;
pub use report::{Block, Cell, Report, Section, Table};
pub use retrieval::{Retrieval, retrieve};
pub use seeds::mean_over_seeds;
pub use tagging::{
    Entity, EntityCounts, EntityF1, EntityScore, TagReading, TagScheme, TaggedFile, TaggedSentence,
    TaggingReport, entities, entity_counts,
};
