#![doc = include_str!("../README.md")]

mod distribution;
mod error;
mod explicit;
mod exponent;
mod order;
mod permutation;
mod sizes;
mod stream;

pub use distribution::{LanguageDistribution, LanguageWeighting};
pub use error::{DistributionError, StreamError};
pub use explicit::ExplicitWeights;
pub use exponent::ExponentConfig;
pub use order::LanguageOrder;
pub use sizes::{LanguageSizes, SizeUnit};
pub use stream::{Draw, MixtureState, MixtureStream, SourceState, TextSource};
