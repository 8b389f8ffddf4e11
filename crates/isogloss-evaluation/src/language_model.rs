//! How well a language model knows a language.

use std::f64::consts::LN_2;

use serde::{Deserialize, Serialize};

use crate::whitespace::python_split;
use crate::{EvaluationError, Metric, RatioOfSums};

/// How a hidden token was predicted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaskedToken {
    /// The natural logarithm of the probability of the right token.
    pub log_probability: f64,
    /// Whether the right token was the most probable.
    pub is_first: bool,
}

/// Pseudo-perplexity for each character.
///
/// ```text
/// exp(-Σ log p(token | the rest of its text) / Σ characters)
/// ```
///
/// Over characters, and not over tokens, so that vocabularies and languages can be compared.
///
/// # Source
///
/// Salazar et al. (2020), "Masked Language Model Scoring",
/// <https://aclanthology.org/2020.acl-main.240>.
#[derive(Clone, Copy, Debug, Default)]
pub struct PseudoPerplexity;

impl Metric for PseudoPerplexity {
    /// For each text, the sum of its tokens' log-probabilities and the number of its characters.
    type Item = [f64; 2];

    fn aggregate(&self, items: &mut dyn Iterator<Item = &[f64; 2]>) -> Option<f64> {
        RatioOfSums.aggregate(items).map(|mean| (-mean).exp())
    }
}

/// What a log-likelihood is divided by.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum TextUnit {
    /// A token of the model's own tokeniser; models of other tokenisers cannot be compared by it.
    Token,
    /// A word: what stands between whitespace.
    Word,
    /// A code point.
    Character,
    /// A byte of UTF-8.
    Byte,
}

/// How long a text is.
///
/// Words, characters and bytes are counted on the raw text, as it was before any tokeniser changed
/// it: so they are the same for every model.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TextCounts {
    /// The tokens that were scored. Whether the end of the text is one is the caller's to state.
    pub tokens: u64,
    /// What stands between whitespace, as Python's `str.split` has it.
    pub words: u64,
    /// Code points, whitespace among them.
    pub characters: u64,
    /// Bytes of UTF-8, whitespace among them.
    pub bytes: u64,
}

impl TextCounts {
    /// Counts a raw text, of which `tokens` tokens were scored. Line breaks count where the text
    /// holds them: leave out those that the model did not score.
    pub fn new(text: &str, tokens: u64) -> Self {
        Self {
            tokens,
            words: python_split(text).count() as u64,
            characters: text.chars().count() as u64,
            bytes: text.len() as u64,
        }
    }

    /// How many there are of a unit.
    pub fn of(&self, unit: TextUnit) -> u64 {
        match unit {
            TextUnit::Token => self.tokens,
            TextUnit::Word => self.words,
            TextUnit::Character => self.characters,
            TextUnit::Byte => self.bytes,
        }
    }
}

/// How probable a text is to a language model, and how long it is.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TextLikelihood {
    /// The natural logarithm of the text's probability, 0 or less.
    pub log_likelihood: f64,
    /// How long the text is.
    pub counts: TextCounts,
}

impl TextLikelihood {
    /// Puts a log-likelihood and the counts of its text together.
    ///
    /// A long text is scored in windows, each token once; what each token sees before it depends on
    /// the stride, which belongs beside the score.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Config`] where the log-likelihood is above 0 or no finite number.
    pub fn try_new(log_likelihood: f64, counts: TextCounts) -> Result<Self, EvaluationError> {
        if !log_likelihood.is_finite() || log_likelihood > 0.0 {
            return Err(EvaluationError::Config {
                field: "log_likelihood",
                found: log_likelihood.to_string(),
                expected: "a finite natural logarithm of a probability, 0 or less",
            });
        }
        Ok(Self { log_likelihood, counts })
    }
}

/// Perplexity for each token, word, character or byte, over all texts together.
///
/// ```text
/// exp(-Σ log p(text) / Σ units)
/// ```
///
/// Log-likelihoods and lengths are summed before they are divided: a mean of the texts' perplexities
/// would be another number. Models whose tokenisers differ are compared for each byte or by
/// [`BitsPerByte`], never for each token. `None` where the texts have no units.
///
/// # Examples
///
/// ```
/// use isogloss_evaluation::{Metric, Perplexity, TextCounts, TextLikelihood, TextUnit};
///
/// let text = TextLikelihood::try_new(-8.0 * 2.0_f64.ln(), TextCounts::new("ọ̀rọ̀", 4))?;
/// let perplexity = Perplexity { unit: TextUnit::Token }.aggregate(&mut [text].iter());
/// assert!((perplexity.unwrap() - 4.0).abs() < 1e-12);
/// # Ok::<(), isogloss_evaluation::EvaluationError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Perplexity {
    /// What the log-likelihood is divided by.
    pub unit: TextUnit,
}

impl Metric for Perplexity {
    type Item = TextLikelihood;

    fn aggregate(&self, items: &mut dyn Iterator<Item = &TextLikelihood>) -> Option<f64> {
        mean_log_likelihood(items, self.unit).map(|mean| (-mean).exp())
    }
}

/// Bits for each byte of UTF-8, over all texts together: the perplexity to compare models by whose
/// tokenisers differ.
///
/// ```text
/// -Σ log p(text) / (ln 2 · Σ bytes)
/// ```
///
/// Scripts take one to four bytes for a letter, so that languages are not compared by it. `None`
/// where the texts have no bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct BitsPerByte;

impl Metric for BitsPerByte {
    type Item = TextLikelihood;

    fn aggregate(&self, items: &mut dyn Iterator<Item = &TextLikelihood>) -> Option<f64> {
        mean_log_likelihood(items, TextUnit::Byte).map(|mean| -mean / LN_2)
    }
}

fn mean_log_likelihood(
    items: &mut dyn Iterator<Item = &TextLikelihood>,
    unit: TextUnit,
) -> Option<f64> {
    let ratios: Vec<[f64; 2]> =
        items.map(|item| [item.log_likelihood, item.counts.of(unit) as f64]).collect();
    RatioOfSums.aggregate(&mut ratios.iter())
}
