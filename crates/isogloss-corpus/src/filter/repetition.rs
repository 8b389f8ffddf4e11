//! Whether a text says the same thing over and over.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use isogloss_core::LanguageTag;
use serde::{Deserialize, Serialize};

use super::Finding;
use super::faults::Faults;
use crate::words::words;

/// Removes a text of which too much is repetition.
///
/// ```text
/// duplicate lines      = lines that stood earlier in the text / lines
/// duplicate characters = characters of those lines / characters of all lines
/// top n-gram           = count × length of the word n-gram that covers most, if count > 1
///                        / length of all words
/// duplicate n-grams    = length of words in n-grams that stood earlier / length of all words
/// character repetition = occurrences of the most frequent 10-grams of characters / of all, the
///                        most frequent being the √distinct first of those that occur twice or more
/// ```
///
/// Lengths are in characters, without white space; empty lines do not count. Words are what stands
/// between white space, or characters in a script without spaces. By default no limit is set;
/// [`gopher`](Self::gopher) has those of the paper, which were chosen on English documents: short
/// texts and languages that repeat words for meaning fail them sooner, so look at a dry run.
///
/// # Source
///
/// Lines and word n-grams: Rae et al. (2021), "Scaling Language Models: Methods, Analysis & Insights
/// from Training Gopher", <https://arxiv.org/abs/2112.11446>, appendix A.1.1. An n-gram that occurs
/// once is no repetition here, which matters to texts shorter than the paper's; and a repeat is what
/// stood before, so that the first occurrence is none. Characters: Laurençon et al. (2022), "The
/// BigScience ROOTS Corpus", <https://arxiv.org/abs/2303.03915>.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RepetitionCheck {
    /// The largest share of duplicate lines, from 0 to 1.
    pub max_duplicate_lines: Option<f64>,
    /// The largest share of characters in duplicate lines.
    pub max_duplicate_line_characters: Option<f64>,
    /// The largest share of characters in the n-gram that covers most.
    pub max_top_ngrams: Vec<NgramLimit>,
    /// The largest share of characters in duplicate n-grams.
    pub max_duplicate_ngrams: Vec<NgramLimit>,
    /// The largest share of the most frequent 10-grams of characters.
    pub max_character_repetition: Option<f64>,
}

/// A limit for n-grams of one length.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NgramLimit {
    /// The words of an n-gram.
    pub n: usize,
    /// The largest share, from 0 to 1.
    pub max_share: f64,
}

/// Characters of the n-grams by which repeated characters are found.
const CHARACTER_N: usize = 10;

impl RepetitionCheck {
    /// The limits of Rae et al. (2021), table A1: lines, top 2- to 4-grams, duplicate 5- to 10-grams.
    pub fn gopher() -> Self {
        let limit = |(n, max_share)| NgramLimit { n, max_share };
        Self {
            max_duplicate_lines: Some(0.30),
            max_duplicate_line_characters: Some(0.20),
            max_top_ngrams: [(2, 0.20), (3, 0.18), (4, 0.16)].map(limit).to_vec(),
            max_duplicate_ngrams: [
                (5, 0.15),
                (6, 0.14),
                (7, 0.13),
                (8, 0.12),
                (9, 0.11),
                (10, 0.10),
            ]
            .map(limit)
            .to_vec(),
            max_character_repetition: None,
        }
    }

    /// Sets the largest share of the most frequent 10-grams of characters, from 0 to 1.
    #[must_use]
    pub fn with_max_character_repetition(mut self, max: f64) -> Self {
        self.max_character_repetition = Some(max);
        self
    }

    pub(super) fn check_fields(&self, faults: &mut Faults) {
        for (field, found) in [
            ("repetition.max_duplicate_lines", self.max_duplicate_lines),
            ("repetition.max_duplicate_line_characters", self.max_duplicate_line_characters),
            ("repetition.max_character_repetition", self.max_character_repetition),
        ] {
            faults.share(field, found);
        }
        for limit in self.max_top_ngrams.iter().chain(&self.max_duplicate_ngrams) {
            faults.at_least_one("n of an n-gram", limit.n);
            faults.share("max_share of an n-gram", Some(limit.max_share));
        }
    }

    pub(super) fn finding(&self, text: &str, language: &LanguageTag) -> Finding {
        let words = words(text, language);
        let is_over = |what: String, share: f64, max: f64| {
            let detail = || format!("{what} are {share:.2} of the text, expected at most {max}");
            (share > max).then(detail)
        };
        let lines = self.max_duplicate_lines.and_then(|max| {
            is_over("repeated lines".to_owned(), duplicate_lines(text, |_| 1), max)
        });
        let line_characters = || {
            let max = self.max_duplicate_line_characters?;
            let share = duplicate_lines(text, |line| line.chars().count());
            is_over("characters of repeated lines".to_owned(), share, max)
        };
        let top = || {
            self.max_top_ngrams.iter().find_map(|limit| {
                let share = top_ngram(&words, limit.n);
                is_over(format!("repeats of one {}-gram", limit.n), share, limit.max_share)
            })
        };
        let duplicate = || {
            self.max_duplicate_ngrams.iter().find_map(|limit| {
                let share = duplicate_ngrams(&words, limit.n);
                is_over(format!("repeated {}-grams", limit.n), share, limit.max_share)
            })
        };
        let characters = || {
            let max = self.max_character_repetition?;
            is_over("repeated characters".to_owned(), character_repetition(text), max)
        };
        let fault =
            lines.or_else(line_characters).or_else(top).or_else(duplicate).or_else(characters);
        fault.map_or(Finding::Fine, Finding::Fault)
    }
}

/// The share of a text's lines that stood before in it, each weighed.
fn duplicate_lines(text: &str, weight: impl Fn(&str) -> usize) -> f64 {
    let mut seen = HashSet::new();
    let (mut repeated, mut all) = (0, 0);
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        all += weight(line);
        repeated += if seen.insert(line) { 0 } else { weight(line) };
    }
    share(repeated, all)
}

fn top_ngram(words: &[&str], n: usize) -> f64 {
    let counts = counts(words.windows(n));
    let repeated = counts.iter().filter(|(_, count)| **count > 1);
    let top = repeated.map(|(ngram, count)| length(ngram) * count).max();
    // An n-gram may overlap itself: `ha ha ha` has two of length 4 and is 6 long.
    share(top.unwrap_or(0), length(words)).min(1.0)
}

fn duplicate_ngrams(words: &[&str], n: usize) -> f64 {
    let mut seen = HashSet::new();
    let mut is_repeated = vec![false; words.len()];
    for (start, ngram) in words.windows(n).enumerate() {
        if !seen.insert(ngram) {
            is_repeated[start..start + n].fill(true);
        }
    }
    let repeated = words.iter().zip(is_repeated).filter(|(_, is_repeated)| *is_repeated);
    share(repeated.map(|(word, _)| word.chars().count()).sum(), length(words))
}

fn character_repetition(text: &str) -> f64 {
    let characters: Vec<char> = text.chars().collect();
    let mut counts: Vec<usize> = counts(characters.windows(CHARACTER_N)).into_values().collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let repeated = counts.iter().filter(|count| **count > 1).count();
    let most_frequent = counts.len().isqrt().min(repeated);
    share(counts[..most_frequent].iter().sum(), counts.iter().sum())
}

/// Asked for counts alone, of which the order does not show.
fn counts<T: Eq + Hash>(ngrams: impl Iterator<Item = T>) -> HashMap<T, usize> {
    let mut counts = HashMap::new();
    for ngram in ngrams {
        *counts.entry(ngram).or_insert(0) += 1;
    }
    counts
}

fn length(words: &[&str]) -> usize {
    words.iter().map(|word| word.chars().count()).sum()
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::float_cmp, reason = "one division of the same whole numbers")]
    fn shares_agree_with_those_worked_by_hand() {
        // 2 of the 5 lines stood before: `ab` twice more; they have 4 of 2 + 2 + 4 + 2 + 2 = 12.
        let text = "ab\nab\n\nabcd\n ab\nxy";
        assert_eq!(duplicate_lines(text, |_| 1), 2.0 / 5.0);
        assert_eq!(duplicate_lines(text, |line| line.chars().count()), 4.0 / 12.0);
        // `a bb` twice, 3 characters each, of 1 + 2 + 3 + 1 + 2 = 9.
        let words = ["a", "bb", "ccc", "a", "bb"];
        assert_eq!(top_ngram(&words, 2), 6.0 / 9.0);
        // The second `a bb` is a repeat, the first is not.
        assert_eq!(duplicate_ngrams(&words, 2), 3.0 / 9.0);
        assert_eq!(duplicate_ngrams(&["ha"; 4], 2), 6.0 / 8.0);
        assert_eq!(top_ngram(&["a", "b", "c"], 2), 0.0);
        assert_eq!(top_ngram(&["a"], 2), 0.0);
        // 20 times `a`: one 10-gram, 11 times of 11. All different: none.
        assert_eq!(character_repetition(&"a".repeat(20)), 1.0);
        assert_eq!(character_repetition("abcdefghijklmnopqrst"), 0.0);
        // `abcdefghijk` twice: 13 10-grams in 22 - 9 places, of which 2 occur twice: 11 distinct, of
        // which the 3 first would count, were there so many: 4 of 13.
        assert_eq!(character_repetition(&"abcdefghijk".repeat(2)), 4.0 / 13.0);
        assert_eq!(character_repetition("short"), 0.0);
    }
}
