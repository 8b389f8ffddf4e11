//! The public side of the crate, on the device under test.

#![expect(clippy::unwrap_used, reason = "helpers beside the tests state what they expect, too")]

mod adapters;
mod batch;
mod checkpoint;
mod classification;
mod config;
mod distillation;
mod encoder;
mod gradients;
mod masking;
mod mlm;
mod pooling;
mod pretrained;
mod ranking;
mod reference;
mod sequence;
mod tiny;
mod training;
mod vocabulary;

use std::sync::{Mutex, MutexGuard, PoisonError};

use isogloss_testing::device;

/// The generator that dropout draws from is one for the whole process: tests that draw take turns.
fn generator() -> MutexGuard<'static, ()> {
    static GENERATOR: Mutex<()> = Mutex::new(());
    GENERATOR.lock().unwrap_or_else(PoisonError::into_inner)
}
