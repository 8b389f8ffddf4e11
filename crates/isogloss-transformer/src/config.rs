//! The shape of an encoder.

use burn::tensor::Device;
use isogloss_core::Seed;
use isogloss_peft::Activation;
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
    /// How many positions there are, counted from 0. Default 512.
    pub max_positions: usize,
    /// Rows of the position embedding before that of position 0, which no token uses. Default 0; 2
    /// in XLM-R, whose table begins with the rows of a padding id and those below it.
    pub position_offset: usize,
    /// Whether the position embedding is a table of sines, which is not trained. Default false.
    pub fixed_positions: bool,
    /// Rows of the language embedding; 0 (the default) for a model that is not told the language.
    pub n_languages: usize,
    /// Rows of the token-type embedding, which tells the sides of a pair apart; 0 (the default) for a
    /// model without one.
    pub n_token_types: usize,
    /// What stands in the feed-forward sub-layer. Default GELU, exactly.
    pub activation: Activation,
    /// Where layers are normalised. Default after each sub-layer.
    pub norm: NormOrder,
    /// Whether a token sees those before it only. Default false.
    pub causal: bool,
    /// Whether there is a [`Pooler`](crate::Pooler) on top. Default false.
    pub pooler: bool,
    /// Dropout after the embeddings and after the sub-layers. Default 0.1.
    pub dropout: f64,
    /// Which sub-layers drop out. Default both.
    pub dropout_after: DropoutAfter,
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
            position_offset: 0,
            fixed_positions: false,
            n_languages: 0,
            n_token_types: 0,
            activation: Activation::Gelu,
            norm: NormOrder::Post,
            causal: false,
            pooler: false,
            dropout: 0.1,
            dropout_after: DropoutAfter::Both,
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

    /// Sets how many rows of the position embedding stand before that of position 0.
    #[must_use]
    pub fn with_position_offset(self, position_offset: usize) -> Self {
        Self { position_offset, ..self }
    }

    /// Sets whether the position embedding stays as it is.
    #[must_use]
    pub fn with_fixed_positions(self, fixed_positions: bool) -> Self {
        Self { fixed_positions, ..self }
    }

    /// Sets the number of token types.
    #[must_use]
    pub fn with_n_token_types(self, n_token_types: usize) -> Self {
        Self { n_token_types, ..self }
    }

    /// Sets the activation.
    #[must_use]
    pub fn with_activation(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }

    /// Sets where layers are normalised.
    #[must_use]
    pub fn with_norm(self, norm: NormOrder) -> Self {
        Self { norm, ..self }
    }

    /// Sets whether a token sees those before it only.
    #[must_use]
    pub fn with_causal(self, causal: bool) -> Self {
        Self { causal, ..self }
    }

    /// Sets whether there is a pooler.
    #[must_use]
    pub fn with_pooler(self, pooler: bool) -> Self {
        Self { pooler, ..self }
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

    /// Sets which sub-layers drop out.
    #[must_use]
    pub fn with_dropout_after(self, dropout_after: DropoutAfter) -> Self {
        Self { dropout_after, ..self }
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
        let faults = self.faults();
        if faults.is_empty() { Ok(()) } else { Err(EncoderConfigError { faults }) }
    }

    /// What is wrong with the fields.
    pub(crate) fn faults(&self) -> Vec<ConfigFault> {
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
        faults
    }

    /// How many numbers the encoder consists of, adapters aside.
    ///
    /// ```text
    /// n = (V + O + P + G + T + 2)·d + L·(4·(d² + d) + 2·d·f + f + d + 4·d) (+ d² + d)
    /// ```
    ///
    /// `V` pieces, `P` positions and `O` rows before them, `G` languages, `T` token types, `L`
    /// layers, width `d`, inner width `f`; the last for a pooler.
    pub const fn parameter_count(&self) -> usize {
        let (d, f) = (self.d_model, self.d_ff);
        let rows = self.vocab_size + self.position_rows() + self.n_languages + self.n_token_types;
        let embeddings = (rows + 2) * d;
        let layer = 4 * (d * d + d) + 2 * d * f + f + d + 4 * d;
        embeddings + self.n_layers * layer + if self.pooler { d * d + d } else { 0 }
    }

    /// Rows of the position embedding.
    pub(crate) const fn position_rows(&self) -> usize {
        self.position_offset + self.max_positions
    }
}

/// Where an [`EncoderLayer`](crate::EncoderLayer) is normalised.
///
/// # Source
///
/// Xiong et al. (2020), "On Layer Normalization in the Transformer Architecture",
/// <https://arxiv.org/abs/2002.04745>.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum NormOrder {
    /// The embeddings, and the sum after each sub-layer: BERT, XLM, XLM-R.
    #[default]
    Post,
    /// What goes into each sub-layer, and the last hidden states: XLM-R XL.
    Pre,
}

/// Which sub-layers of an [`EncoderLayer`](crate::EncoderLayer) drop out before the residual is added.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum DropoutAfter {
    /// Attention and feed-forward: BERT, XLM, XLM-R.
    #[default]
    Both,
    /// Attention: XLM-R XL.
    Attention,
    /// Feed-forward: DistilBERT.
    FeedForward,
}
