//! A vocabulary that is fair by construction: merges go to the language that needs them most.

use std::collections::{BTreeMap, VecDeque};

use ahash::AHashMap;
use isogloss_core::{LanguageTag, Progress, ProgressEvent};
use serde::{Deserialize, Serialize};
use tokenizers::models::bpe::BPE;

use crate::assembly::Parts;
use crate::config::Algorithm;
use crate::cutting::byte_characters;
use crate::pairs::{PairTrainer, Ties};
use crate::special::UNK;
use crate::words::WordCounts;
use crate::{SubwordTokenizer, TrainError, VocabularyConfig};

/// How merges are shared out among languages.
///
/// At each step the language whose parallel text is longest, in tokens, chooses the next merge: its
/// most frequent pair. So the tokens for the same content come as near to one another as the size of
/// the vocabulary allows.
///
/// # Source
///
/// Foroutan et al. (2025), "Parity-Aware Byte-Pair Encoding", <https://arxiv.org/abs/2508.04796>. The
/// reference ends all training when the chosen language has no pair left; here that language steps
/// back and the others go on, unless [`stops_with_first`](Self::stops_with_first).
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ParityConfig {
    /// Merges that are chosen by all languages together before (the paper's hybrid). Default: 0.
    pub global_merges: usize,
    /// The latest choices of which no language may have more than `window_alpha` times an even share;
    /// 0 for no limit. Default: 100.
    pub window: usize,
    /// See `window`. Default: 2.
    pub window_alpha: f64,
    /// Pairs that are rarer in a language are not merged for it. Default: 2.
    pub min_frequency: u64,
    /// Whether training ends when the language whose turn it is has no pair left, as in the
    /// reference. Default: not.
    pub stops_with_first: bool,
}

impl Default for ParityConfig {
    fn default() -> Self {
        Self {
            global_merges: 0,
            window: 100,
            window_alpha: 2.0,
            min_frequency: 2,
            stops_with_first: false,
        }
    }
}

impl VocabularyConfig {
    /// Trains BPE, over characters or bytes, by the languages' needs ([`ParityConfig`]). `texts` are
    /// read once; `parallel` holds, for each language, the same content, line by line.
    ///
    /// # Errors
    ///
    /// [`TrainError::Config`] for another algorithm, a language of only one of the two, or parallel
    /// texts that differ in number; [`TrainError::NoText`].
    pub fn train_with_parity<S: AsRef<str>, P: AsRef<str>>(
        &self,
        texts: impl IntoIterator<Item = (LanguageTag, S)>,
        parallel: &BTreeMap<LanguageTag, Vec<P>>,
        parity: &ParityConfig,
        progress: &dyn Progress,
    ) -> Result<SubwordTokenizer, TrainError> {
        const TASK: &str = "training a vocabulary by parity";
        self.check()?;
        let fault = |field, found: String, expected: &str| {
            Err(TrainError::Config { field, found, expected: expected.to_owned() })
        };
        if !matches!(self.algorithm, Algorithm::Bpe | Algorithm::ByteBpe) {
            let found = format!("{:?}", self.algorithm);
            return fault("algorithm", found, "bpe or byte-bpe for parity-aware training");
        }
        let mut counts: BTreeMap<&LanguageTag, [WordCounts; 2]> = parallel
            .keys()
            .map(|language| (language, [self.word_counts(), self.word_counts()]))
            .collect();
        let Some((first, lines)) = parallel.iter().next().map(|(l, texts)| (l, texts.len())) else {
            return Err(TrainError::NoText);
        };
        if lines == 0 {
            return fault("parallel", "0 texts".to_owned(), "at least one in each language");
        }
        for (language, texts) in parallel {
            if texts.len() != lines {
                let found = format!("{} texts of `{language}`", texts.len());
                return fault("parallel", found, &format!("{lines}, as of `{first}`"));
            }
            for text in texts {
                if let Some([_, own]) = counts.get_mut(language) {
                    own.push(text.as_ref());
                }
            }
        }
        for (language, text) in texts {
            let Some([own, _]) = counts.get_mut(&language) else {
                let found = format!("none of `{language}`");
                return fault("parallel", found, "the same content for each language");
            };
            own.push(text.as_ref());
        }
        if let Some((language, _)) = counts.iter().find(|(_, [own, _])| own.is_empty()) {
            let found = format!("none of `{language}`");
            return fault("texts", found, "some for each language of the parallel texts");
        }
        let (mut trainer, alphabet) = self.parity_trainer(counts.values());
        trainer.begin();
        let special = self.special();
        let room = self.vocab_size.saturating_sub(special.len());
        if alphabet > room {
            let expected =
                format!("at least {}, for the characters of the texts", alphabet + special.len());
            return fault("vocab_size", self.vocab_size.to_string(), &expected);
        }
        let total = (room - alphabet) as u64;
        progress.report(ProgressEvent::Started { task: TASK, total: Some(total), unit: "merges" });
        let merges = merge_by_parity(&mut trainer, room - alphabet, parity, &mut |done| {
            progress.report(ProgressEvent::Advanced { task: TASK, done, note: "" });
        });
        progress.report(ProgressEvent::Finished { task: TASK });
        let before: Vec<String> = special.before().collect();
        let tokens = before.iter().cloned().chain(trainer.into_tokens());
        let vocab: AHashMap<String, u32> = tokens.zip(0..).collect();
        let mut model = BPE::builder().vocab_and_merges(vocab, merges);
        if self.algorithm == Algorithm::Bpe {
            model = model.unk_token(UNK.to_owned()).fuse_unk(true);
            model = model.byte_fallback(special.has_bytes);
        }
        let model = model.build().map_err(TrainError::Library)?.into();
        let (cutting, normalization) = (self.cutting(), self.normalization);
        let parts = Parts { model, cutting, normalization, special };
        parts.assemble().map_err(TrainError::Library)
    }

    /// A trainer over the words of each language, counted and parallel, and its number of characters.
    fn parity_trainer<'a>(
        &self,
        counts: impl ExactSizeIterator<Item = &'a [WordCounts; 2]> + Clone,
    ) -> (PairTrainer, usize) {
        // Characters must be covered in each language: a script of few texts may not vanish in the
        // sum.
        let is_of_bytes = self.is_of_bytes();
        let alphabet: std::collections::BTreeSet<char> = if is_of_bytes {
            byte_characters().into_iter().collect()
        } else {
            let of_each = counts.clone();
            of_each
                .flat_map(|[own, _]| own.required_characters(self.character_coverage).into_keys())
                .collect()
        };
        let tokens = alphabet.iter().map(char::to_string);
        let longest = self.piece_length();
        let mut trainer = PairTrainer::new(counts.len(), tokens, Ties::GreaterText, longest);
        for (language, [own, parallel]) in counts.enumerate() {
            for (words, is_counted) in [(own, true), (parallel, false)] {
                for (word, count) in words.sorted() {
                    for part in word.split(|character| !alphabet.contains(&character)) {
                        let symbols: Vec<u32> =
                            part.chars().map(|c| trainer.token(c.to_string())).collect();
                        if !symbols.is_empty() {
                            let (n, weight) = if is_counted { (count, 0) } else { (0, count) };
                            trainer.push(language, symbols, n, weight);
                        }
                    }
                }
            }
        }
        (trainer, alphabet.len())
    }
}

/// Merges up to a number of times; returns the pairs in their order.
fn merge_by_parity(
    trainer: &mut PairTrainer,
    most: usize,
    parity: &ParityConfig,
    on_merge: &mut dyn FnMut(u64),
) -> Vec<(String, String)> {
    let languages = trainer.lengths().len();
    let mut merges = Vec::new();
    let mut recent: VecDeque<usize> = VecDeque::new();
    let mut has_pairs = vec![true; languages];
    let mut made = 0;
    while made < most {
        let pair = if merges.len() < parity.global_merges {
            trainer.best(None, parity.min_frequency)
        } else {
            let Some(language) = next_language(trainer.lengths(), &has_pairs, &recent, parity)
            else {
                break;
            };
            let pair = trainer.best(Some(language), parity.min_frequency);
            if pair.is_none() {
                if parity.stops_with_first {
                    break;
                }
                has_pairs[language] = false;
                continue;
            }
            recent.push_back(language);
            if recent.len() > parity.window {
                recent.pop_front();
            }
            pair
        };
        let Some((left, right)) = pair else { break };
        let texts = (trainer.text(left).to_owned(), trainer.text(right).to_owned());
        let text = [texts.0.as_str(), texts.1.as_str()].concat();
        made += usize::from(trainer.id(&text).is_none());
        trainer.merge((left, right), text);
        merges.push(texts);
        on_merge(merges.len() as u64);
    }
    merges
}

/// The language whose text is longest, the first of equals, among those that have a pair left and did
/// not have too many of the latest turns.
fn next_language(
    lengths: &[u64],
    has_pairs: &[bool],
    recent: &VecDeque<usize>,
    parity: &ParityConfig,
) -> Option<usize> {
    let mut order: Vec<usize> =
        (0..lengths.len()).filter(|language| has_pairs[*language]).collect();
    order.sort_by_key(|language| std::cmp::Reverse(lengths[*language]));
    let most = parity.window_alpha / lengths.len() as f64;
    let has_turn = |language: &&usize| {
        let turns = recent.iter().filter(|turn| *turn == *language).count();
        parity.window == 0 || turns as f64 / (parity.window.max(1) as f64) <= most
    };
    order.iter().find(has_turn).or(order.first()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The two languages of the worked example, the second's parallel text `times` times.
    fn trainer(times: u64) -> PairTrainer {
        let alphabet = "abcxyz".chars().map(String::from);
        let mut trainer = PairTrainer::new(2, alphabet, Ties::GreaterText, 16);
        let counted = [(0, "abab", 10), (0, "abc", 6), (0, "bc", 3), (1, "xyz", 3), (1, "xyzz", 2)];
        let parallel = [(0, "abab", 1), (0, "abc", 1), (1, "xyzz", times), (1, "xyzxyz", times)];
        for (words, is_counted) in [(&counted[..], true), (&parallel[..], false)] {
            for (language, word, count) in words {
                let symbols = word.chars().map(|c| trainer.token(c.to_string())).collect();
                let (n, weight) = if is_counted { (*count, 0) } else { (0, *count) };
                trainer.push(*language, symbols, n, weight);
            }
        }
        trainer.begin();
        trainer
    }

    fn merges(times: u64, parity: ParityConfig) -> Vec<String> {
        let parity = ParityConfig { stops_with_first: true, ..parity };
        let merges = merge_by_parity(&mut trainer(times), 5, &parity, &mut |_| {});
        merges.into_iter().map(|(left, right)| format!("{left} {right}")).collect()
    }

    const BASE: ParityConfig = ParityConfig {
        global_merges: 0,
        window: 0,
        window_alpha: 2.0,
        min_frequency: 2,
        stops_with_first: true,
    };

    #[test]
    fn merges_are_those_worked_by_the_method() {
        assert_eq!(merges(1, BASE), ["y z", "a b", "x yz", "ab ab", "xyz z"]);
        let hybrid = ParityConfig { global_merges: 2, ..BASE };
        assert_eq!(merges(1, hybrid), ["a b", "ab ab", "y z", "x yz", "xyz z"]);
        assert_eq!(merges(3, BASE), ["y z", "x yz", "xyz z"]);
        let window = ParityConfig { window: 2, window_alpha: 1.0, ..BASE };
        assert_eq!(merges(3, window), ["y z", "x yz", "a b", "xyz z"]);
    }

    #[test]
    fn a_language_without_pairs_steps_back_and_the_others_go_on() {
        let parity = ParityConfig { stops_with_first: false, ..BASE };
        let merges = merge_by_parity(&mut trainer(3), 5, &parity, &mut |_| {});
        let texts: Vec<String> =
            merges.iter().map(|(left, right)| format!("{left}{right}")).collect();
        assert_eq!(texts, ["yz", "xyz", "xyzz", "ab", "abab"]);
    }
}
