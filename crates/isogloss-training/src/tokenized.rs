//! Texts as ids: encoded once, kept flat.

use isogloss_core::LanguageTag;
use isogloss_sampling::TextSource;
use isogloss_tokenization::TextEncoder;

use crate::TrainingError;
use crate::token_files::Numbers;

/// The texts of one language as ids without special tokens, back to back, in memory or in
/// [a file](crate::TokenizedWriter).
#[derive(Clone, Debug, PartialEq)]
pub struct TokenizedTexts {
    language: LanguageTag,
    ids: Numbers<u32>,
    // Invariant: begins with 0, ascends, ends with the length of `ids`.
    ends: Numbers<u64>,
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
        let mut this = Self::new(language);
        for (index, text) in texts.into_iter().enumerate() {
            let encoded =
                encoder.encode(text.as_ref()).map_err(|source| TrainingError::Encode {
                    language: this.language.clone(),
                    index,
                    source: Box::new(source),
                })?;
            this.push(&encoded);
        }
        Ok(this)
    }

    /// No text yet.
    pub fn new(language: LanguageTag) -> Self {
        Self::of_parts(language, Numbers::Held(Vec::new()), Numbers::Held(vec![0]))
    }

    /// Ids and where each text ends among them.
    pub(crate) fn of_parts(language: LanguageTag, ids: Numbers<u32>, ends: Numbers<u64>) -> Self {
        Self { language, ids, ends }
    }

    /// Adds a text that was encoded elsewhere, such as on all cores.
    pub fn push(&mut self, ids: &[u32]) {
        self.ids.to_mut().extend_from_slice(ids);
        self.ends.to_mut().push(self.ids.len() as u64);
    }

    /// Cuts every text that has more than `limit` tokens, which is at least 1, into pieces of that
    /// many and a rest, so that none is lost.
    #[must_use]
    pub fn split_long(mut self, limit: usize) -> Self {
        let limit = limit.max(1) as u64;
        if self.ends.windows(2).all(|bounds| bounds[1] - bounds[0] <= limit) {
            return self;
        }
        let mut ends = vec![0];
        for bounds in self.ends.windows(2) {
            let mut start = bounds[0];
            while bounds[1] - start > limit {
                start += limit;
                ends.push(start);
            }
            ends.push(bounds[1]);
        }
        self.ends = Numbers::Held(ends);
        self
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
        let bounds = [*self.ends.get(index)?, *self.ends.get(index + 1)?];
        Some(self.between(bounds))
    }

    fn between(&self, bounds: [u64; 2]) -> &[u32] {
        // Below the length of a list, so that they fit.
        let [start, end] = bounds.map(|bound| usize::try_from(bound).unwrap_or(usize::MAX));
        self.ids.get(start..end).unwrap_or_default()
    }

    /// The texts for which `keep` holds.
    fn retain(self, keep: &[bool]) -> Self {
        let mut kept = Self::new(self.language.clone());
        self.iter().zip(keep).filter(|(_, keep)| **keep).for_each(|(text, _)| kept.push(text));
        kept
    }

    /// All texts in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u32]> {
        self.ends.windows(2).map(|ends| self.between([ends[0], ends[1]]))
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

    /// Leaves out each pair that has a side of more than `limit` tokens, and says how many they
    /// were: unlike a text, a pair cannot be cut in the same place on both sides.
    #[must_use]
    pub fn without_long(self, limit: usize) -> (Self, usize) {
        let keep: Vec<bool> = self.sides[0]
            .iter()
            .zip(self.sides[1].iter())
            .map(|(x, y)| x.len().max(y.len()) <= limit)
            .collect();
        let removed = keep.iter().filter(|keep| !**keep).count();
        let sides = self.sides.map(|side| side.retain(&keep));
        (Self { sides }, removed)
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

impl TextSource for TokenizedTexts {
    fn language(&self) -> &LanguageTag {
        &self.language
    }

    fn text_count(&self) -> u64 {
        self.len() as u64
    }
}

/// Pairs are sampled by their second side, which with English as a pivot tells them apart.
impl TextSource for TokenizedPairs {
    fn language(&self) -> &LanguageTag {
        &self.sides[1].language
    }

    fn text_count(&self) -> u64 {
        self.len() as u64
    }
}
