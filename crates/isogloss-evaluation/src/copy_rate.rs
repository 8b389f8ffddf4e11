//! Hypotheses that are their source.

use std::collections::HashMap;

use crate::EvaluationError;
use crate::whitespace::python_split;

/// How much of each hypothesis was copied from its source instead of translated.
///
/// Text is lowercased and words are what is between whitespace, so that for scripts without spaces
/// [`copied`](Self::copied) alone says something. Names and numbers are the same in many languages: compare systems,
/// or a system with its references, rather than expect 0.
///
/// # Examples
///
/// ```
/// use isogloss_core::Seed;
/// use isogloss_evaluation::{BootstrapConfig, Mean, copy_rate};
///
/// let found = copy_rate(&["I see Lagos", "Good morning"], &["Mo rí Lagos", "good  morning"])?;
/// assert_eq!(found.copied, [0.0, 1.0]);
/// let overlap = BootstrapConfig::new(Seed::new(1)).estimate(&Mean, &found.overlap)?;
/// assert_eq!(format!("{:.3}", overlap.value), "0.667");
/// # Ok::<(), isogloss_evaluation::EvaluationError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CopyRate {
    /// For each hypothesis, 1 where it is its source but for case and whitespace, else 0: items of
    /// [`Mean`](crate::Mean).
    pub copied: Vec<f64>,
    /// For each hypothesis, the share of its words that its source has, each as often as there: items of
    /// [`Mean`](crate::Mean).
    pub overlap: Vec<f64>,
    /// How many hypotheses have no word. They copy nothing and count as 0 in both lists.
    pub empty: usize,
}

/// Compares each hypothesis with its source.
///
/// # Errors
///
/// [`EvaluationError::Empty`] without hypotheses, [`EvaluationError::Length`] where there are not as many as sources.
pub fn copy_rate(
    sources: &[impl AsRef<str>],
    hypotheses: &[impl AsRef<str>],
) -> Result<CopyRate, EvaluationError> {
    if sources.is_empty() {
        return Err(EvaluationError::Empty { what: "copy rate" });
    }
    if sources.len() != hypotheses.len() {
        let (found, expected) = (hypotheses.len(), sources.len());
        return Err(EvaluationError::Length { what: "hypotheses", found, expected });
    }
    let mut found = CopyRate { copied: Vec::new(), overlap: Vec::new(), empty: 0 };
    for (source, hypothesis) in sources.iter().zip(hypotheses) {
        let (source, hypothesis) =
            (source.as_ref().to_lowercase(), hypothesis.as_ref().to_lowercase());
        let words: Vec<&str> = python_split(&hypothesis).collect();
        if words.is_empty() {
            found.empty += 1;
        }
        let is_copy = !words.is_empty() && words.iter().copied().eq(python_split(&source));
        found.copied.push(if is_copy { 1.0 } else { 0.0 });

        let mut left: HashMap<&str, usize> = HashMap::new();
        for word in python_split(&source) {
            *left.entry(word).or_default() += 1;
        }
        let mut common = 0;
        for word in &words {
            if let Some(left) = left.get_mut(word).filter(|left| **left > 0) {
                *left -= 1;
                common += 1;
            }
        }
        found.overlap.push(f64::from(common) / words.len().max(1) as f64);
    }
    Ok(found)
}
