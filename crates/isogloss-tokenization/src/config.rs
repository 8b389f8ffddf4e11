//! What vocabulary to train.

use isogloss_core::{Progress, ProgressEvent};
use isogloss_corpus::SampledTexts;
use serde::{Deserialize, Serialize};

use crate::assembly::Parts;
use crate::bpe;
use crate::cutting::Cutting;
use crate::special::{self, SpecialTokens};
use crate::unigram::{self, UnigramTraining};
use crate::words::WordCounts;
use crate::{SubwordTokenizer, TrainError};

/// How pieces are found.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Algorithm {
    /// The pieces under which the text is most probable (Kudo, 2018,
    /// <https://aclanthology.org/P18-1007>), trained by our own rules after SentencePiece's.
    Unigram,
    /// Byte-pair encoding: the most frequent pair, again and again (Sennrich et al., 2016,
    /// <https://aclanthology.org/P16-1162>), trained by the `tokenizers` crate.
    Bpe,
    /// Byte-pair encoding over bytes (Radford et al., 2019): every text has its bytes, so none is
    /// ever unknown. Trained by the `tokenizers` crate.
    ByteBpe,
    /// WordPiece (Schuster and Nakajima, 2012) as the `tokenizers` crate trains it, by counts: pieces
    /// that continue a word begin with `##`, and the longest piece that fits comes first.
    #[serde(rename = "wordpiece")]
    WordPiece,
}

impl Algorithm {
    /// By the names of the command line: `unigram`, `bpe`, `byte-bpe`, `wordpiece`.
    pub const NAMES: [(&'static str, Self); 4] = [
        ("unigram", Self::Unigram),
        ("bpe", Self::Bpe),
        ("byte-bpe", Self::ByteBpe),
        ("wordpiece", Self::WordPiece),
    ];
}

/// What is done to text before it is cut into words. By default nothing.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Normalization {
    /// Whether letters and marks are composed, and how. Default: not.
    pub form: Option<NormalForm>,
    /// Whether letters are lowered. Some scripts have no case, and in others it tells words apart.
    /// Default: not.
    pub lowercase: bool,
    /// Whether marks are removed. In Yoruba or Vietnamese that makes other words of them.
    /// Default: not.
    pub strip_accents: bool,
}

/// Unicode's normal forms that compose.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum NormalForm {
    /// Form C: letters and marks that have a composed form are composed.
    Nfc,
    /// Form KC: letters of other shapes become the plain ones as well (`ﬁ`, `²`, `Ａ`), which cannot
    /// be undone.
    Nfkc,
}

/// A shared vocabulary to be trained.
///
/// Unigram and BPE split text at white space and begin each word with `▁`, as SentencePiece does;
/// byte-level BPE and WordPiece keep letters with their marks, digits and signs apart. Nothing is
/// normalised unless that is asked for: no letter is lowered and no mark removed, so a vocabulary sees
/// Yoruba's tones. The layout is that of XLM-R: `<s>` 0, `<pad>` 1, `</s>` 2, `<unk>` 3, bytes and the
/// symbols of the user where there are any, pieces, further special tokens, `<mask>` last.
///
/// The same texts in any order give the same vocabulary, byte for byte.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct VocabularyConfig {
    /// How pieces are found. Default: Unigram.
    pub algorithm: Algorithm,
    /// How many ids there are, special ones included. A training that runs out of pairs ends with
    /// fewer.
    pub vocab_size: usize,
    /// The share of the text's characters that must be pieces, in `[0.9, 1]`; the rarest beyond it
    /// are unknown, or bytes. Default: 0.9995.
    #[serde(default = "default_coverage")]
    pub character_coverage: f64,
    /// Whether what is not covered is spelled in bytes, so that no text is unknown: by 256 pieces for
    /// them (Unigram, BPE) or by an alphabet of them (WordPiece; byte-level BPE always has it).
    /// Default: not.
    #[serde(default)]
    pub byte_fallback: bool,
    /// The most characters of a piece, or bytes where the alphabet is one of bytes. Default: 16, or
    /// 48 of bytes.
    #[serde(default)]
    pub max_piece_length: Option<usize>,
    /// What is done to text before. Default: nothing.
    #[serde(default)]
    pub normalization: Normalization,
    /// Further special tokens, such as codes of languages or `<extra_id_0>`: they have ids, and text
    /// that spells one is text. Default: none.
    #[serde(default)]
    pub special_tokens: Vec<String>,
    /// Symbols that are one piece wherever they stand in a text. Default: none.
    #[serde(default)]
    pub user_defined_symbols: Vec<String>,
}

fn default_coverage() -> f64 {
    0.9995
}

impl VocabularyConfig {
    /// A vocabulary of a size, with the defaults that stand beside the fields.
    pub fn new(algorithm: Algorithm, vocab_size: usize) -> Self {
        Self {
            algorithm,
            vocab_size,
            character_coverage: default_coverage(),
            byte_fallback: false,
            max_piece_length: None,
            normalization: Normalization::default(),
            special_tokens: Vec::new(),
            user_defined_symbols: Vec::new(),
        }
    }

    /// Sets the share of characters that must be pieces.
    #[must_use]
    pub fn with_character_coverage(mut self, share: f64) -> Self {
        self.character_coverage = share;
        self
    }

    /// Spells in bytes what is not covered.
    #[must_use]
    pub fn with_byte_fallback(mut self) -> Self {
        self.byte_fallback = true;
        self
    }

    /// Sets the most characters of a piece.
    #[must_use]
    pub fn with_max_piece_length(mut self, length: usize) -> Self {
        self.max_piece_length = Some(length);
        self
    }

    /// Sets what is done to text before.
    #[must_use]
    pub fn with_normalization(mut self, normalization: Normalization) -> Self {
        self.normalization = normalization;
        self
    }

    /// Adds special tokens.
    #[must_use]
    pub fn with_special_tokens<S: Into<String>>(
        mut self,
        tokens: impl IntoIterator<Item = S>,
    ) -> Self {
        self.special_tokens.extend(tokens.into_iter().map(Into::into));
        self
    }

    /// Adds T5's sentinels `<extra_id_0>`, `<extra_id_1>`, … to the special tokens.
    #[must_use]
    pub fn with_sentinels(self, count: usize) -> Self {
        self.with_special_tokens((0..count).map(|number| format!("<extra_id_{number}>")))
    }

    /// Adds symbols that are one piece wherever they stand in a text.
    #[must_use]
    pub fn with_user_defined_symbols<S: Into<String>>(
        mut self,
        symbols: impl IntoIterator<Item = S>,
    ) -> Self {
        self.user_defined_symbols.extend(symbols.into_iter().map(Into::into));
        self
    }

    /// Trains the vocabulary on texts, which are read once and not kept: words are counted.
    ///
    /// # Errors
    ///
    /// [`TrainError::Config`] for a field out of its range, or a size that does not hold the
    /// characters; [`TrainError::NoText`].
    pub fn train<S: AsRef<str>>(
        &self,
        texts: impl IntoIterator<Item = S>,
        progress: &dyn Progress,
    ) -> Result<SubwordTokenizer, TrainError> {
        self.check()?;
        let mut words = self.word_counts();
        for text in texts {
            words.push(text.as_ref());
        }
        self.train_on(&words, progress)
    }

    /// Trains the vocabulary on texts as a mixture draws them from their files: each is read, counted
    /// and let go, so that memory grows with the number of different words and not with the corpus.
    ///
    /// # Errors
    ///
    /// Those of [`train`](Self::train), and [`TrainError::Read`] for a text that cannot be read.
    pub fn train_sampled(
        &self,
        texts: &mut SampledTexts,
        progress: &dyn Progress,
    ) -> Result<SubwordTokenizer, TrainError> {
        self.check()?;
        let mut words = self.word_counts();
        while let Some((_, text)) = texts.next_text()? {
            words.push(text);
        }
        self.train_on(&words, progress)
    }

    /// An empty count of words, as this vocabulary cuts them.
    pub(crate) fn word_counts(&self) -> WordCounts {
        WordCounts::new(self.cutting(), self.normalization, &self.special())
    }

    pub(crate) fn train_on(
        &self,
        words: &WordCounts,
        progress: &dyn Progress,
    ) -> Result<SubwordTokenizer, TrainError> {
        const TASK: &str = "training a vocabulary";
        if words.is_empty() {
            return Err(TrainError::NoText);
        }
        progress.report(ProgressEvent::Started { task: TASK, total: None, unit: "rounds" });
        let special = self.special();
        let room = self.vocab_size.saturating_sub(special.len());
        let mut on_round = |round, pieces| {
            let note = format!("{pieces} pieces");
            progress.report(ProgressEvent::Advanced { task: TASK, done: round, note: &note });
        };
        let model = match self.algorithm {
            Algorithm::Unigram => {
                let training = UnigramTraining {
                    pieces: room,
                    character_coverage: self.character_coverage,
                    max_piece_length: self.piece_length(),
                };
                let pieces = unigram::train(&training, words, &mut on_round)?;
                special.unigram(pieces).map_err(TrainError::Library)?
            }
            Algorithm::Bpe | Algorithm::ByteBpe | Algorithm::WordPiece => {
                bpe::train(self, &special, words)?
            }
        };
        let parts =
            Parts { model, cutting: self.cutting(), normalization: self.normalization, special };
        let tokenizer = parts.assemble().map_err(TrainError::Library)?;
        progress.report(ProgressEvent::Finished { task: TASK });
        Ok(tokenizer)
    }

    /// Whether pieces are made of characters that stand for bytes.
    pub(crate) fn is_of_bytes(&self) -> bool {
        match self.algorithm {
            Algorithm::ByteBpe => true,
            Algorithm::WordPiece => self.byte_fallback,
            Algorithm::Unigram | Algorithm::Bpe => false,
        }
    }

    pub(crate) fn piece_length(&self) -> usize {
        self.max_piece_length.unwrap_or(if self.is_of_bytes() { 48 } else { 16 })
    }

    pub(crate) fn cutting(&self) -> Cutting {
        match self.algorithm {
            Algorithm::Unigram | Algorithm::Bpe => Cutting::Words { at_whitespace: true },
            Algorithm::ByteBpe => Cutting::Bytes { most: None },
            // The search for the longest piece takes time that grows with the square of the word.
            Algorithm::WordPiece => Cutting::Bytes { most: Some(32) },
        }
    }

    pub(crate) fn special(&self) -> SpecialTokens {
        let has_bytes =
            self.byte_fallback && matches!(self.algorithm, Algorithm::Unigram | Algorithm::Bpe);
        SpecialTokens {
            has_bytes,
            user_defined: self.user_defined_symbols.clone(),
            further: self.special_tokens.clone(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), TrainError> {
        let fault = |field, found: String, expected: &str| {
            Err(TrainError::Config { field, found, expected: expected.to_owned() })
        };
        if !(0.9..=1.0).contains(&self.character_coverage) {
            let found = self.character_coverage.to_string();
            return fault("character_coverage", found, "from 0.9 to 1");
        }
        if self.max_piece_length == Some(0) {
            return fault("max_piece_length", "0".to_owned(), "at least 1");
        }
        if self.algorithm == Algorithm::WordPiece && !self.byte_fallback {
            let expected = "true for wordpiece: an unseen character would make its word unknown";
            return fault("byte_fallback", "false".to_owned(), expected);
        }
        special::check(&self.special())
    }
}
