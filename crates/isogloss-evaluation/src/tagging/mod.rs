//! One label for each word: what the tags say, and how many of their entities are right.

mod entities;
mod file;
mod report;
mod scheme;

pub use entities::{Entity, EntityScore, entities};
pub use file::{TaggedFile, TaggedSentence};
pub use report::{
    EntityCounts, EntityEstimate, EntityF1, TagReading, TaggingEstimates, TaggingReport,
    entity_counts,
};
pub use scheme::TagScheme;
