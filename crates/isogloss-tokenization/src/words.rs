//! How often each word occurs: all that training needs of a text.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use tokenizers::{NormalizedString, Normalizer as _, NormalizerWrapper};

use crate::Normalization;
use crate::assembly::normalizer;
use crate::cutting::Cutting;
use crate::reserved::Reserved;
use crate::special::SpecialTokens;
use crate::trie::Trie;

/// Words with their counts, cut as a vocabulary cuts them. Memory grows with the number of different
/// words and not with the text.
#[derive(Clone, Debug)]
pub(crate) struct WordCounts {
    counts: FxHashMap<Box<str>, u64>,
    cutting: Cutting,
    normalizer: Option<NormalizerWrapper>,
    // What is cut out of the text before, and what is cut in two.
    user_defined: Option<Trie>,
    reserved: Reserved,
    buffer: String,
}

impl WordCounts {
    pub(crate) fn new(
        cutting: Cutting,
        normalization: Normalization,
        special: &SpecialTokens,
    ) -> Self {
        let symbols = special.user_defined.iter().map(|symbol| (symbol.as_bytes(), 0));
        Self {
            counts: FxHashMap::default(),
            cutting,
            normalizer: normalizer(normalization),
            user_defined: (!special.user_defined.is_empty()).then(|| Trie::new(symbols)),
            reserved: Reserved::new(&special.reserved()),
            buffer: String::new(),
        }
    }

    /// Words that were counted already.
    pub(crate) fn from_counts<'a>(counts: impl Iterator<Item = (&'a str, u64)>) -> Self {
        let none =
            SpecialTokens { has_bytes: false, user_defined: Vec::new(), further: Vec::new() };
        let cutting = Cutting::Words { at_whitespace: true };
        let mut this = Self::new(cutting, Normalization::default(), &none);
        this.counts = counts.map(|(word, count)| (word.into(), count)).collect();
        this
    }

    pub(crate) fn push(&mut self, text: &str) {
        let (counts, reserved) = (&mut self.counts, &self.reserved);
        let mut count = |word: &str| {
            for part in reserved.unspelled(word) {
                // Most words have come before, and then nothing is allocated.
                match counts.get_mut(part) {
                    Some(count) => *count += 1,
                    None => drop(counts.insert(part.into(), 1)),
                }
            }
            Ok::<_, std::convert::Infallible>(())
        };
        // As it is encoded: symbols are cut out of the text as it stands.
        for part in without_symbols(text, self.user_defined.as_ref()) {
            let normalised;
            let part = match &self.normalizer {
                None => part,
                Some(normalizer) => {
                    let mut string = NormalizedString::from(part);
                    // The normalisers that are offered do not fail.
                    if normalizer.normalize(&mut string).is_err() {
                        continue;
                    }
                    normalised = string.get().to_owned();
                    &normalised
                }
            };
            let Ok(()) = self.cutting.each(part, &mut self.buffer, &mut count);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The words in the order of their bytes: what is computed from them depends on no hash.
    pub(crate) fn sorted(&self) -> Vec<(&str, u64)> {
        let mut words: Vec<_> = self.counts.iter().map(|(word, count)| (&**word, *count)).collect();
        words.sort_unstable_by_key(|(word, _)| *word);
        words
    }

    /// The most frequent characters that make up `coverage` of the text, with their counts.
    ///
    /// As SentencePiece does it: characters are taken from the most frequent on until their share is
    /// reached.
    pub(crate) fn required_characters(&self, coverage: f64) -> BTreeMap<char, u64> {
        let mut counts: FxHashMap<char, u64> = FxHashMap::default();
        for (word, count) in &self.counts {
            for character in word.chars() {
                *counts.entry(character).or_default() += count;
            }
        }
        let total: u64 = counts.values().sum();
        let mut sorted: Vec<(char, u64)> = counts.into_iter().collect();
        sorted.sort_unstable_by(|(a, a_count), (b, b_count)| b_count.cmp(a_count).then(a.cmp(b)));
        let mut covered = 0;
        let mut required = BTreeMap::new();
        for (character, count) in sorted {
            if covered as f64 / total as f64 >= coverage {
                break;
            }
            covered += count;
            required.insert(character, count);
        }
        required
    }
}

/// A text in the parts between symbols of the user.
fn without_symbols<'a>(text: &'a str, symbols: Option<&'a Trie>) -> impl Iterator<Item = &'a str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let found = symbols.and_then(|symbols| {
            text.char_indices()
                .find_map(|(at, _)| Some((at, symbols.longest(&text.as_bytes()[at..])?.0)))
        });
        let (part, after) = match found {
            Some((at, length)) => (&text[..at], Some(&text[at + length..])),
            None => (text, None),
        };
        rest = after;
        Some(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(text: &str, user_defined: &[&str]) -> WordCounts {
        let user_defined = user_defined.iter().map(|symbol| (*symbol).to_owned()).collect();
        let special = SpecialTokens { has_bytes: false, user_defined, further: Vec::new() };
        let cutting = Cutting::Words { at_whitespace: true };
        let mut counts = WordCounts::new(cutting, Normalization::default(), &special);
        counts.push(text);
        counts
    }

    #[test]
    fn coverage_takes_characters_until_it_is_reached() {
        // Beside the mark of the one word, 90 a, 8 b, and one each of c and d.
        let text = ["a".repeat(90), "b".repeat(8), "cd".to_owned()].concat();
        let counts = counts(&text, &[]);
        for (coverage, expected) in [(0.89, "a"), (0.97, "ab"), (0.98, "abc"), (1.0, "abcd▁")] {
            let found: String = counts.required_characters(coverage).into_keys().collect();
            assert_eq!(found.replace('▁', ""), expected.replace('▁', ""), "{coverage}");
        }
    }

    #[test]
    fn symbols_of_the_user_are_cut_out_and_special_tokens_in_two() {
        let counts = counts("low<sep>er </s>", &["<sep>"]);
        let found: Vec<_> = counts.sorted().into_iter().map(|(word, _)| word).collect();
        assert_eq!(found, ["/s>", "▁<", "▁er", "▁low"]);
    }
}
