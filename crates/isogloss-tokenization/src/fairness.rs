//! What a shared vocabulary costs each language.

use std::collections::BTreeMap;

use isogloss_core::LanguageTag;
use serde::{Deserialize, Serialize};

use crate::{FairnessError, TextEncoder};

/// What a vocabulary costs one language.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FairnessRow {
    /// The language.
    pub language: LanguageTag,
    /// Tokens of its texts.
    pub tokens: u64,
    /// Words between white space.
    pub words: u64,
    /// Unicode scalar values that are not white space.
    pub characters: u64,
    /// Tokens for each word; it means little where words are not written apart.
    pub fertility: f64,
    /// Tokens for each character.
    pub tokens_per_character: f64,
    /// The share of tokens that are unknown.
    pub unknown_rate: f64,
    /// Tokens for the same content over those of the reference, where there are parallel texts.
    pub premium: Option<f64>,
}

/// What a vocabulary costs each of its languages.
///
/// ```text
/// fertility(l) = tokens / words        premium(l) = Σ tokens of l / Σ tokens of the reference
/// ```
///
/// # Source
///
/// Premium: Petrov et al. (2023), "Language Model Tokenizers Introduce Unfairness Between
/// Languages", <https://arxiv.org/abs/2305.15425>, as a ratio of sums over parallel texts.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FairnessReport {
    /// A row for each language, in the order of tags.
    pub rows: Vec<FairnessRow>,
}

impl FairnessReport {
    /// Measures texts by language.
    ///
    /// # Errors
    ///
    /// [`FairnessError::NoText`], [`FairnessError::Encode`].
    pub fn measure<S: AsRef<str>>(
        encoder: &dyn TextEncoder,
        texts: &BTreeMap<LanguageTag, Vec<S>>,
    ) -> Result<Self, FairnessError> {
        let unk = encoder.special_ids().unk;
        let mut rows = Vec::with_capacity(texts.len());
        for (language, texts) in texts {
            let (mut tokens, mut unknown, mut words, mut characters) = (0_u64, 0_u64, 0_u64, 0_u64);
            for text in texts {
                let text = text.as_ref();
                let ids = encode(encoder, language, text)?;
                tokens += ids.len() as u64;
                unknown += ids.iter().filter(|id| **id == unk).count() as u64;
                words += text.split_whitespace().count() as u64;
                characters += text.chars().filter(|c| !c.is_whitespace()).count() as u64;
            }
            if words == 0 {
                return Err(FairnessError::NoText { language: language.clone() });
            }
            rows.push(FairnessRow {
                language: language.clone(),
                tokens,
                words,
                characters,
                fertility: tokens as f64 / words as f64,
                tokens_per_character: tokens as f64 / characters as f64,
                unknown_rate: unknown as f64 / tokens.max(1) as f64,
                premium: None,
            });
        }
        Ok(Self { rows })
    }

    /// Adds premiums from texts that say the same in a language and in the reference.
    ///
    /// # Errors
    ///
    /// [`FairnessError::NotParallel`], [`FairnessError::NoText`], [`FairnessError::Encode`].
    pub fn with_premiums<S: AsRef<str>>(
        mut self,
        encoder: &dyn TextEncoder,
        reference: &LanguageTag,
        parallel: &BTreeMap<LanguageTag, [Vec<S>; 2]>,
    ) -> Result<Self, FairnessError> {
        for row in &mut self.rows {
            if row.language == *reference {
                row.premium = Some(1.0);
            }
            let Some([of_reference, own]) = parallel.get(&row.language) else { continue };
            let language = row.language.clone();
            if of_reference.len() != own.len() {
                let (found, expected) = (own.len(), of_reference.len());
                return Err(FairnessError::NotParallel { language, found, expected });
            }
            let count = |language: &LanguageTag, texts: &[S]| {
                texts.iter().try_fold(0, |sum, text| {
                    encode(encoder, language, text.as_ref()).map(|ids| sum + ids.len())
                })
            };
            let tokens = count(reference, of_reference)?;
            if tokens == 0 {
                return Err(FairnessError::NoText { language });
            }
            row.premium = Some(count(&language, own)? as f64 / tokens as f64);
        }
        Ok(self)
    }

    /// The row of a language.
    pub fn row(&self, language: &LanguageTag) -> Option<&FairnessRow> {
        self.rows.iter().find(|row| row.language == *language)
    }
}

fn encode(
    encoder: &dyn TextEncoder,
    language: &LanguageTag,
    text: &str,
) -> Result<Vec<u32>, FairnessError> {
    encoder
        .encode(text)
        .map_err(|source| FairnessError::Encode { language: language.clone(), source })
}
