//! More pieces for a vocabulary that is there.

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokenizers::{Model as _, ModelWrapper, Tokenizer};

use crate::bpe::CONTINUING;
use crate::pairs::{Pair, PairTrainer, Ties};
use crate::unigram::{self, UnigramTraining};
use crate::words::WordCounts;
use crate::{ExtendError, SubwordTokenizer, TextEncoder};

/// How many pieces a new language gets.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ExtensionConfig {
    /// New pieces, at most.
    pub tokens: usize,
    /// The most characters of a piece. Default: 16.
    #[serde(default = "default_length")]
    pub max_piece_length: usize,
    /// What occurs less often in the new text is no piece. Default: 2.
    #[serde(default = "default_frequency")]
    pub min_frequency: u64,
}

/// How many times as many pieces as are wanted are looked at, since kept text forbids some.
const SURPLUS: usize = 4;

fn default_length() -> usize {
    16
}

fn default_frequency() -> u64 {
    2
}

impl ExtensionConfig {
    /// So many pieces, with the defaults that stand beside the other fields.
    pub fn new(tokens: usize) -> Self {
        Self { tokens, max_piece_length: default_length(), min_frequency: default_frequency() }
    }
}

impl ExtensionConfig {
    fn check(&self) -> Result<(), ExtendError> {
        for (field, value) in [("tokens", self.tokens), ("max_piece_length", self.max_piece_length)]
        {
            if value == 0 {
                return Err(ExtendError::Config { field, found: value });
            }
        }
        Ok(())
    }

    /// How many pieces are looked at.
    fn surplus(&self) -> usize {
        self.tokens.saturating_mul(SURPLUS)
    }
}

/// A vocabulary with more pieces than it had.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Extension {
    /// The vocabulary: every old id stands for what it stood for, and the new ones follow.
    pub tokenizer: SubwordTokenizer,
    /// The new pieces, in the order of their ids.
    pub tokens: Vec<NewToken>,
    /// Pieces that were found and left out, because text that was to be kept would have been cut
    /// otherwise.
    pub left_out: Vec<String>,
}

/// A piece that was added.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct NewToken {
    /// Its id.
    pub id: u32,
    /// The piece.
    pub token: String,
    /// The ids that stood for it before; none where its characters were unknown. A new row of the
    /// embedding begins as their mean
    /// ([`Initialisation::SubpieceMean`](crate::embedding::Initialisation)), or better.
    pub old_ids: Vec<u32>,
}

/// A piece to be added, with what its kind of model needs.
#[derive(Clone, Debug)]
enum Addition {
    Unigram {
        token: String,
        score: f64,
    },
    /// A character, which no merge makes.
    Symbol {
        token: String,
    },
    Merge {
        token: String,
        left: String,
        right: String,
    },
}

impl Addition {
    fn token(&self) -> &str {
        match self {
            Self::Unigram { token, .. } | Self::Symbol { token } | Self::Merge { token, .. } => {
                token
            }
        }
    }
}

impl SubwordTokenizer {
    /// Learns pieces from text of a new language, and adds them behind the old ids.
    ///
    /// Unigram: pieces that a training on the new text alone finds and the vocabulary lacks, those
    /// that save most tokens first; their log-probabilities are shifted so that the pieces which both
    /// have agree. BPE and WordPiece: the old pieces go on merging on the new text, after all old
    /// merges. Characters that had no piece come first.
    ///
    /// `kept` is text, such as that of the languages a model was trained on, whose ids may not
    /// change: a piece that would change them is left out, and named, and the next best takes its
    /// place. A piece that only the new language has is never left out; nothing is promised for text
    /// that is in neither.
    ///
    /// # Errors
    ///
    /// [`ExtendError::Config`]; [`ExtendError::NoText`];
    /// [`ExtendError::Nothing`] where the text holds nothing to be learned;
    /// [`ExtendError::Model`] for a model of another kind.
    pub fn extend<S: AsRef<str>, K: AsRef<str>>(
        &self,
        texts: impl IntoIterator<Item = S>,
        kept: impl IntoIterator<Item = K>,
        config: &ExtensionConfig,
    ) -> Result<Extension, ExtendError> {
        config.check()?;
        let words = self.count_words(texts)?;
        if words.is_empty() {
            return Err(ExtendError::NoText);
        }
        let kept = self.count_words(kept)?;
        let mut left_out: Vec<String> = Vec::new();
        let mut remaining = match self.inner().get_model() {
            ModelWrapper::Unigram(_) => self.learn_pieces(&words, config)?,
            ModelWrapper::BPE(_) | ModelWrapper::WordPiece(_) => {
                self.learn_merges(&words, &kept, config, &mut left_out)?
            }
            ModelWrapper::WordLevel(_) => return Err(ExtendError::Model { found: "WordLevel" }),
        };
        let needs_parts = matches!(self.inner().get_model(), ModelWrapper::BPE(_));
        loop {
            if remaining.is_empty() {
                return Err(ExtendError::Nothing { left_out });
            }
            let additions = &remaining[..remaining.len().min(config.tokens)];
            let (tokenizer, ids) = self.with_additions(additions)?;
            let changing = self.changing(&tokenizer, &kept, &ids)?;
            if changing.is_empty() {
                let tokens = self.new_tokens(additions, &ids)?;
                return Ok(Extension { tokenizer, tokens, left_out });
            }
            let mut gone: FxHashSet<String> = changing.into_iter().collect();
            remaining.retain(|addition| {
                let is_gone = match addition {
                    // What is made of a piece that is left out cannot be made.
                    Addition::Merge { token, left, right } if needs_parts => {
                        gone.contains(token) || gone.contains(left) || gone.contains(right)
                    }
                    other => gone.contains(other.token()),
                };
                if is_gone {
                    gone.insert(addition.token().to_owned());
                    left_out.push(addition.token().to_owned());
                }
                !is_gone
            });
        }
    }

    /// The different words of some texts, as the model sees them.
    fn count_words<S: AsRef<str>>(
        &self,
        texts: impl IntoIterator<Item = S>,
    ) -> Result<BTreeMap<String, u64>, ExtendError> {
        let mut words: FxHashMap<String, u64> = FxHashMap::default();
        for text in texts {
            self.each_word(text.as_ref(), |word| match words.get_mut(word) {
                Some(count) => *count += 1,
                None => drop(words.insert(word.to_owned(), 1)),
            })?;
        }
        Ok(words.into_iter().collect())
    }

    fn learn_pieces(
        &self,
        words: &BTreeMap<String, u64>,
        config: &ExtensionConfig,
    ) -> Result<Vec<Addition>, ExtendError> {
        let counts = WordCounts::from_counts(words.iter().map(|(word, n)| (word.as_str(), *n)));
        let characters = counts.required_characters(1.0);
        let frequent =
            characters.iter().filter(|(_, count)| **count >= config.min_frequency).count();
        let total: u64 = characters.values().sum();
        let covered: u64 = characters.values().filter(|n| **n >= config.min_frequency).sum();
        let training = UnigramTraining {
            // More than are wanted: some are there already, and some must not be there.
            pieces: config.surplus().saturating_add(frequent),
            // A hair less than what the frequent ones make up, which takes them and no other.
            character_coverage: (covered as f64 - 0.5).max(0.0) / total as f64,
            max_piece_length: config.max_piece_length,
        };
        let found = unigram::train(&training, &counts, &mut |_, _| {})?;
        let model = serde_json::to_value(self.inner().get_model())?;
        let old: FxHashMap<&str, f64> = model["vocab"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|entry| Some((entry[0].as_str()?, entry[1].as_f64()?)))
            .collect();
        // How much more probable the old vocabulary holds what both have, weighed by how probable
        // the new text holds it.
        let (mut shift, mut weight) = (0.0, 0.0);
        for (piece, score) in &found {
            if let Some(old) = old.get(piece.as_str()) {
                shift += libm::exp(*score) * (old - score);
                weight += libm::exp(*score);
            }
        }
        let shift = if weight > 0.0 { shift / weight } else { 0.0 };
        // A piece saves its tokens but one, each time that the best cut of the new text has it.
        let uses = unigram::uses(&found, words.iter().map(|(word, n)| (word.as_str(), *n)));
        let mut new: Vec<(bool, u64, &str, f64)> = Vec::new();
        for ((piece, score), uses) in found.iter().zip(uses) {
            if old.contains_key(piece.as_str()) {
                continue;
            }
            let is_character = piece.chars().nth(1).is_none();
            let cost = self.encode_word(piece)?.len() as u64;
            let saved = uses * cost.saturating_sub(1);
            if is_character || (uses >= config.min_frequency && saved > 0) {
                new.push((is_character, saved, piece, score + shift));
            }
        }
        new.sort_by(|a, b| b.0.cmp(&a.0).then(b.1.cmp(&a.1)).then(a.2.cmp(b.2)));
        let addition = |(_, _, token, score): (_, _, &str, _)| Addition::Unigram {
            token: token.to_owned(),
            score,
        };
        Ok(new.into_iter().map(addition).collect())
    }

    /// The merges of the new text. A merge of BPE happens wherever its two pieces meet, so that one of
    /// pieces that meet in kept text goes to what is left out before anything is built on it.
    fn learn_merges(
        &self,
        words: &BTreeMap<String, u64>,
        kept: &BTreeMap<String, u64>,
        config: &ExtensionConfig,
        left_out: &mut Vec<String>,
    ) -> Result<Vec<Addition>, ExtendError> {
        let is_word_piece = matches!(self.inner().get_model(), ModelWrapper::WordPiece(_));
        let old = self.inner().get_vocab(true);
        let special: FxHashSet<u32> = self.special_ids().all().collect();
        let is_piece = |id: u32| !special.contains(&id) && !self.is_byte(id);
        let mut sorted: Vec<(u32, &String)> = old.iter().map(|(token, id)| (*id, token)).collect();
        sorted.sort_unstable();
        let tokens = sorted.iter().map(|(_, token)| (*token).clone());
        let mut trainer = PairTrainer::new(1, tokens, Ties::SmallerIds, config.max_piece_length);
        // Where the old vocabulary has no piece, a character is one, if it is not rare.
        let mut cut: Vec<(Vec<String>, u64)> = Vec::with_capacity(words.len());
        let mut characters: BTreeMap<String, u64> = BTreeMap::new();
        for (word, count) in words {
            let fail = |source| ExtendError::Library(source);
            let mut symbols = Vec::new();
            // Where the part of the word ends that has been cut.
            let mut done = 0;
            let mut spell = |range: std::ops::Range<usize>, symbols: &mut Vec<String>| {
                for (at, character) in word[range.clone()].char_indices() {
                    let continues = is_word_piece && range.start + at > 0;
                    let mark = if continues { CONTINUING } else { "" };
                    let text = format!("{mark}{character}");
                    *characters.entry(text.clone()).or_default() += count;
                    symbols.push(text);
                }
            };
            let tokens = self.inner().get_model().tokenize(word).map_err(fail)?;
            // A model of BPE without an unknown token leaves out what it does not know, and then its
            // offsets are wrong.
            let is_whole = tokens.last().is_some_and(|token| token.offsets.1 == word.len());
            for token in tokens.into_iter().filter(|_| is_whole) {
                if is_piece(token.id) {
                    // What lies between two pieces is unknown, or bytes.
                    spell(done..token.offsets.0, &mut symbols);
                    done = token.offsets.1;
                    symbols.push(token.value);
                }
            }
            spell(done..word.len(), &mut symbols);
            cut.push((symbols, *count));
        }
        let mut additions: Vec<Addition> = Vec::new();
        let mut by_count: Vec<(&String, &u64)> = characters
            .iter()
            .filter(|(token, count)| **count >= config.min_frequency && !old.contains_key(*token))
            .collect();
        by_count.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        for (token, _) in by_count.into_iter().take(config.tokens) {
            trainer.token(token.clone());
            additions.push(Addition::Symbol { token: token.clone() });
        }
        for (symbols, count) in cut {
            // A character that is no piece parts the word.
            let known: Vec<Option<u32>> = symbols.iter().map(|text| trainer.id(text)).collect();
            for part in known.split(Option::is_none) {
                let part: Vec<u32> = part.iter().flatten().copied().collect();
                if part.len() > 1 {
                    trainer.push(0, part, count, count);
                }
            }
        }
        trainer.begin();
        let forbidden =
            if is_word_piece { FxHashSet::default() } else { self.meeting(kept, &trainer)? };
        while additions.len() < config.surplus() {
            let Some(pair) = trainer.best(Some(0), config.min_frequency) else { break };
            let (left, right) = (trainer.text(pair.0).to_owned(), trainer.text(pair.1).to_owned());
            let rest = if is_word_piece { right.strip_prefix(CONTINUING) } else { None };
            let token = format!("{left}{}", rest.unwrap_or(&right));
            if forbidden.contains(&pair) {
                trainer.forbid(pair);
                left_out.push(token);
                continue;
            }
            let is_new = trainer.id(&token).is_none();
            trainer.merge(pair, token.clone());
            // A merge that makes what is there already is a merge all the same, but for WordPiece,
            // which keeps none.
            let is_special = old.get(&token).is_some_and(|id| special.contains(id));
            if is_new || !(is_word_piece || is_special) {
                additions.push(Addition::Merge { token, left, right });
            }
        }
        Ok(additions)
    }

    /// The pairs of pieces that stand side by side in some words.
    fn meeting(
        &self,
        words: &BTreeMap<String, u64>,
        trainer: &PairTrainer,
    ) -> Result<FxHashSet<Pair>, ExtendError> {
        let mut pairs = FxHashSet::default();
        for word in words.keys() {
            let tokens = self.inner().get_model().tokenize(word).map_err(ExtendError::Library)?;
            for pair in tokens.windows(2) {
                if let [Some(left), Some(right)] = [0, 1].map(|at| trainer.id(&pair[at].value)) {
                    pairs.insert((left, right));
                }
            }
        }
        Ok(pairs)
    }

    /// The tokenizer with further pieces, and the ids of those.
    fn with_additions(
        &self,
        additions: &[Addition],
    ) -> Result<(Self, BTreeMap<String, u32>), ExtendError> {
        let mut json: Value = serde_json::to_value(self.as_in_file()?)?;
        let all = self.inner().get_vocab(true);
        let first = all.values().copied().max().map_or(0, |last| last + 1);
        let mut by_id: Vec<(u32, &String)> = all.iter().map(|(token, id)| (*id, token)).collect();
        by_id.sort_unstable();
        let mut ids = BTreeMap::new();
        for addition in additions {
            let next = first + u32::try_from(ids.len()).unwrap_or(u32::MAX);
            if !all.contains_key(addition.token()) {
                ids.entry(addition.token().to_owned()).or_insert(next);
            }
        }
        let model = &mut json["model"];
        let fail = || ExtendError::Model { found: "a model without a vocabulary" };
        match &mut model["vocab"] {
            // A list, in which the place is the id: tokens that were added behind the model's own
            // take their places.
            Value::Array(vocab) => {
                let own = vocab.len();
                let added = by_id.iter().filter(|(id, _)| *id as usize >= own);
                vocab.extend(added.map(|(_, token)| json!([token, 0.0])));
                for addition in additions {
                    if let Addition::Unigram { token, score } = addition {
                        vocab.push(json!([token, score]));
                    }
                }
            }
            Value::Object(vocab) => {
                // A place without a token would be taken for a fault.
                for (id, token) in by_id {
                    vocab.entry(token.clone()).or_insert(json!(id));
                }
                for (token, id) in &ids {
                    vocab.insert(token.clone(), json!(id));
                }
            }
            _ => return Err(fail()),
        }
        if let Value::Array(merges) = &mut model["merges"] {
            for addition in additions {
                if let Addition::Merge { left, right, .. } = addition {
                    merges.push(json!([left, right]));
                }
            }
        }
        let bytes = serde_json::to_vec(&json)?;
        let inner = Tokenizer::from_bytes(&bytes).map_err(ExtendError::Library)?;
        let tokenizer = Self::with_roles(inner, &self.roles()).map_err(ExtendError::Library)?;
        Ok((tokenizer, ids))
    }

    /// The new pieces that stand where the ids of a kept word are others than before.
    fn changing(
        &self,
        extended: &Self,
        kept: &BTreeMap<String, u64>,
        new: &BTreeMap<String, u32>,
    ) -> Result<Vec<String>, ExtendError> {
        let by_id: FxHashMap<u32, &String> = new.iter().map(|(token, id)| (*id, token)).collect();
        let mut changing = FxHashSet::default();
        let mut unexplained = None;
        for word in kept.keys() {
            let after = extended.encode_word(word)?;
            if after != self.encode_word(word)? {
                let before = changing.len();
                let mut found = false;
                for token in after.iter().filter_map(|id| by_id.get(id)) {
                    found = true;
                    changing.insert((*token).clone());
                }
                if !found && changing.len() == before {
                    unexplained = Some(word);
                }
            }
        }
        match unexplained {
            Some(word) if changing.is_empty() => {
                Err(ExtendError::Unexplained { word: word.clone() })
            }
            _ => Ok(changing.into_iter().collect()),
        }
    }

    fn new_tokens(
        &self,
        additions: &[Addition],
        ids: &BTreeMap<String, u32>,
    ) -> Result<Vec<NewToken>, ExtendError> {
        let unk = self.special_ids().unk;
        let mut tokens = Vec::with_capacity(ids.len());
        let mut seen = FxHashSet::default();
        for addition in additions {
            let token = addition.token();
            let Some(id) = ids.get(token).filter(|id| seen.insert(**id)) else { continue };
            let mut old_ids = match self.inner().get_model() {
                ModelWrapper::WordPiece(_) => self.continued_ids(token)?,
                _ => self.encode_word(token)?,
            };
            old_ids.retain(|id| Some(*id) != unk);
            tokens.push(NewToken { id: *id, token: token.to_owned(), old_ids });
        }
        tokens.sort_by_key(|token| token.id);
        Ok(tokens)
    }

    /// The old pieces of a piece of WordPiece, which may continue a word: then it stands behind a
    /// character that is a piece by itself.
    fn continued_ids(&self, token: &str) -> Result<Vec<u32>, ExtendError> {
        let Some(rest) = token.strip_prefix(CONTINUING) else {
            return Ok(self.encode_word(token)?);
        };
        let first = self.inner().get_vocab(false);
        let lead = first
            .iter()
            .filter(|(token, _)| token.chars().count() == 1)
            .min_by_key(|(_, id)| **id)
            .map(|(token, id)| (token.clone(), *id));
        let Some((lead, id)) = lead else { return Ok(Vec::new()) };
        let ids = self.encode_word(&format!("{lead}{rest}"))?;
        // Where the two merge, there is no telling what the piece itself was.
        Ok(ids.strip_prefix(&[id]).map(<[u32]>::to_vec).unwrap_or_default())
    }
}
