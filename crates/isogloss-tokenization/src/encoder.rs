//! From text to ids, whoever does it.

use serde::{Deserialize, Serialize};

use crate::EncodeError;

/// The ids that frame, fill and hide.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SpecialIds {
    /// `<s>`: a text begins.
    pub bos: u32,
    /// `<pad>`: fills short rows.
    pub pad: u32,
    /// `</s>`: a text ends.
    pub eos: u32,
    /// `<unk>`: characters that the vocabulary has not.
    pub unk: u32,
    /// `<mask>`: a hidden token.
    pub mask: u32,
}

impl SpecialIds {
    /// All five.
    pub fn all(&self) -> [u32; 5] {
        [self.bos, self.pad, self.eos, self.unk, self.mask]
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
}
