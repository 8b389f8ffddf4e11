#![doc = include_str!("../README.md")]

mod capped;
mod chairman;
mod choice;
mod distribution;
mod doremi;
mod error;
mod explicit;
mod exponent;
mod grouped;
mod permutation;
mod plan;
mod sharding;
mod sizes;
mod state;
mod stopping;
mod stream;
mod unimax;

pub use capped::CappedConfig;
pub use choice::{LanguageDraws, LanguageOrder};
pub use distribution::{LanguageDistribution, LanguageWeighting};
pub use doremi::{Doremi, DoremiConfig};
pub use error::{DistributionError, StreamError};
pub use explicit::ExplicitWeights;
pub use exponent::ExponentConfig;
pub use grouped::{GroupedWeighting, Grouping};
pub use permutation::BlockShuffle;
pub use plan::{PlanRow, SamplingPlan, effective_epochs};
pub use sharding::Shard;
pub use sizes::{LanguageSizes, SizeUnit};
pub use state::{MixtureState, SourceState};
pub use stopping::{StoppedStream, StoppingRule};
pub use stream::{Draw, LanguageDraw, MixtureStream, TextSource, TextWindow};
pub use unimax::UniMaxConfig;
