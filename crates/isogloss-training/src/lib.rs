#![doc = include_str!("../README.md")]

mod adamw;
mod adapters;
mod averaging;
mod batches;
mod bucketing;
mod checkpoint;
mod config;
mod error;
mod extension;
mod gradients;
mod groups;
mod hook;
mod labelled;
mod learning_rate;
mod metrics;
mod mixture;
mod replicas;
mod run;
mod run_plan;
mod tables;
mod task;
#[cfg(feature = "tensorboard")]
mod tensorboard;
mod token_files;
mod tokenized;
mod trainer;
mod validation;

pub use adapters::AdapterObjective;
pub use averaging::AveragingConfig;
pub use batches::{Batches, DistillationBatches, Framing, MlmBatches, RankingBatches, TlmBatches};
pub use bucketing::{BucketConfig, BucketState};
pub use config::{AdamWSettings, RateFactors, TrainingConfig};
pub use error::{ModelExtensionError, TrainingError};
pub use extension::{ExtendedModel, ModelExtension};
pub use hook::StepHook;
pub use labelled::{
    Answer, Class, Label, Labelled, LabelledBatches, Tags, Values, batches_by_length,
};
pub use learning_rate::{Decay, LearningRateConfig};
pub use metrics::{StepRecord, Watch};
pub use run::{LossRecord, Outcome, StopFlag, TrainedRun};
pub use run_plan::{Footprint, RunPlan, RunShape};
pub use task::{DrawnBatch, ObjectiveTask, Task};
pub use token_files::{ContentHash, TokenizedWriter};
pub use tokenized::{TokenizedPairs, TokenizedTexts};
pub use trainer::Trainer;
pub use validation::Best;
