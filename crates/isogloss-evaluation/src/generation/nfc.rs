//! Letters and marks composed before they are compared.

use std::borrow::Cow;

use unicode_normalization::{UnicodeNormalization, is_nfc};

use super::corpus::{GenerationMetric, SegmentScorer};
use super::precision::Precision;
use super::signature::SignatureKey;
use crate::EvaluationError;

/// A metric of texts in Unicode's normal form C, and not as they stand in their files.
///
/// sacrebleu compares code points: an output with `e` and U+0301 has nothing in common with a reference that has `é`.
/// Where systems or references differ in that, which is frequent in Yoruba, Vietnamese or Bambara, scores say more of the
/// keyboard than of the translation. The signature names the difference to sacrebleu: `unicode:nfc`.
///
/// # Examples
///
/// ```
/// use isogloss_evaluation::{Chrf, GenerationMetric, NfcNormalized, References};
///
/// let references = References::try_new(&[&["\u{e9}"]])?;
/// let score = |metric: &dyn GenerationMetric| {
///     let of = metric.statistics(&[&["e\u{301}"]], &references)?;
///     Ok::<_, isogloss_evaluation::EvaluationError>(metric.corpus_score(&of[0]))
/// };
/// let composed = NfcNormalized::new(Chrf::new());
/// assert_eq!((score(&Chrf::new())?, score(&composed)?), (0.0, 100.0));
/// assert!(composed.signature(&references).to_string().contains("|unicode:nfc|"));
/// # Ok::<(), isogloss_evaluation::EvaluationError>(())
/// ```
#[derive(Debug)]
pub struct NfcNormalized(Box<dyn GenerationMetric>);

impl NfcNormalized {
    /// Composes texts before a metric takes them apart.
    pub fn new(metric: impl GenerationMetric + 'static) -> Self {
        Self(Box::new(metric))
    }
}

impl From<Box<dyn GenerationMetric>> for NfcNormalized {
    fn from(metric: Box<dyn GenerationMetric>) -> Self {
        Self(metric)
    }
}

impl GenerationMetric for NfcNormalized {
    fn name(&self) -> String {
        self.0.name()
    }

    fn width(&self) -> usize {
        self.0.width()
    }

    fn check(&self) -> Result<(), EvaluationError> {
        self.0.check()
    }

    fn scorer(&self) -> SegmentScorer<'_> {
        let mut scorer = self.0.scorer();
        Box::new(move |hypotheses, references, row| {
            let [hypotheses, references] = [hypotheses, references].map(composed);
            let hypotheses: Vec<&str> = hypotheses.iter().map(AsRef::as_ref).collect();
            let references: Vec<&str> = references.iter().map(AsRef::as_ref).collect();
            scorer(&hypotheses, &references, row)
        })
    }

    fn score(&self, sums: &[f64], precision: Precision) -> f64 {
        self.0.score(sums, precision)
    }

    fn resampled_precision(&self) -> Precision {
        self.0.resampled_precision()
    }

    fn keys(&self) -> Vec<SignatureKey> {
        let mut keys = self.0.keys();
        keys.push(SignatureKey::new("unicode", "u", "nfc"));
        keys
    }
}

fn composed<'a>(texts: &[&'a str]) -> Vec<Cow<'a, str>> {
    let compose = |text: &&'a str| {
        if is_nfc(text) { Cow::Borrowed(*text) } else { Cow::Owned(text.nfc().collect()) }
    };
    texts.iter().map(compose).collect()
}
