//! From texts and references to what is summed.

use std::fmt::Debug;

use rayon::prelude::*;

use super::precision::Precision;
use super::signature::{Signature, SignatureKey};
use crate::EvaluationError;

/// Segments that are scored by one thread at a time; so few that the last of them keep every thread busy.
const SEGMENTS_AT_ONCE: usize = 256;

/// Computes the statistics of the segment `[hypotheses, references]`, those of one hypothesis after those of the other.
pub type SegmentScorer<'a> =
    Box<dyn FnMut(&[&str], &[&str], &mut [f64]) -> Result<(), EvaluationError> + 'a>;

/// A score of generated text as a function of sums: statistics of each segment, and what their sums come to.
///
/// A corpus is scored by its summed statistics, never by the mean of its segments' scores.
pub trait GenerationMetric: Debug + Sync {
    /// Its name, as `chrF2++`.
    fn name(&self) -> String;

    /// How many statistics a segment has.
    fn width(&self) -> usize;

    /// Refuses settings under which there is nothing to count. Default: none are.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Config`] with the setting.
    fn check(&self) -> Result<(), EvaluationError> {
        Ok(())
    }

    /// What computes them; one for each thread, as it keeps its tables from segment to segment.
    fn scorer(&self) -> SegmentScorer<'_>;

    /// The score of summed statistics, `[width]`.
    fn score(&self, sums: &[f64], precision: Precision) -> f64;

    /// The precision that a score of sums in 32 bits has: 64 bits after all where a logarithm is taken.
    fn resampled_precision(&self) -> Precision {
        Precision::Single
    }

    /// The settings that its signature names.
    fn keys(&self) -> Vec<SignatureKey>;

    /// The statistics of each system on the same segments, `systems` of `[segments]`.
    ///
    /// References are taken apart once for all systems. Segments are spread over the threads of rayon's pool.
    ///
    /// # Errors
    ///
    /// Those of [`check`](Self::check); [`EvaluationError::Length`] where a system has not as many segments as there
    /// are references, [`EvaluationError::Tokenizer`] where a vocabulary fails on a text.
    fn statistics(
        &self,
        systems: &[&[&str]],
        references: &References<'_>,
    ) -> Result<Vec<SegmentStatistics>, EvaluationError> {
        self.check()?;
        let expected = references.len();
        if let Some(other) = systems.iter().find(|system| system.len() != expected) {
            return Err(EvaluationError::Length {
                what: "hypotheses",
                found: other.len(),
                expected,
            });
        }
        let (n_systems, width) = (systems.len(), self.width());
        let mut rows = vec![0.0; expected * n_systems * width];
        rows.par_chunks_mut((SEGMENTS_AT_ONCE * n_systems * width).max(1))
            .enumerate()
            .try_for_each_init(
                || (self.scorer(), Vec::new()),
                |(scorer, hypotheses), (chunk, rows)| {
                    for (place, row) in rows.chunks_exact_mut(n_systems * width).enumerate() {
                        let segment = chunk * SEGMENTS_AT_ONCE + place;
                        hypotheses.clear();
                        hypotheses.extend(systems.iter().map(|system| system[segment]));
                        scorer(hypotheses, references.of(segment), row)?;
                    }
                    Ok::<(), EvaluationError>(())
                },
            )?;
        if n_systems == 1 {
            return Ok(vec![SegmentStatistics { width, rows }]);
        }
        let of_system = |system| {
            let rows = rows.chunks_exact(width.max(1)).skip(system).step_by(n_systems);
            SegmentStatistics { width, rows: rows.flatten().copied().collect() }
        };
        Ok((0..n_systems).map(of_system).collect())
    }

    /// The score of a system's segments together.
    fn corpus_score(&self, segments: &SegmentStatistics) -> f64 {
        self.score(&segments.sums(), Precision::Double)
    }

    /// The signature of a score against references.
    fn signature(&self, references: &References<'_>) -> Signature {
        Signature::new(references.signature(), Vec::new(), self.keys())
    }
}

/// What is known of each segment of one system, `[segments, width]`.
#[derive(Clone, Debug, PartialEq)]
pub struct SegmentStatistics {
    width: usize,
    rows: Vec<f64>,
}

impl SegmentStatistics {
    /// How many segments there are.
    pub fn len(&self) -> usize {
        self.rows.len() / self.width.max(1)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The statistics of each segment, `[width]`.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.rows.chunks_exact(self.width.max(1))
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn row(&self, segment: usize) -> &[f64] {
        &self.rows[segment * self.width..(segment + 1) * self.width]
    }

    /// The sums over all segments, `[width]`.
    pub fn sums(&self) -> Vec<f64> {
        self.sums_of(self.rows())
    }

    /// The sums over some segments, which may repeat: a group of texts, a resample. Numbers beyond the last segment
    /// are left out.
    pub fn sums_at(&self, segments: impl IntoIterator<Item = usize>) -> Vec<f64> {
        let row = |segment: usize| self.rows.get(segment * self.width..(segment + 1) * self.width);
        self.sums_of(segments.into_iter().filter_map(row))
    }

    fn sums_of<'a>(&self, rows: impl Iterator<Item = &'a [f64]>) -> Vec<f64> {
        let mut sums = vec![0.0; self.width];
        for row in rows {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += value;
            }
        }
        sums
    }
}

/// The references of each segment: one or more, equally many for all segments or not.
#[derive(Clone, Debug)]
pub struct References<'a> {
    texts: Vec<&'a str>,
    /// Where the references of each segment end.
    ends: Vec<usize>,
    /// How many each segment has, where all have as many.
    count: Option<usize>,
}

impl<'a> References<'a> {
    /// References in streams, as in files: stream `r` holds reference `r` of each segment.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Empty`] without streams or segments, [`EvaluationError::Length`] where streams differ.
    pub fn try_new(streams: &[&[&'a str]]) -> Result<Self, EvaluationError> {
        let Some(expected) = streams.first().map(|stream| stream.len()) else {
            return Err(EvaluationError::Empty { what: "references" });
        };
        if let Some(other) = streams.iter().find(|stream| stream.len() != expected) {
            return Err(EvaluationError::Length {
                what: "references",
                found: other.len(),
                expected,
            });
        }
        let of = |segment| streams.iter().map(|stream| stream[segment]).collect();
        Self::try_from_segments((0..expected).map(of).collect())
    }

    /// References of each segment; their number may vary, which the signature says.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Empty`] without segments, [`EvaluationError::Config`] for a segment without references.
    pub fn try_from_segments(segments: Vec<Vec<&'a str>>) -> Result<Self, EvaluationError> {
        let Some(first) = segments.first().map(Vec::len) else {
            return Err(EvaluationError::Empty { what: "references" });
        };
        if let Some(segment) = segments.iter().position(Vec::is_empty) {
            let (field, expected) = ("references", "at least one reference for each segment");
            let found = format!("none for segment {segment}");
            return Err(EvaluationError::Config { field, found, expected });
        }
        let count = segments.iter().all(|references| references.len() == first).then_some(first);
        let ends = segments.iter().scan(0, |end, references| {
            *end += references.len();
            Some(*end)
        });
        let ends = ends.collect();
        Ok(Self { texts: segments.into_iter().flatten().collect(), ends, count })
    }

    /// How many segments there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none, which cannot be.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The references of a segment.
    fn of(&self, segment: usize) -> &[&'a str] {
        let start = segment.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.texts[start..self.ends[segment]]
    }

    pub(super) fn signature(&self) -> String {
        self.count.map_or_else(|| "var".to_owned(), |count| count.to_string())
    }
}
