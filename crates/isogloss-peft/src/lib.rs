#![doc = include_str!("../README.md")]

mod active;
mod attach;
mod bottleneck;
mod combine;
mod composition;
mod config;
mod dropped;
mod embedding;
mod error;
mod files;
mod full;
mod fusion;
mod held;
mod host;
mod init;
mod invertible;
mod linear;
mod merge;
mod names;
mod penalty;
mod phm;
mod prefix;
mod prompt;
mod rank_allocation;
mod report;
mod residual;
mod slot;
mod targets;

pub use active::{activate, active_adapters, adapter_names, effect, skip_layers, train_only};
pub use attach::{
    AttachReport, attach, detach, detach_all, parameter_count, trainable_parameter_count, withdraw,
};
pub use combine::{Combination, Operator, combine};
pub use composition::Composition;
pub use config::{
    Activation, AdaLoraConfig, AdapterConfig, BiasMode, BitFitConfig, BottleneckConfig,
    BottleneckInit, BottleneckResidual, Ia3Config, InvertibleConfig, LoHaConfig, LoKrConfig,
    LoraConfig, LoraInit, MixAndMatchConfig, PhmConfig, PrefixConfig, PrefixProjection,
    PromptConfig, PromptInit, PromptPlace, Scaling, VeraConfig,
};
pub use embedding::EmbeddingSite;
pub use error::AdapterError;
pub use files::{AdapterCard, LoadedAdapter, load_adapter, save_adapter};
pub use full::FullParameters;
pub use fusion::{FusionConfig, attach_fusion, fusion_penalty, load_fusion, save_fusion};
pub use host::{AdapterHost, SiteMut};
pub use invertible::InvertibleSite;
pub use linear::{LinearSite, is_lora_b};
pub use merge::{MergeReport, merge};
pub use names::ForeignNames;
pub use penalty::penalty;
pub use prefix::PrefixSite;
pub use prompt::{PromptSite, set_prompt};
pub use rank_allocation::RankAllocation;
pub use report::{AdapterReport, AttachedAdapter, AttachedSite, adapters};
pub use residual::{ResidualSite, SubLayer};
pub use targets::{ModuleNames, Targets};
