#![doc = include_str!("../README.md")]

mod attach;
mod bottleneck;
mod config;
mod error;
mod lora;
mod site;
mod storage;

pub use attach::{
    AttachReport, attach, detach, merge_lora, parameter_count, trainable_parameter_count,
};
pub use bottleneck::{BottleneckAdapter, ResidualSite};
pub use config::{Activation, AdapterConfig, BottleneckConfig, LoraConfig};
pub use error::AdapterError;
pub use lora::{LinearSite, LoraLinear};
pub use site::{AdapterHost, SiteMut};
pub use storage::{load_adapter, save_adapter};
