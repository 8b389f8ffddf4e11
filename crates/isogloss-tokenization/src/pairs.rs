//! Merging the most frequent pair, again and again, with languages told apart.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use rustc_hash::{FxHashMap, FxHashSet};

/// Words of one language as symbols, with their counts.
#[derive(Clone, Debug)]
struct Word {
    language: u32,
    symbols: Vec<u32>,
    /// Occurrences in the text that pairs are counted in.
    count: u64,
    /// Occurrences in the text that is to become short.
    weight: u64,
}

/// Text that is merged step by step: pairs are counted for each language, and all together.
///
/// A pair's number in the text is brought up to date by what a merge changes; the queues keep old
/// numbers too, and those are put right when they come up.
#[derive(Debug)]
pub(crate) struct PairTrainer {
    tokens: Vec<String>,
    ids: FxHashMap<String, u32>,
    words: Vec<Word>,
    // For each language, and last for all together.
    counts: Vec<FxHashMap<Pair, u64>>,
    queues: Vec<BinaryHeap<Candidate>>,
    places: FxHashMap<Pair, FxHashSet<u32>>,
    lengths: Vec<u64>,
    forbidden: FxHashSet<Pair>,
    ties: Ties,
    longest: usize,
}

pub(crate) type Pair = (u32, u32);

/// Which of equally frequent pairs comes first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ties {
    /// The one of the smaller ids, as in the `tokenizers` crate.
    SmallerIds,
    /// The one that is later in the order of code points, as in the parity-aware reference.
    GreaterText,
}

#[derive(Debug, Eq, PartialEq)]
struct Candidate {
    count: u64,
    texts: Option<(String, String)>,
    pair: Pair,
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.count
            .cmp(&other.count)
            .then_with(|| self.texts.cmp(&other.texts))
            .then_with(|| Reverse(self.pair).cmp(&Reverse(other.pair)))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PairTrainer {
    /// Without words, for a number of languages; the tokens have ids from 0 on.
    pub(crate) fn new(
        languages: usize,
        tokens: impl IntoIterator<Item = String>,
        ties: Ties,
        longest: usize,
    ) -> Self {
        let mut this = Self {
            tokens: Vec::new(),
            ids: FxHashMap::default(),
            words: Vec::new(),
            counts: vec![FxHashMap::default(); languages + 1],
            queues: std::iter::repeat_with(BinaryHeap::new).take(languages + 1).collect(),
            places: FxHashMap::default(),
            lengths: vec![0; languages],
            forbidden: FxHashSet::default(),
            ties,
            longest,
        };
        for token in tokens {
            this.token(token);
        }
        this
    }

    /// The id of a token, a new one where it is new.
    pub(crate) fn token(&mut self, token: String) -> u32 {
        if let Some(id) = self.ids.get(&token) {
            return *id;
        }
        let id = u32::try_from(self.tokens.len()).unwrap_or(u32::MAX);
        self.ids.insert(token.clone(), id);
        self.tokens.push(token);
        id
    }

    pub(crate) fn id(&self, token: &str) -> Option<u32> {
        self.ids.get(token).copied()
    }

    pub(crate) fn text(&self, id: u32) -> &str {
        &self.tokens[id as usize]
    }

    /// Adds a word in which pairs are counted `count` times and whose symbols are `weight` times part
    /// of the language's length.
    pub(crate) fn push(&mut self, language: usize, symbols: Vec<u32>, count: u64, weight: u64) {
        let place = u32::try_from(self.words.len()).unwrap_or(u32::MAX);
        for pair in symbols.windows(2).map(|pair| (pair[0], pair[1])) {
            self.places.entry(pair).or_default().insert(place);
            for view in [language, self.lengths.len()] {
                *self.counts[view].entry(pair).or_default() += count;
            }
        }
        self.lengths[language] += weight * symbols.len() as u64;
        let language = u32::try_from(language).unwrap_or(u32::MAX);
        self.words.push(Word { language, symbols, count, weight });
    }

    /// Fills the queues, once all words are there.
    pub(crate) fn begin(&mut self) {
        for view in 0..self.counts.len() {
            let pairs: Vec<(Pair, u64)> =
                self.counts[view].iter().map(|(pair, count)| (*pair, *count)).collect();
            let candidates = pairs.into_iter().map(|(pair, count)| self.candidate(pair, count));
            self.queues[view] = candidates.collect();
        }
    }

    fn candidate(&self, pair: Pair, count: u64) -> Candidate {
        let texts = (self.ties == Ties::GreaterText)
            .then(|| (self.text(pair.0).to_owned(), self.text(pair.1).to_owned()));
        Candidate { count, texts, pair }
    }

    /// How many symbols the weighted text of each language has.
    pub(crate) fn lengths(&self) -> &[u64] {
        &self.lengths
    }

    /// The most frequent pair of a language, or with `None` of all together, that occurs at least
    /// `least` times, is not forbidden, and whose token is not too long.
    pub(crate) fn best(&mut self, language: Option<usize>, least: u64) -> Option<Pair> {
        let view = language.unwrap_or(self.lengths.len());
        loop {
            let top = self.queues[view].pop()?;
            if self.forbidden.contains(&top.pair) {
                continue;
            }
            let count = self.counts[view].get(&top.pair).copied().unwrap_or(0);
            if count != top.count {
                if count >= least {
                    let candidate = self.candidate(top.pair, count);
                    self.queues[view].push(candidate);
                }
                continue;
            }
            if count < least.max(1) {
                return None;
            }
            let (left, right) = top.pair;
            let length = self.text(left).chars().count() + self.text(right).chars().count();
            if length > self.longest {
                continue;
            }
            let pair = top.pair;
            // It stays, for a language that asks again before it is merged.
            self.queues[view].push(top);
            return Some(pair);
        }
    }

    /// Passes over a pair from now on.
    pub(crate) fn forbid(&mut self, pair: Pair) {
        self.forbidden.insert(pair);
    }

    /// Merges a pair wherever it stands, into the token of the given text.
    pub(crate) fn merge(&mut self, pair: Pair, text: String) -> u32 {
        let merged = self.token(text);
        let places = self.places.remove(&pair).unwrap_or_default();
        let all = self.lengths.len();
        let mut touched: FxHashSet<(usize, Pair)> = FxHashSet::default();
        for place in places {
            let Word { language, count, weight, .. } = self.words[place as usize];
            let language = language as usize;
            let symbols = std::mem::take(&mut self.words[place as usize].symbols);
            let shortened = merge_symbols(&symbols, pair, merged);
            let removed = (symbols.len() - shortened.len()) as u64;
            if removed > 0 {
                self.lengths[language] -= weight * removed;
                for old in symbols.windows(2).map(|pair| (pair[0], pair[1])) {
                    for view in [language, all] {
                        if let Some(number) = self.counts[view].get_mut(&old) {
                            *number -= count;
                        }
                    }
                }
                for new in shortened.windows(2).map(|pair| (pair[0], pair[1])) {
                    for view in [language, all] {
                        *self.counts[view].entry(new).or_default() += count;
                        if new.0 == merged || new.1 == merged {
                            touched.insert((view, new));
                        }
                    }
                    if new.0 == merged || new.1 == merged {
                        self.places.entry(new).or_default().insert(place);
                    }
                }
            }
            self.words[place as usize].symbols = shortened;
        }
        for (view, pair) in touched {
            let count = self.counts[view][&pair];
            let candidate = self.candidate(pair, count);
            self.queues[view].push(candidate);
        }
        merged
    }

    /// The tokens in the order of their ids.
    pub(crate) fn into_tokens(self) -> Vec<String> {
        self.tokens
    }
}

/// From left to right, each pair once.
fn merge_symbols(symbols: &[u32], pair: Pair, merged: u32) -> Vec<u32> {
    let mut shortened = Vec::with_capacity(symbols.len());
    let mut at = 0;
    while at < symbols.len() {
        if symbols[at] == pair.0 && symbols.get(at + 1) == Some(&pair.1) {
            shortened.push(merged);
            at += 2;
        } else {
            shortened.push(symbols[at]);
            at += 1;
        }
    }
    shortened
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_of_one_language_are_those_of_the_paper_s_example() {
        let words = [("low", 5), ("lower", 2), ("newest", 6), ("widest", 3)];
        let mut trainer = PairTrainer::new(
            1,
            "delnrstow".chars().map(String::from).chain(["i".to_owned()]),
            Ties::SmallerIds,
            16,
        );
        for (word, count) in words {
            let mut symbols: Vec<u32> =
                word.chars().map(|c| trainer.token(c.to_string())).collect();
            let last = format!("{}</w>", word.chars().last().unwrap());
            *symbols.last_mut().unwrap() = trainer.token(last);
            trainer.push(0, symbols, count, count);
        }
        trainer.begin();
        let mut merges = Vec::new();
        while let Some(pair) = trainer.best(Some(0), 5) {
            let text = format!("{}{}", trainer.text(pair.0), trainer.text(pair.1));
            merges.push(text.clone());
            trainer.merge(pair, text);
        }
        assert_eq!(merges[..2], ["es", "est</w>"]);
        assert!(
            merges.contains(&"newest</w>".to_owned()) && merges.contains(&"low</w>".to_owned())
        );
        // Counted anew, no pair that occurs five times is left.
        assert!(trainer.counts[0].values().all(|count| *count < 5));
    }
}
