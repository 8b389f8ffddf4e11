//! What vocabulary to train.

use std::collections::BTreeMap;

use isogloss_core::{Progress, ProgressEvent};
use serde::{Deserialize, Serialize};

use crate::unigram::{self, UnigramTraining};
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
}

/// A shared vocabulary to be trained.
///
/// Text is split at white space and each word begins with `▁`, as in SentencePiece. Nothing is
/// normalised: no letter is lowered and no mark removed, so a vocabulary sees Yoruba's tones. The
/// layout is that of XLM-R: `<s>` 0, `<pad>` 1, `</s>` 2, `<unk>` 3, pieces, `<mask>` last.
///
/// The same texts in any order give the same vocabulary, byte for byte.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct VocabularyConfig {
    /// How pieces are found. Default: Unigram.
    pub algorithm: Algorithm,
    /// How many ids there are, special ones included.
    pub vocab_size: usize,
    /// The share of the text's characters that must be pieces, in `[0.9, 1]`; the rarest beyond it
    /// are unknown. Default: 0.9995.
    pub character_coverage: f64,
    /// Whether what is not covered is spelled in 256 pieces for bytes, so that no text is unknown.
    /// Default: not.
    pub byte_fallback: bool,
    /// The most characters of a piece. Default: 16.
    pub max_piece_length: usize,
}

impl VocabularyConfig {
    /// A vocabulary of a size, with the defaults that stand beside the fields.
    pub fn new(algorithm: Algorithm, vocab_size: usize) -> Self {
        Self {
            algorithm,
            vocab_size,
            character_coverage: 0.9995,
            byte_fallback: false,
            max_piece_length: 16,
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
        const TASK: &str = "training a vocabulary";
        self.check()?;
        let mut words: BTreeMap<String, u64> = BTreeMap::new();
        for text in texts {
            for word in text.as_ref().split_whitespace() {
                // Most words have come before, and then nothing is allocated.
                match words.get_mut(word) {
                    Some(count) => *count += 1,
                    None => drop(words.insert(word.to_owned(), 1)),
                }
            }
        }
        if words.is_empty() {
            return Err(TrainError::NoText);
        }
        progress.report(ProgressEvent::Started { task: TASK, total: None, unit: "rounds" });
        let tokenizer = match self.algorithm {
            Algorithm::Unigram => {
                let reserved = Self::BEFORE_PIECES + 1 + if self.byte_fallback { 256 } else { 0 };
                let training = UnigramTraining {
                    pieces: self.vocab_size.saturating_sub(reserved),
                    character_coverage: self.character_coverage,
                    max_piece_length: self.max_piece_length,
                };
                let pieces = unigram::train(&training, &words, &mut |round, pieces| {
                    let note = format!("{pieces} pieces");
                    progress.report(ProgressEvent::Advanced {
                        task: TASK,
                        done: round,
                        note: &note,
                    });
                })?;
                SubwordTokenizer::from_unigram(pieces, self.byte_fallback)?
            }
            Algorithm::Bpe => SubwordTokenizer::train_bpe(self, &words)?,
        };
        progress.report(ProgressEvent::Finished { task: TASK });
        Ok(tokenizer)
    }

    /// `<s>`, `<pad>`, `</s>`, `<unk>`.
    pub(crate) const BEFORE_PIECES: usize = 4;

    fn check(&self) -> Result<(), TrainError> {
        let fault = |field, found: String, expected: &str| {
            Err(TrainError::Config { field, found, expected: expected.to_owned() })
        };
        if !(0.9..=1.0).contains(&self.character_coverage) {
            let found = self.character_coverage.to_string();
            return fault("character_coverage", found, "from 0.9 to 1");
        }
        if self.max_piece_length == 0 {
            return fault("max_piece_length", "0".to_owned(), "at least 1");
        }
        Ok(())
    }
}
