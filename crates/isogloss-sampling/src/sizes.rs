//! How much text there is of each language, and in what it is counted.

use std::collections::HashMap;
use std::fmt;

use isogloss_core::LanguageTag;
use serde::{Deserialize, Serialize};

use crate::DistributionError;

/// What a size counts. It changes the probabilities: a script of three bytes a character weighs
/// three times as much in bytes as in characters.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SizeUnit {
    /// Sentences, or whatever a corpus keeps on a line.
    Sentences,
    /// Unicode scalar values.
    Characters,
    /// Bytes of UTF-8.
    Bytes,
    /// Tokens of some vocabulary.
    Tokens,
}

impl fmt::Display for SizeUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sentences => "sentences",
            Self::Characters => "characters",
            Self::Bytes => "bytes",
            Self::Tokens => "tokens",
        })
    }
}

/// The size of each language, all in one unit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LanguageSizes {
    // Invariant: non-empty, tags unique, sizes positive.
    unit: SizeUnit,
    sizes: Vec<(LanguageTag, u64)>,
}

impl LanguageSizes {
    /// Checks sizes; their order stays.
    ///
    /// # Errors
    ///
    /// [`DistributionError::NoLanguages`], [`DistributionError::EmptyLanguage`] or
    /// [`DistributionError::DuplicateLanguage`].
    pub fn try_new(
        unit: SizeUnit,
        sizes: impl IntoIterator<Item = (LanguageTag, u64)>,
    ) -> Result<Self, DistributionError> {
        let sizes: Vec<_> = sizes.into_iter().collect();
        if sizes.is_empty() {
            return Err(DistributionError::NoLanguages);
        }
        let mut first_seen = HashMap::with_capacity(sizes.len());
        for (index, (language, size)) in sizes.iter().enumerate() {
            if *size == 0 {
                let language = language.clone();
                return Err(DistributionError::EmptyLanguage { language, unit, index });
            }
            if let Some(first) = first_seen.insert(language, index) {
                let language = language.clone();
                return Err(DistributionError::DuplicateLanguage {
                    language,
                    first,
                    second: index,
                });
            }
        }
        Ok(Self { unit, sizes })
    }

    /// Checks sizes and leaves out the languages without text, which it names.
    ///
    /// # Errors
    ///
    /// [`DistributionError::NoLanguages`] where none has any, and
    /// [`DistributionError::DuplicateLanguage`].
    pub fn without_empty(
        unit: SizeUnit,
        sizes: impl IntoIterator<Item = (LanguageTag, u64)>,
    ) -> Result<(Self, Vec<LanguageTag>), DistributionError> {
        let (empty, sizes): (Vec<_>, Vec<_>) = sizes.into_iter().partition(|(_, size)| *size == 0);
        Ok((Self::try_new(unit, sizes)?, empty.into_iter().map(|(language, _)| language).collect()))
    }

    /// What the sizes count.
    pub fn unit(&self) -> SizeUnit {
        self.unit
    }

    /// The languages with their sizes, in the order in which they were given.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&LanguageTag, u64)> {
        self.sizes.iter().map(|(language, size)| (language, *size))
    }

    /// How many languages there are; at least one.
    #[expect(clippy::len_without_is_empty, reason = "it never is")]
    pub fn len(&self) -> usize {
        self.sizes.len()
    }
}
