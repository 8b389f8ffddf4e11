//! Which language to transfer from, before anything is trained.

mod agreement;
mod archive;
mod corpus;
mod distances;
mod feature;
mod npy;
mod ranking;
mod vectors;

pub use agreement::{Gain, RankingAgreement, ndcg};
pub use corpus::CorpusProfile;
pub use distances::LanguageDistances;
pub use feature::SourceFeature;
pub use ranking::{RankedSource, SourceCandidate, SourceRanking};
pub use vectors::LanguageVectors;
