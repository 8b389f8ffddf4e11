#![doc = include_str!("../README.md")]

mod bucc;
mod embedding;
mod error;
mod exact;
#[cfg(feature = "hnsw")]
mod hnsw;
mod ivf;
mod margin;
mod mining;
mod neighbours;
#[cfg(target_arch = "x86_64")]
mod panels;
mod product;
mod selection;
mod tiles;
mod top_k;
mod xsim;

pub use bucc::{BestThreshold, PairScore, best_threshold, score_pairs, without_repeated};
pub use embedding::EmbeddingMatrix;
pub use error::MiningError;
pub use exact::{mutual_neighbours, nearest_neighbours};
#[cfg(feature = "hnsw")]
pub use hnsw::HnswConfig;
pub use ivf::IvfConfig;
pub use margin::Margin;
pub use mining::{MinedPair, MiningConfig, Strategy};
pub use neighbours::{MutualNeighbours, Neighbour, Neighbours};
pub use product::{CosineBlock, for_each_cosine_block, paired_cosines};
pub use xsim::{Alternation, Xsim, XsimConfig};
