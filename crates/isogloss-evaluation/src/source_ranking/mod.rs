//! Which language to transfer from, before anything is trained.

mod agreement;
mod archive;
mod corpus;
mod distances;
mod feature;
mod lineage;
mod npy;
mod ranking;
mod regression;
mod study;
mod vectors;

pub use agreement::{Gain, RankingAgreement, ndcg};
pub use corpus::CorpusProfile;
pub use distances::LanguageDistances;
pub use feature::SourceFeature;
pub use lineage::LanguageLineage;
pub use ranking::{RankedSource, SourceCandidate, SourceRanking};
pub use regression::SourceRegression;
pub use study::{MeasuredTarget, SourceRule, SourceStudy, StudyAgreement, TargetAgreement};
pub use vectors::LanguageVectors;
