//! The crate as its users see it. One binary: each file beside this one is a module of it.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails as a test does")]

mod adapters;
mod batches;
mod extension;
mod recompute;
mod regression;
mod replicas;
mod resume;
mod trainer;
