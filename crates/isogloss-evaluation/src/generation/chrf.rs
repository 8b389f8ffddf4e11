//! chrF and chrF++.

use std::borrow::Cow;

use super::corpus::{GenerationMetric, SegmentScorer};
use super::ngrams::{NgramTable, ngram_count};
use super::precision::Precision;
use super::signature::SignatureKey;
use super::tokens::Symbols;
use crate::EvaluationError;
use crate::whitespace::{is_python_space, python_split};

/// What stands for a precision or recall of an order that a text does not have, under ε-smoothing.
const EPSILON: f64 = 1e-16;

/// chrF as sacrebleu 2.6.0 computes it, in percent; chrF++ with words of two orders.
///
/// ```text
/// F = (1 + β²) · P · R / (β² · P + R)
/// ```
///
/// P and R are means over the orders that both texts have, of characters without white space and of words. Of several
/// references, the one with the best F of a segment counts.
///
/// The statistics of a segment are `[hypothesis, reference, matched]` for each order, characters first.
///
/// # Source
///
/// Popović (2015), "chrF: character n-gram F-score for automatic MT evaluation", <https://aclanthology.org/W15-3049>,
/// and (2017), "chrF++: words helping character n-grams", <https://aclanthology.org/W17-4770>.
///
/// # Examples
///
/// ```
/// use isogloss_evaluation::{Chrf, GenerationMetric, References};
///
/// let references = References::try_new(&[&["the cats sat"]])?;
/// let chrf = Chrf::plus_plus();
/// let segments = chrf.statistics(&[&["the cat"]], &references)?.remove(0);
/// assert_eq!(format!("{:.4}", chrf.corpus_score(&segments)), "41.4068");
/// assert_eq!(chrf.name(), "chrF2++");
/// # Ok::<(), isogloss_evaluation::EvaluationError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Chrf {
    /// The largest order of characters. Default: 6.
    pub char_order: usize,
    /// The largest order of words: 0 is chrF, 1 chrF+, 2 chrF++. Default: 0.
    pub word_order: usize,
    /// How much more recall weighs than precision. Default: 2.
    pub beta: u32,
    /// Whether letters of both cases are one. Default: no.
    pub lowercase: bool,
    /// Whether white space is among the characters. Default: no.
    pub whitespace: bool,
    /// Whether F is computed for each order, with 1e-16 where a text does not have it, and then the mean, as in
    /// chrF++.py, Moses and NLTK. Default: no.
    pub eps_smoothing: bool,
}

impl Default for Chrf {
    fn default() -> Self {
        Self::new()
    }
}

impl Chrf {
    /// chrF2: characters up to six, β = 2.
    pub fn new() -> Self {
        Self {
            char_order: 6,
            word_order: 0,
            beta: 2,
            lowercase: false,
            whitespace: false,
            eps_smoothing: false,
        }
    }

    /// chrF2++: chrF2 with words up to two.
    pub fn plus_plus() -> Self {
        Self::new().with_word_order(2)
    }

    /// Sets the largest order of characters.
    #[must_use]
    pub fn with_char_order(mut self, char_order: usize) -> Self {
        self.char_order = char_order;
        self
    }

    /// Sets the largest order of words.
    #[must_use]
    pub fn with_word_order(mut self, word_order: usize) -> Self {
        self.word_order = word_order;
        self
    }

    /// Sets how much more recall weighs.
    #[must_use]
    pub fn with_beta(mut self, beta: u32) -> Self {
        self.beta = beta;
        self
    }

    /// Makes letters of both cases one.
    #[must_use]
    pub fn with_lowercase(mut self, lowercase: bool) -> Self {
        self.lowercase = lowercase;
        self
    }

    /// Counts white space among the characters.
    #[must_use]
    pub fn with_whitespace(mut self, whitespace: bool) -> Self {
        self.whitespace = whitespace;
        self
    }

    /// Computes F for each order by itself.
    #[must_use]
    pub fn with_eps_smoothing(mut self, eps_smoothing: bool) -> Self {
        self.eps_smoothing = eps_smoothing;
        self
    }

    fn cased<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.lowercase { text.to_lowercase().into() } else { text.into() }
    }

    fn take_apart<'a>(&self, text: &'a str, known: &mut Symbols<&'a str>, to: &mut Sequences) {
        let Sequences { characters, words } = to;
        characters.clear();
        let is_kept = |c: &char| self.whitespace || !is_python_space(*c);
        characters.extend(text.chars().filter(is_kept).map(u32::from));
        words.clear();
        if self.word_order > 0 {
            let parts = python_split(text).flat_map(parts).filter(|part| !part.is_empty());
            words.extend(parts.map(|part| known.number(part)));
        }
    }
}

/// A text as the numbers of its characters and of its words.
#[derive(Default)]
struct Sequences {
    characters: Vec<u32>,
    words: Vec<u32>,
}

/// A word, without the ASCII punctuation at its end, or else at its start.
fn parts(word: &str) -> [&str; 2] {
    let mut chars = word.chars();
    match (chars.next(), chars.next_back()) {
        (_, Some(last)) if last.is_ascii_punctuation() => word.split_at(word.len() - 1).into(),
        (Some(first), Some(_)) if first.is_ascii_punctuation() => word.split_at(1).into(),
        _ => [word, ""],
    }
}

/// The n-grams of a reference, of characters or of words.
struct Counted {
    table: NgramTable,
    len: usize,
}

impl Counted {
    fn new(max_order: usize) -> Self {
        Self { table: NgramTable::new(max_order), len: 0 }
    }

    fn set(&mut self, symbols: &[u32]) {
        self.table.clear();
        self.table.add(symbols);
        self.len = symbols.len();
    }

    /// Fills `[hypothesis, reference, matched]` of each order.
    fn compare(&mut self, symbols: &[u32], row: &mut [f64]) {
        self.table.matches(symbols, |place, matched| {
            let [hypothesis, reference] =
                [symbols.len(), self.len].map(|len| ngram_count(len, place + 1));
            // What has nothing to be compared with is not held against a hypothesis.
            row[3 * place] = if reference > 0 { hypothesis as f64 } else { 0.0 };
            row[3 * place + 1] = reference as f64;
            row[3 * place + 2] = f64::from(matched);
        });
    }
}

impl GenerationMetric for Chrf {
    fn name(&self) -> String {
        format!("chrF{}{}", self.beta, "+".repeat(self.word_order))
    }

    fn width(&self) -> usize {
        3 * (self.char_order + self.word_order)
    }

    fn check(&self) -> Result<(), EvaluationError> {
        if self.char_order + self.word_order == 0 {
            let (found, expected) =
                ("0, and no words".to_owned(), "an order of characters or of words");
            return Err(EvaluationError::Config { field: "char_order", found, expected });
        }
        Ok(())
    }

    fn scorer(&self) -> SegmentScorer<'_> {
        let mut characters = Counted::new(self.char_order);
        let mut words = Counted::new(self.word_order);
        let mut sequences: Vec<Sequences> = Vec::new();
        let mut compared = vec![0.0; self.width()];
        let mut best = Vec::new();
        Box::new(move |hypotheses, references, rows| {
            let texts = hypotheses.iter().chain(references).map(|text| self.cased(text));
            let texts: Vec<_> = texts.collect();
            let mut known = Symbols::new();
            sequences.resize_with(texts.len(), Sequences::default);
            for (text, sequences) in texts.iter().zip(&mut sequences) {
                self.take_apart(text, &mut known, sequences);
            }
            let (hypotheses, references) = sequences.split_at(hypotheses.len());
            best.clear();
            best.resize(hypotheses.len(), -1.0);
            for reference in references {
                characters.set(&reference.characters);
                words.set(&reference.words);
                let rows = rows.chunks_exact_mut(self.width());
                for ((hypothesis, row), best) in hypotheses.iter().zip(rows).zip(&mut best) {
                    let (of_characters, of_words) = compared.split_at_mut(3 * self.char_order);
                    characters.compare(&hypothesis.characters, of_characters);
                    words.compare(&hypothesis.words, of_words);
                    let score = self.score(&compared, Precision::Double);
                    if score > *best {
                        *best = score;
                        row.copy_from_slice(&compared);
                    }
                }
            }
            Ok(())
        })
    }

    fn score(&self, sums: &[f64], precision: Precision) -> f64 {
        let round = |value| precision.round(value);
        let factor = f64::from(self.beta).powi(2);
        let f = |p: f64, r: f64| {
            let denominator = round(round(factor * p) + r);
            (denominator, round(round(round((1.0 + factor) * p) * r) / denominator))
        };
        let (mut sum, mut orders, mut p_sum, mut r_sum) = (0.0, 0.0, 0.0, 0.0);
        for order in sums.chunks_exact(3) {
            let ratio = |whole: f64| if whole > 0.0 { round(order[2] / whole) } else { EPSILON };
            let (p, r) = (ratio(order[0]), ratio(order[1]));
            let (denominator, value) = f(p, r);
            sum = round(sum + if denominator > 0.0 { value } else { EPSILON });
            if order[0] > 0.0 && order[1] > 0.0 {
                (p_sum, r_sum) = (round(p_sum + p), round(r_sum + r));
                orders += 1.0;
            }
        }
        if self.eps_smoothing {
            return round(round(100.0 * sum) / (self.char_order + self.word_order) as f64);
        }
        if orders == 0.0 {
            return 0.0;
        }
        let (p, r) = (round(p_sum / orders), round(r_sum / orders));
        if round(p + r) == 0.0 { 0.0 } else { round(100.0 * f(p, r).1) }
    }

    fn keys(&self) -> Vec<SignatureKey> {
        vec![
            SignatureKey::new("case", "c", if self.lowercase { "lc" } else { "mixed" }),
            SignatureKey::flag("eff", "e", !self.eps_smoothing),
            SignatureKey::new("nc", "nc", self.char_order.to_string()),
            SignatureKey::new("nw", "nw", self.word_order.to_string()),
            SignatureKey::flag("space", "s", self.whitespace),
        ]
    }
}
