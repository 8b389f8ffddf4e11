#![doc = include_str!("../README.md")]

mod bootstrap;
mod classification;
mod correlation;
mod entities;
mod error;
mod estimate;
mod fairness;
mod language_model;
mod metric;
mod palette;
mod plot;
mod report;
mod report_html;
mod report_latex;
mod report_markdown;
mod report_text;
mod retrieval;
mod student;
mod transfer;
mod transfer_report;

pub use bootstrap::{BootstrapConfig, PairedDifference};
pub use classification::{ClassScore, ClassificationReport, MacroF1, Prediction};
pub use correlation::{Pearson, Spearman};
pub use entities::{Entity, EntityScore, entities};
pub use error::EvaluationError;
pub use estimate::Estimate;
pub use fairness::{
    Demand, GlobalUtility, GroupScore, Grouping, Spread, VarianceSplit, gini, spread, token_premium,
};
pub use isogloss_mining::EmbeddingMatrix;
pub use language_model::{MaskedToken, PseudoPerplexity};
pub use metric::{Mean, Metric, RatioOfSums};
pub use plot::{BarSeries, Bars, Curve, CurvePoint, Curves, Heatmap, Plot, Point, Scatter};
pub use report::{Block, Cell, Report, Section, Table};
pub use retrieval::{Retrieval, retrieve};
pub use transfer::{
    Efficiency, FewShotCurve, Forgetting, OverSeeds, Run, Setting, TransferTable, check_runs,
    efficiencies, few_shot_curves, forgetting, read_runs, transfer_tables,
};
pub use transfer_report::{TransferReportConfig, transfer_report};
