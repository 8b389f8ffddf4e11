//! From token ids to the sequence that a model reads: delimiters, positions, languages.

use serde::{Deserialize, Serialize};

/// One row of a batch, before padding.
///
/// Positions are given and never guessed: they count from 0, restart for the second sentence of a
/// pair where the layout says so, and need not be contiguous. (XLM-R's own table begins with two
/// rows that no token uses; position 0 is the first token here as well.)
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SequenceInput {
    /// Token ids, delimiters included.
    pub ids: Vec<u32>,
    /// The row of the position embedding for each token.
    pub positions: Vec<u32>,
    /// The row of the language embedding for each token, for models that have one.
    pub languages: Option<Vec<u32>>,
    /// The row of the token-type embedding for each token, for models that have one; `None` for 0.
    pub token_types: Option<Vec<u32>>,
}

impl SequenceInput {
    /// A sequence with positions `0, 1, 2, …` and no languages.
    pub fn new(ids: Vec<u32>) -> Self {
        let positions = counting(ids.len());
        Self { ids, positions, languages: None, token_types: None }
    }

    /// Says that every token is of one language.
    #[must_use]
    pub fn with_language(self, language: u32) -> Self {
        Self { languages: Some(vec![language; self.ids.len()]), ..self }
    }

    /// Says of which type each token is: in BERT 0 for the first sentence of a pair, 1 for the second.
    #[must_use]
    pub fn with_token_types(self, token_types: Vec<u32>) -> Self {
        Self { token_types: Some(token_types), ..self }
    }

    /// The number of tokens.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no token.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

/// A sequence with its delimiters, and what had to be cut for it to fit.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct FramedSequence {
    /// The sequence.
    pub input: SequenceInput,
    /// Tokens cut from the end of each side; the second is 0 for a single sentence.
    pub truncated: [usize; 2],
}

/// How sentences and pairs of sentences are framed by delimiters.
///
/// ```text
/// sentence   first x close
/// pair       first x close second y close
/// ```
///
/// Attention runs over both sides of a pair, which is what makes translation language modelling
/// (TLM) cross-lingual: a word masked on one side can be read off the other.
///
/// # Source
///
/// Lample and Conneau (2019), "Cross-lingual Language Model Pretraining", section 3.3,
/// <https://arxiv.org/abs/1901.07291>: the positions of the target sentence are reset. XLM frames
/// both sides with `</s>`; for a pair of equal sentences its code shares one delimiter, which we do
/// not follow.
///
/// # Examples
///
/// ```
/// use isogloss_transformer::SequenceLayout;
///
/// let pair = SequenceLayout::xlm(1, 256).pair(&[5, 6], &[8, 9, 10]);
/// assert_eq!(pair.input.ids, [1, 5, 6, 1, 1, 8, 9, 10, 1]);
/// assert_eq!(pair.input.positions, [0, 1, 2, 3, 0, 1, 2, 3, 4]);
/// ```
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SequenceLayout {
    /// The delimiter before the first sentence.
    pub first_id: u32,
    /// The delimiter before the second sentence.
    pub second_id: u32,
    /// The delimiter after each sentence.
    pub close_id: u32,
    /// Whether positions restart at 0 with the delimiter before the second sentence.
    pub restart_positions: bool,
    /// The most tokens of each sentence, delimiters aside; what is beyond is cut.
    pub max_side_tokens: usize,
}

impl SequenceLayout {
    /// XLM's: `</s> x </s>` and `</s> x </s> </s> y </s>`, positions restarting.
    pub const fn xlm(eos_id: u32, max_side_tokens: usize) -> Self {
        Self {
            first_id: eos_id,
            second_id: eos_id,
            close_id: eos_id,
            restart_positions: true,
            max_side_tokens,
        }
    }

    /// XLM-R's: `<s> x </s>` and `<s> x </s> </s> y </s>`.
    ///
    /// Positions restart, as TLM wants it; XLM-R itself, which was not trained on pairs, runs on:
    /// see [`with_running_positions`](Self::with_running_positions).
    pub const fn xlm_roberta(bos_id: u32, eos_id: u32, max_side_tokens: usize) -> Self {
        Self {
            first_id: bos_id,
            second_id: eos_id,
            close_id: eos_id,
            restart_positions: true,
            max_side_tokens,
        }
    }

    /// Lets positions run on through the second sentence.
    #[must_use]
    pub const fn with_running_positions(self) -> Self {
        Self { restart_positions: false, ..self }
    }

    /// How many positions the longest sequence needs.
    pub const fn max_positions(&self) -> usize {
        let sides = if self.restart_positions { 1 } else { 2 };
        sides * (self.max_side_tokens + 2)
    }

    /// Frames one sentence.
    pub fn sentence(&self, ids: &[u32]) -> FramedSequence {
        let (framed, truncated) = self.side(self.first_id, ids);
        FramedSequence { input: SequenceInput::new(framed), truncated: [truncated, 0] }
    }

    /// Frames one sentence and says its language.
    pub fn sentence_in(&self, ids: &[u32], language: u32) -> FramedSequence {
        let framed = self.sentence(ids);
        FramedSequence { input: framed.input.with_language(language), ..framed }
    }

    /// Frames a pair of sentences.
    pub fn pair(&self, x: &[u32], y: &[u32]) -> FramedSequence {
        let (mut ids, x_truncated) = self.side(self.first_id, x);
        let (second, y_truncated) = self.side(self.second_id, y);
        let mut positions = counting(ids.len());
        if self.restart_positions {
            positions.extend(counting(second.len()));
        } else {
            positions = counting(ids.len() + second.len());
        }
        ids.extend(second);
        FramedSequence {
            input: SequenceInput { ids, positions, languages: None, token_types: None },
            truncated: [x_truncated, y_truncated],
        }
    }

    /// Frames a pair of sentences and says the language of each; delimiters have their side's.
    pub fn pair_in(&self, x: &[u32], y: &[u32], languages: [u32; 2]) -> FramedSequence {
        let mut framed = self.pair(x, y);
        let first = x.len().min(self.max_side_tokens) + 2;
        let second = framed.input.len() - first;
        framed.input.languages =
            Some([vec![languages[0]; first], vec![languages[1]; second]].concat());
        framed
    }

    /// A sentence between its delimiters, and the number of tokens cut.
    fn side(&self, open_id: u32, ids: &[u32]) -> (Vec<u32>, usize) {
        let kept = ids.len().min(self.max_side_tokens);
        let mut side = Vec::with_capacity(kept + 2);
        side.push(open_id);
        side.extend_from_slice(&ids[..kept]);
        side.push(self.close_id);
        (side, ids.len() - kept)
    }
}

/// `0, 1, …, length - 1`.
fn counting(length: usize) -> Vec<u32> {
    (0_u32..).take(length).collect()
}
