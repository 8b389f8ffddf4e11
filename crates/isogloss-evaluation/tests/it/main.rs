//! The crate as its users see it. One binary: each file beside this one is a module of it.

mod answers;
mod bootstrap;
mod copy_rate;
mod dependencies;
mod entities;
mod error_rate;
mod report;
mod rouge;
mod scores;
