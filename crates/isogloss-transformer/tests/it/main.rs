//! The public side of the crate, on the device under test.

mod adapters;
mod batch;
mod checkpoint;
mod classification;
mod config;
mod encoder;
mod gradients;
mod masking;
mod mlm;
mod pooling;
mod ranking;
mod sequence;
mod tiny;
mod training;
mod xlm_roberta;

use isogloss_testing::device;
