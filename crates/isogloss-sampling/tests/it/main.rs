//! The crate as its users see it. One binary: each file beside this one is a module of it.
#![expect(clippy::expect_used, reason = "a helper of a test fails as a test does")]

mod distribution;
mod doremi;
mod million;
mod plan;
mod stopping;
mod stream;
mod weightings;
