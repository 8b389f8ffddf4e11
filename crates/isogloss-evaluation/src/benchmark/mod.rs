//! The test sets of the field, as values: items, licence, citation, known defects, scores.

mod card;
mod choices;
mod classes;
mod defects;
mod files;
mod layouts;
mod predictions;
mod questions;
mod read;
mod score;
mod set;
mod tags;
mod translations;

pub use card::{Benchmark, BenchmarkCard};
pub use defects::KnownDefect;
pub use predictions::Predictions;
pub use score::{BenchmarkScore, NamedScore};
pub use set::{
    ChoiceQuestion, ClassItem, Question, Split, TestItems, TestSet, TestSetWarning, Translation,
};
