//! What the examples share: bars that show progress, and how a program ends.

mod bars;
mod ending;

pub use bars::{Bars, Stage};
pub use ending::{Outcome, exit_code};
