//! The crate as its users see it. One binary: each file beside this one is a module of it.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails as a test does")]

mod catalogues;
mod cleaning;
mod filter;
mod formats;
mod identifiers;
mod manifest;
mod memories;
mod packings;
mod readers;
mod sampled;
