//! The crate as its users see it. One binary: each file beside this one is a module of it.

#![expect(clippy::unwrap_used, reason = "helpers beside the tests state what they expect, too")]

mod attach;
mod combine;
mod composition;
mod fixtures;
mod full;
mod gradients;
mod host;
mod hosts;
mod withdraw;
