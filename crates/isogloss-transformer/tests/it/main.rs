//! The public side of the crate, on the device under test.

#![expect(clippy::unwrap_used, reason = "helpers beside the tests state what they expect, too")]

mod adapters;
mod batch;
mod causal;
mod checkpoint;
mod classification;
mod config;
mod cross_entropy;
mod distillation;
mod encoder;
mod foreign_adapters;
mod gradients;
mod heads;
mod masking;
mod mlm;
mod packing;
mod pooling;
mod pretrained;
mod prompts;
mod pseudo_likelihood;
mod quantized;
mod question_answering;
mod ranking;
mod recompute;
mod reference;
mod regression;
mod replaced_tokens;
mod sequence;
mod tiny;
mod training;
mod vocabulary;
mod wanted;

use isogloss_testing::device;
