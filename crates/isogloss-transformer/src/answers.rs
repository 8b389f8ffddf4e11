//! From the scores of tokens to answers.

use std::cmp::Ordering;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::{ConfigFault, ObjectiveConfigError};

/// Which spans of a context are answers.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AnswerConfig {
    /// The most tokens of an answer. Default 30.
    pub max_tokens: usize,
    /// How many starts and how many ends are tried, those with the highest scores, and how many answers
    /// are given. Default 20.
    pub n_best: usize,
}

impl Default for AnswerConfig {
    fn default() -> Self {
        Self { max_tokens: 30, n_best: 20 }
    }
}

impl AnswerConfig {
    /// Sets the most tokens of an answer.
    #[must_use]
    pub const fn with_max_tokens(self, max_tokens: usize) -> Self {
        Self { max_tokens, ..self }
    }

    /// Sets how many starts, ends and answers there are.
    #[must_use]
    pub const fn with_n_best(self, n_best: usize) -> Self {
        Self { n_best, ..self }
    }

    /// Checks the numbers.
    ///
    /// # Errors
    ///
    /// [`ObjectiveConfigError`], naming each field that is out of its range.
    pub fn try_init(&self) -> Result<AnswerFinder, ObjectiveConfigError> {
        let mut faults = Vec::new();
        for (field, found) in [("max_tokens", self.max_tokens), ("n_best", self.n_best)] {
            ConfigFault::check(&mut faults, found > 0, field, found, "at least 1");
        }
        if faults.is_empty() {
            Ok(AnswerFinder { config: *self })
        } else {
            Err(ObjectiveConfigError { faults })
        }
    }
}

/// Finds the answers that the scores of a [`QuestionAnswerer`](crate::QuestionAnswerer) speak for.
///
/// The score of an answer is the sum of that of its first token as a start and that of its last as an end.
/// Of equal scores, the earlier start and then the earlier end wins.
///
/// # Source
///
/// Devlin et al. (2019), "BERT", sections 4.2 and 4.3, <https://arxiv.org/abs/1810.04805>; the numbers
/// and their use are those of `utils_qa.py` among the examples of transformers. Its pipeline, which
/// multiplies probabilities, gives other scores.
///
/// # Examples
///
/// ```
/// use isogloss_transformer::AnswerConfig;
///
/// let finder = AnswerConfig::default().with_max_tokens(2).try_init()?;
/// // Of each token, as a start and as an end; all are of the context.
/// let scores = [[0.1, 0.2], [2.0, 0.3], [0.5, 1.5], [1.0, 2.0]];
/// let answers = finder.answers(&scores, 0..4);
/// let best: Vec<_> = answers.spans.iter().map(|span| (span.start, span.end, span.score)).collect();
/// assert_eq!(best[..3], [(1, 2, 3.5), (3, 3, 3.0), (2, 3, 2.5)]);
/// # Ok::<(), isogloss_transformer::ObjectiveConfigError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct AnswerFinder {
    // Invariant: both numbers are at least 1.
    config: AnswerConfig,
}

/// A part of a sequence, and what speaks for it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct AnswerSpan {
    /// Its first token, by its place in the sequence.
    pub start: usize,
    /// Its last token.
    pub end: usize,
    /// The score of its first token as a start and of its last as an end, added.
    pub score: f32,
}

/// What one window of a context says.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct WindowAnswers {
    /// What speaks for there being no answer: the scores of the first token, added.
    pub null_score: f32,
    /// The answers, the best first; none where the window has no context.
    pub spans: Vec<AnswerSpan>,
}

impl AnswerFinder {
    /// The answers in one sequence, of which the tokens `context` may be part of an answer.
    pub fn answers(&self, scores: &[[f32; 2]], context: Range<usize>) -> WindowAnswers {
        let AnswerConfig { max_tokens, n_best } = self.config;
        let context = context.start..context.end.min(scores.len());
        let best = |side: usize| {
            let mut tokens: Vec<usize> =
                context.clone().filter(|&token| scores[token][side].is_finite()).collect();
            // Stable, so that of equal scores the earlier token stays first.
            tokens.sort_by(|&a, &b| descending(scores[a][side], scores[b][side]));
            tokens.truncate(n_best);
            tokens
        };
        let (starts, ends) = (best(0), best(1));
        let mut spans = Vec::new();
        for &start in &starts {
            let fits = |end: usize| end >= start && end - start < max_tokens;
            spans.extend(ends.iter().filter(|&&end| fits(end)).map(|&end| AnswerSpan {
                start,
                end,
                score: scores[start][0] + scores[end][1],
            }));
        }
        spans.sort_by(|a, b| {
            descending(a.score, b.score).then((a.start, a.end).cmp(&(b.start, b.end)))
        });
        spans.truncate(n_best);
        WindowAnswers { null_score: scores.first().map_or(0.0, |[start, end]| start + end), spans }
    }
}

/// The best answer in all windows of one context, with the number of its window; `None` where more
/// speaks for there being none, by more than `null_threshold`, or where no window has an answer.
///
/// A context may say nothing in one window and answer in the next: what counts against an answer is
/// the lowest of the windows' null scores. Where every question has an answer, let the threshold be
/// infinite.
pub fn best_answer(windows: &[WindowAnswers], null_threshold: f32) -> Option<(usize, AnswerSpan)> {
    let null_score = windows.iter().map(|window| window.null_score).fold(f32::INFINITY, f32::min);
    let answers = windows.iter().enumerate();
    let first = answers.filter_map(|(place, window)| Some((place, *window.spans.first()?)));
    let best = first.min_by(|(_, a), (_, b)| descending(a.score, b.score))?;
    (null_score - best.1.score <= null_threshold).then_some(best)
}

fn descending(a: f32, b: f32) -> Ordering {
    b.total_cmp(&a)
}
