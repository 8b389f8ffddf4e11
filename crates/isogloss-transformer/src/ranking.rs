//! Translation ranking: a sentence should be nearest to its own translation.

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use isogloss_core::Seed;
use serde::{Deserialize, Serialize};

use isogloss_kernels::seed_random;

use crate::{
    BatchError, ConfigFault, DeviceBatch, Encoder, EncoderBatch, EncoderConfig, EncoderConfigError,
    HasEncoder, LossSum, LossValue, Objective, Pooling, SequenceInput, cross_entropy, l2_normalize,
};

/// The margin and the scale of [`translation_ranking_loss`], and where its vectors come from.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RankingConfig {
    /// What a true pair's cosine is lowered by. Default 0.3, as in LaBSE.
    pub margin: f64,
    /// What cosines are multiplied by before the softmax. Default 20; LaBSE's formula has 1.
    pub scale: f64,
    /// How hidden states become a vector. Default the mean.
    pub pooling: Pooling,
    /// How many layers to read through; `None`, the default, for all.
    pub n_layers: Option<usize>,
}

impl Default for RankingConfig {
    fn default() -> Self {
        Self { margin: 0.3, scale: 20.0, pooling: Pooling::Mean, n_layers: None }
    }
}

impl RankingConfig {
    /// Sets the margin.
    #[must_use]
    pub const fn with_margin(self, margin: f64) -> Self {
        Self { margin, ..self }
    }

    /// Sets the scale.
    #[must_use]
    pub const fn with_scale(self, scale: f64) -> Self {
        Self { scale, ..self }
    }

    /// Sets the pooling.
    #[must_use]
    pub const fn with_pooling(self, pooling: Pooling) -> Self {
        Self { pooling, ..self }
    }

    /// Reads the hidden states after `n_layers` layers.
    #[must_use]
    pub const fn with_n_layers(self, n_layers: usize) -> Self {
        Self { n_layers: Some(n_layers), ..self }
    }

    /// Checks the numbers.
    ///
    /// # Errors
    ///
    /// [`EncoderConfigError`], naming each field that is out of its range.
    pub fn try_init(&self) -> Result<RankingObjective, EncoderConfigError> {
        let mut faults = Vec::new();
        let (margin, scale) = (self.margin, self.scale);
        let holds = (0.0..2.0).contains(&margin);
        ConfigFault::check(&mut faults, holds, "margin", margin, "at least 0 and less than 2");
        let holds = scale.is_finite() && scale > 0.0;
        ConfigFault::check(&mut faults, holds, "scale", scale, "a finite number above 0");
        if faults.is_empty() {
            Ok(RankingObjective { config: *self })
        } else {
            Err(EncoderConfigError { faults })
        }
    }
}

/// The loss of ranking each translation above the others of the batch, in both directions.
///
/// ```text
/// S = x̂ ŷᵀ        L(S) = Σᵢ -log softmaxⱼ(s · (Sᵢⱼ - m · 1[i = j]))ᵢ        L = L(S) + L(Sᵀ)
/// ```
///
/// `x̂`, `ŷ` rows scaled to length 1, `m` the margin, `s` the scale. The count is the number of pairs,
/// so the mean is the sum of the two directions' means.
///
/// # Shapes
///
/// - `x`, `y`: `[n, d]` with `n` at least 1, row `i` of one the translation of row `i` of the other
/// - `duplicates`: `[n, n]`, added to the scores: 0, and a large negative number where `i` and `j`
///   mean the same although they are not the same pair, and so must not count as wrong
///
/// # Source
///
/// Yang et al. (2019), "Improving Multilingual Sentence Embedding using Bi-directional Dual Encoder
/// with Additive Margin Softmax", equations 3–5, <https://arxiv.org/abs/1902.08564>; Feng et al. (2022),
/// "Language-agnostic BERT Sentence Embedding", section 3.1, <https://arxiv.org/abs/2007.01852>. The
/// scale is not in the latter's formula.
///
/// # Examples
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use isogloss_transformer::{RankingConfig, translation_ranking_loss};
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_floats([[1.0, 0.0], [0.0, 1.0]], &device);
/// let config = RankingConfig::default().with_margin(0.0).with_scale(1.0);
/// let loss: f32 = translation_ranking_loss(x.clone(), x, None, &config).mean().into_scalar();
/// // Cosines 1 and 0: twice ln(1 + e⁻¹).
/// assert!((loss - 0.626_523).abs() < 1e-5);
/// ```
pub fn translation_ranking_loss(
    x: Tensor<2>,
    y: Tensor<2>,
    duplicates: Option<Tensor<2>>,
    config: &RankingConfig,
) -> LossSum {
    let cosines = l2_normalize(x).matmul(l2_normalize(y).transpose()); // [n, n]
    ranking_loss_of_cosines(cosines, duplicates, config)
}

/// The same, of cosines that are at hand.
///
/// # Shapes
///
/// - `cosines`, `duplicates`: `[n, n]`, with `n` at least 1
pub fn ranking_loss_of_cosines(
    cosines: Tensor<2>,
    duplicates: Option<Tensor<2>>,
    config: &RankingConfig,
) -> LossSum {
    let (count, device) = (cosines.dims()[0], cosines.device());
    let mut scores = cosines * config.scale;
    if config.margin > 0.0 {
        scores = scores - Tensor::eye(count, &device) * (config.margin * config.scale);
    }
    if let Some(duplicates) = duplicates {
        scores = scores + duplicates;
    }
    let targets = Tensor::<1, Int>::arange(0..(count as u64).cast_signed(), &device);
    let forwards = cross_entropy(scores.clone(), targets.clone());
    let backwards = cross_entropy(scores.transpose(), targets);
    LossSum::new(forwards.sum + backwards.sum, count)
}

/// Pairs of translations on their device.
#[derive(Clone, Debug)]
pub struct RankingBatch {
    // Invariant: at least one chunk; the sides of each have the same number of rows, and `duplicates` is
    // `[rows, rows]` for the rows of all.
    chunks: Vec<[DeviceBatch; 2]>,
    duplicates: Option<Tensor<2>>,
}

impl RankingBatch {
    /// Checks both sides, pads them and moves them to a device.
    ///
    /// `meanings` says which pairs mean the same, by equal numbers: pairs of one meaning are not held
    /// against each other. Where all differ, give `None`.
    ///
    /// # Errors
    ///
    /// [`BatchError`], with the row and the token, or where the sides differ in length.
    pub fn try_new(
        config: &EncoderConfig,
        sides: [&[SequenceInput]; 2],
        meanings: Option<&[u64]>,
        device: &Device,
    ) -> Result<Self, BatchError> {
        Self::try_in_chunks(config, sides, meanings, usize::MAX, device)
    }

    /// The same, to be read `chunk_rows` pairs at a time: the loss and its gradient are those of the whole
    /// batch, and activations are held of one chunk only. See [`RankingObjective`].
    ///
    /// # Errors
    ///
    /// As those of [`try_new`](Self::try_new); the row is counted within its chunk.
    pub fn try_in_chunks(
        config: &EncoderConfig,
        [x, y]: [&[SequenceInput]; 2],
        meanings: Option<&[u64]>,
        chunk_rows: usize,
        device: &Device,
    ) -> Result<Self, BatchError> {
        let rows = |what, found: usize| {
            let expected = x.len();
            if found == expected { Ok(()) } else { Err(BatchError::Rows { what, found, expected }) }
        };
        rows("translations", y.len())?;
        if x.is_empty() {
            return Err(BatchError::Empty);
        }
        let mut duplicates = None;
        if let Some(meanings) = meanings {
            rows("meanings", meanings.len())?;
            let n = meanings.len();
            let bias: Vec<f32> = (0..n * n)
                .map(|cell| (cell / n, cell % n))
                .map(|(i, j)| if i != j && meanings[i] == meanings[j] { -1e9 } else { 0.0 })
                .collect();
            if bias.iter().any(|&bias| bias < 0.0) {
                duplicates = Some(Tensor::from_data(TensorData::new(bias, [n, n]), device));
            }
        }
        let side = |rows| Ok(EncoderBatch::try_new(config, rows)?.to_device(device));
        let chunk_rows = chunk_rows.max(1);
        let chunks = x.chunks(chunk_rows).zip(y.chunks(chunk_rows));
        let chunks = chunks.map(|(x, y)| Ok([side(x)?, side(y)?]));
        Ok(Self { chunks: chunks.collect::<Result<_, BatchError>>()?, duplicates })
    }

    /// The two sides of each chunk, of which there is one unless more were asked for.
    pub fn chunks(&self) -> &[[DeviceBatch; 2]] {
        &self.chunks
    }
}

/// Translation ranking, as an [`Objective`] of any model with an encoder.
///
/// The other pairs of a batch are its negatives, so that a large batch teaches more than several small
/// ones. One that is [in chunks](RankingBatch::try_in_chunks) fits a small machine: the vectors of all
/// chunks come first, without their activations; then the loss and its gradient with respect to the
/// vectors; then each chunk once more, with its activations, from which that gradient goes on to the
/// weights. That is one forward pass more, and the gradient of the whole batch.
///
/// # Source
///
/// The chunks: Gao et al. (2021), "Scaling Deep Contrastive Learning Batch Size under Memory Limited
/// Setup", <https://arxiv.org/abs/2101.06983>.
#[derive(Clone, Copy, Debug)]
pub struct RankingObjective {
    // Invariant: margin and scale are in range.
    config: RankingConfig,
}

impl RankingObjective {
    /// The margin, the scale and the pooling.
    pub fn config(&self) -> &RankingConfig {
        &self.config
    }

    /// The loss of the vectors of all chunks.
    fn loss_of(&self, [x, y]: [Vec<Tensor<2>>; 2], batch: &RankingBatch) -> LossSum {
        let (x, y) = (Tensor::cat(x, 0), Tensor::cat(y, 0));
        translation_ranking_loss(x, y, batch.duplicates.clone(), &self.config)
    }

    /// The vectors that the objective compares, before they are scaled to length 1. `[batch, d_model]`
    pub fn embed(&self, encoder: &Encoder, batch: &DeviceBatch) -> Tensor<2> {
        encoder.embed(batch, self.config.pooling, self.config.n_layers)
    }
}

impl<M: HasEncoder> Objective<M> for RankingObjective {
    type Batch = RankingBatch;

    fn loss(&self, model: &M, batch: &RankingBatch) -> LossSum {
        let vectors = batch.chunks.iter().map(|sides| {
            let [x, y] = sides.each_ref().map(|side| self.embed(model.encoder(), side));
            (x, y)
        });
        let (x, y): (Vec<_>, Vec<_>) = vectors.unzip();
        self.loss_of([x, y], batch)
    }

    fn accumulate(
        &self,
        model: &M,
        batch: &RankingBatch,
        seed: Seed,
        backward: &mut dyn FnMut(Tensor<1>),
    ) -> LossValue {
        if batch.chunks.len() == 1 {
            return self.loss(model, batch).accumulate(backward);
        }
        // The same dropout both times.
        let embed = |encoder: &Encoder, chunk: usize, side: usize| {
            let batch = &batch.chunks[chunk][side];
            let seed = seed.at(chunk as u64).at(side as u64);
            seed_random(&batch.ids.device(), seed.value());
            self.embed(encoder, batch)
        };
        // Without gradients, so that no activation is kept; detaching the vectors would keep them all.
        let frozen = model.encoder().clone().no_grad();
        let sides = [0, 1].map(|side| {
            let vectors = (0..batch.chunks.len()).map(|chunk| embed(&frozen, chunk, side));
            vectors.map(|vectors| vectors.detach().require_grad()).collect::<Vec<_>>()
        });
        let loss = self.loss_of(sides.clone(), batch);
        let value = LossValue::new(f64::from(loss.sum.clone().into_scalar::<f32>()), loss.count);
        let gradients = loss.sum.backward();
        for (side, vectors) in sides.iter().enumerate() {
            for (chunk, vectors) in vectors.iter().enumerate() {
                if let Some(gradient) = vectors.grad(&gradients) {
                    let device = vectors.device();
                    let gradient = Tensor::from_inner(gradient).to_device(&device);
                    backward((embed(model.encoder(), chunk, side) * gradient).sum());
                }
            }
        }
        value
    }
}
