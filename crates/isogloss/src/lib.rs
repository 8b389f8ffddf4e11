#![doc = include_str!("../README.md")]

pub use isogloss_core as core;
pub use isogloss_corpus as corpus;
pub use isogloss_evaluation as evaluation;
pub use isogloss_governance as governance;
pub use isogloss_kernels as kernels;
pub use isogloss_mining as mining;
pub use isogloss_peft as peft;
pub use isogloss_sampling as sampling;
pub use isogloss_sentence as sentence;
pub use isogloss_tokenization as tokenization;
pub use isogloss_training as training;
pub use isogloss_transformer as transformer;

/// The tensor framework, in the version whose types are in our interfaces.
pub use burn;

mod device;
#[cfg(feature = "hub")]
mod hub;

pub use device::{DeviceError, REMOTE_TOKEN, compiled_in, device, is_cpu};
#[cfg(feature = "hub")]
pub use hub::{HubError, model_directory};
