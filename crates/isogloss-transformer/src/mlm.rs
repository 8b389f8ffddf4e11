//! Masked language modelling: the head, the model, its batches and its loss.

use burn::module::{Module, Param};
use burn::nn::{Embedding, Linear};
use burn::tensor::{Device, Int, Tensor, TensorData, activation};
use isogloss_core::Seed;
use isogloss_kernels::{LayerNorm, linear};
use isogloss_peft::Activation;
use serde::{Deserialize, Serialize};

use crate::batch::flat_labels;
use crate::initialization::Initialization;
use crate::{
    BatchError, ConfigFault, DeviceBatch, Encoder, EncoderBatch, EncoderConfig, EncoderConfigError,
    HasEncoder, LossSum, MaskedExample, Objective, SequenceInput, decoder_cross_entropy,
};

/// The shape of a [`MaskedLanguageModel`].
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct MlmConfig {
    /// The encoder under the head.
    pub encoder: EncoderConfig,
    /// Whether a dense layer, an activation and a normalisation stand before the scores: in BERT and
    /// XLM-R they do (the default), in XLM they do not.
    pub transform: bool,
    /// Whether the word embedding is the last matrix of the head as well. Default true.
    pub tied: bool,
    /// Whether a second head tells if one sentence follows another, as in BERT. Default false.
    pub next_sentence: bool,
}

impl MlmConfig {
    /// A head in the shape of BERT's and XLM-R's, tied to the embedding.
    pub const fn new(encoder: EncoderConfig) -> Self {
        Self { encoder, transform: true, tied: true, next_sentence: false }
    }

    /// Sets whether hidden states are transformed before they are scored.
    #[must_use]
    pub fn with_transform(self, transform: bool) -> Self {
        Self { transform, ..self }
    }

    /// Sets whether the embedding is the last matrix of the head.
    #[must_use]
    pub fn with_tied(self, tied: bool) -> Self {
        Self { tied, ..self }
    }

    /// Sets whether there is a head for the next sentence, which needs a pooler.
    #[must_use]
    pub fn with_next_sentence(self, next_sentence: bool) -> Self {
        Self { next_sentence, ..self }
    }

    /// Builds the model with fresh weights; see [`EncoderConfig::try_init`].
    ///
    /// # Errors
    ///
    /// [`EncoderConfigError`], naming each field that is out of its range.
    pub fn try_init(
        &self,
        device: &Device,
        seed: Seed,
    ) -> Result<MaskedLanguageModel, EncoderConfigError> {
        self.try_check()?;
        let init = Initialization::seeded(self.encoder.initializer_std, seed, device);
        Ok(MaskedLanguageModel::new(self, &init))
    }

    /// Checks every field.
    pub(crate) fn try_check(&self) -> Result<(), EncoderConfigError> {
        let mut faults = self.encoder.faults();
        let has_pooler = self.encoder.pooler || !self.next_sentence;
        ConfigFault::check(
            &mut faults,
            has_pooler,
            "next_sentence",
            true,
            "false without a `pooler`",
        );
        if faults.is_empty() { Ok(()) } else { Err(EncoderConfigError { faults }) }
    }
}

/// Turns hidden states into scores of the vocabulary, with the word embedding as its last matrix or
/// one of its own.
///
/// ```text
/// z = LN(f(dense h)) Eᵀ + b          or          z = h Eᵀ + b
/// ```
///
/// # Source
///
/// The heads of BERT, RoBERTa and XLM-R, and that of XLM; tying after Press and Wolf (2017), "Using
/// the Output Embedding to Improve Language Models", <https://arxiv.org/abs/1608.05859>.
#[derive(Module, Debug)]
pub struct MlmHead {
    pub(crate) dense: Option<Linear>,
    pub(crate) norm: Option<LayerNorm>,
    pub(crate) bias: Param<Tensor<1>>,
    pub(crate) decoder: Option<Embedding>,
    #[module(skip)]
    activation: Activation,
    // Invariant: those of the encoder's configuration.
    #[module(skip)]
    pub(crate) extensions: Vec<usize>,
}

impl MlmHead {
    pub(crate) fn new(config: &MlmConfig, init: &Initialization<'_>) -> Self {
        let (tied, transform, config) = (config.tied, config.transform, &config.encoder);
        let square = [config.d_model, config.d_model];
        Self {
            dense: transform.then(|| init.linear("head.dense", square)),
            norm: transform.then(|| init.layer_norm(config.d_model, config.layer_norm_eps)),
            bias: init.zeros(config.vocab_size),
            decoder: (!tied)
                .then(|| init.embedding("head.decoder", [config.vocab_size, config.d_model], None)),
            activation: config.activation,
            extensions: config.vocab_extensions.clone(),
        }
    }

    /// The scores of what [was transformed](Self::transform). `[n, d_model]` to `[n, vocab_size]`
    fn scores(&self, transformed: Tensor<2>, word_embedding: Tensor<2>) -> Tensor<2> {
        self.products(transformed, self.matrix(word_embedding)) + self.bias.val().unsqueeze::<2>()
    }

    /// `z = x Eᵀ`, with one product for the first vocabulary and one for each extension of it.
    ///
    /// The bits of a product may depend on how many columns it has: Flex changes the order of its
    /// sums where rows × columns pass 256, and a device that tunes its kernels may anywhere. So the
    /// scores of older tokens come from the product that they always came from.
    fn products(&self, transformed: Tensor<2>, word_embedding: Tensor<2>) -> Tensor<2> {
        if self.extensions.is_empty() {
            return transformed.matmul(word_embedding.transpose());
        }
        let appended: usize = self.extensions.iter().sum();
        let mut start = word_embedding.dims()[0].saturating_sub(appended);
        let product = |start, rows| {
            let block = word_embedding.clone().narrow(0, start, rows);
            transformed.clone().matmul(block.transpose())
        };
        let mut blocks = vec![product(0, start)];
        for &rows in &self.extensions {
            blocks.push(product(start, rows));
            start += rows;
        }
        Tensor::cat(blocks, 1)
    }

    /// What is multiplied with the embedding. `[n, d_model]`
    pub(crate) fn transform(&self, mut hidden: Tensor<2>) -> Tensor<2> {
        if let Some(dense) = &self.dense {
            let bias = dense.bias.as_ref().map(Param::val);
            hidden = self.activation.forward(linear(hidden, dense.weight.val(), bias));
        }
        match &self.norm {
            Some(norm) => norm.forward(hidden),
            None => hidden,
        }
    }

    /// The last matrix. `[vocab_size, d_model]`
    fn matrix(&self, word_embedding: Tensor<2>) -> Tensor<2> {
        self.decoder.as_ref().map_or(word_embedding, |decoder| decoder.weight.val())
    }
}

/// The hidden states at places of the flattened batch. `[n, d_model]`
pub(crate) fn chosen(hidden: Tensor<3>, flat_positions: &Tensor<1, Int>) -> Tensor<2> {
    hidden.flatten::<2>(0, 1).select(0, flat_positions.clone())
}

/// A sequence in which some tokens were hidden, and what they were.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MaskedSequence {
    /// The sequence as the model reads it.
    pub input: SequenceInput,
    /// The tokens to predict, by their place in the sequence.
    pub positions: Vec<usize>,
    /// The ids that stood there.
    pub labels: Vec<u32>,
}

impl MaskedSequence {
    /// Puts the masked ids into the sequence that they were masked in.
    pub fn new(sequence: SequenceInput, masked: MaskedExample) -> Self {
        Self {
            input: SequenceInput { ids: masked.input_ids, ..sequence },
            positions: masked.positions,
            labels: masked.labels,
        }
    }
}

/// A batch of masked sequences on its device, of single sentences (MLM) or of pairs (TLM), or of sequences
/// whose [next tokens](Self::next_tokens) are to be predicted (CLM).
#[derive(Clone, Debug)]
pub struct MlmBatch {
    // Invariant: `flat_positions` are below `batch · seq` and `labels` below `vocab_size`; both have
    // one entry for each masked token.
    input: DeviceBatch,
    flat_positions: Tensor<1, Int>,
    labels: Tensor<1, Int>,
    masked_per_row: Vec<usize>,
}

impl MlmBatch {
    /// Checks the rows, pads them and moves them to a device.
    ///
    /// # Errors
    ///
    /// [`BatchError`], with the row and the token.
    pub fn try_new(
        config: &EncoderConfig,
        rows: &[MaskedSequence],
        device: &Device,
    ) -> Result<Self, BatchError> {
        Self::of_rows(config, rows, None, device)
    }

    /// The same with sequences packed into rows of `row` tokens, the longer ones each by itself; see
    /// [`EncoderBatch::packed`].
    ///
    /// # Errors
    ///
    /// [`BatchError`], with the row and the token.
    pub fn try_packed(
        config: &EncoderConfig,
        rows: &[MaskedSequence],
        row: usize,
        device: &Device,
    ) -> Result<Self, BatchError> {
        Self::of_rows(config, rows, Some(row), device)
    }

    fn of_rows(
        config: &EncoderConfig,
        rows: &[MaskedSequence],
        packing: Option<usize>,
        device: &Device,
    ) -> Result<Self, BatchError> {
        let inputs: Vec<_> = rows.iter().map(|row| row.input.clone()).collect();
        let mut batch = EncoderBatch::try_new(config, &inputs)?;
        if let Some(row) = packing {
            batch = batch.packed(row);
        }
        let tokens = rows.iter().map(|row| (&row.input, &*row.positions, &*row.labels));
        let names = ["masked position", "label", "labels"];
        let (flat_positions, labels) =
            flat_labels(tokens, batch.seq_len(), names, config.vocab_size)?;
        let n_masked = labels.len();
        Ok(Self {
            input: batch.to_device(device),
            flat_positions: Tensor::from_data(TensorData::new(flat_positions, [n_masked]), device),
            labels: Tensor::from_data(TensorData::new(labels, [n_masked]), device),
            masked_per_row: rows.iter().map(|row| row.positions.len()).collect(),
        })
    }

    /// A batch of causal language modelling: every token but the first of each row is predicted from those
    /// that stand before it, nothing hidden. Delimiters are predicted, too, so that a model learns where
    /// sentences end.
    ///
    /// The places of the batch are those that the predictions are made at, one before each label.
    ///
    /// # Errors
    ///
    /// [`BatchError`], with the row and the token; [`NotCausal`](BatchError::NotCausal) for a model that
    /// sees what it is to predict.
    ///
    /// # Source
    ///
    /// Lample and Conneau (2019), "Cross-lingual Language Model Pretraining", section 3.1,
    /// <https://arxiv.org/abs/1901.07291>.
    pub fn next_tokens(
        config: &EncoderConfig,
        rows: &[SequenceInput],
        device: &Device,
    ) -> Result<Self, BatchError> {
        if !config.causal {
            return Err(BatchError::NotCausal);
        }
        let rows = rows.iter().map(|row| MaskedSequence {
            input: row.clone(),
            positions: (0..row.len().saturating_sub(1)).collect(),
            labels: row.ids.iter().skip(1).copied().collect(),
        });
        Self::try_new(config, &rows.collect::<Vec<_>>(), device)
    }

    /// The sequences.
    pub fn input(&self) -> &DeviceBatch {
        &self.input
    }

    /// The masked places, each `row · seq + token`. `[n_masked]`
    pub fn flat_positions(&self) -> &Tensor<1, Int> {
        &self.flat_positions
    }

    /// The ids that stood there. `[n_masked]`
    pub fn labels(&self) -> &Tensor<1, Int> {
        &self.labels
    }

    /// How many tokens of each row are to be predicted.
    pub fn masked_per_row(&self) -> &[usize] {
        &self.masked_per_row
    }

    /// How many tokens are to be predicted.
    pub fn count(&self) -> usize {
        self.masked_per_row.iter().sum()
    }
}

/// An encoder with a head that predicts hidden words.
///
/// # Examples
///
/// ```
/// use burn::tensor::Device;
/// use isogloss_core::Seed;
/// use isogloss_transformer::{
///     EncoderConfig, MaskedLanguageModel, MaskedSequence, MlmBatch, SequenceInput,
/// };
///
/// let device = Device::flex();
/// let config = EncoderConfig::new(10).with_d_model(8).with_n_layers(1).with_n_heads(2);
/// let model = MaskedLanguageModel::try_init(&config, &device, Seed::new(1))?;
/// let row = MaskedSequence {
///     input: SequenceInput::new(vec![0, 5, 9, 2]),
///     positions: vec![2],
///     labels: vec![6],
/// };
/// let batch = MlmBatch::try_new(&config, &[row], &device)?;
/// let loss: f32 = model.loss(&batch).mean().into_scalar();
/// assert!((loss - 10_f32.ln()).abs() < 0.1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Module, Debug)]
pub struct MaskedLanguageModel {
    pub(crate) encoder: Encoder,
    pub(crate) head: MlmHead,
    pub(crate) next_sentence: Option<Linear>,
}

impl MaskedLanguageModel {
    pub(crate) fn new(config: &MlmConfig, init: &Initialization<'_>) -> Self {
        Self {
            encoder: Encoder::new(&config.encoder, init),
            head: MlmHead::new(config, init),
            next_sentence: config
                .next_sentence
                .then(|| init.linear("next_sentence", [config.encoder.d_model, 2])),
        }
    }

    /// The shape of this model.
    pub fn config(&self) -> MlmConfig {
        MlmConfig::new(self.encoder.config().clone())
            .with_transform(self.head.dense.is_some())
            .with_tied(self.head.decoder.is_none())
            .with_next_sentence(self.next_sentence.is_some())
    }

    /// Builds the model with fresh weights and the usual head: see [`MlmConfig`] for others.
    ///
    /// # Errors
    ///
    /// [`EncoderConfigError`], naming each field that is out of its range.
    pub fn try_init(
        config: &EncoderConfig,
        device: &Device,
        seed: Seed,
    ) -> Result<Self, EncoderConfigError> {
        MlmConfig::new(config.clone()).try_init(device, seed)
    }

    /// Puts a fresh head on an encoder.
    pub fn from_encoder(encoder: Encoder, seed: Seed, device: &Device) -> Self {
        let config = MlmConfig::new(encoder.config().clone());
        let init = Initialization::seeded(config.encoder.initializer_std, seed, device);
        let head = MlmHead::new(&config, &init);
        Self { encoder, head, next_sentence: None }
    }

    /// Takes the head off.
    pub fn into_encoder(self) -> Encoder {
        self.encoder
    }

    /// The same head on another encoder, such as one that went on learning, to see what it has forgotten.
    ///
    /// # Errors
    ///
    /// [`EncoderConfigError`] where the encoder is of another width or vocabulary.
    pub fn with_encoder(self, encoder: Encoder) -> Result<Self, EncoderConfigError> {
        let (own, other) = (self.encoder.config(), encoder.config());
        let mut faults = Vec::new();
        for (field, found, expected) in [
            ("d_model", other.d_model, own.d_model),
            ("vocab_size", other.vocab_size, own.vocab_size),
        ] {
            ConfigFault::check(&mut faults, found == expected, field, found, expected.to_string());
        }
        if faults.is_empty() {
            Ok(Self { encoder, ..self })
        } else {
            Err(EncoderConfigError { faults })
        }
    }

    /// The head.
    pub fn head(&self) -> &MlmHead {
        &self.head
    }

    /// The loss at the masked tokens; the same for MLM, TLM and CLM, which differ in what a row holds.
    ///
    /// # Source
    ///
    /// Devlin et al. (2019), "BERT", section 3.1, <https://arxiv.org/abs/1810.04805>; TLM: Lample and
    /// Conneau (2019), section 3.3, <https://arxiv.org/abs/1901.07291>.
    pub fn loss(&self, batch: &MlmBatch) -> LossSum {
        if batch.count() == 0 {
            return LossSum::zero(&batch.labels.device());
        }
        let hidden = self.encoder.forward_at(&batch.input, &batch.flat_positions);
        let transformed = self.transformed(hidden);
        let matrix = self.head.matrix(self.encoder.word_embedding());
        decoder_cross_entropy(&transformed, &matrix, &self.head.bias.val(), &batch.labels)
    }

    /// Whether the second sentence of each row follows the first: the score of yes, and that of no.
    /// `[batch, 2]`; `None` for a model that does not tell.
    pub fn next_sentence_logits(&self, batch: &DeviceBatch) -> Option<Tensor<2>> {
        let (head, pooler) = (self.next_sentence.as_ref()?, self.encoder.pooler()?);
        Some(head.forward(pooler.forward(self.encoder.read(batch))))
    }

    /// The scores of the vocabulary at the masked tokens. `[n_masked, vocab_size]`
    ///
    /// Their number must not be 0.
    pub fn logits(&self, batch: &MlmBatch) -> Tensor<2> {
        self.scores(self.encoder.forward_at(&batch.input, &batch.flat_positions))
    }

    /// The scores of the vocabulary at some places, of hidden states of the encoder.
    ///
    /// # Shapes
    ///
    /// - `hidden`: `[batch, seq, d_model]`
    /// - `flat_positions`: `[n]`, each `row · seq + token`
    /// - returns: `[n, vocab_size]`, unnormalised
    pub fn logits_at(&self, hidden: Tensor<3>, flat_positions: &Tensor<1, Int>) -> Tensor<2> {
        self.scores(chosen(hidden, flat_positions))
    }

    /// `[n, d_model]` to `[n, vocab_size]`
    fn scores(&self, hidden: Tensor<2>) -> Tensor<2> {
        self.head.scores(self.transformed(hidden), self.encoder.word_embedding())
    }

    /// What is multiplied with the embedding, once an adapter's map of the embeddings is undone.
    fn transformed(&self, hidden: Tensor<2>) -> Tensor<2> {
        self.encoder.embeddings().undo_adapters(self.head.transform(hidden))
    }

    /// The scores of the vocabulary at every token, which no training needs. `[batch, seq, vocab_size]`
    pub(crate) fn logits_of_all(&self, hidden: Tensor<3>) -> Tensor<3> {
        let [rows, seq, _] = hidden.dims();
        let transformed = self.transformed(hidden.flatten(0, 1));
        let logits = self.head.scores(transformed, self.encoder.word_embedding());
        let [_, vocab_size] = logits.dims();
        logits.reshape([rows, seq, vocab_size])
    }

    /// How well each masked token is predicted, in the order of the batch.
    pub fn score(&self, batch: &MlmBatch) -> MlmScores {
        if batch.count() == 0 {
            return MlmScores { log_probabilities: Vec::new(), is_first: Vec::new() };
        }
        let logits = self.logits(batch);
        let labels = batch.labels.clone().unsqueeze_dim::<2>(1);
        let first = logits.clone().argmax(1);
        let is_first = first.equal(labels.clone()).into_data();
        let chosen = activation::log_softmax(logits, 1).gather(1, labels).into_data();
        MlmScores {
            log_probabilities: chosen.iter::<f32>().collect(),
            is_first: is_first.iter::<bool>().collect(),
        }
    }
}

/// What [`MaskedLanguageModel::score`] finds out, on the host.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MlmScores {
    /// The natural logarithm of the probability of each label.
    pub log_probabilities: Vec<f32>,
    /// Whether the label has the highest score of all.
    pub is_first: Vec<bool>,
}

impl HasEncoder for MaskedLanguageModel {
    fn encoder(&self) -> &Encoder {
        &self.encoder
    }
}

/// Masked, translation and causal language modelling, as an [`Objective`].
#[derive(Clone, Copy, Debug, Default)]
pub struct MlmObjective;

impl Objective<MaskedLanguageModel> for MlmObjective {
    type Batch = MlmBatch;

    fn loss(&self, model: &MaskedLanguageModel, batch: &MlmBatch) -> LossSum {
        model.loss(batch)
    }
}
