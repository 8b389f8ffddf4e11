//! Narrow layers beside wide ones.

use std::collections::BTreeMap;

use super::{positive, rate, scale};
use crate::{Activation, AdapterError};

/// The size, the places and the wiring of bottleneck adapters.
///
/// ```text
/// z = scaling · up(f(down(h_in)))                  a narrow layer and back
/// sequential   h' = residual + z                   h_in = N(h + x) or h
/// parallel     h' = h + z                          h_in = x
/// ```
///
/// where `h` is the output of a sub-layer, `x` its residual and `N` the model's normalisation. See
/// [`pfeiffer`](Self::pfeiffer), [`houlsby`](Self::houlsby), [`parallel`](Self::parallel) and
/// [`mad_x`](Self::mad_x).
///
/// # Source
///
/// Houlsby et al. (2019), "Parameter-Efficient Transfer Learning for NLP",
/// <https://arxiv.org/abs/1902.00751>; Pfeiffer et al. (2020), "MAD-X",
/// <https://arxiv.org/abs/2005.00052>; Pfeiffer et al. (2021), "AdapterFusion",
/// <https://arxiv.org/abs/2005.00247>; He et al. (2022), "Towards a Unified View of Parameter-Efficient
/// Transfer Learning", <https://arxiv.org/abs/2110.04366>. As the `adapters` library 1.3 computes them.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct BottleneckConfig {
    /// Whether there is one after attention.
    pub after_attention: bool,
    /// Whether there is one after the feed-forward network.
    pub after_feedforward: bool,
    /// The width of the hidden states over that of the bottleneck. Below 1, the bottleneck is wider.
    pub reduction_factor: f64,
    /// The same, for layers of these numbers. Default: none.
    pub reduction_factors: BTreeMap<usize, f64>,
    /// What stands between the two layers.
    pub activation: Activation,
    /// Dropout on the adapter's output, in `[0, 1)`. Default: 0.
    pub dropout: f64,
    /// What the output is multiplied with. Default: 1.
    pub scaling: Scaling,
    /// What the layers begin with. Default: [`BottleneckInit::Identity`].
    pub init: BottleneckInit,
    /// Whether its layers are sums of Kronecker products. Default: no.
    pub phm: Option<PhmConfig>,
    /// Whether it is given the residual in the place of the sub-layer's output.
    pub parallel: bool,
    /// Whether the model's normalisation of `h + x` comes before it.
    pub model_norm_before: bool,
    /// Whether `x` is added and the model's normalisation comes after it.
    pub model_norm_after: bool,
    /// Whether it has a normalisation of its own before it. Default: no.
    pub norm_before: bool,
    /// Whether it has one of its own after it. Default: no.
    pub norm_after: bool,
    /// What its output is added to.
    pub residual: BottleneckResidual,
    /// Whether that is added before its own normalisation. Default: no.
    pub residual_before_norm: bool,
    /// Layers of these numbers have none. Default: none such.
    pub leave_out: Vec<usize>,
    /// The invertible adapter at the embeddings. Default: none.
    pub invertible: Option<InvertibleConfig>,
    /// Modules that are trained as a whole besides. Default: none.
    pub saved_modules: Vec<String>,
}

/// An invertible adapter: embeddings are mapped by a function that is undone before tokens are predicted.
///
/// `y₁ = x₁ + F(x₂)`, `y₂ = x₂ + G(y₁)`, of the two halves of a hidden state, where F and G are narrow
/// layers with the adapter's activation between them.
///
/// # Source
///
/// Pfeiffer et al. (2020), "MAD-X", section 4.2, <https://arxiv.org/abs/2005.00052>; Dinh et al. (2015),
/// "NICE", <https://arxiv.org/abs/1410.8516>.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct InvertibleConfig {
    /// Half the width of the hidden states over that of F and G. Default: 2.
    pub reduction_factor: f64,
    /// Whether the head that predicts tokens undoes it. Default: yes. Adapters that the `adapters`
    /// library trained under a head of transformers never saw that, and are read without it.
    pub inverse_at_head: bool,
}

impl Default for InvertibleConfig {
    fn default() -> Self {
        Self { reduction_factor: 2.0, inverse_at_head: true }
    }
}

/// The layers of a [Compacter](BottleneckConfig::compacter).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct PhmConfig {
    /// The products of a sum, a divisor of the widths. Default: 4.
    pub dim: usize,
    /// The rank of the larger factors, at least 1. Default: 1.
    pub rank: usize,
}

impl PhmConfig {
    /// Sums of so many products, whose larger factors have that rank.
    pub const fn new(dim: usize, rank: usize) -> Self {
        Self { dim, rank }
    }
}

impl Default for PhmConfig {
    fn default() -> Self {
        Self { dim: 4, rank: 1 }
    }
}

/// What the output of a bottleneck is multiplied with.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Scaling {
    /// A number.
    Fixed(f64),
    /// One that is learned, from 1 on.
    Learned,
    /// One for each channel, learned, from 1 on.
    Channels,
}

/// What the layers of a bottleneck begin with; biases begin with 0.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum BottleneckInit {
    /// Down normal with 0.02, up zero: it changes nothing at first.
    Identity,
    /// Both normal with 0.02: the default of the `adapters` library. It changes something at first.
    Bert,
    /// Down uniform up to `1 / √d_model`, up zero: He et al. (2022).
    Mam,
    /// Both normal with 0.01, without what is beyond two standard deviations.
    Houlsby,
}

/// What the output of a bottleneck is added to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum BottleneckResidual {
    /// The sub-layer's output `h`.
    SubLayer,
    /// `h + x`.
    Sum,
    /// What the adapter is given: the model's normalisation of `h + x`.
    Normalized,
}

impl BottleneckConfig {
    /// As [`pfeiffer`](Self::pfeiffer), with another reduction.
    pub fn new(reduction_factor: usize) -> Self {
        Self { reduction_factor: reduction_factor as f64, ..Self::pfeiffer() }
    }

    /// After the feed-forward network, with ReLU and a reduction of 16: `seq_bn`.
    pub fn pfeiffer() -> Self {
        Self {
            after_attention: false,
            after_feedforward: true,
            reduction_factor: 16.0,
            reduction_factors: BTreeMap::new(),
            activation: Activation::Relu,
            dropout: 0.0,
            scaling: Scaling::Fixed(1.0),
            init: BottleneckInit::Identity,
            phm: None,
            parallel: false,
            model_norm_before: true,
            model_norm_after: true,
            norm_before: false,
            norm_after: false,
            residual: BottleneckResidual::SubLayer,
            residual_before_norm: false,
            leave_out: Vec::new(),
            invertible: None,
            saved_modules: Vec::new(),
        }
    }

    /// After attention and after the feed-forward network, with SiLU and a reduction of 16:
    /// `double_seq_bn`.
    pub fn houlsby() -> Self {
        Self {
            after_attention: true,
            activation: Activation::Silu,
            model_norm_before: false,
            ..Self::pfeiffer()
        }
    }

    /// As [`houlsby`](Self::houlsby), of layers that are sums of Kronecker products, with GELU and a reduction of
    /// 32: Compacter. Each layer learns the small factors for itself, where the paper's layers share them; the
    /// `adapters` library, which can do both, does not keep shared ones in its files.
    ///
    /// # Source
    ///
    /// Mahabadi et al. (2021), "Compacter", <https://arxiv.org/abs/2106.04647>.
    pub fn compacter() -> Self {
        Self {
            activation: Activation::Gelu,
            reduction_factor: 32.0,
            phm: Some(PhmConfig::default()),
            init: BottleneckInit::Bert,
            ..Self::houlsby()
        }
    }

    /// The same after the feed-forward network alone, as [`pfeiffer`](Self::pfeiffer): Compacter++.
    pub fn compacter_plus_plus() -> Self {
        Self { after_attention: false, model_norm_before: true, ..Self::compacter() }
    }

    /// Beside the feed-forward network, with ReLU, a reduction of 2 and a scale of 4: `par_bn`.
    pub fn parallel() -> Self {
        Self {
            reduction_factor: 2.0,
            scaling: Scaling::Fixed(4.0),
            init: BottleneckInit::Mam,
            parallel: true,
            model_norm_before: false,
            ..Self::pfeiffer()
        }
    }

    /// A language adapter of MAD-X: as [`pfeiffer`](Self::pfeiffer) with a reduction of 2, and invertible
    /// adapters at the embeddings: `seq_bn_inv`. Its task adapters are [`pfeiffer`](Self::pfeiffer)'s.
    pub fn mad_x() -> Self {
        Self {
            reduction_factor: 2.0,
            invertible: Some(InvertibleConfig::default()),
            ..Self::pfeiffer()
        }
    }

    /// Sets the activation.
    #[must_use]
    pub fn with_activation(mut self, activation: Activation) -> Self {
        self.activation = activation;
        self
    }

    /// Sets dropout.
    #[must_use]
    pub fn with_dropout(mut self, dropout: f64) -> Self {
        self.dropout = dropout;
        self
    }

    /// Sets the reduction.
    #[must_use]
    pub fn with_reduction_factor(mut self, reduction_factor: f64) -> Self {
        self.reduction_factor = reduction_factor;
        self
    }

    /// Sets what the layers begin with.
    #[must_use]
    pub fn with_init(mut self, init: BottleneckInit) -> Self {
        self.init = init;
        self
    }

    /// Leaves layers of these numbers out. Without the last, adapters of languages transfer better:
    /// Pfeiffer et al. (2021), "UNKs Everywhere", <https://arxiv.org/abs/2012.15562>.
    #[must_use]
    pub fn without_layers(mut self, layers: impl IntoIterator<Item = usize>) -> Self {
        self.leave_out = layers.into_iter().collect();
        self
    }

    /// Whether the layers of a bottleneck can be what they are to be.
    pub(crate) fn check_width(
        &self,
        d_model: usize,
        layer: Option<usize>,
    ) -> Result<(), AdapterError> {
        let (Some(phm), width) = (self.phm, self.width(d_model, layer)) else { return Ok(()) };
        if d_model.is_multiple_of(phm.dim) && width.is_multiple_of(phm.dim) {
            return Ok(());
        }
        let (field, expected) = ("phm_dim", "a divisor of both widths of a bottleneck");
        let found = format!("{} of {d_model} and {width}", phm.dim);
        Err(AdapterError::Config { field, found, expected })
    }

    /// The width of the bottleneck in a layer, at least 1.
    pub(crate) fn width(&self, d_model: usize, layer: Option<usize>) -> usize {
        let factor = layer.and_then(|layer| self.reduction_factors.get(&layer));
        narrowed(d_model, *factor.unwrap_or(&self.reduction_factor))
    }
}

/// A width over a factor, rounded down, at least 1. As Python divides: 768 over 1.6 is 479, since 1.6 is a
/// little more than that.
pub(crate) fn narrowed(width: usize, factor: f64) -> usize {
    let width = width as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a quotient of numbers above 0, rounded down"
    )]
    let narrow = ((width - width % factor) / factor).round() as usize;
    narrow.max(1)
}

impl BottleneckConfig {
    pub(super) fn check(&self) -> Result<(), AdapterError> {
        scale("reduction_factor", self.reduction_factor)?;
        let mut factors = self.reduction_factors.values();
        factors.try_for_each(|factor| scale("reduction_factor", *factor))?;
        if let Some(invertible) = &self.invertible {
            scale("inv_adapter_reduction_factor", invertible.reduction_factor)?;
        }
        if let Some(PhmConfig { dim, rank }) = self.phm {
            positive("phm_dim", dim)?;
            positive("phm_rank", rank)?;
        }
        if !(self.after_attention || self.after_feedforward) {
            let (field, found) = ("after_feedforward", "false".to_owned());
            let expected = "true, or `after_attention`";
            return Err(AdapterError::Config { field, found, expected });
        }
        rate("dropout", self.dropout)
    }
}
