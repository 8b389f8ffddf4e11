//! The encoder: embeddings and a stack of post-LN layers.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Embedding, LayerNorm};
use burn::tensor::Tensor;

use crate::initialization::Initialization;
use crate::{DeviceBatch, EncoderConfig, EncoderLayer, Pooling};

/// Words, positions and, where the model has them, languages, added and normalised.
#[derive(Module, Debug)]
pub struct Embeddings {
    pub(crate) word: Embedding,
    pub(crate) position: Embedding,
    pub(crate) language: Option<Embedding>,
    pub(crate) norm: LayerNorm,
    dropout: Dropout,
}

impl Embeddings {
    fn new(config: &EncoderConfig, init: &Initialization<'_>) -> Self {
        let table = |name: &str, rows, zero_row| {
            init.embedding(&format!("embeddings.{name}"), [rows, config.d_model], zero_row)
        };
        Self {
            word: table("word", config.vocab_size, Some(config.pad_id as usize)),
            position: table("position", config.max_positions, None),
            language: (config.n_languages > 0).then(|| table("language", config.n_languages, None)),
            norm: init.layer_norm(config.d_model, config.layer_norm_eps),
            dropout: DropoutConfig::new(config.dropout).init(),
        }
    }

    /// The gain of the normalisation, the lowest parameter that every token passes. `[d_model]`
    pub fn norm_gain(&self) -> Tensor<1> {
        self.norm.gamma.val()
    }

    /// # Shapes
    ///
    /// - returns: `[batch · seq, d_model]`
    fn forward(&self, batch: &DeviceBatch) -> Tensor<2> {
        let mut sum =
            self.word.forward(batch.ids.clone()) + self.position.forward(batch.positions.clone()); // [batch, seq, d_model]
        if let (Some(table), Some(languages)) = (&self.language, &batch.languages) {
            sum = sum + table.forward(languages.clone());
        }
        self.dropout.forward(self.norm.forward(sum.flatten(0, 1)))
    }
}

/// A multilingual encoder in the shape of XLM and XLM-R.
///
/// ```text
/// x = drop(LN(word[id] + position[p] (+ language[l])))       then n_layers × EncoderLayer
/// ```
///
/// Dropout acts whenever the parameters and the batch are on an autodiff device: evaluate a
/// `valid()` model on batches of the plain device.
///
/// # Source
///
/// Conneau et al. (2020), "Unsupervised Cross-lingual Representation Learning at Scale",
/// <https://arxiv.org/abs/1911.02116>; language embeddings and restarting positions as in Lample and
/// Conneau (2019), <https://arxiv.org/abs/1901.07291>.
///
/// # Examples
///
/// ```
/// use burn::tensor::Device;
/// use isogloss_core::Seed;
/// use isogloss_transformer::{EncoderBatch, EncoderConfig, SequenceInput};
///
/// let device = Device::flex();
/// let config = EncoderConfig::new(10).with_d_model(8).with_n_layers(2).with_n_heads(2);
/// let encoder = config.try_init(&device, Seed::new(1))?;
/// let rows = [SequenceInput::new(vec![0, 5, 6, 2]), SequenceInput::new(vec![0, 7, 2])];
/// let batch = EncoderBatch::try_new(&config, &rows)?.to_device(&device);
/// assert_eq!(encoder.forward(&batch).dims(), [2, 4, 8]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Module, Debug)]
pub struct Encoder {
    pub(crate) embeddings: Embeddings,
    pub(crate) layers: Vec<EncoderLayer>,
    // Invariant: the shape that the modules above have.
    #[module(skip)]
    config: EncoderConfig,
}

impl Encoder {
    pub(crate) fn new(config: &EncoderConfig, init: &Initialization<'_>) -> Self {
        let layer = |index| EncoderLayer::new(config, &format!("layers.{index}"), init);
        Self {
            embeddings: Embeddings::new(config, init),
            layers: (0..config.n_layers).map(layer).collect(),
            config: config.clone(),
        }
    }

    /// The shape of this encoder.
    pub fn config(&self) -> &EncoderConfig {
        &self.config
    }

    /// The embeddings under the layers.
    pub fn embeddings(&self) -> &Embeddings {
        &self.embeddings
    }

    /// Takes note of another number of positions than the encoder was made with.
    pub(crate) fn set_max_positions(&mut self, max_positions: usize) {
        self.config.max_positions = max_positions;
    }

    /// Takes note of rows that were appended to the word embedding.
    pub(crate) fn append_vocabulary(&mut self, rows: usize) {
        if rows > 0 {
            self.config.vocab_size += rows;
            self.config.vocab_extensions.push(rows);
        }
    }

    /// The word embedding, which a masked language model ties its output to. `[vocab_size, d_model]`
    pub fn word_embedding(&self) -> Tensor<2> {
        self.embeddings.word.weight.val()
    }

    /// The hidden states of the last layer.
    ///
    /// Rows at padding hold numbers that mean nothing.
    ///
    /// # Shapes
    ///
    /// - returns: `[batch, seq, d_model]`
    pub fn forward(&self, batch: &DeviceBatch) -> Tensor<3> {
        self.forward_layers(batch, self.layers.len())
    }

    /// The hidden states after the first `n_layers` layers, of which 0 gives the embeddings.
    ///
    /// The middle layers of a multilingual encoder are often closer across languages than the last,
    /// which has turned to predicting words. More layers than there are gives the last.
    ///
    /// # Shapes
    ///
    /// - returns: `[batch, seq, d_model]`
    pub fn forward_layers(&self, batch: &DeviceBatch, n_layers: usize) -> Tensor<3> {
        let dims = batch.dims();
        let mut x = self.embeddings.forward(batch);
        for layer in self.layers.iter().take(n_layers) {
            x = layer.forward(x, dims, batch.key_bias.as_ref());
        }
        x.reshape([dims[0], dims[1], self.config.d_model])
    }

    /// One vector for each row, pooled from the last layer or from an earlier one.
    ///
    /// # Shapes
    ///
    /// - returns: `[batch, d_model]`
    pub fn embed(
        &self,
        batch: &DeviceBatch,
        pooling: Pooling,
        n_layers: Option<usize>,
    ) -> Tensor<2> {
        let n_layers = n_layers.unwrap_or(self.layers.len());
        pooling.forward(self.forward_layers(batch, n_layers), batch)
    }
}

/// A model that reads through an [`Encoder`], so that objectives on sentence vectors serve all.
pub trait HasEncoder {
    /// The encoder.
    fn encoder(&self) -> &Encoder;
}

impl HasEncoder for Encoder {
    fn encoder(&self) -> &Encoder {
        self
    }
}
