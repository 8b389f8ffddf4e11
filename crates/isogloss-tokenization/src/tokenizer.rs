//! A subword vocabulary at work.

use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use isogloss_core::write_file_atomically;
use rustc_hash::FxHashMap;
use serde_json::Value;
use tokenizers::{
    Decoder as _, Encoding, Model as _, ModelWrapper, NormalizedString, Normalizer as _,
    NormalizerWrapper, OffsetReferential, OffsetType, PreTokenizer as _, Token, Tokenizer,
};

use crate::charsmap::Charsmap;
use crate::cutting::{Cutting, PATTERN, bounded_pattern};
use crate::encoder::encode_in_parts;
use crate::lattice::Workspace;
use crate::reserved::Reserved;
use crate::segmenter::Segmenter;
use crate::special::byte_piece;
use crate::trie::Trie;
use crate::{EncodeError, SpecialIds, TextEncoder, TokenizerFileError};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A subword vocabulary, with the rules by which text becomes ids and ids text again.
///
/// On disk it is a `tokenizer.json` that the `tokenizers` libraries open, and gives the same ids
/// there, but for two things: text that spells a special token, or a piece of a byte, is text here;
/// and the rules of SentencePiece that such a file may carry are applied as SentencePiece applies
/// them, so that decomposed letters keep all their marks.
#[derive(Debug)]
pub struct SubwordTokenizer {
    inner: Tokenizer,
    // The first step of the normaliser that the file has, where it is rules of SentencePiece; the
    // others are those of `inner`.
    charsmap: Option<Charsmap>,
    file_normalizer: Option<NormalizerWrapper>,
    // How words are cut, where that is a way we know; otherwise the library does everything.
    cutting: Option<Cutting>,
    special: SpecialIds,
    // What is one token wherever it stands, and what a word must not become by spelling it.
    symbols: Option<(Trie, Vec<u32>)>,
    reserved: Reserved,
    // A Unigram model, faster than the library's.
    segmenter: Option<Arc<Segmenter>>,
    bytes: Vec<u32>,
    // What a model expects before a text and after it.
    frame: [Vec<u32>; 2],
    words: Mutex<WordCache>,
}

/// The ids of words that came before, up to a number of words.
#[derive(Debug, Default)]
struct WordCache {
    words: FxHashMap<Box<str>, Box<[u32]>>,
    // Room to work in, for those that did not.
    space: Workspace,
}

impl WordCache {
    const MOST: usize = 1 << 17;
    const LONGEST: usize = 64;

    fn insert(&mut self, word: &str, ids: &[u32]) {
        if word.len() <= Self::LONGEST && self.words.len() < Self::MOST {
            self.words.insert(word.into(), ids.into());
        }
    }
}

/// What a text is cut into.
enum Part<'a> {
    /// A symbol of the user, which is one token wherever it stands.
    Symbol(u32),
    /// A word as the model sees it.
    Word(&'a str),
}

/// The tokens that have a task, by the names under which `transformers` keeps them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Roles {
    pub(crate) bos: Option<String>,
    pub(crate) pad: Option<String>,
    pub(crate) eos: Option<String>,
    pub(crate) unk: Option<String>,
    pub(crate) mask: Option<String>,
}

impl SubwordTokenizer {
    pub(crate) fn from_inner(inner: Tokenizer) -> Result<Self, BoxError> {
        Self::with_roles(inner, &Roles::default())
    }

    /// Takes a tokenizer and finds what it is made of. A role that is not given goes to the token of
    /// the usual name.
    pub(crate) fn with_roles(mut inner: Tokenizer, roles: &Roles) -> Result<Self, BoxError> {
        inner.set_encode_special_tokens(true);
        inner.with_truncation(None)?;
        inner.with_padding(None);
        let file_normalizer = inner.get_normalizer().cloned();
        let charsmap = match file_normalizer.as_ref().map(serde_json::to_value).transpose()? {
            Some(json) => take_charsmap(&mut inner, &json)?,
            None => None,
        };
        let find = |given: &Option<String>, usual: &[&str]| match given {
            Some(token) => inner
                .token_to_id(token)
                .map(Some)
                .ok_or_else(|| format!("no token `{token}`, which the configuration names")),
            None => Ok(usual.iter().find_map(|token| inner.token_to_id(token))),
        };
        let special = SpecialIds {
            bos: find(&roles.bos, &["<s>", "[CLS]"])?,
            pad: find(&roles.pad, &["<pad>", "[PAD]"])?,
            eos: find(&roles.eos, &["</s>", "[SEP]"])?,
            unk: find(&roles.unk, &["<unk>", "[UNK]"])?,
            mask: find(&roles.mask, &["<mask>", "[MASK]"])?,
        };
        let byte_pieces = || (0..=u8::MAX).map(byte_piece);
        let bytes: Vec<u32> = byte_pieces().filter_map(|piece| inner.token_to_id(&piece)).collect();
        let segmenter = match inner.get_model() {
            ModelWrapper::Unigram(model) => Segmenter::new(model).map(Arc::new),
            _ => None,
        };
        // Most BPE models find no piece without being led there by merges; the others look it up.
        let needs_merges =
            matches!(inner.get_model(), ModelWrapper::BPE(model) if !model.ignore_merges);
        let is_unigram = matches!(inner.get_model(), ModelWrapper::Unigram(_));
        let mut reserved: Vec<String> = Vec::new();
        if is_unigram {
            reserved.extend(byte_pieces().filter(|piece| inner.token_to_id(piece).is_some()));
        }
        let added = inner.get_added_tokens_decoder();
        let mut symbols: Vec<(String, u32)> = Vec::new();
        let mut is_plain = true;
        for (id, token) in &added {
            if token.special {
                if !needs_merges {
                    reserved.push(token.content.clone());
                }
            } else {
                is_plain &=
                    !(token.normalized || token.single_word || token.lstrip || token.rstrip);
                symbols.push((token.content.clone(), *id));
            }
        }
        symbols.sort_unstable();
        let cutting = if is_plain { known_cutting(&inner)? } else { None };
        let symbols = (!symbols.is_empty()).then(|| {
            let keys = (0_u32..).zip(&symbols).map(|(at, (text, _))| (text.as_bytes(), at));
            (Trie::new(keys), symbols.iter().map(|(_, id)| *id).collect())
        });
        let words = Mutex::default();
        let frame = frame(&inner)?;
        Ok(Self {
            inner,
            charsmap,
            file_normalizer,
            cutting,
            special,
            symbols,
            reserved: Reserved::new(&reserved),
            segmenter,
            bytes,
            frame,
            words,
        })
    }

    /// Reads a `tokenizer.json`. Special tokens are known by their usual names; for a directory with
    /// a configuration that names them, see [`Vocabulary::open`](crate::Vocabulary::open).
    ///
    /// # Errors
    ///
    /// [`TokenizerFileError::Read`].
    pub fn from_file(path: &Path) -> Result<Self, TokenizerFileError> {
        Self::from_file_with_roles(path, &Roles::default())
    }

    pub(crate) fn from_file_with_roles(
        path: &Path,
        roles: &Roles,
    ) -> Result<Self, TokenizerFileError> {
        let fail = |source| TokenizerFileError::Read { path: path.to_owned(), source };
        let inner = Tokenizer::from_file(path).map_err(fail)?;
        Self::with_roles(inner, roles).map_err(fail)
    }

    /// The tokenizer as its file has it.
    pub(crate) fn as_in_file(&self) -> Result<Tokenizer, TokenizerFileError> {
        let mut inner = self.inner.clone();
        inner.set_encode_special_tokens(false);
        inner
            .with_normalizer(self.file_normalizer.clone())
            .map_err(TokenizerFileError::Serialize)?;
        Ok(inner)
    }

    /// Writes `tokenizer.json`, as a whole or not at all.
    ///
    /// # Errors
    ///
    /// [`TokenizerFileError::Write`].
    pub fn save(&self, path: &Path) -> Result<(), TokenizerFileError> {
        let json = self.as_in_file()?.to_string(true).map_err(TokenizerFileError::Serialize)?;
        Ok(write_file_atomically(path, |file| file.write_all(json.as_bytes()))?)
    }

    /// The ids of a text between the special tokens that a model of this vocabulary expects.
    ///
    /// # Errors
    ///
    /// [`EncodeError`], as [`encode`](TextEncoder::encode).
    pub fn encode_framed(&self, text: &str) -> Result<Vec<u32>, EncodeError> {
        let [before, after] = &self.frame;
        Ok([before.as_slice(), &self.encode(text)?, after].concat())
    }

    pub(crate) fn frame(&self) -> [&[u32]; 2] {
        self.frame.each_ref().map(Vec::as_slice)
    }

    /// The ids of several texts, on all cores.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] of the first text that cannot be encoded.
    pub fn encode_batch<S: AsRef<str> + Sync>(
        &self,
        texts: &[S],
    ) -> Result<Vec<Vec<u32>>, EncodeError> {
        encode_in_parts(texts, |text, (cache, buffer): &mut (WordCache, String)| {
            self.encode_cached(text, cache, buffer)
        })
    }

    /// The text of some ids, special ones left out. Where words are marked, runs of white space come
    /// back as one space.
    ///
    /// # Errors
    ///
    /// [`EncodeError`], for what the library refuses to put together.
    pub fn decode(&self, ids: &[u32]) -> Result<String, EncodeError> {
        let fail = |source| EncodeError { text: format!("{ids:?}"), source };
        let added = self.inner.get_added_vocabulary();
        let tokens = ids
            .iter()
            .filter_map(|id| self.inner.id_to_token(*id))
            .filter(|token| !added.is_special_token(token));
        match self.inner.get_decoder() {
            Some(decoder) => decoder.decode(tokens.collect()).map_err(fail),
            None => Ok(tokens.collect::<Vec<_>>().concat()),
        }
    }

    /// The piece that an id stands for.
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The id of a piece.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The tokenizer of the `tokenizers` crate, for what this type does not offer.
    pub fn inner(&self) -> &Tokenizer {
        &self.inner
    }

    /// The tokens that have a task, by their texts.
    pub(crate) fn roles(&self) -> Roles {
        let token = |id: Option<u32>| id.and_then(|id| self.token(id));
        let SpecialIds { bos, pad, eos, unk, mask } = self.special;
        Roles {
            bos: token(bos),
            pad: token(pad),
            eos: token(eos),
            unk: token(unk),
            mask: token(mask),
        }
    }

    /// Gives each word of a text as the model sees it, symbols of the user left out.
    pub(crate) fn each_word(
        &self,
        text: &str,
        mut on_word: impl FnMut(&str),
    ) -> Result<(), EncodeError> {
        self.each_part(text, &mut String::new(), |part| {
            if let Part::Word(word) = part {
                self.reserved.unspelled(word).for_each(&mut on_word);
            }
            Ok(())
        })
    }

    /// The ids of a word as the model sees it.
    pub(crate) fn encode_word(&self, word: &str) -> Result<Vec<u32>, EncodeError> {
        let mut ids = Vec::new();
        self.encode_word_in(word, &mut Workspace::default(), &mut ids)?;
        Ok(ids)
    }

    fn encode_word_in(
        &self,
        word: &str,
        space: &mut Workspace,
        ids: &mut Vec<u32>,
    ) -> Result<(), EncodeError> {
        for part in self.reserved.unspelled(word) {
            if let Some(segmenter) = &self.segmenter {
                segmenter.encode(part, space, ids);
                continue;
            }
            let tokens = self
                .inner
                .get_model()
                .tokenize(part)
                .map_err(|source| EncodeError { text: word.to_owned(), source })?;
            ids.extend(tokens.into_iter().map(|token| token.id));
        }
        Ok(())
    }

    fn encode_cached(
        &self,
        text: &str,
        cache: &mut WordCache,
        buffer: &mut String,
    ) -> Result<Vec<u32>, EncodeError> {
        let mut ids = Vec::with_capacity(text.len() / 3);
        self.each_part(text, buffer, |part| match part {
            Part::Symbol(id) => {
                ids.push(id);
                Ok(())
            }
            Part::Word(word) => self.encode_word_cached(word, cache, &mut ids),
        })?;
        Ok(ids)
    }

    /// Gives the symbols of a text and the words between them, as the model sees them: symbols are cut
    /// out of the text as it stands, and what is left is normalised and cut.
    fn each_part(
        &self,
        text: &str,
        buffer: &mut String,
        mut on_part: impl FnMut(Part<'_>) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let text = match &self.charsmap {
            Some(charsmap) => &charsmap.apply(text),
            None => text,
        };
        let fail = |source| EncodeError { text: text.to_owned(), source };
        let Some(cutting) = self.cutting else {
            // The library normalises, cuts added tokens out, and cuts words; those are encoded here.
            let added = self.inner.get_added_vocabulary();
            let mut parts = added.extract_and_normalize(self.inner.get_normalizer(), text);
            if let Some(cutter) = self.inner.get_pre_tokenizer() {
                cutter.pre_tokenize(&mut parts).map_err(fail)?;
            }
            let parts = parts.get_splits(OffsetReferential::Normalized, OffsetType::Byte);
            for (part, _, tokens) in parts {
                match tokens {
                    Some(tokens) => {
                        tokens.iter().try_for_each(|token| on_part(Part::Symbol(token.id)))?;
                    }
                    None => on_part(Part::Word(part))?,
                }
            }
            return Ok(());
        };
        let Some((symbols, of_symbols)) = &self.symbols else {
            return self.each_word_of(text, cutting, buffer, &mut on_part);
        };
        let (mut start, mut at) = (0, 0);
        while let Some(character) = text[at..].chars().next() {
            if let Some((length, symbol)) = symbols.longest(&text.as_bytes()[at..]) {
                self.each_word_of(&text[start..at], cutting, buffer, &mut on_part)?;
                on_part(Part::Symbol(of_symbols[symbol as usize]))?;
                at += length;
                start = at;
            } else {
                at += character.len_utf8();
            }
        }
        self.each_word_of(&text[start..], cutting, buffer, &mut on_part)
    }

    /// Gives the words of a text without symbols of the user.
    fn each_word_of(
        &self,
        text: &str,
        cutting: Cutting,
        buffer: &mut String,
        on_part: &mut impl FnMut(Part<'_>) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let normalised;
        let text = match self.inner.get_normalizer() {
            None => text,
            Some(normalizer) => {
                let mut string = NormalizedString::from(text);
                normalizer
                    .normalize(&mut string)
                    .map_err(|source| EncodeError { text: text.to_owned(), source })?;
                normalised = string.get().to_owned();
                &normalised
            }
        };
        cutting.each(text, buffer, |word| on_part(Part::Word(word)))
    }

    fn encode_word_cached(
        &self,
        word: &str,
        cache: &mut WordCache,
        ids: &mut Vec<u32>,
    ) -> Result<(), EncodeError> {
        if let Some(known) = cache.words.get(word) {
            ids.extend_from_slice(known);
            return Ok(());
        }
        let before = ids.len();
        self.encode_word_in(word, &mut cache.space, ids)?;
        cache.insert(word, &ids[before..]);
        Ok(())
    }
}

impl Clone for SubwordTokenizer {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            charsmap: self.charsmap.clone(),
            file_normalizer: self.file_normalizer.clone(),
            cutting: self.cutting,
            special: self.special,
            symbols: self.symbols.clone(),
            reserved: self.reserved.clone(),
            segmenter: self.segmenter.clone(),
            bytes: self.bytes.clone(),
            frame: self.frame.clone(),
            words: Mutex::default(),
        }
    }
}

impl TextEncoder for SubwordTokenizer {
    fn encode(&self, text: &str) -> Result<Vec<u32>, EncodeError> {
        let mut buffer = String::new();
        // Whoever finds the shared words in use does without.
        match self.words.try_lock() {
            Ok(mut words) => self.encode_cached(text, &mut words, &mut buffer),
            Err(_) => self.encode_cached(text, &mut WordCache::default(), &mut buffer),
        }
    }

    fn special_ids(&self) -> SpecialIds {
        self.special
    }

    fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    fn is_byte(&self, id: u32) -> bool {
        self.bytes.contains(&id)
    }
}

/// What the file's template puts before a text and after it.
fn frame(inner: &Tokenizer) -> Result<[Vec<u32>; 2], BoxError> {
    // No token has this id, so it tells where the text stands.
    let text = Token::new(u32::MAX, String::new(), (0, 0));
    let framed = inner.post_process(Encoding::from_tokens(vec![text], 0), None, true)?;
    let mut parts = framed.get_ids().split(|id| *id == u32::MAX).map(<[u32]>::to_vec);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(before), Some(after), None) => Ok([before, after]),
        _ => Err("its template leaves a text out, or repeats it".into()),
    }
}

/// Takes rules of SentencePiece off the front of a normaliser.
fn take_charsmap(inner: &mut Tokenizer, json: &Value) -> Result<Option<Charsmap>, BoxError> {
    let steps = match json["type"].as_str() {
        Some("Sequence") => json["normalizers"].as_array().cloned().unwrap_or_default(),
        _ => vec![json.clone()],
    };
    let Some((first, others)) = steps.split_first() else { return Ok(None) };
    if first["type"] != "Precompiled" {
        return Ok(None);
    }
    let rules = first["precompiled_charsmap"].as_str().unwrap_or_default();
    let rules = base64::engine::general_purpose::STANDARD.decode(rules)?;
    let charsmap = Charsmap::parse(&rules)?;
    let others: Vec<NormalizerWrapper> =
        others.iter().map(|step| serde_json::from_value(step.clone())).collect::<Result<_, _>>()?;
    let others = (!others.is_empty())
        .then(|| NormalizerWrapper::from(tokenizers::normalizers::Sequence::new(others)));
    inner.with_normalizer(others)?;
    Ok(Some(charsmap))
}

/// How a tokenizer cuts words, where that is a way we know.
fn known_cutting(inner: &Tokenizer) -> Result<Option<Cutting>, BoxError> {
    let Some(pre_tokenizer) = inner.get_pre_tokenizer() else { return Ok(None) };
    let json = serde_json::to_value(pre_tokenizer)?;
    let steps = match json["type"].as_str() {
        Some("Sequence") => json["pretokenizers"].as_array().cloned().unwrap_or_default(),
        _ => vec![json],
    };
    // A prefix for the first part alone is one for all where nothing parts a text.
    let has_symbols = inner.get_added_tokens_decoder().values().any(|token| !token.special);
    let is_metaspace = |step: &Value| {
        let scheme = step["prepend_scheme"].as_str();
        step["type"] == "Metaspace"
            && step["replacement"] == "▁"
            && step["split"] != false
            && (scheme == Some("always") || (scheme == Some("first") && !has_symbols))
    };
    let is_split = |step: &Value, pattern: &str| {
        step["type"] == "Split"
            && step["pattern"]["Regex"] == pattern
            && step["behavior"] == "Isolated"
            && step["invert"] == false
    };
    let is_bytes = |step: &Value| {
        step["type"] == "ByteLevel"
            && step["add_prefix_space"] == false
            && step["use_regex"] == false
    };
    Ok(match &steps[..] {
        [only] if is_metaspace(only) => Some(Cutting::Words { at_whitespace: false }),
        [first, second] if first["type"] == "WhitespaceSplit" && is_metaspace(second) => {
            Some(Cutting::Words { at_whitespace: true })
        }
        [first, second] if is_split(first, PATTERN) && is_bytes(second) => {
            Some(Cutting::Bytes { most: None })
        }
        [first, second, third] if is_split(first, PATTERN) && is_bytes(third) => {
            let bounds = 1..=256;
            let most = bounds.into_iter().find(|most| is_split(second, &bounded_pattern(*most)));
            most.map(|most| Cutting::Bytes { most: Some(most) })
        }
        _ => None,
    })
}
