//! The crate as its users see it. One binary: each file beside this one is a module of it.

mod answers;
mod benchmark;
mod bootstrap;
mod classification;
mod copy_rate;
mod dependencies;
mod entities;
mod error_rate;
mod fairness;
mod generation;
mod geometry;
mod inference;
mod jackknife;
mod language_model;
mod lexicon;
#[cfg(feature = "mecab")]
mod mecab;
mod report;
mod rouge;
mod scores;
mod source_ranking;
mod source_study;
mod tagging;
mod transfer;
mod transfer_report;
