//! From text to ids, whoever does it.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::EncodeError;

/// Encodes texts on all cores, in as many parts as there are; each part has a state of its own.
pub(crate) fn encode_in_parts<S: AsRef<str> + Sync, T: Default>(
    texts: &[S],
    encode: impl Fn(&str, &mut T) -> Result<Vec<u32>, EncodeError> + Sync,
) -> Result<Vec<Vec<u32>>, EncodeError> {
    /// Fewer texts are not worth a thread.
    const FEW: usize = 64;
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let share = texts.len().div_ceil(workers).max(FEW);
    let encode_part = |texts: &[S]| {
        let mut state = T::default();
        texts.iter().map(|text| encode(text.as_ref(), &mut state)).collect::<Result<Vec<_>, _>>()
    };
    if texts.len() <= share {
        return encode_part(texts);
    }
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            texts.chunks(share).map(|part| scope.spawn(|| encode_part(part))).collect();
        let mut all = Vec::with_capacity(texts.len());
        for thread in threads {
            match thread.join() {
                Ok(ids) => all.extend(ids?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(all)
    })
}

/// The ids that frame, fill and hide; `None` for those that a vocabulary has not.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct SpecialIds {
    /// `<s>`, `[CLS]`: a text begins.
    pub bos: Option<u32>,
    /// `<pad>`, `[PAD]`: fills short rows.
    pub pad: Option<u32>,
    /// `</s>`, `[SEP]`: a text ends.
    pub eos: Option<u32>,
    /// `<unk>`, `[UNK]`: characters that the vocabulary has not.
    pub unk: Option<u32>,
    /// `<mask>`, `[MASK]`: a hidden token.
    pub mask: Option<u32>,
}

impl SpecialIds {
    /// Those there are, in the order of the fields.
    pub fn all(&self) -> impl Iterator<Item = u32> {
        [self.bos, self.pad, self.eos, self.unk, self.mask].into_iter().flatten()
    }
}

/// Turns text into ids.
pub trait TextEncoder {
    /// The ids of a text, without special tokens. Text that spells one, such as `</s>`, is text.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] with the word that could not be encoded.
    fn encode(&self, text: &str) -> Result<Vec<u32>, EncodeError>;

    /// The ids that are not text.
    fn special_ids(&self) -> SpecialIds;

    /// How many ids there are, special ones included.
    fn vocab_size(&self) -> usize;

    /// Whether an id stands for a single byte of what the vocabulary has no piece for. By default no
    /// id does.
    fn is_byte(&self, _id: u32) -> bool {
        false
    }
}

/// A word of a text, and its ids.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EncodedWord {
    /// Where in the text it is, in bytes.
    pub place: Range<usize>,
    /// Its ids; none for what is no text to the vocabulary, such as a mark of direction by itself.
    pub ids: Vec<u32>,
}

/// The words of a text, as white space parts them.
///
/// Each word is encoded by itself, with the space before it, so that every id is of one word.
///
/// # Errors
///
/// [`EncodeError`] of the first word that cannot be encoded.
///
/// # Examples
///
/// ```
/// use isogloss_tokenization::{Algorithm, VocabularyConfig, encode_words};
///
/// let vocabulary = VocabularyConfig::new(Algorithm::Unigram, 40).train(["ẹ káàárọ̀ o"], &())?;
/// let words = encode_words(&vocabulary, "ẹ  káàárọ̀")?;
/// assert_eq!((words.len(), words[1].place.clone()), (2, 5..18));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn encode_words(
    encoder: &dyn TextEncoder,
    text: &str,
) -> Result<Vec<EncodedWord>, EncodeError> {
    let mut words = Vec::new();
    for word in text.split_whitespace() {
        // A part of the text, so both are in one allocation.
        let start = word.as_ptr().addr() - text.as_ptr().addr();
        let ids = if words.is_empty() {
            encoder.encode(word)?
        } else {
            encoder.encode(&format!(" {word}"))?
        };
        words.push(EncodedWord { place: start..start + word.len(), ids });
    }
    Ok(words)
}
