//! The crate as its users see it. One binary: each file beside this one is a module of it.

mod bootstrap;
mod entities;
mod geometry;
mod language_model;
mod lexicon;
mod report;
mod scores;
mod source_ranking;
