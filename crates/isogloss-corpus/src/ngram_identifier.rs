//! An identifier for the languages that no other knows.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use isogloss_core::LanguageTag;
use serde::{Deserialize, Serialize};
use unicode_normalization::char::is_combining_mark;

use crate::{Guess, IdentifierError, LanguageIdentifier};

/// How to learn languages from text: naive Bayes over n-grams of characters.
///
/// ```text
/// score(ℓ) = 1/N · Σₙ Σ_g log (count(g, ℓ) + a) / (total(n, ℓ) + a · distinct(n))
/// ```
///
/// - `g`: each n-gram of the text that was learnt, `n` from 1 to `N` = `max_n`, 3 by default
/// - `a` = `smoothing`, 0.5 by default
/// - learnt is each of the `max_ngrams` most frequent n-grams of a language, 5,000 by default
///
/// All languages are equally likely beforehand, however much text they had: a prior from the web
/// would say that rare languages do not occur. A confidence is the share of exp(score), divided by
/// `N` as each character is seen in `N` n-grams; it is near 1 or `1 / languages` for all but short
/// texts. Text is lowered, and what is neither letter, mark nor apostrophe is one space.
///
/// # Source
///
/// Dunning (1994), "Statistical Identification of Language"; multinomial naive Bayes over selected
/// n-grams as in Lui and Baldwin (2012), "langid.py: An Off-the-shelf Language Identification Tool",
/// <https://aclanthology.org/P12-3005>. Selection by frequency is that of Cavnar and Trenkle (1994),
/// "N-Gram-Based Text Categorization", where langid.py weighs information gain.
///
/// # Examples
///
/// ```
/// use isogloss_core::LanguageTag;
/// use isogloss_corpus::{LanguageIdentifier, NgramConfig};
///
/// let [luganda, rwanda]: [LanguageTag; 2] = ["lg".parse()?, "rw".parse()?];
/// let texts = [
///     (&luganda, "Wasuze otya nno? Nkwagala nnyo, ssebo. Webale kujja."),
///     (&rwanda, "Mwaramutse, amakuru yawe? Murakoze cyane, ni meza."),
/// ];
/// let identifier = NgramConfig::default().train(texts)?;
/// let guess = identifier.identify("Webale nnyo, ssebo!").ok_or("no guess")?;
/// assert_eq!(guess.language, luganda);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct NgramConfig {
    /// The longest n-gram, in characters.
    pub max_n: usize,
    /// How many n-grams of each language are learnt.
    pub max_ngrams: usize,
    /// What is added to each count.
    pub smoothing: f64,
}

/// An identifier that was trained on text, as [`NgramConfig`] says. It is saved with serde.
///
/// It takes any text for one of its languages, and a language that it was not shown for the one most
/// like it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "NgramModel", into = "NgramModel")]
pub struct NgramIdentifier {
    model: NgramModel,
    languages: BTreeSet<LanguageTag>,
    /// For each language in order and each `n - 1`: the log-probability of an n-gram it lacks.
    absent: Vec<Vec<f64>>,
    // What an n-gram adds to that, for each language that has it, in order. Looked up alone, never
    // iterated: its order cannot show.
    present: HashMap<String, Vec<(usize, f64)>>,
}

/// What is saved: how it was trained, and the counts that everything else follows from.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct NgramModel {
    config: NgramConfig,
    languages: BTreeMap<LanguageTag, BTreeMap<String, u64>>,
}

impl Default for NgramConfig {
    fn default() -> Self {
        Self { max_n: 3, max_ngrams: 5_000, smoothing: 0.5 }
    }
}

impl NgramConfig {
    /// Learns the languages of texts; the order of the texts makes no difference. Those of a
    /// [`Corpus`](crate::Corpus) come as [`Corpus::tagged_texts`](crate::Corpus::tagged_texts).
    ///
    /// # Errors
    ///
    /// [`IdentifierError::Config`] for a field out of its range,
    /// [`IdentifierError::TooFewLanguages`] for fewer than two languages, and
    /// [`IdentifierError::NoLetters`] for one whose texts have no letter.
    pub fn train<'t>(
        &self,
        texts: impl IntoIterator<Item = (&'t LanguageTag, &'t str)>,
    ) -> Result<NgramIdentifier, IdentifierError> {
        let mut languages: BTreeMap<LanguageTag, BTreeMap<String, u64>> = BTreeMap::new();
        for (language, text) in texts {
            let counts = languages.entry(language.clone()).or_default();
            for_each_ngram(text, self.max_n, |ngram| {
                if let Some(count) = counts.get_mut(ngram) {
                    *count += 1;
                } else {
                    counts.insert(ngram.to_owned(), 1);
                }
            });
        }
        let mut learnt = BTreeSet::new();
        for counts in languages.values() {
            let mut ngrams: Vec<_> = counts.iter().collect();
            // Stable, so that equally frequent ones stay in the order of their characters.
            ngrams.sort_by(|a, b| b.1.cmp(a.1));
            learnt.extend(ngrams.into_iter().take(self.max_ngrams).map(|(ngram, _)| ngram.clone()));
        }
        for counts in languages.values_mut() {
            counts.retain(|ngram, _| learnt.contains(ngram));
        }
        NgramModel { config: *self, languages }.try_into()
    }
}

impl TryFrom<NgramModel> for NgramIdentifier {
    type Error = IdentifierError;

    fn try_from(model: NgramModel) -> Result<Self, Self::Error> {
        let NgramConfig { max_n, max_ngrams, smoothing } = model.config;
        for (holds, field, found, expected) in [
            ((1..=8).contains(&max_n), "max_n", max_n.to_string(), "1 to 8"),
            (max_ngrams > 0, "max_ngrams", max_ngrams.to_string(), "1 or more"),
            (
                smoothing > 0.0 && smoothing.is_finite(),
                "smoothing",
                smoothing.to_string(),
                "a number above 0",
            ),
        ] {
            if !holds {
                return Err(IdentifierError::Config { field, found, expected });
            }
        }
        if model.languages.len() < 2 {
            return Err(IdentifierError::TooFewLanguages { found: model.languages.len() });
        }
        let order = |ngram: &str| ngram.chars().count().clamp(1, max_n) - 1;
        let mut present: HashMap<String, Vec<(usize, f64)>> = HashMap::new();
        let mut totals = vec![vec![0_u64; max_n]; model.languages.len()];
        for (place, (language, counts)) in model.languages.iter().enumerate() {
            if counts.is_empty() {
                return Err(IdentifierError::NoLetters { language: language.clone() });
            }
            for (ngram, count) in counts {
                totals[place][order(ngram)] += count;
                let gain = libm::log((*count as f64 + smoothing) / smoothing);
                present.entry(ngram.clone()).or_default().push((place, gain));
            }
        }
        let mut distinct = vec![0_u64; max_n];
        for ngram in present.keys() {
            distinct[order(ngram)] += 1;
        }
        let log_absent = |(total, distinct): (&u64, &u64)| {
            libm::log(smoothing / (*total as f64 + smoothing * *distinct as f64))
        };
        let absent = totals
            .iter()
            .map(|totals| totals.iter().zip(&distinct).map(log_absent).collect())
            .collect();
        let languages = model.languages.keys().cloned().collect();
        Ok(Self { model, languages, absent, present })
    }
}

impl From<NgramIdentifier> for NgramModel {
    fn from(identifier: NgramIdentifier) -> Self {
        identifier.model
    }
}

impl LanguageIdentifier for NgramIdentifier {
    fn name(&self) -> &'static str {
        "n-grams"
    }

    fn languages(&self) -> &BTreeSet<LanguageTag> {
        &self.languages
    }

    fn identify(&self, text: &str) -> Option<Guess> {
        let max_n = self.model.config.max_n;
        let mut scores = vec![0.0; self.languages.len()];
        let mut known = vec![0_u64; max_n];
        for_each_ngram(text, max_n, |ngram| {
            let Some(gains) = self.present.get(ngram) else { return };
            known[ngram.chars().count() - 1] += 1;
            for (place, gain) in gains {
                scores[*place] += gain;
            }
        });
        if known.iter().all(|count| *count == 0) {
            return None;
        }
        for (score, absent) in scores.iter_mut().zip(&self.absent) {
            *score += known.iter().zip(absent).map(|(count, log)| *count as f64 * log).sum::<f64>();
            *score /= max_n as f64;
        }
        // The first of equals, in the order of the tags.
        let rows = self.languages.iter().zip(scores.iter().copied());
        let (language, best) = rows.reduce(|best, row| if row.1 > best.1 { row } else { best })?;
        let others: f64 = scores.iter().map(|score| libm::exp(score - best)).sum();
        Some(Guess::new(language.clone(), 1.0 / others))
    }
}

/// The n-grams of a text, lowered, with one space at its ends and for whatever is no letter. Those of
/// a space alone say nothing.
fn for_each_ngram(text: &str, max_n: usize, mut visit: impl FnMut(&str)) {
    let mut plain = String::with_capacity(text.len() + 2);
    plain.push(' ');
    for char in text.chars().flat_map(char::to_lowercase) {
        match char {
            '\'' | '’' => plain.push('\''),
            char if char.is_alphabetic() || is_combining_mark(char) => plain.push(char),
            _ if plain.ends_with(' ') => {}
            _ => plain.push(' '),
        }
    }
    if !plain.ends_with(' ') {
        plain.push(' ');
    }
    let ends: Vec<usize> = plain.char_indices().map(|(at, _)| at).chain([plain.len()]).collect();
    for n in 1..=max_n {
        for span in ends.windows(n + 1) {
            let ngram = &plain[span[0]..span[n]];
            if ngram != " " {
                visit(ngram);
            }
        }
    }
}
