//! Replaced token detection: which tokens of a sentence are not its own.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor, TensorData, activation};
use isogloss_core::Seed;
use isogloss_kernels::{LayerNorm, gelu};
use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::initialization::Initialization;
use crate::mlm::chosen;
use crate::{
    ConfigFault, DeviceBatch, Encoder, EncoderConfig, EncoderConfigError, EncoderLayer, HasEncoder,
    LossSum, LossValue, MlmBatch, MlmConfig, MlmHead, NormOrder, Objective, binary_cross_entropy,
    decoder_cross_entropy,
};

/// The shape of a [`ReplacedTokenModel`].
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ReplacedTokenConfig {
    /// The encoder that is trained: the discriminator.
    pub encoder: EncoderConfig,
    /// How many layers the generator has. Default a quarter of the encoder's, at least 1.
    pub generator_layers: usize,
    /// How much the discriminator's loss counts beside the generator's. Default 50.
    pub weight: f64,
}

impl ReplacedTokenConfig {
    /// A generator of a quarter of the layers.
    pub const fn new(encoder: EncoderConfig) -> Self {
        let quarter = encoder.n_layers / 4;
        let generator_layers = if quarter > 0 { quarter } else { 1 };
        Self { encoder, generator_layers, weight: 50.0 }
    }

    /// Sets the number of the generator's layers.
    #[must_use]
    pub fn with_generator_layers(self, generator_layers: usize) -> Self {
        Self { generator_layers, ..self }
    }

    /// Sets how much the discriminator's loss counts.
    #[must_use]
    pub fn with_weight(self, weight: f64) -> Self {
        Self { weight, ..self }
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
    ) -> Result<ReplacedTokenModel, EncoderConfigError> {
        self.try_check()?;
        let init = Initialization::seeded(self.encoder.initializer_std, seed, device);
        Ok(ReplacedTokenModel::new(self, &init))
    }

    /// Checks every field.
    pub(crate) fn try_check(&self) -> Result<(), EncoderConfigError> {
        let mut faults = self.encoder.faults();
        let (layers, weight) = (self.generator_layers, self.weight);
        ConfigFault::check(&mut faults, layers > 0, "generator_layers", layers, "at least 1");
        let holds = weight.is_finite() && weight > 0.0;
        ConfigFault::check(&mut faults, holds, "weight", weight, "a finite number above 0");
        if faults.is_empty() { Ok(()) } else { Err(EncoderConfigError { faults }) }
    }
}

/// Tells of each token whether it is the original one.
///
/// ```text
/// z = output(gelu(dense h))
/// ```
#[derive(Module, Debug)]
pub struct ReplacedTokenHead {
    pub(crate) dense: Linear,
    pub(crate) output: Linear,
}

impl ReplacedTokenHead {
    fn new(d_model: usize, init: &Initialization<'_>) -> Self {
        Self {
            dense: init.linear("detector.dense", [d_model, d_model]),
            output: init.linear("detector.output", [d_model, 1]),
        }
    }

    /// # Shapes
    ///
    /// - `hidden`: `[batch, seq, d_model]`
    /// - returns: `[batch, seq]`, above 0 where a token is more likely a replacement
    pub fn forward(&self, hidden: Tensor<3>) -> Tensor<2> {
        let [rows, seq, _] = hidden.dims();
        let hidden = gelu(self.dense.forward(hidden.flatten::<2>(0, 1)));
        self.output.forward(hidden).reshape([rows, seq])
    }
}

/// A generator that fills gaps, and a discriminator that finds out where.
///
/// ```text
/// x = embeddings(hidden tokens)      generator: layers(x) → scores of the vocabulary, at the gaps
/// y = tokens, the gaps filled by samples of it
/// discriminator: encoder(y) → a score of each token
/// ```
///
/// The generator has layers of its own and reads the embeddings of the discriminator: the same tensors,
/// which both losses train; its output is tied to them as well. Where in ELECTRA the generator is narrower,
/// it has fewer layers here, so that it needs no projection between.
///
/// # Source
///
/// Clark et al. (2020), "ELECTRA: Pre-training Text Encoders as Discriminators Rather Than Generators",
/// section 2, <https://arxiv.org/abs/2003.10555>.
///
/// # Examples
///
/// ```
/// use burn::tensor::Device;
/// use isogloss_core::Seed;
/// use isogloss_transformer::{
///     EncoderConfig, MaskedSequence, MlmBatch, Objective, ReplacedTokenConfig, ReplacedTokenObjective,
///     SequenceInput,
/// };
///
/// let device = Device::flex().autodiff();
/// let encoder = EncoderConfig::new(10).with_d_model(8).with_n_layers(2).with_n_heads(2);
/// let config = ReplacedTokenConfig::new(encoder);
/// let model = config.try_init(&device, Seed::new(1))?;
/// // A batch of masked language modelling; 9 is the mask.
/// let row = MaskedSequence {
///     input: SequenceInput::new(vec![0, 5, 9, 7, 2]),
///     positions: vec![2],
///     labels: vec![6],
/// };
/// let batch = MlmBatch::try_new(&config.encoder, &[row], &device)?;
/// let loss: f32 = ReplacedTokenObjective.loss(&model, &batch).mean().into_scalar();
/// // Of ten tokens, and of two answers, each as likely as the others.
/// assert!((loss - 10_f32.ln() - 50.0 * 2_f32.ln()).abs() < 1.0);
/// let encoder = model.into_encoder();
/// # let _ = encoder;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Module, Debug)]
pub struct ReplacedTokenModel {
    pub(crate) encoder: Encoder,
    pub(crate) generator: Vec<EncoderLayer>,
    pub(crate) generator_norm: Option<LayerNorm>,
    pub(crate) generator_head: MlmHead,
    pub(crate) detector: ReplacedTokenHead,
    weight: f64,
}

/// A batch with its gaps filled.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReplacedTokens {
    /// The sequences as the discriminator reads them.
    pub input: DeviceBatch,
    /// 1 where a token is not the original one, 0 elsewhere; a gap that was filled by the token that stood
    /// there is no replacement. `[batch, seq]`
    pub is_replaced: Tensor<2>,
}

impl ReplacedTokenModel {
    pub(crate) fn new(config: &ReplacedTokenConfig, init: &Initialization<'_>) -> Self {
        let encoder = &config.encoder;
        let layer = |index| EncoderLayer::new(encoder, &format!("generator.{index}"), init);
        Self {
            encoder: Encoder::new(encoder, init),
            generator: (0..config.generator_layers).map(layer).collect(),
            generator_norm: (encoder.norm == NormOrder::Pre)
                .then(|| init.layer_norm(encoder.d_model, encoder.layer_norm_eps)),
            generator_head: MlmHead::new(&MlmConfig::new(encoder.clone()), init),
            detector: ReplacedTokenHead::new(encoder.d_model, init),
            weight: config.weight,
        }
    }

    /// The shape of this model.
    pub fn config(&self) -> ReplacedTokenConfig {
        ReplacedTokenConfig::new(self.encoder.config().clone())
            .with_generator_layers(self.generator.len())
            .with_weight(self.weight)
    }

    /// The discriminator without its head; the generator has done its work.
    pub fn into_encoder(self) -> Encoder {
        self.encoder
    }

    /// The hidden states of the generator at the gaps, ready to be multiplied with the embedding.
    /// `[n_masked, d_model]`
    fn generate(&self, batch: &MlmBatch) -> Tensor<2> {
        let input = batch.input();
        let offset = self.encoder.config().position_offset;
        let (embedded, reading) = self.encoder.embeddings().forward(input, &[], offset);
        let alone = self.encoder.embeddings().is_by_rows() && !self.generator.is_empty();
        let wanted = if alone { input.few_slots(batch.flat_positions()) } else { None };
        let layers = &self.generator;
        let mut x = EncoderLayer::forward_all(layers, embedded, &reading, &[], wanted.as_ref());
        if let Some(norm) = &self.generator_norm {
            x = norm.forward(x);
        }
        if wanted.is_none() {
            x = chosen(reading.hidden(input, x).tokens(), batch.flat_positions());
        }
        self.generator_head.transform(x)
    }

    /// Samples a token for each gap, by what the generator thinks of it, and fills the gaps. No gradient
    /// goes through the choice. The batch has at least one gap.
    pub fn replace(&self, batch: &MlmBatch, seed: Seed) -> ReplacedTokens {
        self.fill(batch, &self.generate(batch), seed)
    }

    fn fill(&self, batch: &MlmBatch, transformed: &Tensor<2>, seed: Seed) -> ReplacedTokens {
        let samples = self.sample(&transformed.clone().detach(), seed);
        let [rows, seq] = batch.input().dims();
        let fill = |flat: Tensor<1, Int>, values: Tensor<1, Int>| {
            let old = flat.clone().select(0, batch.flat_positions().clone());
            let places = batch.flat_positions().clone();
            flat.select_assign(0, places, values - old, IndexingUpdateOp::Add).reshape([rows, seq])
        };
        let is_replaced = samples.clone().not_equal(batch.labels().clone()).int();
        let ids = batch.input().ids().flatten::<1>(0, 1);
        ReplacedTokens {
            is_replaced: fill(ids.zeros_like(), is_replaced).float(),
            input: batch.input().with_ids(fill(ids, samples)),
        }
    }

    /// One token for each row of what the generator's head made, by inversion of the distribution: a single
    /// random number for each, which the seed alone decides. `[n]`
    fn sample(&self, transformed: &Tensor<2>, seed: Seed) -> Tensor<1, Int> {
        let ([count, _], device) = (transformed.dims(), transformed.device());
        let (embedding, bias) =
            (self.encoder.word_embedding().detach(), self.generator_head.bias.val().detach());
        let vocab_size = embedding.dims()[0];
        let mut rng = seed.rng();
        let uniform: Vec<f32> = (0..count).map(|_| rng.random::<f32>()).collect();
        let uniform = Tensor::<2>::from_data(TensorData::new(uniform, [count, 1]), &device);
        // Few rows at a time: scores of all rows may be larger than the model.
        let step = (SCORES_AT_ONCE / vocab_size).max(1);
        let samples = (0..count).step_by(step).map(|first| {
            let rows = step.min(count - first);
            let part = transformed.clone().narrow(0, first, rows);
            let logits = part.matmul(embedding.clone().transpose()) + bias.clone().unsqueeze::<2>();
            let sums = activation::softmax(logits, 1).cumsum(1); // [rows, vocab_size]
            // Of the last sum, which rounding keeps from being 1.
            let total = sums.clone().narrow(1, vocab_size - 1, 1);
            let limit = uniform.clone().narrow(0, first, rows) * total;
            let below = sums.lower_equal(limit.expand([rows, vocab_size])).int();
            let last = i64::try_from(vocab_size - 1).unwrap_or(i64::MAX);
            below.sum_dim(1).squeeze_dim::<1>(1).clamp_max(last)
        });
        Tensor::cat(samples.collect(), 0)
    }

    /// The scores of each token as a replacement; those of padding mean nothing. `[batch, seq]`
    pub fn detect(&self, batch: &DeviceBatch) -> Tensor<2> {
        self.detector.forward(self.encoder.forward(batch))
    }

    fn loss(&self, batch: &MlmBatch, seed: Seed) -> LossSum {
        let tokens: usize = batch.input().lengths().iter().sum();
        let device = batch.labels().device();
        let (generator, replaced) = if batch.count() == 0 {
            let is_replaced = batch.input().ids().zeros_like().float();
            (LossSum::zero(&device), ReplacedTokens { input: batch.input().clone(), is_replaced })
        } else {
            let transformed = self.generate(batch);
            let (matrix, bias) = (self.encoder.word_embedding(), self.generator_head.bias.val());
            let loss = decoder_cross_entropy(&transformed, &matrix, &bias, batch.labels());
            let replaced = self.fill(batch, &transformed, seed);
            (loss, replaced)
        };
        let is_padding = replaced.input.mask_pad().flatten::<1>(0, 1);
        let scores = self.detect(&replaced.input).flatten::<1>(0, 1);
        let detector = binary_cross_entropy(scores, replaced.is_replaced.flatten(0, 1));
        let detector = detector.mask_fill(is_padding, 0.0).sum();
        let sum = generator.mean() * tokens as f64 + detector * self.weight;
        LossSum::new(sum, tokens)
    }
}

/// How many scores of the vocabulary are held while tokens are sampled.
const SCORES_AT_ONCE: usize = 1 << 24;

impl HasEncoder for ReplacedTokenModel {
    fn encoder(&self) -> &Encoder {
        &self.encoder
    }
}

/// Replaced token detection, as an [`Objective`].
///
/// ```text
/// L = mean of the generator's cross-entropy over gaps + weight · mean of the discriminator's over tokens
/// ```
///
/// Batches are those of masked language modelling; ELECTRA hides all chosen tokens:
/// [`with_replacement(1.0, 0.0)`](crate::MaskingConfig::with_replacement), and 0.15 of them, 0.25 in its
/// large model. The count is the number of tokens. Where micro-batches add up, each so weighs by its tokens:
/// the discriminator's loss is the mean over the tokens of all, and the generator's the mean of the
/// micro-batches' means by their tokens, not by their gaps.
///
/// Samples follow from the seed of [`accumulate`](Objective::accumulate), and are the same ones at every
/// call of [`loss`](Objective::loss), so that losses of evaluation can be compared.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReplacedTokenObjective;

/// What samples follow from when a loss is evaluated.
const EVALUATION: Seed = Seed::new(0);

impl Objective<ReplacedTokenModel> for ReplacedTokenObjective {
    type Batch = MlmBatch;

    fn loss(&self, model: &ReplacedTokenModel, batch: &MlmBatch) -> LossSum {
        model.loss(batch, EVALUATION.derive("replaced tokens"))
    }

    fn accumulate(
        &self,
        model: &ReplacedTokenModel,
        batch: &MlmBatch,
        seed: Seed,
        backward: &mut dyn FnMut(Tensor<1>),
    ) -> LossValue {
        model.loss(batch, seed.derive("replaced tokens")).accumulate(backward)
    }
}
