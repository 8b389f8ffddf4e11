#![doc = include_str!("../README.md")]

mod answers;
mod benchmark;
mod bootstrap;
mod checks;
mod classification;
mod conllu;
mod copy_rate;
mod corrections;
mod correlation;
mod dependencies;
mod distribution;
mod error;
mod error_rate;
mod estimate;
mod fairness;
mod generation;
mod geometry;
mod interval;
mod jackknife;
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
mod report_latex;
mod report_markdown;
mod report_text;
mod retrieval;
mod rouge;
mod seeds;
mod source_ranking;
mod tagging;
mod transfer;
mod transfer_report;
mod whitespace;

pub use answers::{AnswerNormalization, AnswerScores};
pub use benchmark::{
    Benchmark, BenchmarkCard, BenchmarkScore, ChoiceQuestion, ClassItem, KnownDefect, NamedScore,
    Predictions, Question, Split, TestItems, TestSet, TestSetWarning, Translation,
};
pub use bootstrap::{BootstrapConfig, PairedDifference};
pub use classification::{
    BalancedAccuracy, ClassScore, ClassificationReport, CohenKappa, MacroF1, Mcc, MicroF1,
    Prediction, WeightedF1,
};
pub use conllu::{DependencySentence, DependencyWord, MultiwordToken, parse_conllu};
pub use copy_rate::{CopyRate, copy_rate};
pub use corrections::Correction;
pub use correlation::{KendallTau, Pearson, Spearman};
pub use dependencies::{DependencyConfig, DependencyCounts, DependencyScores};
pub use distribution::{normal_cdf, normal_quantile, student_t_quantile};
pub use error::EvaluationError;
pub use error_rate::{EditCounts, ErrorRate, ErrorUnit};
pub use estimate::Estimate;
pub use fairness::{
    Demand, GlobalUtility, GroupScore, Grouping, Spread, VarianceSplit, gini, spread, token_premium,
};
pub use generation::{
    Bleu, BleuDetail, BleuTokenizer, Chrf, Comparison, GenerationMetric, NfcNormalized,
    PairedScore, PairedTest, PieceTokenizer, Precision, References, Resampled, Resampling,
    SegmentScorer, SegmentStatistics, Signature, SignatureKey, Smoothing, Ter,
};
pub use geometry::{
    Cka, LayerAlignment, PairAlignment, align_layers, align_pairs, eigenvector_similarity,
    iso_score, mean_cosine, partition_isotropy, relational_similarity,
};
pub use interval::{Interval, acceleration, bca_interval, percentile_interval};
pub use isogloss_mining::EmbeddingMatrix;
pub use jackknife::{JackknifeConfig, Jackknifed};
pub use language_model::{
    BitsPerByte, MaskedToken, Perplexity, PseudoPerplexity, TextCounts, TextLikelihood, TextUnit,
};
pub use lexicon::{
    BilingualDictionary, LexiconInduction, LexiconQueries, LexiconQuery, WordSimilarity,
    WordVectors, induce_lexicon,
};
pub use metric::{Mean, Metric, RatioOfSums};
pub use permutation::{McNemar, PermutationConfig, PermutationTest};
pub use plot::{BarSeries, Bars, Curve, CurvePoint, Curves, Heatmap, Plot, Point, Scatter};
pub use power::Power;
pub use report::{Block, Cell, Report, Section, Table};
pub use retrieval::{Retrieval, retrieve};
pub use rouge::{RougeConfig, RougeKind, RougeScore, RougeTokenizer};
pub use seeds::mean_over_seeds;
pub use tagging::{
    Entity, EntityCounts, EntityEstimate, EntityF1, EntityScore, TagReading, TagScheme, TaggedFile,
    TaggedSentence, TaggingEstimates, TaggingReport, entities, entity_counts,
};

pub use transfer::{
    Efficiency, FewShotCurve, Forgetting, OverSeeds, Run, Setting, TransferTable, check_runs,
    efficiencies, few_shot_curves, forgetting, read_runs, transfer_tables,
};

pub use source_ranking::{
    CorpusProfile, Gain, LanguageDistances, LanguageLineage, LanguageVectors, MeasuredTarget,
    RankedSource, RankingAgreement, SourceCandidate, SourceFeature, SourceRanking,
    SourceRegression, SourceRule, SourceStudy, StudyAgreement, TargetAgreement, ndcg,
};
pub use transfer_report::{TransferReportConfig, transfer_report};
