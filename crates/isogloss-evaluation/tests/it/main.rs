//! The crate as its users see it. One binary: each file beside this one is a module of it.

mod bootstrap;
mod entities;
mod fairness;
mod report;
mod scores;
mod transfer;
mod transfer_report;
