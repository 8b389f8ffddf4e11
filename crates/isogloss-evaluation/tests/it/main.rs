//! The crate as its users see it. One binary: each file beside this one is a module of it.

mod bootstrap;
mod classification;
mod entities;
mod generation;
mod geometry;
mod inference;
mod language_model;
mod lexicon;
mod report;
mod scores;
mod tagging;
