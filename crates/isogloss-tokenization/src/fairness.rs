//! What a shared vocabulary costs each language.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use isogloss_core::LanguageTag;
use serde::{Deserialize, Serialize};

use crate::{FairnessError, TextEncoder};

/// What a vocabulary costs one language.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FairnessRow {
    /// The language.
    pub language: LanguageTag,
    /// Tokens of its texts.
    pub tokens: u64,
    /// Words between white space.
    pub words: u64,
    /// Unicode scalar values that are not white space.
    pub characters: u64,
    /// Tokens for each word; it means little where words are not written apart.
    pub fertility: f64,
    /// Tokens for each character.
    pub tokens_per_character: f64,
    /// The share of words that take two tokens or more.
    pub continued_words: f64,
    /// The share of tokens that are unknown.
    pub unknown_rate: f64,
    /// The share of tokens that are single bytes of what has no piece.
    pub byte_rate: f64,
    /// The share of the vocabulary that its texts use.
    pub vocabulary_share: f64,
    /// How evenly its texts use the pieces they use: Rényi's entropy of order 2.5 over the largest
    /// there could be with the whole vocabulary.
    pub renyi_efficiency: f64,
    /// Tokens for the same content over those of the reference, where there are parallel texts.
    pub premium: Option<f64>,
}

/// What a vocabulary costs each of its languages.
///
/// ```text
/// fertility(l) = tokens / words        premium(l) = Σ tokens of l / Σ tokens of the reference
/// efficiency(l) = log2(Σ p^2.5) / (1 - 2.5) / log2 |V|
/// ```
///
/// # Source
///
/// Premium: Petrov et al. (2023), "Language Model Tokenizers Introduce Unfairness Between
/// Languages", <https://arxiv.org/abs/2305.15425>, as a ratio of sums over parallel texts.
/// Efficiency: Zouhar et al. (2023), "Tokenization and the Noiseless Channel",
/// <https://aclanthology.org/2023.acl-long.284>, over all pieces of the vocabulary and not only those
/// that occur.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FairnessReport {
    /// A row for each language, in the order of tags.
    pub rows: Vec<FairnessRow>,
    /// For each two languages, in the order of the rows, the share of the pieces that either uses
    /// which both use (Jaccard's index).
    pub overlap: Vec<Vec<f64>>,
    /// How unevenly tokens for the same content are spread over the languages that have a premium:
    /// Gini's coefficient, from 0 (all alike). `None` before premiums are added.
    pub gini: Option<f64>,
}

/// The order of Rényi's entropy that the source finds to go with translation quality best.
const RENYI_ORDER: f64 = 2.5;

/// What is counted over the texts of a language.
#[derive(Default)]
struct Counts {
    tokens: u64,
    unknown: u64,
    bytes: u64,
    words: u64,
    continued: u64,
    characters: u64,
    of_piece: BTreeMap<u32, u64>,
}

impl FairnessReport {
    /// Measures texts by language.
    ///
    /// # Errors
    ///
    /// [`FairnessError::NoText`], [`FairnessError::Encode`].
    pub fn measure<S: AsRef<str>>(
        encoder: &dyn TextEncoder,
        texts: &BTreeMap<LanguageTag, Vec<S>>,
    ) -> Result<Self, FairnessError> {
        let mut rows = Vec::with_capacity(texts.len());
        let mut used: Vec<BTreeSet<u32>> = Vec::with_capacity(texts.len());
        for (language, texts) in texts {
            let mut counts = Counts::default();
            for text in texts {
                counts.push(encoder, language, text.as_ref())?;
            }
            if counts.words == 0 {
                return Err(FairnessError::NoText { language: language.clone() });
            }
            rows.push(counts.row(encoder, language));
            used.push(counts.of_piece.into_keys().collect());
        }
        let jaccard = |a: &BTreeSet<u32>, b: &BTreeSet<u32>| {
            let both = a.intersection(b).count();
            both as f64 / (a.len() + b.len() - both).max(1) as f64
        };
        let overlap = used.iter().map(|a| used.iter().map(|b| jaccard(a, b)).collect()).collect();
        Ok(Self { rows, overlap, gini: None })
    }

    /// Adds premiums from texts that say the same in a language and in the reference, whose own is 1.
    /// Without any texts nothing is added.
    ///
    /// # Errors
    ///
    /// [`FairnessError::NotParallel`], [`FairnessError::NoText`] also for a language that is not in the
    /// report, [`FairnessError::Encode`].
    pub fn with_premiums<S: AsRef<str>>(
        mut self,
        encoder: &dyn TextEncoder,
        reference: &LanguageTag,
        parallel: &BTreeMap<LanguageTag, [Vec<S>; 2]>,
    ) -> Result<Self, FairnessError> {
        if let Some(language) = parallel.keys().find(|language| self.row(language).is_none()) {
            return Err(FairnessError::NoText { language: language.clone() });
        }
        for row in &mut self.rows {
            if row.language == *reference && !parallel.is_empty() {
                row.premium = Some(1.0);
            }
            let Some([of_reference, own]) = parallel.get(&row.language) else { continue };
            let language = row.language.clone();
            if of_reference.len() != own.len() {
                let (found, expected) = (own.len(), of_reference.len());
                return Err(FairnessError::NotParallel { language, found, expected });
            }
            let count = |language: &LanguageTag, texts: &[S]| {
                texts.iter().try_fold(0, |sum, text| {
                    encode(encoder, language, text.as_ref()).map(|ids| sum + ids.len())
                })
            };
            let tokens = count(reference, of_reference)?;
            if tokens == 0 {
                return Err(FairnessError::NoText { language });
            }
            row.premium = Some(count(&language, own)? as f64 / tokens as f64);
        }
        self.gini = gini(self.rows.iter().filter_map(|row| row.premium).collect());
        Ok(self)
    }

    /// The row of a language.
    pub fn row(&self, language: &LanguageTag) -> Option<&FairnessRow> {
        self.rows.iter().find(|row| row.language == *language)
    }

    /// The mean of the fertilities, each language counting alike.
    pub fn mean_fertility(&self) -> f64 {
        self.rows.iter().map(|row| row.fertility).sum::<f64>() / self.rows.len().max(1) as f64
    }

    /// The row of the highest premium, where there are any.
    pub fn worst(&self) -> Option<&FairnessRow> {
        let rows = self.rows.iter().filter(|row| row.premium.is_some());
        rows.max_by(|a, b| a.premium.unwrap_or_default().total_cmp(&b.premium.unwrap_or_default()))
    }

    /// The rows that a person should see first: from the highest premium down, then, where there is
    /// none, from the most tokens for a character.
    pub fn worst_first(&self) -> Vec<&FairnessRow> {
        let mut rows: Vec<&FairnessRow> = self.rows.iter().collect();
        rows.sort_by(|a, b| {
            let premium = |row: &FairnessRow| row.premium.unwrap_or(f64::NEG_INFINITY);
            premium(b)
                .total_cmp(&premium(a))
                .then(b.tokens_per_character.total_cmp(&a.tokens_per_character))
        });
        rows
    }
}

impl Counts {
    fn push(
        &mut self,
        encoder: &dyn TextEncoder,
        language: &LanguageTag,
        text: &str,
    ) -> Result<(), FairnessError> {
        let unk = encoder.special_ids().unk;
        for id in encode(encoder, language, text)? {
            self.tokens += 1;
            self.unknown += u64::from(Some(id) == unk);
            self.bytes += u64::from(encoder.is_byte(id));
            *self.of_piece.entry(id).or_default() += 1;
        }
        for word in text.split_whitespace() {
            self.words += 1;
            self.characters += word.chars().count() as u64;
            self.continued += u64::from(encode(encoder, language, word)?.len() > 1);
        }
        Ok(())
    }

    fn row(&self, encoder: &dyn TextEncoder, language: &LanguageTag) -> FairnessRow {
        let special: BTreeSet<u32> = encoder.special_ids().all().collect();
        let pieces = encoder.vocab_size().saturating_sub(special.len()).max(2);
        let used = self.of_piece.keys().filter(|id| !special.contains(id)).count();
        let share = |count: u64, of: u64| count as f64 / of.max(1) as f64;
        let powers = self.of_piece.values().map(|n| libm::pow(share(*n, self.tokens), RENYI_ORDER));
        let entropy = libm::log2(powers.sum()) / (1.0 - RENYI_ORDER);
        FairnessRow {
            language: language.clone(),
            tokens: self.tokens,
            words: self.words,
            characters: self.characters,
            fertility: share(self.tokens, self.words),
            tokens_per_character: share(self.tokens, self.characters),
            continued_words: share(self.continued, self.words),
            unknown_rate: share(self.unknown, self.tokens),
            byte_rate: share(self.bytes, self.tokens),
            vocabulary_share: used as f64 / pieces as f64,
            renyi_efficiency: entropy / libm::log2(pieces as f64),
            premium: None,
        }
    }
}

/// Half the mean difference over the mean.
fn gini(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (count, total) = (values.len() as f64, values.iter().sum::<f64>());
    let ranked: f64 = (1_u32..).zip(&values).map(|(rank, value)| f64::from(rank) * value).sum();
    (total > 0.0).then(|| 2.0 * ranked / (count * total) - (count + 1.0) / count)
}

fn encode(
    encoder: &dyn TextEncoder,
    language: &LanguageTag,
    text: &str,
) -> Result<Vec<u32>, FairnessError> {
    encoder
        .encode(text)
        .map_err(|source| FairnessError::Encode { language: language.clone(), source })
}

impl fmt::Display for FairnessReport {
    /// A table for a terminal, the worst language first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widest = self.rows.iter().map(|row| row.language.as_str().len()).max().unwrap_or(0);
        let width = widest.max("language".len());
        writeln!(
            f,
            "{:width$}  premium  tokens/word  tokens/char  cut words  unknown   bytes  vocabulary  efficiency",
            "language",
        )?;
        for row in self.worst_first() {
            let premium = row.premium.map_or_else(|| "–".to_owned(), |p| format!("{p:.3}"));
            writeln!(
                f,
                "{:width$}  {premium:>7}  {:>11.3}  {:>11.3}  {:>8.1}%  {:>6.2}%  {:>5.1}%  {:>9.1}%  {:>10.3}",
                row.language.as_str(),
                row.fertility,
                row.tokens_per_character,
                100.0 * row.continued_words,
                100.0 * row.unknown_rate,
                100.0 * row.byte_rate,
                100.0 * row.vocabulary_share,
                row.renyi_efficiency,
            )?;
        }
        if let (Some(worst), Some(gini)) = (self.worst(), self.gini) {
            let premium = worst.premium.unwrap_or_default();
            write!(f, "worst premium {premium:.3} ({}), Gini {gini:.3}, ", worst.language)?;
        }
        writeln!(f, "mean fertility {:.3}", self.mean_fertility())
    }
}

/// Limits that a vocabulary must keep before a model is trained on it. `None`: no limit.
///
/// # Examples
///
/// ```
/// use std::collections::BTreeMap;
/// use isogloss_tokenization::{Algorithm, FairnessGate, FairnessReport, VocabularyConfig};
///
/// let vocabulary = VocabularyConfig::new(Algorithm::Unigram, 20).train(["good morning"], &())?;
/// let texts = BTreeMap::from([("am".parse()?, vec!["ሰላም"])]);
/// let report = FairnessReport::measure(&vocabulary, &texts)?;
/// let gate = FairnessGate { max_unknown: Some(0.01), ..FairnessGate::default() };
/// assert_eq!(
///     gate.check(&report).unwrap_err().to_string(),
///     "the vocabulary fails am-Ethi (unknown rate 0.500, at most 0.01)",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct FairnessGate {
    /// The most tokens for the same content, over those of the reference.
    pub max_premium: Option<f64>,
    /// The largest share of unknown tokens.
    pub max_unknown: Option<f64>,
    /// The largest share of tokens that are single bytes.
    pub max_bytes: Option<f64>,
    /// The most tokens for a word.
    pub max_fertility: Option<f64>,
}

/// A language that a vocabulary fails.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct GateFailure {
    /// The language.
    pub language: LanguageTag,
    /// What was measured.
    pub measure: &'static str,
    /// What it came to.
    pub found: f64,
    /// What it may come to.
    pub limit: f64,
}

impl fmt::Display for GateFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { language, measure, found, limit } = self;
        write!(f, "{language} ({measure} {found:.3}, at most {limit})")
    }
}

impl FairnessGate {
    /// Limits to warn by, where nobody has set any: three times the tokens of the reference, a token
    /// in a thousand unknown, one in ten a byte. They are ours: Petrov et al. (2023) find premiums of
    /// up to 15 in vocabularies that are in use.
    pub fn advised() -> Self {
        Self {
            max_premium: Some(3.0),
            max_unknown: Some(0.001),
            max_bytes: Some(0.1),
            max_fertility: None,
        }
    }

    /// Checks every language. Returns those whose premium has a limit and was not measured, because
    /// there were no parallel texts.
    ///
    /// # Errors
    ///
    /// [`FairnessError::Gate`] with every language that the vocabulary fails, and by what.
    pub fn check(&self, report: &FairnessReport) -> Result<Vec<LanguageTag>, FairnessError> {
        let mut failures = Vec::new();
        let mut unmeasured = Vec::new();
        for row in &report.rows {
            let mut limit = |measure, found: Option<f64>, limit: Option<f64>| {
                let (Some(found), Some(limit)) = (found, limit) else { return };
                // A limit that is no number is kept by nothing.
                if found.partial_cmp(&limit).is_none_or(Ordering::is_gt) {
                    let language = row.language.clone();
                    failures.push(GateFailure { language, measure, found, limit });
                }
            };
            limit("premium", row.premium, self.max_premium);
            limit("unknown rate", Some(row.unknown_rate), self.max_unknown);
            limit("byte rate", Some(row.byte_rate), self.max_bytes);
            limit("fertility", Some(row.fertility), self.max_fertility);
            if self.max_premium.is_some() && row.premium.is_none() {
                unmeasured.push(row.language.clone());
            }
        }
        if failures.is_empty() { Ok(unmeasured) } else { Err(FairnessError::Gate { failures }) }
    }
}
