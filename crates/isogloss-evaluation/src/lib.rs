#![doc = include_str!("../README.md")]

mod bootstrap;
mod classification;
mod correlation;
mod entities;
mod error;
mod estimate;
mod geometry;
mod language_model;
mod lexicon;
mod metric;
mod palette;
mod plot;
mod report;
mod report_html;
mod report_text;
mod retrieval;
mod source_ranking;
mod whitespace;

pub use bootstrap::{BootstrapConfig, PairedDifference};
pub use classification::{ClassScore, ClassificationReport, MacroF1, Prediction};
pub use correlation::{Pearson, Spearman};
pub use entities::{Entity, EntityScore, entities};
pub use error::EvaluationError;
pub use estimate::Estimate;
pub use geometry::{
    Cka, LayerAlignment, align_layers, eigenvector_similarity, iso_score, mean_cosine,
    partition_isotropy, relational_similarity,
};
pub use isogloss_mining::EmbeddingMatrix;
pub use language_model::{
    BitsPerByte, MaskedToken, Perplexity, PseudoPerplexity, TextCounts, TextLikelihood, TextUnit,
};
pub use lexicon::{
    BilingualDictionary, LexiconInduction, LexiconQueries, LexiconQuery, WordSimilarity,
    WordVectors, induce_lexicon,
};
pub use metric::{Mean, Metric, RatioOfSums};
pub use plot::{BarSeries, Bars, Plot, Point, Scatter};
pub use report::{Block, Cell, Report, Section, Table};
pub use retrieval::{Retrieval, retrieve};
pub use source_ranking::{
    CorpusProfile, Gain, LanguageDistances, LanguageVectors, RankedSource, RankingAgreement,
    SourceCandidate, SourceFeature, SourceRanking, ndcg,
};
