//! How probable texts are to a model that fills gaps.

use burn::tensor::Device;
use isogloss_core::{Progress, ProgressEvent};
use serde::{Deserialize, Serialize};

use crate::batch::check_sequence;
use crate::{
    BatchError, HasEncoder, MaskedExample, MaskedLanguageModel, MaskedSequence, MlmBatch,
    SequenceInput,
};

/// Numbers that the scores of a batch may hold, a score of every id for each copy: 64 MiB.
const MOST_SCORES: usize = 1 << 24;

/// Which tokens are hidden while one is scored, in a copy of its sequence.
///
/// ```text
/// words                 0  1  1  1  2
/// hidden, original      0, 1, 2, 3, 4, each by itself
/// hidden, within-word   0 | 1 2 3 | 2 3 | 3 | 4
/// ```
///
/// # Examples
///
/// ```
/// use isogloss_transformer::PseudoLikelihood;
///
/// let words = [None, Some(0), Some(1), Some(1), None];
/// let copies = PseudoLikelihood::WithinWord.copies(&words);
/// let hidden: Vec<_> = copies.into_iter().map(|copy| copy.hidden).collect();
/// assert_eq!(hidden, [vec![1], vec![2, 3], vec![3]]);
/// ```
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PseudoLikelihood {
    /// The token that is scored, and no other.
    ///
    /// Words of several tokens are overrated, since the other tokens of a word give it away: those are the
    /// words of languages that a vocabulary serves badly.
    ///
    /// Salazar et al. (2020), "Masked Language Model Scoring", <https://aclanthology.org/2020.acl-main.240>.
    Original,
    /// The token that is scored, and all later tokens of its word. The default.
    ///
    /// Where a script writes no spaces, a word is what the caller makes of it; of a whole sentence as one word,
    /// each token is scored by what stands before it alone.
    ///
    /// Kauf and Ivanova (2023), "A Better Way to Do Masked Language Model Scoring", PLL-word-l2r,
    /// <https://aclanthology.org/2023.acl-short.80>.
    #[default]
    WithinWord,
}

/// What is hidden in a copy of a sequence.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct MaskedCopy {
    /// The position of the token that is scored.
    pub scored: usize,
    /// The positions that are hidden, ascending; the scored one is the first.
    pub hidden: Vec<usize>,
}

impl PseudoLikelihood {
    /// One copy for each token that is scored, in the order of the tokens.
    ///
    /// - `words`: for each token the number of its word, `None` for one that is never hidden, nor scored, as
    ///   delimiters are
    pub fn copies(self, words: &[Option<usize>]) -> Vec<MaskedCopy> {
        let scored = words.iter().enumerate().filter_map(|(at, word)| Some((at, (*word)?)));
        let copy = |(scored, word): (usize, usize)| {
            let hidden = match self {
                Self::Original => vec![scored],
                Self::WithinWord => {
                    (scored..words.len()).filter(|&at| words[at] == Some(word)).collect()
                }
            };
            MaskedCopy { scored, hidden }
        };
        scored.map(copy).collect()
    }
}

/// A sequence, and which of its tokens belong together.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WordedSequence {
    /// The sequence as the model reads it, nothing hidden.
    pub input: SequenceInput,
    /// For each token the number of its word, `None` for one that is never hidden, nor scored: delimiters.
    pub words: Vec<Option<usize>>,
}

/// How sequences are scored by a model that fills gaps.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PseudoLikelihoodConfig {
    /// The id that hides a token.
    pub mask_id: u32,
    /// What is hidden together. Default [`PseudoLikelihood::WithinWord`].
    pub masks: PseudoLikelihood,
    /// How many tokens are read at once, padding included. Default 2,048.
    pub batch_tokens: usize,
}

impl PseudoLikelihoodConfig {
    /// Hides later tokens of a word, behind this id.
    pub const fn new(mask_id: u32) -> Self {
        Self { mask_id, masks: PseudoLikelihood::WithinWord, batch_tokens: 2_048 }
    }

    /// Sets what is hidden together.
    #[must_use]
    pub const fn with_masks(self, masks: PseudoLikelihood) -> Self {
        Self { masks, ..self }
    }

    /// Sets how many tokens are read at once.
    #[must_use]
    pub const fn with_batch_tokens(self, batch_tokens: usize) -> Self {
        Self { batch_tokens, ..self }
    }
}

/// How probable the tokens of a sequence are.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SequenceScores {
    /// The positions that were scored, ascending.
    pub positions: Vec<usize>,
    /// The natural logarithm of the probability of each of these tokens.
    pub log_probabilities: Vec<f32>,
}

impl SequenceScores {
    /// The pseudo-log-likelihood of the sequence: the sum of those of its tokens, 0 where it has none.
    pub fn total(&self) -> f64 {
        self.log_probabilities.iter().map(|value| f64::from(*value)).sum()
    }
}

impl MaskedLanguageModel {
    /// The pseudo-log-likelihoods of sequences, in their order.
    ///
    /// ```text
    /// PLL(s) = Σ log p(token | s with that token, and what goes with it, hidden)
    /// ```
    ///
    /// Each token costs a forward pass over its sequence, so that time grows with the square of lengths. Copies
    /// are read in batches of like lengths, and the vocabulary is scored at the one place that counts.
    ///
    /// # Errors
    ///
    /// [`BatchError`], with the number of the sequence and the token, before anything is read.
    ///
    /// # Source
    ///
    /// Salazar et al. (2020), <https://aclanthology.org/2020.acl-main.240>; what is hidden with a token:
    /// [`PseudoLikelihood`].
    pub fn pseudo_log_likelihoods(
        &self,
        sequences: &[WordedSequence],
        config: &PseudoLikelihoodConfig,
        device: &Device,
        progress: &dyn Progress,
    ) -> Result<Vec<SequenceScores>, BatchError> {
        let task = "pseudo-likelihood";
        self.check_worded(sequences, config)?;
        let of = |sequence: &WordedSequence| config.masks.copies(&sequence.words);
        let total = sequences.iter().map(|it| it.words.iter().flatten().count() as u64).sum();
        progress.report(ProgressEvent::Started { task, total: Some(total), unit: "tokens" });
        let mut order: Vec<usize> = (0..sequences.len()).collect();
        order.sort_by_key(|&sequence| std::cmp::Reverse(sequences[sequence].input.len()));
        let mut copies = order
            .into_iter()
            .flat_map(|sequence| of(&sequences[sequence]).into_iter().map(move |it| (sequence, it)))
            .peekable();
        let most_rows = MOST_SCORES / self.encoder().config().vocab_size.max(1);
        let mut scores = vec![SequenceScores::default(); sequences.len()];
        let mut done = 0;
        while let Some((longest, _)) = copies.peek() {
            let rows = (config.batch_tokens / sequences[*longest].input.len()).min(most_rows);
            let batch: Vec<_> = copies.by_ref().take(rows.max(1)).collect();
            let masked = |(sequence, copy): &(usize, MaskedCopy)| {
                masked(&sequences[*sequence].input, copy, config.mask_id)
            };
            let rows: Vec<_> = batch.iter().map(masked).collect();
            let found = self.score(&MlmBatch::try_new(self.encoder().config(), &rows, device)?);
            for ((sequence, copy), value) in batch.iter().zip(found.log_probabilities) {
                scores[*sequence].positions.push(copy.scored);
                scores[*sequence].log_probabilities.push(value);
            }
            done += batch.len() as u64;
            progress.report(ProgressEvent::Advanced { task, done, note: "" });
        }
        progress.report(ProgressEvent::Finished { task });
        Ok(scores)
    }

    /// Checks all sequences, so that errors have the caller's numbers.
    fn check_worded(
        &self,
        sequences: &[WordedSequence],
        config: &PseudoLikelihoodConfig,
    ) -> Result<(), BatchError> {
        let encoder = self.encoder().config();
        for (sequence, WordedSequence { input, words }) in sequences.iter().enumerate() {
            check_sequence(encoder, sequence, input)?;
            let (found, expected) = (words.len(), input.len());
            if found != expected {
                return Err(BatchError::Length { sequence, what: "words", found, expected });
            }
            let scored = words.iter().position(Option::is_some);
            let limit = encoder.vocab_size;
            if let Some(token) = scored.filter(|_| config.mask_id as usize >= limit) {
                let (what, found) = ("mask id", config.mask_id.into());
                return Err(BatchError::OutOfRange { sequence, token, what, found, limit });
            }
        }
        Ok(())
    }
}

/// The copy that a model reads.
fn masked(sequence: &SequenceInput, copy: &MaskedCopy, mask_id: u32) -> MaskedSequence {
    let mut input_ids = sequence.ids.clone();
    for &position in &copy.hidden {
        input_ids[position] = mask_id;
    }
    let label = sequence.ids[copy.scored];
    let example = MaskedExample { input_ids, positions: vec![copy.scored], labels: vec![label] };
    MaskedSequence::new(sequence.clone(), example)
}
