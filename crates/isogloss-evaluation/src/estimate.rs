//! A score with its uncertainty.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A score, the interval it lies in, and the number of items under it.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Estimate {
    /// The score on all items.
    pub value: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end of the interval.
    pub high: f64,
    /// How many items were scored.
    pub items: usize,
}

impl Estimate {
    /// Puts a score, its interval and its number of items together.
    pub fn new(value: f64, [low, high]: [f64; 2], items: usize) -> Self {
        Self { value, low, high, items }
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(3);
        write!(f, "{:.digits$} [{:.digits$}, {:.digits$}]", self.value, self.low, self.high)
    }
}
