//! What the examples share: bars that show progress, options for weighing languages, and how a program
//! ends.

mod bars;
mod ending;
mod weighting;

pub use bars::{Bars, Stage};
pub use ending::{Outcome, exit_code, print_written};
pub use weighting::{WeightingArgs, whole_number};
