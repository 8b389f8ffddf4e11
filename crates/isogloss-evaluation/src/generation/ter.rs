//! Translation edit rate.

use super::corpus::{GenerationMetric, SegmentScorer};
use super::precision::Precision;
use super::shifts::ShiftDistance;
use super::signature::SignatureKey;
use super::tercom;
use super::tokens::TokenBuffer;
use crate::whitespace::{is_python_space, python_split};

/// Translation edit rate as sacrebleu 2.6.0 computes it, in percent: less is better.
///
/// ```text
/// TER = 100 · Σ edits to the nearest reference / Σ mean length of the references
/// ```
///
/// An edit inserts, deletes or replaces a word, or moves a run of words. An empty reference and a hypothesis that is
/// not empty come to 100, both empty to 0.
///
/// Where punctuation is split or removed, references are treated twice and hypotheses once, as in sacrebleu: marks
/// that share a neighbour, as in `a,.b`, come apart in references alone.
///
/// The statistics of a segment are `[edits, mean reference length]`.
///
/// # Source
///
/// Snover et al. (2006), "A Study of Translation Edit Rate with Targeted Human Annotation",
/// <https://aclanthology.org/2006.amta-papers.25>.
///
/// # Examples
///
/// ```
/// use isogloss_evaluation::{GenerationMetric, References, Ter};
///
/// let references = References::try_new(&[&["d e a b c"]])?;
/// let segments = Ter::new().statistics(&[&["a b c d e"]], &references)?.remove(0);
/// assert_eq!(Ter::new().corpus_score(&segments), 20.0);
/// # Ok::<(), isogloss_evaluation::EvaluationError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of Tercom, by its name")]
#[non_exhaustive]
pub struct Ter {
    /// Whether punctuation is split from words. Default: no.
    pub normalized: bool,
    /// Whether punctuation is removed. Default: no.
    pub no_punct: bool,
    /// Whether the two settings above act on Chinese and Japanese as well, character by character. Default: no.
    pub asian_support: bool,
    /// Whether letters of both cases differ. Default: no.
    pub case_sensitive: bool,
}

impl Ter {
    /// As Tercom by default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Splits punctuation from words.
    #[must_use]
    pub fn with_normalized(mut self, normalized: bool) -> Self {
        self.normalized = normalized;
        self
    }

    /// Removes punctuation.
    #[must_use]
    pub fn with_no_punct(mut self, no_punct: bool) -> Self {
        self.no_punct = no_punct;
        self
    }

    /// Acts on Chinese and Japanese, too.
    #[must_use]
    pub fn with_asian_support(mut self, asian_support: bool) -> Self {
        self.asian_support = asian_support;
        self
    }

    /// The words of a text, as TER sees them.
    pub fn words(&self, text: &str) -> Vec<String> {
        let mut text = text.trim_end_matches(is_python_space).to_owned();
        tercom::tokenize(*self, &mut text, &mut String::new());
        python_split(&text).map(str::to_owned).collect()
    }

    /// Tells letters of both cases apart.
    #[must_use]
    pub fn with_case_sensitive(mut self, case_sensitive: bool) -> Self {
        self.case_sensitive = case_sensitive;
        self
    }
}

impl GenerationMetric for Ter {
    fn name(&self) -> String {
        "TER".to_owned()
    }

    fn width(&self) -> usize {
        2
    }

    fn scorer(&self) -> SegmentScorer<'_> {
        let mut buffer = TokenBuffer::default();
        let mut distance = ShiftDistance::default();
        Box::new(move |hypotheses, references, rows| {
            let texts = references.iter().chain(hypotheses).copied();
            let mut references_left = references.len();
            let words = buffer.fill(texts, |text, scratch| {
                tercom::tokenize(*self, text, scratch);
                if references_left > 0 {
                    references_left -= 1;
                    if self.normalized || self.no_punct {
                        // sacrebleu does so to references twice, which parts marks that share a neighbour.
                        let words: Vec<_> = python_split(text).collect();
                        *text = words.join(" ");
                        tercom::tokenize(*self, text, scratch);
                    }
                }
                Ok(())
            })?;
            let (references, hypotheses) = words.split_at(references.len());
            let total: usize = references.iter().map(Vec::len).sum();
            let mean_length = total as f64 / references.len() as f64;
            for (hypothesis, row) in hypotheses.iter().zip(rows.chunks_exact_mut(self.width())) {
                let edits =
                    references.iter().map(|reference| distance.edits(hypothesis, reference));
                row[0] = edits.min().unwrap_or_default() as f64;
                row[1] = mean_length;
            }
            Ok(())
        })
    }

    fn score(&self, sums: &[f64], precision: Precision) -> f64 {
        let [edits, length] = [0, 1].map(|place| sums.get(place).copied().unwrap_or_default());
        let ratio = match (edits, length) {
            (edits, length) if length > 0.0 => precision.round(edits / length),
            (edits, _) if edits > 0.0 => 1.0,
            _ => 0.0,
        };
        precision.round(100.0 * ratio)
    }

    fn keys(&self) -> Vec<SignatureKey> {
        vec![
            SignatureKey::new("case", "c", if self.case_sensitive { "mixed" } else { "lc" }),
            SignatureKey::new("tok", "t", "tercom"),
            SignatureKey::flag("norm", "nr", self.normalized),
            SignatureKey::flag("punct", "pn", !self.no_punct),
            SignatureKey::flag("asian", "as", self.asian_support),
        ]
    }
}
