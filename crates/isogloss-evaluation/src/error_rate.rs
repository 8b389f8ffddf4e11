//! Words and characters that a transcript or a translation has wrong.

use std::collections::HashMap;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};
use unicode_segmentation::UnicodeSegmentation;

use crate::EvaluationError;
use crate::whitespace::{is_python_space, python_split};

/// What an error rate counts. Rates of different units are not comparable: say which.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorUnit {
    /// Words between whitespace: the word error rate.
    Words,
    /// Extended grapheme clusters, what a reader takes for one character: a letter with its marks is one.
    GraphemeClusters,
    /// Unicode code points, as of jiwer: a letter with two combining marks is three.
    CodePoints,
}

/// The fewest edits that turn a reference into a hypothesis.
///
/// Several ways may be shortest, as two substitutions and a deletion with an insertion. The counts are those of the way
/// that jiwer 4.0 reads out; the sum is the same on all.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EditCounts {
    /// Units that stand for another.
    pub substitutions: usize,
    /// Units of the reference that the hypothesis lacks.
    pub deletions: usize,
    /// Units of the hypothesis that the reference lacks.
    pub insertions: usize,
    /// The length of the reference in units.
    pub reference: usize,
}

/// The edits of each utterance.
///
/// ```text
/// rate = Σ (S + D + I) / Σ N
/// ```
///
/// over all utterances, N units of reference: long utterances weigh more, and the mean of the rates of utterances is
/// another number. It may exceed 1. An utterance with an empty reference has no rate, but what was inserted counts.
/// Case, punctuation and Unicode normal form are as given. Whitespace at the ends of a text does not count, that inside
/// counts as characters.
///
/// # Source
///
/// Levenshtein distance with unit costs, summed as by jiwer 4.0, <https://github.com/jitsi/jiwer>. jiwer parts words at
/// spaces alone, this at all whitespace.
///
/// # Examples
///
/// ```
/// use isogloss_core::Seed;
/// use isogloss_evaluation::{BootstrapConfig, ErrorRate, ErrorUnit, RatioOfSums};
///
/// let references = ["the cat sat on the mat", "hello world"];
/// let hypotheses = ["the cat sat on mat", "hello there big world"];
/// let errors = ErrorRate::try_new(ErrorUnit::Words, &references, &hypotheses)?;
/// assert_eq!(errors.rate(), Some(0.375));
/// let estimate = BootstrapConfig::new(Seed::new(1)).estimate(&RatioOfSums, &errors.items())?;
/// assert_eq!(estimate.value, 0.375);
/// # Ok::<(), isogloss_evaluation::EvaluationError>(())
/// ```
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ErrorRate {
    /// What is counted.
    pub unit: ErrorUnit,
    /// The edits of each utterance, in order.
    pub utterances: Vec<EditCounts>,
}

impl ErrorUnit {
    /// The edits of one utterance.
    pub fn edits(self, reference: &str, hypothesis: &str) -> EditCounts {
        let mut numbers: HashMap<&str, usize> = HashMap::new();
        let (reference, hypothesis) = (self.split(reference), self.split(hypothesis));
        // Numbers compare faster than words.
        let mut ids = Vec::with_capacity(reference.len() + hypothesis.len());
        for unit in reference.iter().chain(&hypothesis) {
            let next = numbers.len();
            ids.push(*numbers.entry(unit).or_insert(next));
        }
        let (reference, hypothesis) = ids.split_at(reference.len());
        count_edits(reference, hypothesis)
    }

    fn split(self, text: &str) -> Vec<&str> {
        let trimmed = text.trim_matches(is_python_space);
        match self {
            Self::Words => python_split(text).collect(),
            Self::GraphemeClusters => trimmed.graphemes(true).collect(),
            Self::CodePoints => trimmed.split_inclusive(|_| true).collect(),
        }
    }
}

impl EditCounts {
    /// All edits.
    pub fn errors(&self) -> usize {
        self.substitutions + self.deletions + self.insertions
    }

    /// Edits for each unit of the reference; `None` where it has none.
    pub fn rate(&self) -> Option<f64> {
        (self.reference > 0).then(|| self.errors() as f64 / self.reference as f64)
    }
}

impl AddAssign for EditCounts {
    fn add_assign(&mut self, other: Self) {
        self.substitutions += other.substitutions;
        self.deletions += other.deletions;
        self.insertions += other.insertions;
        self.reference += other.reference;
    }
}

impl ErrorRate {
    /// Counts the edits of each utterance.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Empty`] without utterances, [`EvaluationError::Length`] where there are not as many
    /// hypotheses as references.
    pub fn try_new(
        unit: ErrorUnit,
        references: &[impl AsRef<str>],
        hypotheses: &[impl AsRef<str>],
    ) -> Result<Self, EvaluationError> {
        if references.is_empty() {
            return Err(EvaluationError::Empty { what: "error rate" });
        }
        if references.len() != hypotheses.len() {
            let (found, expected) = (hypotheses.len(), references.len());
            return Err(EvaluationError::Length { what: "hypotheses", found, expected });
        }
        let pairs = references.iter().zip(hypotheses);
        let utterances = pairs.map(|(r, h)| unit.edits(r.as_ref(), h.as_ref())).collect();
        Ok(Self { unit, utterances })
    }

    /// The edits of all utterances together.
    pub fn total(&self) -> EditCounts {
        self.utterances.iter().fold(EditCounts::default(), |mut total, utterance| {
            total += *utterance;
            total
        })
    }

    /// Edits for each unit of reference, over all utterances; `None` where no reference has any.
    pub fn rate(&self) -> Option<f64> {
        self.total().rate()
    }

    /// Edits and length of each utterance, items of [`RatioOfSums`](crate::RatioOfSums).
    pub fn items(&self) -> Vec<[f64; 2]> {
        self.utterances.iter().map(|u| [u.errors() as f64, u.reference as f64]).collect()
    }
}

/// The edits on the shortest way from the beginnings of two sequences.
#[derive(Clone, Copy, Default)]
struct Cell {
    cost: usize,
    counts: EditCounts,
}

fn count_edits(reference: &[usize], hypothesis: &[usize]) -> EditCounts {
    let length = reference.len();
    // What is equal at both ends is right on a shortest way. Which way is counted depends on what is cut off the end, so
    // that it is more than a saving of time.
    let equal = |(a, b): &(&usize, &usize)| a == b;
    let prefix = reference.iter().zip(hypothesis).take_while(equal).count();
    let (reference, hypothesis) = (&reference[prefix..], &hypothesis[prefix..]);
    let suffix = reference.iter().rev().zip(hypothesis.iter().rev()).take_while(equal).count();
    let reference = &reference[..reference.len() - suffix];
    let hypothesis = &hypothesis[..hypothesis.len() - suffix];

    // A column for each unit of the hypothesis, a row for each of the reference. The way back from a cell depends on the
    // cell alone, so its counts can be carried forward and two columns are enough.
    let mut before: Vec<Cell> = (0..=reference.len())
        .map(|cost| Cell { cost, counts: EditCounts { deletions: cost, ..EditCounts::default() } })
        .collect();
    let mut column = before.clone();
    for (j, unit) in hypothesis.iter().enumerate() {
        column[0].cost = j + 1;
        column[0].counts.insertions = j + 1;
        for (i, expected) in reference.iter().enumerate() {
            let (above, left, diagonal) = (column[i], before[i + 1], before[i]);
            let differs = usize::from(expected != unit);
            let cost = (above.cost + 1).min(left.cost + 1).min(diagonal.cost + differs);
            let mut counts;
            if cost == above.cost + 1 {
                counts = above.counts;
                counts.deletions += 1;
            } else if left.cost + 1 == diagonal.cost {
                counts = left.counts;
                counts.insertions += 1;
            } else {
                counts = diagonal.counts;
                counts.substitutions += differs;
            }
            column[i + 1] = Cell { cost, counts };
        }
        std::mem::swap(&mut before, &mut column);
    }
    EditCounts { reference: length, ..before[reference.len()].counts }
}
