//! The shape of an encoder.

use burn::tensor::Device;
use isogloss_core::Seed;
use serde::{Deserialize, Serialize};

use crate::initialization::Initialization;
use crate::{ConfigFault, Encoder, EncoderConfigError};

/// The shape of an [`Encoder`].
///
/// A file must state every field: a default that is taken in silence is how a checkpoint of one
/// shape becomes a model of another.
///
/// # Examples
///
/// ```
/// use isogloss_transformer::EncoderConfig;
///
/// let config = EncoderConfig::new(4000).with_d_model(128).with_n_layers(2);
/// assert_eq!(config.d_ff, 512);
/// assert_eq!(config.parameter_count(), 974_336);
/// ```
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct EncoderConfig {
    /// Rows of the word embedding; ids are below it.
    pub vocab_size: usize,
    /// How many of these rows each extension of the vocabulary appended, from the first; empty (the
    /// default, and then not written) for a model whose vocabulary has not grown. A masked language
    /// model multiplies with each by itself, so that the scores of older tokens keep their bits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vocab_extensions: Vec<usize>,
    /// Width of the hidden states. Default 256.
    pub d_model: usize,
    /// Number of layers. Default 4.
    pub n_layers: usize,
    /// Attention heads, which divide `d_model`. Default 4.
    pub n_heads: usize,
    /// Inner width of the feed-forward sub-layer. Default `4 · d_model`.
    pub d_ff: usize,
    /// Rows of the position embedding; positions start at 0. Default 512.
    pub max_positions: usize,
    /// Rows of the language embedding; 0 (the default) for a model that is not told the language.
    pub n_languages: usize,
    /// Dropout after the embeddings and after each sub-layer. Default 0.1.
    pub dropout: f64,
    /// Dropout on the attention probabilities. Default 0.1.
    pub attention_dropout: f64,
    /// ε of every layer normalisation. Default 1e-5.
    pub layer_norm_eps: f64,
    /// The id that fills short rows; its embedding starts at zero. Default 1.
    pub pad_id: u32,
    /// Standard deviation of the initial weights. Default 0.02.
    pub initializer_std: f64,
}

impl EncoderConfig {
    /// An encoder for `vocab_size` pieces, with the defaults that stand beside the fields.
    pub const fn new(vocab_size: usize) -> Self {
        Self {
            vocab_size,
            vocab_extensions: Vec::new(),
            d_model: 256,
            n_layers: 4,
            n_heads: 4,
            d_ff: 1024,
            max_positions: 512,
            n_languages: 0,
            dropout: 0.1,
            attention_dropout: 0.1,
            layer_norm_eps: 1e-5,
            pad_id: 1,
            initializer_std: 0.02,
        }
    }

    /// Sets the width, and the inner width of the feed-forward sub-layer to four times as much.
    #[must_use]
    pub fn with_d_model(self, d_model: usize) -> Self {
        Self { d_model, d_ff: 4 * d_model, ..self }
    }

    /// Sets the number of layers.
    #[must_use]
    pub fn with_n_layers(self, n_layers: usize) -> Self {
        Self { n_layers, ..self }
    }

    /// Sets the number of attention heads.
    #[must_use]
    pub fn with_n_heads(self, n_heads: usize) -> Self {
        Self { n_heads, ..self }
    }

    /// Sets the inner width of the feed-forward sub-layer; call it after `with_d_model`.
    #[must_use]
    pub fn with_d_ff(self, d_ff: usize) -> Self {
        Self { d_ff, ..self }
    }

    /// Sets the number of positions.
    #[must_use]
    pub fn with_max_positions(self, max_positions: usize) -> Self {
        Self { max_positions, ..self }
    }

    /// Sets the number of language embeddings.
    #[must_use]
    pub fn with_n_languages(self, n_languages: usize) -> Self {
        Self { n_languages, ..self }
    }

    /// Sets both rates of dropout.
    #[must_use]
    pub fn with_dropout(self, dropout: f64) -> Self {
        Self { dropout, attention_dropout: dropout, ..self }
    }

    /// Sets the rate of dropout on attention probabilities; call it after `with_dropout`.
    #[must_use]
    pub fn with_attention_dropout(self, attention_dropout: f64) -> Self {
        Self { attention_dropout, ..self }
    }

    /// Sets the ε of layer normalisation.
    #[must_use]
    pub fn with_layer_norm_eps(self, layer_norm_eps: f64) -> Self {
        Self { layer_norm_eps, ..self }
    }

    /// Sets the padding id.
    #[must_use]
    pub fn with_pad_id(self, pad_id: u32) -> Self {
        Self { pad_id, ..self }
    }

    /// Sets the standard deviation of the initial weights.
    #[must_use]
    pub fn with_initializer_std(self, initializer_std: f64) -> Self {
        Self { initializer_std, ..self }
    }

    /// Builds the encoder: weights from `N(0, initializer_std²)`, biases and the padding row zero,
    /// gains one.
    ///
    /// Every tensor draws from a stream named after its path, so equal seeds give equal weights on
    /// every device, and a layer more leaves those below it as they were.
    ///
    /// # Errors
    ///
    /// [`EncoderConfigError`], naming each field that is out of its range.
    pub fn try_init(&self, device: &Device, seed: Seed) -> Result<Encoder, EncoderConfigError> {
        self.try_check()?;
        Ok(Encoder::new(self, &Initialization::seeded(self.initializer_std, seed, device)))
    }

    /// Checks every field.
    pub(crate) fn try_check(&self) -> Result<(), EncoderConfigError> {
        let mut faults = Vec::new();
        let counts = [
            ("vocab_size", self.vocab_size),
            ("d_model", self.d_model),
            ("n_layers", self.n_layers),
            ("n_heads", self.n_heads),
            ("d_ff", self.d_ff),
            ("max_positions", self.max_positions),
        ];
        for (field, found) in counts {
            ConfigFault::check(&mut faults, found > 0, field, found, "at least 1");
        }
        if self.n_heads > 0 {
            let divides = self.d_model.is_multiple_of(self.n_heads);
            let expected = format!("a divisor of `d_model`, {}", self.d_model);
            ConfigFault::check(&mut faults, divides, "n_heads", self.n_heads, expected);
        }
        for (field, found) in
            [("dropout", self.dropout), ("attention_dropout", self.attention_dropout)]
        {
            let holds = (0.0..1.0).contains(&found);
            ConfigFault::check(&mut faults, holds, field, found, "at least 0 and less than 1");
        }
        for (field, found) in
            [("layer_norm_eps", self.layer_norm_eps), ("initializer_std", self.initializer_std)]
        {
            let holds = found.is_finite() && found > 0.0;
            ConfigFault::check(&mut faults, holds, field, found, "a finite number above 0");
        }
        for &found in &self.vocab_extensions {
            ConfigFault::check(&mut faults, found > 0, "vocab_extensions", found, "at least 1");
        }
        let appended = self.vocab_extensions.iter().fold(0, |sum: usize, n| sum.saturating_add(*n));
        if appended > 0 {
            let expected = format!("a sum less than `vocab_size`, {}", self.vocab_size);
            let holds = appended < self.vocab_size;
            ConfigFault::check(&mut faults, holds, "vocab_extensions", appended, expected);
        }
        let holds = (self.pad_id as usize) < self.vocab_size;
        let expected = format!("less than `vocab_size`, {}", self.vocab_size);
        ConfigFault::check(&mut faults, holds, "pad_id", self.pad_id, expected);
        if faults.is_empty() { Ok(()) } else { Err(EncoderConfigError { faults }) }
    }

    /// How many numbers the encoder consists of, adapters aside.
    ///
    /// ```text
    /// n = (V + P + G + 2)·d + L·(4·(d² + d) + 2·d·f + f + d + 4·d)
    /// ```
    ///
    /// `V` pieces, `P` positions, `G` languages, `L` layers, width `d`, inner width `f`.
    pub const fn parameter_count(&self) -> usize {
        let (d, f) = (self.d_model, self.d_ff);
        let embeddings = (self.vocab_size + self.max_positions + self.n_languages + 2) * d;
        let layer = 4 * (d * d + d) + 2 * d * f + f + d + 4 * d;
        embeddings + self.n_layers * layer
    }
}
