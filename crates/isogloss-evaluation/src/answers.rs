//! Answers to questions about a text.

use std::borrow::Cow;
use std::collections::HashMap;

use isogloss_core::LanguageTag;
use serde::{Deserialize, Serialize};
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

use crate::EvaluationError;
use crate::whitespace::{is_python_space, python_split};

/// What of an answer does not count: case, punctuation, articles of a language.
///
/// Answers are lowercased, punctuation is deleted, articles become spaces, and words are what is between whitespace; in
/// Chinese each ideograph is a word too. All but [`Squad`](Self::Squad) delete every code point of a Unicode category of
/// punctuation, and those of ASCII (`$`, `^`, `|` …). The language is that of the answer. Scores of different
/// normalisations are not comparable: say which.
///
/// # Source
///
/// Rajpurkar et al. (2016), "SQuAD: 100,000+ Questions for Machine Comprehension of Text",
/// <https://aclanthology.org/D16-1264>; Lewis et al. (2020), "MLQA: Evaluating Cross-lingual Extractive Question
/// Answering", <https://aclanthology.org/2020.acl-main.653>, each as its evaluation script v1.1 and v1 has it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AnswerNormalization {
    /// English as of SQuAD v1.1: only the punctuation of ASCII is deleted. XQuAD is often scored by it in all its
    /// languages.
    Squad,
    /// Arabic as of MLQA: every `ال` becomes a space, also inside words.
    Arabic,
    /// Chinese as of MLQA, without articles: each of U+4E00 to U+9FA5 is a word.
    Chinese,
    /// English as of MLQA: a, an, the.
    English,
    /// German as of MLQA: ein, eine, einen, einem, eines, einer, der, die, das, den, dem, des.
    German,
    /// Hindi as of MLQA, without articles.
    Hindi,
    /// Spanish as of MLQA: un, una, unos, unas, el, la, los, las.
    Spanish,
    /// Vietnamese as of MLQA: của, là, cái, chiếc, những.
    Vietnamese,
    /// No language's: case, punctuation and whitespace alone. Not of MLQA, though the same as its Hindi.
    Neutral,
}

/// Exact match and F1 of answers, in the order of the questions: items of [`Mean`](crate::Mean).
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AnswerScores {
    /// For each question, 1 where the answer is one of the right ones after normalisation, else 0.
    pub exact_match: Vec<f64>,
    /// For each question, the highest F1 of the words of the answer and of a right one, in `[0, 1]`.
    ///
    /// It is 0 where no word is common, also where neither has any.
    pub f1: Vec<f64>,
}

impl AnswerNormalization {
    /// The normalisation of MLQA for the language of the answers.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Config`] for a language that MLQA is not in; [`Neutral`](Self::Neutral) is for those.
    ///
    /// # Examples
    ///
    /// ```
    /// use isogloss_evaluation::AnswerNormalization;
    ///
    /// let spanish = AnswerNormalization::of_language(&"es".parse()?)?;
    /// assert_eq!(spanish.normalize("Los niños y la «casa»"), "niños y casa");
    /// assert!(AnswerNormalization::of_language(&"yo".parse()?).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of_language(language: &LanguageTag) -> Result<Self, EvaluationError> {
        match language.language() {
            "ar" => Ok(Self::Arabic),
            "de" => Ok(Self::German),
            "en" => Ok(Self::English),
            "es" => Ok(Self::Spanish),
            "hi" => Ok(Self::Hindi),
            "vi" => Ok(Self::Vietnamese),
            "zh" => Ok(Self::Chinese),
            _ => Err(EvaluationError::Config {
                field: "language of answers",
                found: language.to_string(),
                expected: "ar, de, en, es, hi, vi or zh, or the neutral normalisation for others",
            }),
        }
    }

    /// An answer without what does not count, its words parted by one space.
    pub fn normalize(self, answer: &str) -> String {
        self.words(answer).join(" ")
    }

    /// Scores the answer to each question against the right ones. A question without an answer scores 0.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Empty`] without questions, [`EvaluationError::Length`] where there are not as many answers as
    /// questions, [`EvaluationError::Config`] for a question without a right answer.
    ///
    /// # Examples
    ///
    /// ```
    /// use isogloss_evaluation::AnswerNormalization;
    ///
    /// let right = [vec!["the Eiffel Tower"], vec!["1889", "in 1889"]];
    /// let answers = [Some("Eiffel Tower in Paris"), None];
    /// let scores = AnswerNormalization::Squad.score(&answers, &right)?;
    /// assert_eq!(scores.exact_match, [0.0, 0.0]);
    /// assert!((scores.f1[0] - 2.0 / 3.0).abs() < 1e-12);
    /// # Ok::<(), isogloss_evaluation::EvaluationError>(())
    /// ```
    pub fn score<P: AsRef<str>, G: AsRef<str>>(
        self,
        answers: &[Option<P>],
        right: &[Vec<G>],
    ) -> Result<AnswerScores, EvaluationError> {
        if right.is_empty() {
            return Err(EvaluationError::Empty { what: "answers" });
        }
        if answers.len() != right.len() {
            let (found, expected) = (answers.len(), right.len());
            return Err(EvaluationError::Length { what: "answers", found, expected });
        }
        let mut scores = AnswerScores { exact_match: Vec::new(), f1: Vec::new() };
        for (question, (answer, right)) in answers.iter().zip(right).enumerate() {
            if right.is_empty() {
                return Err(EvaluationError::Config {
                    field: "right answers",
                    found: format!("none for question {question}"),
                    expected: "at least one for each question",
                });
            }
            let (mut exact_match, mut f1) = (0.0_f64, 0.0_f64);
            if let Some(answer) = answer {
                let answer = self.words(answer.as_ref());
                for right in right {
                    let right = self.words(right.as_ref());
                    exact_match = exact_match.max(if answer == right { 1.0 } else { 0.0 });
                    f1 = f1.max(word_f1(&answer, &right));
                }
            }
            scores.exact_match.push(exact_match);
            scores.f1.push(f1);
        }
        Ok(scores)
    }

    fn words(self, answer: &str) -> Vec<String> {
        let lower = answer.to_lowercase();
        let without: String = lower.chars().filter(|c| !self.is_deleted(*c)).collect();
        let text = match self {
            Self::Arabic => Cow::Owned(without.replace("ال", " ")),
            _ => without_words(&without, self.articles()),
        };
        if self == Self::Chinese { chinese_words(&text) } else { owned(python_split(&text)) }
    }

    fn is_deleted(self, c: char) -> bool {
        c.is_ascii_punctuation()
            || self != Self::Squad
                && c.general_category_group() == GeneralCategoryGroup::Punctuation
    }

    fn articles(self) -> &'static [&'static str] {
        match self {
            Self::Squad | Self::English => &["a", "an", "the"],
            Self::German => &[
                "ein", "eine", "einen", "einem", "eines", "einer", "der", "die", "das", "den",
                "dem", "des",
            ],
            Self::Spanish => &["un", "una", "unos", "unas", "el", "la", "los", "las"],
            Self::Vietnamese => &["của", "là", "cái", "chiếc", "những"],
            Self::Arabic | Self::Chinese | Self::Hindi | Self::Neutral => &[],
        }
    }
}

fn owned<'a>(words: impl Iterator<Item = &'a str>) -> Vec<String> {
    words.map(str::to_owned).collect()
}

/// The text with a space for each run of word characters that is one of some words, as `\b(…)\b` of Python finds them.
fn without_words<'a>(text: &'a str, words: &[&str]) -> Cow<'a, str> {
    if words.is_empty() {
        return Cow::Borrowed(text);
    }
    // Marks are no word characters in Python: a boundary is before each. `_` is one, but was deleted as punctuation.
    let is_word = |c: char| {
        matches!(
            c.general_category_group(),
            GeneralCategoryGroup::Letter | GeneralCategoryGroup::Number
        )
    };
    let mut kept = String::with_capacity(text.len());
    for piece in text.split_inclusive(|c| !is_word(c)) {
        let run = piece.trim_end_matches(|c| !is_word(c));
        kept.push_str(if words.contains(&run) { " " } else { run });
        kept.push_str(&piece[run.len()..]);
    }
    Cow::Owned(kept)
}

/// Each ideograph of the first block, and what is between whitespace elsewhere.
fn chinese_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for c in text.chars() {
        let is_ideograph = matches!(c, '\u{4e00}'..='\u{9fa5}');
        if (is_ideograph || is_python_space(c)) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if is_ideograph {
            words.push(c.to_string());
        } else if !is_python_space(c) {
            word.push(c);
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

fn word_f1(answer: &[String], right: &[String]) -> f64 {
    let mut left: HashMap<&str, usize> = HashMap::new();
    for word in right {
        *left.entry(word).or_default() += 1;
    }
    let mut common = 0.0;
    for word in answer {
        if let Some(left) = left.get_mut(word.as_str()).filter(|left| **left > 0) {
            *left -= 1;
            common += 1.0;
        }
    }
    if common == 0.0 {
        return 0.0;
    }
    let (precision, recall) = (common / answer.len() as f64, common / right.len() as f64);
    2.0 * precision * recall / (precision + recall)
}
