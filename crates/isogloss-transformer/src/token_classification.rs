//! Classification of tokens: tagging, chunking, named entities.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear};
use burn::tensor::{Device, Int, Tensor, TensorData};
use isogloss_core::Seed;
use isogloss_kernels::dropout;
use serde::{Deserialize, Serialize};

use crate::batch::flat_labels;
use crate::classification::check_head;
use crate::initialization::Initialization;
use crate::{
    BatchError, ClassificationObjective, DeviceBatch, Encoder, EncoderBatch, EncoderConfig,
    EncoderConfigError, HasEncoder, LossSum, Objective, SequenceInput,
};

/// The shape of a [`TokenClassifier`].
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TokenClassifierConfig {
    /// The encoder under the head.
    pub encoder: EncoderConfig,
    /// How many classes there are.
    pub n_classes: usize,
    /// Dropout before the head. Default that of the encoder.
    pub dropout: f64,
}

impl TokenClassifierConfig {
    /// A classifier of tokens into `n_classes` classes.
    pub const fn new(encoder: EncoderConfig, n_classes: usize) -> Self {
        let dropout = encoder.dropout;
        Self { encoder, n_classes, dropout }
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
    ) -> Result<TokenClassifier, EncoderConfigError> {
        self.try_check()?;
        let init = Initialization::seeded(self.encoder.initializer_std, seed, device);
        Ok(TokenClassifier::new(self, &init))
    }

    /// Checks every field.
    pub(crate) fn try_check(&self) -> Result<(), EncoderConfigError> {
        check_head(self.encoder.faults(), [self.n_classes, 2], self.dropout)
    }
}

/// An encoder with a head that tells the classes of tokens apart.
///
/// ```text
/// z = output(drop(h))
/// ```
///
/// # Source
///
/// Devlin et al. (2019), "BERT", section 5.3, <https://arxiv.org/abs/1810.04805>; a word has the class
/// of its first piece, and its other pieces have none.
///
/// # Examples
///
/// ```
/// use burn::tensor::Device;
/// use isogloss_core::Seed;
/// use isogloss_transformer::{
///     EncoderConfig, LabelledTokens, SequenceInput, TokenClassificationBatch, TokenClassifierConfig,
/// };
///
/// let device = Device::flex();
/// let encoder = EncoderConfig::new(10).with_d_model(8).with_n_layers(1).with_n_heads(2);
/// let config = TokenClassifierConfig::new(encoder, 3);
/// let model = config.try_init(&device, Seed::new(1))?;
/// // The pieces 5 and 7 begin words.
/// let row = LabelledTokens {
///     input: SequenceInput::new(vec![0, 5, 6, 7, 2]),
///     positions: vec![1, 3],
///     classes: vec![2, 0],
/// };
/// let batch = TokenClassificationBatch::try_new(&config, &[row], &device)?;
/// assert_eq!(model.forward(&batch).dims(), [2, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Module, Debug)]
pub struct TokenClassifier {
    pub(crate) encoder: Encoder,
    pub(crate) output: Linear,
    dropout: Dropout,
    n_classes: usize,
}

impl TokenClassifier {
    pub(crate) fn new(config: &TokenClassifierConfig, init: &Initialization<'_>) -> Self {
        Self::with_head(Encoder::new(&config.encoder, init), config, init)
    }

    pub(crate) fn with_head(
        encoder: Encoder,
        config: &TokenClassifierConfig,
        init: &Initialization<'_>,
    ) -> Self {
        let n_classes = config.n_classes;
        let output = init.linear("output", [config.encoder.d_model, n_classes]);
        Self { encoder, output, dropout: DropoutConfig::new(config.dropout).init(), n_classes }
    }

    /// Puts a fresh head on an encoder that was trained before.
    ///
    /// # Errors
    ///
    /// [`EncoderConfigError`], where there are fewer than two classes.
    pub fn try_from_encoder(
        encoder: Encoder,
        n_classes: usize,
        seed: Seed,
        device: &Device,
    ) -> Result<Self, EncoderConfigError> {
        let config = TokenClassifierConfig::new(encoder.config().clone(), n_classes);
        config.try_check()?;
        let init = Initialization::seeded(config.encoder.initializer_std, seed, device);
        Ok(Self::with_head(encoder, &config, &init))
    }

    /// The shape of this classifier.
    pub fn config(&self) -> TokenClassifierConfig {
        TokenClassifierConfig::new(self.encoder.config().clone(), self.n_classes)
            .with_dropout(self.dropout.prob)
    }

    /// Takes the head off.
    pub fn into_encoder(self) -> Encoder {
        self.encoder
    }

    /// The scores of the classes at the labelled tokens and nowhere else. `[n_labelled, n_classes]`
    pub fn forward(&self, batch: &TokenClassificationBatch) -> Tensor<2> {
        let hidden = self.encoder.forward(&batch.input).flatten::<2>(0, 1);
        self.score(hidden.select(0, batch.flat_positions.clone()))
    }

    /// The scores of the classes at every token, padding included. `[batch, seq, n_classes]`
    pub fn forward_all(&self, batch: &DeviceBatch) -> Tensor<3> {
        self.logits_of_all(self.encoder.forward(batch))
    }

    /// The scores of hidden states that are there already. `[batch, seq, n_classes]`
    pub(crate) fn logits_of_all(&self, hidden: Tensor<3>) -> Tensor<3> {
        let [rows, seq, _] = hidden.dims();
        self.score(hidden.flatten::<2>(0, 1)).reshape([rows, seq, self.n_classes])
    }

    fn score(&self, hidden: Tensor<2>) -> Tensor<2> {
        self.output.forward(dropout(hidden, &self.dropout))
    }
}

impl HasEncoder for TokenClassifier {
    fn encoder(&self) -> &Encoder {
        &self.encoder
    }
}

/// A sequence, and the classes of some of its tokens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LabelledTokens {
    /// The sequence.
    pub input: SequenceInput,
    /// The tokens that have a class, by their place in the sequence.
    pub positions: Vec<usize>,
    /// Their classes.
    pub classes: Vec<u32>,
}

/// Sequences with the classes of their tokens, on a device.
#[derive(Clone, Debug)]
pub struct TokenClassificationBatch {
    // Invariant: `flat_positions` are below `batch · seq` and `classes` below the number of classes;
    // both have `count` entries.
    input: DeviceBatch,
    flat_positions: Tensor<1, Int>,
    classes: Tensor<1, Int>,
    count: usize,
}

impl TokenClassificationBatch {
    /// Checks rows and classes, pads the rows and moves both to a device.
    ///
    /// # Errors
    ///
    /// [`BatchError`], with the row and the token.
    pub fn try_new(
        config: &TokenClassifierConfig,
        rows: &[LabelledTokens],
        device: &Device,
    ) -> Result<Self, BatchError> {
        let inputs: Vec<_> = rows.iter().map(|row| row.input.clone()).collect();
        let batch = EncoderBatch::try_new(&config.encoder, &inputs)?;
        let tokens = rows.iter().map(|row| (&row.input, &*row.positions, &*row.classes));
        let names = ["labelled position", "class", "classes"];
        let (flat_positions, classes) =
            flat_labels(tokens, batch.seq_len(), names, config.n_classes)?;
        let count = classes.len();
        Ok(Self {
            input: batch.to_device(device),
            flat_positions: Tensor::from_data(TensorData::new(flat_positions, [count]), device),
            classes: Tensor::from_data(TensorData::new(classes, [count]), device),
            count,
        })
    }

    /// The sequences.
    pub fn input(&self) -> &DeviceBatch {
        &self.input
    }

    /// How many tokens have a class.
    pub fn count(&self) -> usize {
        self.count
    }
}

impl Objective<TokenClassifier> for ClassificationObjective {
    type Batch = TokenClassificationBatch;

    fn loss(&self, model: &TokenClassifier, batch: &TokenClassificationBatch) -> LossSum {
        if batch.count == 0 {
            return LossSum::zero(&batch.classes.device());
        }
        self.of_logits(model.forward(batch), batch.classes.clone())
    }
}
