//! What texts have in common with references: ROUGE.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

use crate::EvaluationError;

/// What is counted as common.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RougeKind {
    /// Words, ROUGE-1.
    One,
    /// Pairs of words that follow each other, ROUGE-2.
    Two,
    /// The longest sequence of words that is in both texts in order, ROUGE-L.
    L,
    /// Such sequences of each line of the reference with all lines of the text, ROUGE-Lsum: one line for each
    /// sentence.
    Lsum,
}

/// What a word is. Scores of different tokenisers are not comparable.
///
/// Nothing is normalised but case: the same letter composed and decomposed is two letters.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RougeTokenizer {
    /// Runs of `a`-`z` and `0`-`9` after lowercasing, as of rouge-score. For English, and for numbers that are compared
    /// with published ones: text in other scripts has no words, and letters with marks end a word.
    English,
    /// Runs of letters, marks and numbers of any script (`\p{L}`, `\p{M}`, `\p{N}`) after lowercasing. A script that
    /// is written without spaces has a run, not a word, for each stretch between punctuation.
    Unicode,
}

/// Which ROUGE to compute, of which words.
///
/// ```text
/// P = common / counted in the text     R = common / counted in the reference     F = 2PR / (P + R)
/// ```
///
/// Common is clipped: what a text repeats counts as often as the reference has it. Words are not stemmed. Of several
/// references the one of the highest F counts, the first of equals.
///
/// # Source
///
/// Lin (2004), "ROUGE: A Package for Automatic Evaluation of Summaries", <https://aclanthology.org/W04-1013>, as
/// computed by rouge-score 0.1.2 without its stemmer.
///
/// # Examples
///
/// ```
/// use isogloss_core::Seed;
/// use isogloss_evaluation::{BootstrapConfig, Mean, RougeConfig, RougeKind, RougeTokenizer};
///
/// let rouge = RougeConfig::new(RougeKind::L, RougeTokenizer::Unicode);
/// let references = [vec!["Ilé ẹ̀kọ́ náà tóbi"], vec!["Mo fẹ́ jẹun"]];
/// let scores = rouge.score_all(&["ilé ẹ̀kọ́ tóbi", "mo fẹ́ omi"], &references)?;
/// let f1: Vec<f64> = scores.iter().map(|score| score.f1).collect();
/// let estimate = BootstrapConfig::new(Seed::new(1)).estimate(&Mean, &f1)?;
/// assert_eq!(format!("{:.4}", estimate.value), "0.7619");
/// assert!(rouge.signature().starts_with("type:rougeL|tok:unicode|stem:no"));
/// # Ok::<(), isogloss_evaluation::EvaluationError>(())
/// ```
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RougeConfig {
    /// What is counted.
    pub kind: RougeKind,
    /// What a word is.
    pub tokenizer: RougeTokenizer,
}

/// The ROUGE of one text, each value in `[0, 1]`. A ratio over 0 is 0, as in rouge-score.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RougeScore {
    /// How much of the text is in the reference.
    pub precision: f64,
    /// How much of the reference is in the text.
    pub recall: f64,
    /// Their harmonic mean.
    pub f1: f64,
}

/// Numbers for words, the same for the same word.
type Vocabulary = HashMap<String, u32>;

impl RougeConfig {
    /// A kind of ROUGE over the words of a tokeniser.
    pub fn new(kind: RougeKind, tokenizer: RougeTokenizer) -> Self {
        Self { kind, tokenizer }
    }

    /// What a number must be shown with: kind, tokeniser, stemming and version, in the manner of sacrebleu.
    pub fn signature(&self) -> String {
        let kind = match self.kind {
            RougeKind::One => "rouge1",
            RougeKind::Two => "rouge2",
            RougeKind::L => "rougeL",
            RougeKind::Lsum => "rougeLsum",
        };
        let tokenizer = match self.tokenizer {
            RougeTokenizer::English => "rouge-score",
            RougeTokenizer::Unicode => "unicode",
        };
        let version = env!("CARGO_PKG_VERSION");
        format!("type:{kind}|tok:{tokenizer}|stem:no|version:isogloss-{version}")
    }

    /// Scores a text against its references.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Empty`] without references.
    pub fn score(
        &self,
        hypothesis: &str,
        references: &[impl AsRef<str>],
    ) -> Result<RougeScore, EvaluationError> {
        let mut best: Option<RougeScore> = None;
        for reference in references {
            let score = self.score_one(hypothesis, reference.as_ref());
            if best.is_none_or(|best| score.f1 > best.f1) {
                best = Some(score);
            }
        }
        best.ok_or(EvaluationError::Empty { what: "references of ROUGE" })
    }

    /// Scores each text against its references. The corpus has the mean: take a field of each score as an item of
    /// [`Mean`](crate::Mean).
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Empty`] without texts or without references for one, [`EvaluationError::Length`] where there
    /// are not as many lists of references as texts.
    pub fn score_all<S: AsRef<str>>(
        &self,
        hypotheses: &[impl AsRef<str>],
        references: &[Vec<S>],
    ) -> Result<Vec<RougeScore>, EvaluationError> {
        if hypotheses.is_empty() {
            return Err(EvaluationError::Empty { what: "ROUGE" });
        }
        if hypotheses.len() != references.len() {
            let (found, expected) = (references.len(), hypotheses.len());
            return Err(EvaluationError::Length { what: "references of ROUGE", found, expected });
        }
        let pairs = hypotheses.iter().zip(references);
        pairs.map(|(hypothesis, references)| self.score(hypothesis.as_ref(), references)).collect()
    }

    fn score_one(self, hypothesis: &str, reference: &str) -> RougeScore {
        let mut vocabulary = Vocabulary::new();
        let mut words = |text: &str| self.words(text, &mut vocabulary);
        if self.kind == RougeKind::Lsum {
            let mut lines =
                |text: &str| -> Vec<Vec<u32>> { text.split('\n').map(&mut words).collect() };
            return lines_in_common(&lines(hypothesis), &lines(reference));
        }
        let (hypothesis, reference) = (words(hypothesis), words(reference));
        match self.kind {
            RougeKind::Two => n_grams_in_common(&hypothesis, &reference, 2),
            RougeKind::L => {
                let common = lcs_length(&reference, &hypothesis);
                RougeScore::new(common, hypothesis.len(), reference.len())
            }
            RougeKind::One | RougeKind::Lsum => n_grams_in_common(&hypothesis, &reference, 1),
        }
    }

    fn words(self, text: &str, vocabulary: &mut Vocabulary) -> Vec<u32> {
        let is_of_word = |c: char| match self.tokenizer {
            RougeTokenizer::English => c.is_ascii_lowercase() || c.is_ascii_digit(),
            RougeTokenizer::Unicode => matches!(
                c.general_category_group(),
                GeneralCategoryGroup::Letter
                    | GeneralCategoryGroup::Mark
                    | GeneralCategoryGroup::Number
            ),
        };
        let text = text.to_lowercase();
        let words = text.split(|c| !is_of_word(c)).filter(|word| !word.is_empty());
        words
            .map(|word| {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "fewer words than bytes of a text"
                )]
                let next = vocabulary.len() as u32;
                *vocabulary.entry(word.to_owned()).or_insert(next)
            })
            .collect()
    }
}

impl RougeScore {
    fn new(common: usize, in_hypothesis: usize, in_reference: usize) -> Self {
        let precision = common as f64 / in_hypothesis.max(1) as f64;
        let recall = common as f64 / in_reference.max(1) as f64;
        let sum = precision + recall;
        let f1 = if sum > 0.0 { 2.0 * precision * recall / sum } else { 0.0 };
        Self { precision, recall, f1 }
    }
}

fn n_grams_in_common(hypothesis: &[u32], reference: &[u32], n: usize) -> RougeScore {
    let mut left: HashMap<&[u32], usize> = HashMap::new();
    for n_gram in reference.windows(n) {
        *left.entry(n_gram).or_default() += 1;
    }
    let mut common = 0;
    for n_gram in hypothesis.windows(n) {
        if let Some(left) = left.get_mut(n_gram).filter(|left| **left > 0) {
            *left -= 1;
            common += 1;
        }
    }
    let count = |words: &[u32]| (words.len() + 1).saturating_sub(n);
    RougeScore::new(common, count(hypothesis), count(reference))
}

/// For each line of the reference, its words on a longest common sequence with any line of the hypothesis.
fn lines_in_common(hypothesis: &[Vec<u32>], reference: &[Vec<u32>]) -> RougeScore {
    // A word that two lines of the reference are hit by is common no more often than the hypothesis has it.
    let mut left: HashMap<u32, usize> = HashMap::new();
    for word in hypothesis.iter().flatten() {
        *left.entry(*word).or_default() += 1;
    }
    let mut common = 0;
    for line in reference {
        let mut is_hit = vec![false; line.len()];
        for other in hypothesis {
            LcsTable::new(line, other).mark(&mut is_hit);
        }
        for (word, _) in line.iter().zip(is_hit).filter(|(_, is_hit)| *is_hit) {
            if let Some(left) = left.get_mut(word).filter(|left| **left > 0) {
                *left -= 1;
                common += 1;
            }
        }
    }
    let total = |lines: &[Vec<u32>]| lines.iter().map(Vec::len).sum();
    RougeScore::new(common, total(hypothesis), total(reference))
}

/// The length of the longest common sequence, without the table: whole texts have thousands of words.
fn lcs_length(rows: &[u32], columns: &[u32]) -> usize {
    let mut lengths = vec![0; columns.len() + 1];
    for row in rows {
        let mut diagonal = 0;
        for (j, column) in columns.iter().enumerate() {
            let above = lengths[j + 1];
            lengths[j + 1] = if row == column { diagonal + 1 } else { above.max(lengths[j]) };
            diagonal = above;
        }
    }
    lengths.last().copied().unwrap_or(0)
}

/// The lengths of the longest common sequences of all beginnings of two sequences.
struct LcsTable<'a> {
    rows: &'a [u32],
    columns: &'a [u32],
    lengths: Vec<u32>,
}

impl<'a> LcsTable<'a> {
    fn new(rows: &'a [u32], columns: &'a [u32]) -> Self {
        let width = columns.len() + 1;
        let mut lengths = vec![0; (rows.len() + 1) * width];
        for (i, row) in rows.iter().enumerate() {
            for (j, column) in columns.iter().enumerate() {
                lengths[(i + 1) * width + j + 1] = if row == column {
                    lengths[i * width + j] + 1
                } else {
                    lengths[i * width + j + 1].max(lengths[(i + 1) * width + j])
                };
            }
        }
        Self { rows, columns, lengths }
    }

    fn at(&self, row: usize, column: usize) -> u32 {
        self.lengths[row * (self.columns.len() + 1) + column]
    }

    /// Marks the rows that are on one longest common sequence, the one that rouge-score reads out.
    fn mark(&self, is_hit: &mut [bool]) {
        let (mut i, mut j) = (self.rows.len(), self.columns.len());
        while i > 0 && j > 0 {
            if self.rows[i - 1] == self.columns[j - 1] {
                is_hit[i - 1] = true;
                i -= 1;
                j -= 1;
            } else if self.at(i, j - 1) > self.at(i - 1, j) {
                j -= 1;
            } else {
                i -= 1;
            }
        }
    }
}
