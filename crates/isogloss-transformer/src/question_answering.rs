//! Extractive question answering: where in a context an answer begins and ends.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear};
use burn::tensor::{Device, Int, Tensor, TensorData};
use isogloss_core::Seed;
use isogloss_kernels::{HIDDEN, dropout};
use serde::{Deserialize, Serialize};

use crate::classification::check_dropout;
use crate::initialization::Initialization;
use crate::{
    BatchError, DeviceBatch, Encoder, EncoderBatch, EncoderConfig, EncoderConfigError, HasEncoder,
    LossSum, Objective, SequenceInput, cross_entropy,
};

/// The shape of a [`QuestionAnswerer`].
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct QuestionAnsweringConfig {
    /// The encoder under the head.
    pub encoder: EncoderConfig,
    /// Dropout before the head. Default 0, as in BERT and XLM-R; 0.1 in DistilBERT.
    pub dropout: f64,
}

impl QuestionAnsweringConfig {
    /// A head without dropout.
    pub const fn new(encoder: EncoderConfig) -> Self {
        Self { encoder, dropout: 0.0 }
    }

    /// Sets the dropout before the head.
    #[must_use]
    pub fn with_dropout(self, dropout: f64) -> Self {
        Self { dropout, ..self }
    }

    /// Builds encoder and head with fresh weights; see [`EncoderConfig::try_init`].
    ///
    /// # Errors
    ///
    /// [`EncoderConfigError`], naming each field that is out of its range.
    pub fn try_init(
        &self,
        device: &Device,
        seed: Seed,
    ) -> Result<QuestionAnswerer, EncoderConfigError> {
        self.try_check()?;
        let init = Initialization::seeded(self.encoder.initializer_std, seed, device);
        Ok(QuestionAnswerer::new(self, &init))
    }

    /// Checks every field.
    pub(crate) fn try_check(&self) -> Result<(), EncoderConfigError> {
        check_dropout(self.encoder.faults(), self.dropout)
    }
}

/// An encoder with a head that scores each token as the first of an answer, and as the last.
///
/// ```text
/// [s, e] = output(drop(h))
/// ```
///
/// What the scores mean as answers, [`AnswerConfig`](crate::AnswerConfig) finds out.
///
/// # Source
///
/// Devlin et al. (2019), "BERT", section 4.2, <https://arxiv.org/abs/1810.04805>; questions without an
/// answer, which the first token stands for: section 4.3.
///
/// # Examples
///
/// ```
/// use burn::tensor::Device;
/// use isogloss_core::Seed;
/// use isogloss_transformer::{
///     AnswerConfig, AnsweredSequence, EncoderConfig, Objective, QuestionAnsweringBatch,
///     QuestionAnsweringConfig, QuestionAnsweringObjective, SequenceLayout,
/// };
///
/// let device = Device::flex();
/// let encoder = EncoderConfig::new(20).with_d_model(8).with_n_layers(1).with_n_heads(2);
/// let config = QuestionAnsweringConfig::new(encoder);
/// let model = config.try_init(&device, Seed::new(1))?;
/// // The question 5 6, the context 7 8 9, and of it the answer 8 9.
/// let input = SequenceLayout::xlm_roberta(0, 2, 64).pair(&[5, 6], &[7, 8, 9]).input;
/// assert_eq!(input.ids, [0, 5, 6, 2, 2, 7, 8, 9, 2]);
/// let row = AnsweredSequence { input, start: 6, end: 7 };
/// let batch = QuestionAnsweringBatch::try_new(&config, &[row], &device)?;
/// let loss: f32 = QuestionAnsweringObjective.loss(&model, &batch).mean().into_scalar();
/// assert!((loss - 9_f32.ln()).abs() < 0.1);
///
/// let scores = model.score(batch.input());
/// let answers = AnswerConfig::default().try_init()?.answers(&scores[0], 5..8);
/// assert_eq!(answers.spans.len(), 6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Module, Debug)]
pub struct QuestionAnswerer {
    pub(crate) encoder: Encoder,
    pub(crate) output: Linear,
    dropout: Dropout,
}

impl QuestionAnswerer {
    pub(crate) fn new(config: &QuestionAnsweringConfig, init: &Initialization<'_>) -> Self {
        Self::with_head(Encoder::new(&config.encoder, init), config, init)
    }

    pub(crate) fn with_head(
        encoder: Encoder,
        config: &QuestionAnsweringConfig,
        init: &Initialization<'_>,
    ) -> Self {
        let output = init.linear("output", [config.encoder.d_model, 2]);
        Self { encoder, output, dropout: DropoutConfig::new(config.dropout).init() }
    }

    /// Puts a fresh head on an encoder that was trained before.
    pub fn from_encoder(encoder: Encoder, seed: Seed, device: &Device) -> Self {
        let config = QuestionAnsweringConfig::new(encoder.config().clone());
        let init = Initialization::seeded(config.encoder.initializer_std, seed, device);
        Self::with_head(encoder, &config, &init)
    }

    /// The shape of this model.
    pub fn config(&self) -> QuestionAnsweringConfig {
        QuestionAnsweringConfig::new(self.encoder.config().clone()).with_dropout(self.dropout.prob)
    }

    /// Takes the head off.
    pub fn into_encoder(self) -> Encoder {
        self.encoder
    }

    /// The scores of each token as a start and as an end; those of padding mean nothing.
    ///
    /// # Shapes
    ///
    /// - returns: `[batch, seq, 2]`, unnormalised
    pub fn forward(&self, batch: &DeviceBatch) -> Tensor<3> {
        self.logits_of(self.encoder.forward(batch))
    }

    /// The scores of hidden states that are there already. `[batch, seq, 2]`
    pub(crate) fn logits_of(&self, hidden: Tensor<3>) -> Tensor<3> {
        let [rows, seq, _] = hidden.dims();
        let hidden = dropout(hidden.flatten::<2>(0, 1), &self.dropout);
        self.output.forward(hidden).reshape([rows, seq, 2])
    }

    /// The scores of each row on the host: of each of its tokens, as a start and as an end.
    ///
    /// The batch is one of rows that were padded here, on the right.
    pub fn score(&self, batch: &DeviceBatch) -> Vec<Vec<[f32; 2]>> {
        let [_, seq] = batch.dims();
        let scores: Vec<f32> = self.forward(batch).into_data().iter::<f32>().collect();
        let rows = scores.chunks_exact(2 * seq).zip(batch.lengths());
        let tokens = |row: &[f32]| row.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect();
        rows.map(|(row, &length)| tokens(&row[..2 * length])).collect()
    }
}

impl HasEncoder for QuestionAnswerer {
    fn encoder(&self) -> &Encoder {
        &self.encoder
    }
}

/// A question with its context, and where in it the answer is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AnsweredSequence {
    /// Question and context in one sequence.
    pub input: SequenceInput,
    /// The first token of the answer, by its place in the sequence; 0 where the context has none, as
    /// where the answer is in another window of it.
    pub start: usize,
    /// The last token of the answer; 0 where there is none.
    pub end: usize,
}

/// Questions with their contexts and answers, on a device.
#[derive(Clone, Debug)]
pub struct QuestionAnsweringBatch {
    // Invariant: the start of each row's answer, then its end, both of its tokens.
    input: DeviceBatch,
    places: Tensor<1, Int>,
}

impl QuestionAnsweringBatch {
    /// Checks rows and answers, pads the rows and moves both to a device.
    ///
    /// # Errors
    ///
    /// [`BatchError`], with the row and the token.
    pub fn try_new(
        config: &QuestionAnsweringConfig,
        rows: &[AnsweredSequence],
        device: &Device,
    ) -> Result<Self, BatchError> {
        let inputs: Vec<_> = rows.iter().map(|row| row.input.clone()).collect();
        let batch = EncoderBatch::try_new(&config.encoder, &inputs)?;
        let mut places = Vec::with_capacity(2 * rows.len());
        for (sequence, row) in rows.iter().enumerate() {
            let limit = row.input.len();
            for (what, token) in [("start", row.start), ("end", row.end)] {
                if token >= limit {
                    let found = token as u64;
                    return Err(BatchError::OutOfRange { sequence, token, what, found, limit });
                }
                places.push((token as u64).cast_signed());
            }
            if row.end < row.start {
                let (start, end) = (row.start, row.end);
                return Err(BatchError::Answer { sequence, start, end });
            }
        }
        let places = TensorData::new(places, [2 * rows.len()]);
        Ok(Self { input: batch.to_device(device), places: Tensor::from_data(places, device) })
    }

    /// The sequences.
    pub fn input(&self) -> &DeviceBatch {
        &self.input
    }
}

/// Extractive question answering, as an [`Objective`].
///
/// ```text
/// L = Σᵢ (-log softmax(sᵢ)[startᵢ] - log softmax(eᵢ)[endᵢ]) / 2
/// ```
///
/// The softmax is over the tokens of a row. In transformers it is over its padding, too, so that the loss
/// there depends on the longest row of the batch; here it does not.
#[derive(Clone, Copy, Debug, Default)]
pub struct QuestionAnsweringObjective;

impl Objective<QuestionAnswerer> for QuestionAnsweringObjective {
    type Batch = QuestionAnsweringBatch;

    fn loss(&self, model: &QuestionAnswerer, batch: &QuestionAnsweringBatch) -> LossSum {
        let [rows, seq] = batch.input.dims();
        let is_padding = batch.input.mask_pad().unsqueeze_dim::<3>(1).expand([rows, 2, seq]);
        let scores = model.forward(&batch.input).swap_dims(1, 2); // [batch, 2, seq]
        let scores = scores.mask_fill(is_padding, HIDDEN).reshape([2 * rows, seq]);
        LossSum::new(cross_entropy(scores, batch.places.clone()).sum / 2.0, rows)
    }
}
