//! The substrings that a unigram vocabulary is chosen from.

use std::collections::BTreeMap;

use unicode_script::{Script, UnicodeScript as _};

use crate::unigram::WORD_MARK;

/// Repeated substrings that training begins with, at most; as many as SentencePiece.
const MOST: usize = 1_000_000;

/// Every required character, and the repeated substrings of 2 to `max_length` characters, the best by
/// count times length, with log-probabilities in proportion to that.
///
/// A substring stays within a script, and apart from digits; only those are taken that some longer
/// one does not occur instead of each time (the right-maximal repeats), from a sorted list of all
/// suffixes.
pub(crate) fn seed_pieces(
    words: &[(&str, u64)],
    required: &BTreeMap<char, u64>,
    max_length: usize,
) -> Vec<(String, f64)> {
    // Runs of one script after another, each ended by a zero.
    let (mut text, mut weights) = (Vec::<char>::new(), Vec::<u64>::new());
    for (word, count) in words {
        let mut before = None;
        for character in word.chars() {
            let class = class(character, before);
            if before.is_some_and(|before| before != class && before != Class::Mark) {
                text.push('\0');
                weights.push(0);
            }
            before = Some(class);
            text.push(character);
            weights.push(*count);
        }
        text.push('\0');
        weights.push(0);
    }
    let repeats = repeats(&text, &weights, max_length);
    let mut seeds: Vec<(&[char], u64)> = repeats
        .into_iter()
        .map(|(start, length, count)| (&text[start..start + length], count))
        .collect();
    let score = |(piece, count): &(&[char], u64)| count * piece.len() as u64;
    seeds.sort_unstable_by(|a, b| score(b).cmp(&score(a)).then(a.0.cmp(b.0)));
    seeds.truncate(MOST.saturating_sub(required.len()));
    let total: u64 = required.values().sum::<u64>() + seeds.iter().map(score).sum::<u64>();
    let log_share = |score: u64| libm::log(score as f64 / total as f64);
    let characters = required.iter().map(|(c, count)| (c.to_string(), log_share(*count)));
    let longer = seeds.iter().map(|seed| (seed.0.iter().collect(), log_share(score(seed))));
    characters.chain(longer).collect()
}

/// What may stand in one piece.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Class {
    /// The mark of a word's beginning, which goes with anything.
    Mark,
    Digit,
    Letters(Script),
    Other,
}

/// The class of a character that follows one of another class.
///
/// As SentencePiece: Chinese characters and both Japanese syllabaries are one script. Unlike it, marks
/// and joiners go with what they stand on, and an apostrophe with the letter before it.
fn class(character: char, before: Option<Class>) -> Class {
    let after_letter = matches!(before, Some(Class::Letters(_)));
    match (character, character.script()) {
        (WORD_MARK, _) => Class::Mark,
        ('ー', _) | (_, Script::Han | Script::Hiragana | Script::Katakana) => {
            Class::Letters(Script::Han)
        }
        (character, _) if character.is_numeric() => Class::Digit,
        (_, Script::Inherited) => before.unwrap_or(Class::Other),
        ('\'' | '’', _) if after_letter => before.unwrap_or(Class::Other),
        (_, Script::Common) => Class::Other,
        (_, script) => Class::Letters(script),
    }
}

/// The right-maximal repeats of 2 to `most` characters: where one stands, its length and its weight.
fn repeats(text: &[char], weights: &[u64], most: usize) -> Vec<(usize, usize, u64)> {
    let mut suffixes: Vec<(u64, u32)> = (0_u32..)
        .zip(text)
        .filter(|(_, first)| **first != '\0')
        .map(|(start, _)| (key(&text[start as usize..]), start))
        .collect();
    // A suffix is told by its first three characters, and by the others up to the longest piece
    // where those are the same.
    let tail = |start: u32| {
        let suffix = &text[start as usize..];
        let end = suffix.iter().take(most).position(|c| *c == '\0').unwrap_or(most);
        &suffix[3.min(end)..end.min(suffix.len())]
    };
    suffixes.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| tail(a.1).cmp(tail(b.1))));
    let common = |a: u32, b: u32| {
        let (a, b) = (&text[a as usize..], &text[b as usize..]);
        let same = a.iter().zip(b).take(most).take_while(|(a, b)| a == b && **a != '\0');
        same.count()
    };
    // Intervals of suffixes that begin alike, the innermost on top: their length, the weight before
    // them, and where one of them stands.
    let mut open: Vec<(usize, u64, u32)> = Vec::new();
    let mut found = Vec::new();
    let mut weight = 0;
    for (at, (_, start)) in suffixes.iter().enumerate() {
        let length = at.checked_sub(1).map_or(0, |before| common(suffixes[before].1, *start));
        let mut from = weight - at.checked_sub(1).map_or(0, |b| weights[suffixes[b].1 as usize]);
        while let Some((inner, before, place)) = open.last().copied().filter(|o| o.0 > length) {
            open.pop();
            from = before;
            if inner >= 2 {
                found.push((place as usize, inner, weight - before));
            }
        }
        if length > 0 && open.last().is_none_or(|outer| outer.0 < length) {
            open.push((length, from, *start));
        }
        // What only one word has, to its end, repeats with the word.
        let own = weights[*start as usize];
        let next = suffixes.get(at + 1).map_or(0, |(_, next)| common(*start, *next));
        let rest =
            text[*start as usize..].iter().take(most + 1).take_while(|c| **c != '\0').count();
        if rest > length.max(next) && (2..=most).contains(&rest) {
            found.push((*start as usize, rest, own));
        }
        weight += own;
    }
    for (inner, before, place) in open.into_iter().rev() {
        if inner >= 2 {
            found.push((place as usize, inner, weight - before));
        }
    }
    found.retain(|(_, _, count)| *count >= 2);
    found
}

/// The first three characters as a number that is ordered as they are.
fn key(suffix: &[char]) -> u64 {
    let mut key = 0;
    let mut has_ended = false;
    for place in 0..3 {
        let character = suffix.get(place).copied().unwrap_or('\0');
        has_ended |= character == '\0';
        key = key << 21 | if has_ended { 0 } else { u64::from(u32::from(character)) };
    }
    key
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn repeats_are_those_that_counting_all_substrings_finds(
            words in proptest::collection::btree_map("[ab]{1,9}", 1_u64..4, 1..8),
            most in 2_usize..7,
        ) {
            let (mut text, mut weights) = (Vec::new(), Vec::new());
            let mut counts: BTreeMap<Vec<char>, u64> = BTreeMap::new();
            for (word, count) in &words {
                let word: Vec<char> = word.chars().collect();
                for start in 0..word.len() {
                    for end in start + 1..=word.len().min(start + most) {
                        *counts.entry(word[start..end].to_vec()).or_default() += count;
                    }
                }
                weights.extend(std::iter::repeat_n(*count, word.len()));
                text.extend(word);
                text.push('\0');
                weights.push(0);
            }
            let mut found: Vec<(Vec<char>, u64)> = repeats(&text, &weights, most)
                .into_iter()
                .map(|(start, length, count)| (text[start..start + length].to_vec(), count))
                .collect();
            found.sort();
            // Each is a substring with its count, none twice, and every substring that is not always
            // followed by the same character is among them.
            prop_assert!(found.windows(2).all(|pair| pair[0].0 < pair[1].0));
            for (piece, count) in &found {
                prop_assert_eq!(counts.get(piece), Some(count));
            }
            for (piece, count) in &counts {
                let longer = |c: char| {
                    counts.get(&[piece.as_slice(), &[c]].concat()).copied().unwrap_or(0)
                };
                let is_maximal = piece.len() < most && longer('a').max(longer('b')) < *count;
                if piece.len() >= 2 && *count >= 2 && is_maximal {
                    prop_assert!(found.iter().any(|(other, _)| other == piece), "{piece:?}");
                }
            }
        }
    }

    #[test]
    fn a_seed_stays_within_a_script_and_keeps_its_marks() {
        let words = [("▁abcде12", 5), ("▁ẹ́ní", 5), ("▁ng'ombe", 5), ("▁नमस्ते", 5)];
        let required = words
            .iter()
            .flat_map(|(word, _)| word.chars())
            .map(|character| (character, 5))
            .collect();
        let seeds = seed_pieces(&words, &required, 16);
        let has = |piece: &str| seeds.iter().any(|(seed, _)| seed == piece);
        for piece in ["▁abc", "де", "12", "▁ẹ́ní", "▁ng'ombe", "▁नमस्ते"]
        {
            assert!(has(piece), "{piece}");
        }
        for piece in ["cд", "▁abcде", "е1"] {
            assert!(!has(piece), "{piece}");
        }
    }
}
