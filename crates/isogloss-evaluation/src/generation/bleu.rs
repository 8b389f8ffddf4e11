//! BLEU.

use super::corpus::{GenerationMetric, SegmentScorer};
use super::ngrams::{NgramTable, ngram_count};
use super::precision::Precision;
use super::signature::SignatureKey;
use super::tokenizer::BleuTokenizer;
use super::tokens::TokenBuffer;
use crate::EvaluationError;

/// What logarithms of nothing count as.
const LOG_OF_ZERO: f64 = -9_999_999_999.0;

/// BLEU as sacrebleu 2.6.0 computes it, in percent.
///
/// ```text
/// BLEU = BP · exp(1/N · Σₙ ln pₙ)    pₙ = 100 · correctₙ / totalₙ    BP = min(1, exp(1 − ref_len/hyp_len))
/// ```
///
/// `correctₙ` counts an n-gram no more often than the reference that has it most often; `ref_len` is that of the
/// reference whose length is nearest. Both are summed over the corpus first. Where no n-gram of any order is right
/// the score is 0, whatever the smoothing.
///
/// The statistics of a segment are `[hyp_len, ref_len, correct₁ … correct_N, total₁ … total_N]`.
///
/// # Source
///
/// Papineni et al. (2002), <https://aclanthology.org/P02-1040>; Post (2018), <https://aclanthology.org/W18-6319>.
///
/// # Examples
///
/// ```
/// use isogloss_evaluation::{Bleu, GenerationMetric, References};
///
/// let hypotheses = ["The dog bit the man.", "It wasn't surprising.", "The man had just bitten him."];
/// let first = ["The dog bit the man.", "It was not unexpected.", "The man bit him first."];
/// let second = ["The dog had bit the man.", "No one was surprised.", "The man had bitten the dog."];
/// let references = References::try_new(&[&first, &second])?;
///
/// let bleu = Bleu::new();
/// let segments = bleu.statistics(&[&hypotheses], &references)?.remove(0);
/// assert_eq!(format!("{:.4}", bleu.corpus_score(&segments)), "48.5308");
/// assert_eq!(
///     bleu.signature(&references).to_string(),
///     "nrefs:2|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0",
/// );
/// # Ok::<(), isogloss_evaluation::EvaluationError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Bleu {
    /// How texts are taken apart. Default: `13a`.
    pub tokenizer: BleuTokenizer,
    /// What stands in for precisions of 0. Default: `exp`.
    pub smoothing: Smoothing,
    /// Whether letters of both cases are one. Default: no.
    pub lowercase: bool,
    /// Whether orders that a text is too short for are left out of the mean; wanted for single sentences.
    /// Default: no.
    pub effective_order: bool,
    /// The largest order of n-grams, N. Default: 4.
    pub max_order: usize,
}

/// What stands in for precisions of 0.
///
/// # Source
///
/// Chen and Cherry (2014), "A Systematic Comparison of Smoothing Techniques for Sentence-Level BLEU",
/// <https://aclanthology.org/W14-3346>.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Smoothing {
    /// Nothing: the score is 0.
    None,
    /// This count in the place of no match. sacrebleu's default value: 0.1.
    Floor(f64),
    /// This many are added to matches and totals of every order but the first. sacrebleu's default value: 1.
    AddK(f64),
    /// Half a match for the first order without one, a quarter for the next, and so on.
    #[default]
    Exp,
}

/// The parts of a BLEU score.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BleuDetail {
    /// The score, in percent.
    pub score: f64,
    /// The precision of each order after smoothing, in percent; 0 for those that were not reached.
    pub precisions: Vec<f64>,
    /// The brevity penalty.
    pub brevity_penalty: f64,
    /// Tokens of the hypotheses.
    pub hypothesis_tokens: u64,
    /// Tokens of the nearest references.
    pub reference_tokens: u64,
}

impl Default for Bleu {
    fn default() -> Self {
        Self::new()
    }
}

impl Bleu {
    /// BLEU as it is for a corpus.
    pub fn new() -> Self {
        Self {
            tokenizer: BleuTokenizer::default(),
            smoothing: Smoothing::default(),
            lowercase: false,
            effective_order: false,
            max_order: 4,
        }
    }

    /// Sets the tokeniser.
    #[must_use]
    pub fn with_tokenizer(mut self, tokenizer: BleuTokenizer) -> Self {
        self.tokenizer = tokenizer;
        self
    }

    /// Sets the smoothing.
    #[must_use]
    pub fn with_smoothing(mut self, smoothing: Smoothing) -> Self {
        self.smoothing = smoothing;
        self
    }

    /// Makes letters of both cases one.
    #[must_use]
    pub fn with_lowercase(mut self, lowercase: bool) -> Self {
        self.lowercase = lowercase;
        self
    }

    /// Leaves out orders that a text is too short for.
    #[must_use]
    pub fn with_effective_order(mut self, effective_order: bool) -> Self {
        self.effective_order = effective_order;
        self
    }

    /// Sets the largest order.
    #[must_use]
    pub fn with_max_order(mut self, max_order: usize) -> Self {
        self.max_order = max_order;
        self
    }

    /// The parts of the score of summed statistics, `[width]`.
    pub fn detail(&self, sums: &[f64]) -> BleuDetail {
        self.detail_in(sums, Precision::Double)
    }

    fn detail_in(&self, sums: &[f64], precision: Precision) -> BleuDetail {
        let round = |value| precision.round(value);
        let [hyp_len, ref_len] =
            [0, 1].map(|place| sums.get(place).copied().unwrap_or_default().trunc());
        let counts = sums.get(2..).unwrap_or_default();
        let (correct, total) = counts.split_at(self.max_order.min(counts.len()));
        let brevity_penalty = match hyp_len {
            len if len >= ref_len => 1.0,
            len if len > 0.0 => (1.0 - ref_len / len).exp(),
            _ => 0.0,
        };
        let mut precisions = vec![0.0; self.max_order];
        let mut order_count = self.max_order;
        let mut halvings = 1.0;
        let is_any_right = correct.iter().any(|count| *count != 0.0);
        let orders = precisions.iter_mut().zip(correct.iter().zip(total)).enumerate();
        for (place, (value, (&correct, &total))) in orders.take_while(|_| is_any_right) {
            let added = match self.smoothing {
                Smoothing::AddK(k) if place > 0 => k,
                _ => 0.0,
            };
            let (correct, total) = (round(correct + round(added)), round(total + round(added)));
            if total == 0.0 {
                break;
            }
            if self.effective_order {
                order_count = place + 1;
            }
            *value = match self.smoothing {
                _ if correct > 0.0 => round(round(100.0 * correct) / total),
                Smoothing::Exp => {
                    halvings *= 2.0;
                    round(100.0 / round(halvings * total))
                }
                Smoothing::Floor(count) => round(round(100.0 * count) / total),
                Smoothing::None | Smoothing::AddK(_) => 0.0,
            };
        }
        let log = |p: &f64| if *p == 0.0 { LOG_OF_ZERO } else { p.ln() };
        let score = if is_any_right {
            let logs = precisions.iter().take(order_count).map(log).fold(0.0, |sum, log| sum + log);
            brevity_penalty * (logs / order_count as f64).exp()
        } else {
            0.0
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "sums of counts"
        )]
        let [hypothesis_tokens, reference_tokens] = [hyp_len as u64, ref_len as u64];
        BleuDetail { score, precisions, brevity_penalty, hypothesis_tokens, reference_tokens }
    }
}

impl GenerationMetric for Bleu {
    fn name(&self) -> String {
        "BLEU".to_owned()
    }

    fn width(&self) -> usize {
        2 + 2 * self.max_order
    }

    fn check(&self) -> Result<(), EvaluationError> {
        if self.max_order == 0 {
            let (found, expected) = ("0".to_owned(), "at least 1");
            return Err(EvaluationError::Config { field: "max_order", found, expected });
        }
        Ok(())
    }

    fn scorer(&self) -> SegmentScorer<'_> {
        let mut table = NgramTable::new(self.max_order);
        let mut buffer = TokenBuffer::default();
        Box::new(move |hypotheses, references, rows| {
            let texts = references.iter().chain(hypotheses).copied();
            let tokens = buffer.fill(texts, |text, scratch| {
                if self.lowercase {
                    *text = text.to_lowercase();
                }
                self.tokenizer.tokenize(text, scratch)
            })?;
            let (references, hypotheses) = tokens.split_at(references.len());
            table.clear();
            for reference in references {
                table.add(reference);
            }
            for (hypothesis, row) in hypotheses.iter().zip(rows.chunks_exact_mut(self.width())) {
                let len = hypothesis.len();
                let lengths = references.iter().map(Vec::len);
                let nearest = lengths.min_by_key(|other| (len.abs_diff(*other), *other));
                row[0] = len as f64;
                row[1] = nearest.unwrap_or_default() as f64;
                let (correct, total) = row[2..].split_at_mut(self.max_order);
                table.matches(hypothesis, |place, matched| correct[place] = f64::from(matched));
                for (place, total) in total.iter_mut().enumerate() {
                    *total = ngram_count(len, place + 1) as f64;
                }
            }
            Ok(())
        })
    }

    fn score(&self, sums: &[f64], precision: Precision) -> f64 {
        self.detail_in(sums, precision).score
    }

    fn resampled_precision(&self) -> Precision {
        Precision::Double
    }

    fn keys(&self) -> Vec<SignatureKey> {
        let mut keys = vec![
            SignatureKey::new("case", "c", if self.lowercase { "lc" } else { "mixed" }),
            SignatureKey::flag("eff", "e", self.effective_order),
            SignatureKey::new("tok", "tok", self.tokenizer.to_string()),
        ];
        if let BleuTokenizer::Pieces(tokenizer) = &self.tokenizer
            && let Some(hash) = tokenizer.hash()
        {
            keys.push(SignatureKey::new("tokhash", "th", hash));
        }
        let smoothing = match self.smoothing {
            Smoothing::None => "none".to_owned(),
            Smoothing::Floor(value) => format!("floor[{value:.2}]"),
            Smoothing::AddK(k) => format!("add-k[{k:.2}]"),
            Smoothing::Exp => "exp".to_owned(),
        };
        keys.push(SignatureKey::new("smooth", "s", smoothing));
        keys
    }
}
