//! Texts as ids: encoded once, kept flat.

use isogloss_core::LanguageTag;
use isogloss_tokenization::TextEncoder;

use crate::TrainingError;

/// The texts of one language as ids without special tokens, back to back in one allocation.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenizedTexts {
    language: LanguageTag,
    ids: Vec<u32>,
    // Invariant: begins with 0, ascends, ends with the length of `ids`.
    ends: Vec<usize>,
}

impl TokenizedTexts {
    /// Encodes texts in their order.
    ///
    /// # Errors
    ///
    /// [`TrainingError::Encode`] with the place of the text that could not be encoded.
    pub fn encode<S: AsRef<str>>(
        language: LanguageTag,
        texts: impl IntoIterator<Item = S>,
        encoder: &dyn TextEncoder,
    ) -> Result<Self, TrainingError> {
        let (mut ids, mut ends) = (Vec::new(), vec![0]);
        for (index, text) in texts.into_iter().enumerate() {
            let encoded = encoder.encode(text.as_ref()).map_err(|source| TrainingError::Encode {
                language: language.clone(),
                index,
                source: Box::new(source),
            })?;
            ids.extend(encoded);
            ends.push(ids.len());
        }
        Ok(Self { language, ids, ends })
    }

    /// The language of the texts.
    pub fn language(&self) -> &LanguageTag {
        &self.language
    }

    /// How many texts there are.
    pub fn len(&self) -> usize {
        self.ends.len() - 1
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many ids all texts have together.
    pub fn tokens(&self) -> usize {
        self.ids.len()
    }

    /// The ids of the `index`-th text, or `None` past the end.
    pub fn get(&self, index: usize) -> Option<&[u32]> {
        let (start, end) = (*self.ends.get(index)?, *self.ends.get(index + 1)?);
        Some(&self.ids[start..end])
    }

    /// All texts in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u32]> {
        self.ends.windows(2).map(|ends| &self.ids[ends[0]..ends[1]])
    }
}

/// Aligned texts of two languages: the `index`-th of one translates the `index`-th of the other.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenizedPairs {
    // Invariant: of one length.
    sides: [TokenizedTexts; 2],
}

impl TokenizedPairs {
    /// Puts two sides together.
    ///
    /// # Errors
    ///
    /// [`TrainingError::Config`] where they have not equally many texts.
    pub fn try_new(source: TokenizedTexts, target: TokenizedTexts) -> Result<Self, TrainingError> {
        if source.len() != target.len() {
            return Err(TrainingError::Config {
                field: "pairs",
                found: format!(
                    "{} texts of `{}` and {} of `{}`",
                    source.len(),
                    source.language,
                    target.len(),
                    target.language
                ),
                expected: "equally many on both sides",
            });
        }
        Ok(Self { sides: [source, target] })
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.sides[0].len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Source and target.
    pub fn sides(&self) -> &[TokenizedTexts; 2] {
        &self.sides
    }

    /// The ids of the `index`-th pair, or `None` past the end.
    pub fn get(&self, index: usize) -> Option<[&[u32]; 2]> {
        Some([self.sides[0].get(index)?, self.sides[1].get(index)?])
    }
}
