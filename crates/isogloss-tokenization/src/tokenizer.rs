//! A trained vocabulary at work.

use std::collections::BTreeMap;
use std::path::Path;

use isogloss_core::write_file_atomically;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::models::unigram::Unigram;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::whitespace::WhitespaceSplit;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{
    AddedToken, Decoder as _, DecoderWrapper, Model as _, ModelWrapper, PreTokenizerWrapper,
    Tokenizer, Trainer as _,
};

use crate::unigram::WORD_MARK;
use crate::{
    EncodeError, SpecialIds, TextEncoder, TokenizerFileError, TrainError, VocabularyConfig,
};

const BOS: &str = "<s>";
const PAD: &str = "<pad>";
const EOS: &str = "</s>";
const UNK: &str = "<unk>";
const MASK: &str = "<mask>";
const FIRST: [&str; 4] = [BOS, PAD, EOS, UNK];

/// A subword vocabulary, with the rules by which text becomes ids and ids text again.
///
/// On disk it is a `tokenizer.json` that the `tokenizers` libraries open.
#[derive(Clone, Debug)]
pub struct SubwordTokenizer {
    inner: Tokenizer,
    special: SpecialIds,
    // What user text must not become: special tokens and the pieces of bytes.
    reserved: Vec<String>,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl SubwordTokenizer {
    pub(crate) fn from_unigram(
        pieces: Vec<(String, f64)>,
        byte_fallback: bool,
    ) -> Result<Self, TrainError> {
        let mut vocab: Vec<(String, f64)> =
            FIRST.iter().map(|token| ((*token).to_owned(), 0.0)).collect();
        if byte_fallback {
            vocab.extend((0..=255_u8).map(|byte| (format!("<0x{byte:02X}>"), 0.0)));
        }
        // The library takes an unknown character to be less probable than the least of all scores,
        // so scores of 0 for what is not text change nothing.
        vocab.extend(pieces);
        let unk = Some(FIRST.len() - 1);
        let model = Unigram::from(vocab, unk, byte_fallback).map_err(TrainError::Library)?;
        Self::assemble(model.into(), byte_fallback).map_err(TrainError::Library)
    }

    pub(crate) fn train_bpe(
        config: &VocabularyConfig,
        words: &BTreeMap<String, u64>,
    ) -> Result<Self, TrainError> {
        if config.byte_fallback || config.character_coverage < 0.9995 {
            return Err(TrainError::Config {
                field: "algorithm",
                found: "bpe with byte fallback or a lower character coverage".to_owned(),
                expected: "unigram for either: BPE keeps every character".to_owned(),
            });
        }
        let marked: Vec<(String, u64)> =
            words.iter().map(|(word, count)| (format!("{WORD_MARK}{word}"), *count)).collect();
        let specials: Vec<AddedToken> =
            FIRST.iter().map(|token| AddedToken::from(*token, true)).collect();
        let mut trainer = BpeTrainer::builder()
            .vocab_size(config.vocab_size.saturating_sub(1))
            .special_tokens(specials)
            .max_token_length(Some(config.max_piece_length))
            .show_progress(false)
            .build();
        let lines = marked.iter().flat_map(|(word, count)| {
            std::iter::repeat_n(word.as_str(), usize::try_from(*count).unwrap_or(usize::MAX))
        });
        trainer.feed(lines, |word| Ok(vec![word.to_owned()])).map_err(TrainError::Library)?;
        let mut model = BPE::default();
        trainer.train(&mut model).map_err(TrainError::Library)?;
        model.unk_token = Some(UNK.to_owned());
        model.fuse_unk = true;
        let needed = model.get_vocab_size() + 1;
        if needed > config.vocab_size {
            return Err(TrainError::Config {
                field: "vocab_size",
                found: config.vocab_size.to_string(),
                expected: format!("at least {needed}, for the characters of the texts"),
            });
        }
        Self::assemble(model.into(), false).map_err(TrainError::Library)
    }

    fn assemble(model: ModelWrapper, byte_fallback: bool) -> Result<Self, BoxError> {
        let metaspace = Metaspace::new(WORD_MARK, PrependScheme::Always, true);
        let mut inner = Tokenizer::new(model);
        let split: [PreTokenizerWrapper; 2] = [WhitespaceSplit.into(), metaspace.clone().into()];
        inner.with_pre_tokenizer(Some(Sequence::new(split.into())));
        let decoder: DecoderWrapper = if byte_fallback {
            let steps: Vec<DecoderWrapper> = vec![
                tokenizers::decoders::byte_fallback::ByteFallback::new().into(),
                metaspace.into(),
            ];
            tokenizers::decoders::sequence::Sequence::new(steps).into()
        } else {
            metaspace.into()
        };
        inner.with_decoder(Some(decoder));
        let special = |token: &str| AddedToken::from(token, true);
        let mask = special(MASK).lstrip(true);
        inner.add_special_tokens(FIRST.map(special).into_iter().chain([mask]))?;
        let this = Self::try_from_inner(inner).map_err(|token| format!("no token `{token}`"))?;
        let SpecialIds { bos, eos, .. } = this.special;
        let template = TemplateProcessing::builder()
            .try_single("<s> $A </s>")?
            .try_pair("<s> $A </s> </s> $B </s>")?
            .special_tokens(vec![(BOS, bos), (EOS, eos)])
            .build()?;
        let mut inner = this.inner;
        inner.with_post_processor(Some(template));
        Ok(Self { inner, ..this })
    }

    /// Finds the special tokens; names one that is not there.
    fn try_from_inner(inner: Tokenizer) -> Result<Self, &'static str> {
        let id = |token: &'static str| inner.token_to_id(token).ok_or(token);
        let special = SpecialIds {
            bos: id(BOS)?,
            pad: id(PAD)?,
            eos: id(EOS)?,
            unk: id(UNK)?,
            mask: id(MASK)?,
        };
        let mut reserved: Vec<String> =
            inner.get_added_vocabulary().get_vocab().keys().cloned().collect();
        reserved.extend(
            (0..=255_u8)
                .map(|byte| format!("<0x{byte:02X}>"))
                .filter(|piece| inner.token_to_id(piece).is_some()),
        );
        reserved.sort_unstable();
        Ok(Self { inner, special, reserved })
    }

    /// Reads a `tokenizer.json` that has the special tokens of XLM-R.
    ///
    /// # Errors
    ///
    /// [`TokenizerFileError::Read`], [`TokenizerFileError::NoSpecial`].
    pub fn from_file(path: &Path) -> Result<Self, TokenizerFileError> {
        let inner = Tokenizer::from_file(path)
            .map_err(|source| TokenizerFileError::Read { path: path.to_owned(), source })?;
        Self::try_from_inner(inner)
            .map_err(|token| TokenizerFileError::NoSpecial { path: path.to_owned(), token })
    }

    /// Writes `tokenizer.json`, as a whole or not at all.
    ///
    /// # Errors
    ///
    /// [`TokenizerFileError::Write`].
    pub fn save(&self, path: &Path) -> Result<(), TokenizerFileError> {
        let json = self.inner.to_string(true).map_err(TokenizerFileError::Serialize)?;
        Ok(write_file_atomically(path, |file| file.write_all(json.as_bytes()))?)
    }

    /// The text of some ids, special ones left out. Runs of white space come back as one space.
    ///
    /// # Errors
    ///
    /// [`EncodeError`], for what the library refuses to put together.
    pub fn decode(&self, ids: &[u32]) -> Result<String, EncodeError> {
        let fail = |source| EncodeError { text: format!("{ids:?}"), source };
        let tokens = ids
            .iter()
            .filter(|id| !self.special.all().contains(id))
            .filter_map(|id| self.inner.id_to_token(*id));
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

    /// The tokenizer of the `tokenizers` crate, for what this type does not offer. It turns text
    /// that spells a special token into that token.
    pub fn inner(&self) -> &Tokenizer {
        &self.inner
    }

    fn encode_word(&self, word: &str, ids: &mut Vec<u32>) -> Result<(), EncodeError> {
        // A word that spells a special token is cut after that token's first character.
        let spelled = self.reserved.iter().filter_map(|token| word.find(token.as_str())).min();
        let cut = spelled.and_then(|start| {
            let first = word[start..].chars().next()?;
            Some(start + first.len_utf8())
        });
        if let Some(cut) = cut {
            self.encode_word(&word[..cut], ids)?;
            return self.encode_word(&word[cut..], ids);
        }
        let tokens = self
            .inner
            .get_model()
            .tokenize(word)
            .map_err(|source| EncodeError { text: word.to_owned(), source })?;
        ids.extend(tokens.into_iter().map(|token| token.id));
        Ok(())
    }
}

impl TextEncoder for SubwordTokenizer {
    fn encode(&self, text: &str) -> Result<Vec<u32>, EncodeError> {
        let mut ids = Vec::new();
        let mut marked = String::new();
        for word in text.split_whitespace() {
            marked.clear();
            marked.push(WORD_MARK);
            marked.push_str(word);
            self.encode_word(&marked, &mut ids)?;
        }
        Ok(ids)
    }

    fn special_ids(&self) -> SpecialIds {
        self.special
    }

    fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }
}
