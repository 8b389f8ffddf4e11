//! Batches for each objective: drawn, framed, masked, padded, moved to the device.

use std::error::Error;
use std::sync::Arc;

use burn::tensor::Device;
use isogloss_core::Seed;
use isogloss_sampling::{Draw, MixtureStream};
use isogloss_transformer::{
    DistillationBatch, EncoderConfig, MaskedSequence, Masking, MlmBatch, RankingBatch,
    SequenceInput, SequenceLayout,
};
use serde_json::Value;

use crate::bucketing::Buckets;
use crate::{BucketConfig, BucketState, TokenizedPairs, TokenizedTexts, TrainingError};

/// Why a batch could not be made.
pub(crate) type BatchFault = Box<dyn Error + Send + Sync>;

/// An endless stream of batches that can be stopped and gone on with.
pub trait Batches {
    /// What an objective computes a loss on.
    type Batch;

    /// The next batch, on `device`.
    ///
    /// # Errors
    ///
    /// What the batch's own check says.
    fn next_batch(&mut self, device: &Device) -> Result<Self::Batch, BatchFault>;

    /// Where the stream stands, and what it is a stream of.
    fn state(&self) -> Value;

    /// Goes to where [`state`](Batches::state) was taken.
    ///
    /// # Errors
    ///
    /// A sentence that says how the state differs, where it is not of this stream.
    fn restore(&mut self, state: Value) -> Result<(), String>;
}

/// How texts become rows: the model they are for, their delimiters, the size of a batch.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Framing {
    /// The shape of the model.
    pub encoder: EncoderConfig,
    /// The delimiters.
    pub layout: SequenceLayout,
    /// The size of a batch.
    pub buckets: BucketConfig,
}

impl Framing {
    /// Puts the three together.
    pub fn new(encoder: EncoderConfig, layout: SequenceLayout, buckets: BucketConfig) -> Self {
        Self { encoder, layout, buckets }
    }

    fn masked_batch(
        &self,
        rows: &[MaskedSequence],
        device: &Device,
    ) -> Result<MlmBatch, BatchFault> {
        Ok(match self.buckets.packing {
            Some(row) => MlmBatch::try_packed(&self.encoder, rows, row, device)?,
            None => MlmBatch::try_new(&self.encoder, rows, device)?,
        })
    }
}

/// A stream's place as JSON and back.
macro_rules! bucket_state {
    ($length:expr) => {
        fn state(&self) -> Value {
            // A state is numbers and names, which JSON always has.
            serde_json::to_value(self.buckets.state()).unwrap_or_default()
        }

        fn restore(&mut self, state: Value) -> Result<(), String> {
            let state: BucketState =
                serde_json::from_value(state).map_err(|error| error.to_string())?;
            let Self { buckets, texts, .. } = self;
            let length: fn(&_, &Draw) -> usize = $length;
            buckets.restore(state, |draw| length(texts, draw))
        }
    };
}

pub(crate) use bucket_state;

/// Single sentences with masked tokens, for masked language modelling.
///
/// Masks are dynamic: they follow from the seed, the language, the text and how often it has come,
/// and so never from the place in a batch.
#[derive(Clone, Debug)]
pub struct MlmBatches {
    // Invariant: as many as the stream has languages; each text fits the layout.
    texts: Arc<Vec<TokenizedTexts>>,
    buckets: Buckets,
    framing: Framing,
    masking: Masking,
    seed: Seed,
}

/// Pairs of sentences with masked tokens on both sides, for translation language modelling.
#[derive(Clone, Debug)]
pub struct TlmBatches {
    texts: Arc<Vec<TokenizedPairs>>,
    buckets: Buckets,
    framing: Framing,
    masking: Masking,
    seed: Seed,
}

/// Pairs of sentences, each side by itself, for translation ranking.
///
/// The other pairs of a batch are the wrong answers. Where two pairs of a batch share a side, as
/// one English text with two translations does, neither is held against the other.
#[derive(Clone, Debug)]
pub struct RankingBatches {
    texts: Arc<Vec<TokenizedPairs>>,
    buckets: Buckets,
    framing: Framing,
    chunk_rows: usize,
}

/// Pairs of sentences, each side by itself, with the vectors that a teacher gives the first.
#[derive(Clone, Debug)]
pub struct DistillationBatches {
    texts: Arc<Vec<TokenizedPairs>>,
    teacher: Arc<Vec<Vec<f32>>>,
    buckets: Buckets,
    framing: Framing,
}

impl MlmBatches {
    /// Batches of the texts that `stream` draws, whose languages are in the order of `texts`.
    ///
    /// # Errors
    ///
    /// [`TrainingError::TooLong`] with the first text that the layout would cut (see
    /// [`TokenizedTexts::split_long`]); [`TrainingError::Config`] for an empty batch.
    pub fn try_new(
        texts: Arc<Vec<TokenizedTexts>>,
        stream: MixtureStream,
        masking: Masking,
        framing: Framing,
        seed: Seed,
    ) -> Result<Self, TrainingError> {
        for texts in texts.iter() {
            check_lengths(texts, &framing)?;
        }
        let buckets = Buckets::try_new(framing.buckets, stream, seed.derive("buckets"))?;
        Ok(Self { texts, buckets, framing, masking, seed: seed.derive("mask") })
    }
}

impl Batches for MlmBatches {
    type Batch = MlmBatch;

    fn next_batch(&mut self, device: &Device) -> Result<MlmBatch, BatchFault> {
        let Self { texts, buckets, framing, masking, seed } = self;
        let rows: Vec<MaskedSequence> = buckets
            .next_batch(|draw| text_length(texts, draw))
            .iter()
            .map(|draw| {
                let framed = framing.layout.sentence(text_at(texts, draw)).input;
                masked(framed, masking, example_seed(*seed, draw))
            })
            .collect();
        framing.masked_batch(&rows, device)
    }

    bucket_state!(|texts: &Arc<Vec<TokenizedTexts>>, draw| text_length(texts, draw));
}

impl TlmBatches {
    /// Batches of the pairs that `stream` draws, whose languages are in the order of `texts`. Which
    /// side comes first is drawn too.
    ///
    /// # Errors
    ///
    /// As those of [`MlmBatches::try_new`].
    pub fn try_new(
        texts: Arc<Vec<TokenizedPairs>>,
        stream: MixtureStream,
        masking: Masking,
        framing: Framing,
        seed: Seed,
    ) -> Result<Self, TrainingError> {
        check_pairs(&texts, &framing)?;
        let buckets = Buckets::try_new(framing.buckets, stream, seed.derive("buckets"))?;
        Ok(Self { texts, buckets, framing, masking, seed: seed.derive("mask") })
    }
}

impl Batches for TlmBatches {
    type Batch = MlmBatch;

    fn next_batch(&mut self, device: &Device) -> Result<MlmBatch, BatchFault> {
        let Self { texts, buckets, framing, masking, seed } = self;
        let rows: Vec<MaskedSequence> = buckets
            .next_batch(|draw| pair_length(texts, draw))
            .iter()
            .map(|draw| {
                let [source, target] = pair_at(texts, draw);
                let seed = example_seed(*seed, draw);
                let framed = if seed.derive("side").value().is_multiple_of(2) {
                    framing.layout.pair(source, target)
                } else {
                    framing.layout.pair(target, source)
                };
                masked(framed.input, masking, seed)
            })
            .collect();
        framing.masked_batch(&rows, device)
    }

    bucket_state!(|texts: &Arc<Vec<TokenizedPairs>>, draw| pair_length(texts, draw));
}

impl RankingBatches {
    /// Batches of the pairs that `stream` draws, whose languages are in the order of `texts`.
    ///
    /// # Errors
    ///
    /// As those of [`MlmBatches::try_new`].
    pub fn try_new(
        texts: Arc<Vec<TokenizedPairs>>,
        stream: MixtureStream,
        framing: Framing,
        seed: Seed,
    ) -> Result<Self, TrainingError> {
        check_pairs(&texts, &framing)?;
        let buckets =
            Buckets::try_new(framing.buckets.unpacked()?, stream, seed.derive("buckets"))?;
        Ok(Self { texts, buckets, framing, chunk_rows: usize::MAX })
    }

    /// Reads batches `chunk_rows` pairs at a time, so that large ones fit a small machine; the gradient
    /// stays the same. See [`RankingBatch::try_in_chunks`].
    #[must_use]
    pub fn with_chunk_rows(self, chunk_rows: usize) -> Self {
        Self { chunk_rows, ..self }
    }
}

impl Batches for RankingBatches {
    type Batch = RankingBatch;

    fn next_batch(&mut self, device: &Device) -> Result<RankingBatch, BatchFault> {
        let Self { texts, buckets, framing, chunk_rows } = self;
        let draws = buckets.next_batch(|draw| pair_length(texts, draw));
        let [x, y] = [0, 1].map(|side| framed_side(texts, draws, side, framing));
        // The number of the first pair with the same source: equal sources mean the same.
        let meanings: Vec<u64> = (0_u64..)
            .zip(&x)
            .map(|(place, row)| x.iter().position(|first| first == row).map_or(place, |p| p as u64))
            .collect();
        let rows = [x.as_slice(), y.as_slice()];
        let meanings = Some(meanings.as_slice());
        Ok(RankingBatch::try_in_chunks(&framing.encoder, rows, meanings, *chunk_rows, device)?)
    }

    bucket_state!(|texts: &Arc<Vec<TokenizedPairs>>, draw| pair_length(texts, draw));
}

impl DistillationBatches {
    /// Batches of the pairs that `stream` draws, whose languages are in the order of `texts`. The teacher's
    /// vectors are those of the first sides, `[pairs, width]` for each language, row by row.
    ///
    /// # Errors
    ///
    /// As those of [`MlmBatches::try_new`]; [`TrainingError::Teacher`] where a language's vectors are not
    /// as many or not as wide as they should be.
    pub fn try_new(
        texts: Arc<Vec<TokenizedPairs>>,
        teacher: Arc<Vec<Vec<f32>>>,
        stream: MixtureStream,
        framing: Framing,
        seed: Seed,
    ) -> Result<Self, TrainingError> {
        check_pairs(&texts, &framing)?;
        let width = framing.encoder.d_model;
        let found = |language: usize| teacher.get(language).map_or(0, Vec::len);
        for (language, pairs) in texts.iter().enumerate() {
            let (found, expected) = (found(language), pairs.len() * width);
            if found != expected {
                return Err(TrainingError::Teacher { language, found, expected, width });
            }
        }
        let buckets =
            Buckets::try_new(framing.buckets.unpacked()?, stream, seed.derive("buckets"))?;
        Ok(Self { texts, teacher, buckets, framing })
    }
}

impl Batches for DistillationBatches {
    type Batch = DistillationBatch;

    fn next_batch(&mut self, device: &Device) -> Result<DistillationBatch, BatchFault> {
        let Self { texts, teacher, buckets, framing } = self;
        let draws = buckets.next_batch(|draw| pair_length(texts, draw));
        let [x, y] = [0, 1].map(|side| framed_side(texts, draws, side, framing));
        let width = framing.encoder.d_model;
        let vectors = draws.iter().map(|draw| {
            let vectors = teacher.get(draw.language).map(Vec::as_slice).unwrap_or_default();
            vectors.chunks_exact(width).nth(place(draw)).unwrap_or_default()
        });
        let vectors: Vec<&[f32]> = vectors.collect();
        Ok(DistillationBatch::try_new(&framing.encoder, [&x, &y], &vectors, device)?)
    }

    bucket_state!(|texts: &Arc<Vec<TokenizedPairs>>, draw| pair_length(texts, draw));
}

/// A stream draws from as many texts as it was told; where that is more than there are, the text
/// is empty, and the batch is refused.
pub(crate) fn place(draw: &Draw) -> usize {
    usize::try_from(draw.index).unwrap_or(usize::MAX)
}

fn text_at<'a>(texts: &'a [TokenizedTexts], draw: &Draw) -> &'a [u32] {
    texts.get(draw.language).and_then(|texts| texts.get(place(draw))).unwrap_or_default()
}

fn text_length(texts: &[TokenizedTexts], draw: &Draw) -> usize {
    text_at(texts, draw).len() + 2
}

fn pair_at<'a>(texts: &'a [TokenizedPairs], draw: &Draw) -> [&'a [u32]; 2] {
    texts.get(draw.language).and_then(|texts| texts.get(place(draw))).unwrap_or_default()
}

/// One side of the pairs that were drawn, each sentence by itself.
fn framed_side(
    texts: &[TokenizedPairs],
    draws: &[Draw],
    side: usize,
    framing: &Framing,
) -> Vec<SequenceInput> {
    let ids = |draw| pair_at(texts, draw)[side];
    draws.iter().map(|draw| framing.layout.sentence(ids(draw)).input).collect()
}

fn pair_length(texts: &[TokenizedPairs], draw: &Draw) -> usize {
    let [source, target] = pair_at(texts, draw);
    source.len() + target.len() + 4
}

fn masked(sequence: SequenceInput, masking: &Masking, seed: Seed) -> MaskedSequence {
    let masked = masking.mask_tokens(&sequence.ids, seed);
    MaskedSequence::new(sequence, masked)
}

fn example_seed(seed: Seed, draw: &Draw) -> Seed {
    seed.at(draw.language as u64).at(draw.epoch).at(draw.index)
}

fn check_lengths(texts: &TokenizedTexts, framing: &Framing) -> Result<(), TrainingError> {
    let limit = framing.layout.max_side_tokens;
    match texts.iter().position(|ids| ids.len() > limit) {
        None => Ok(()),
        Some(index) => Err(TrainingError::TooLong {
            language: texts.language().clone(),
            index,
            found: texts.get(index).map_or(0, <[u32]>::len),
            limit,
        }),
    }
}

fn check_pairs(pairs: &[TokenizedPairs], framing: &Framing) -> Result<(), TrainingError> {
    pairs.iter().flat_map(TokenizedPairs::sides).try_for_each(|side| check_lengths(side, framing))
}
