//! Which adapter, how large, and where.

use burn::tensor::{Tensor, activation};
use isogloss_kernels::gelu;
use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::AdapterError;

/// An adapter as a file describes it: `{"type": "lora", "rank": 8, …}`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum AdapterConfig {
    /// Low-rank updates of linear layers.
    Lora(LoraConfig),
    /// Narrow layers at the end of sub-layers.
    Bottleneck(BottleneckConfig),
}

/// The size and the places of a LoRA.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LoraConfig {
    /// The rank of an update, at least 1 and at most the smaller side of its matrix.
    pub rank: usize,
    /// The update is scaled by `alpha / rank`. Default: twice the rank.
    pub alpha: f64,
    /// Dropout on what enters the side path, in `[0, 1)`. Default: 0.
    pub dropout: f64,
    /// A regular expression that a site's path must match from end to end. Default: the query and
    /// value projections, `.*(query|value)`.
    pub target: String,
}

/// The size and the places of bottleneck adapters.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct BottleneckConfig {
    /// The width of the hidden states over that of the bottleneck. Default: 16.
    pub reduction_factor: usize,
    /// What stands between the two layers. Default: ReLU.
    pub activation: Activation,
    /// Dropout on the adapter's output, in `[0, 1)`. Default: 0.
    pub dropout: f64,
    /// A regular expression that a site's path must match from end to end. Default: all, `.*`.
    pub target: String,
}

/// A non-linearity.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Activation {
    /// `max(0, x)`
    Relu,
    /// `x Φ(x)`, exactly.
    Gelu,
    /// `x Φ(x)` with its approximation by a hyperbolic tangent.
    GeluTanh,
    /// `x σ(x)`, also called swish.
    Silu,
    /// The hyperbolic tangent.
    Tanh,
}

impl Activation {
    /// Applies it to each number.
    pub fn forward<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Relu => activation::relu(x),
            Self::Gelu => gelu(x),
            Self::GeluTanh => activation::gelu_approximate(x),
            Self::Silu => activation::silu(x),
            Self::Tanh => x.tanh(),
        }
    }
}

impl LoraConfig {
    /// A LoRA of a rank, with the defaults that stand beside the fields.
    pub fn new(rank: usize) -> Self {
        Self { rank, alpha: 2.0 * rank as f64, dropout: 0.0, target: ".*(query|value)".to_owned() }
    }

    /// Sets alpha.
    #[must_use]
    pub fn with_alpha(mut self, alpha: f64) -> Self {
        self.alpha = alpha;
        self
    }

    /// Sets dropout.
    #[must_use]
    pub fn with_dropout(mut self, dropout: f64) -> Self {
        self.dropout = dropout;
        self
    }

    /// Sets the pattern of the sites.
    #[must_use]
    pub fn with_target(mut self, target: impl Into<String>) -> Self {
        self.target = target.into();
        self
    }
}

impl BottleneckConfig {
    /// Adapters at every residual site, with the defaults that stand beside the fields.
    pub fn new(reduction_factor: usize) -> Self {
        Self {
            reduction_factor,
            activation: Activation::Relu,
            dropout: 0.0,
            target: ".*".to_owned(),
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

    /// Sets the pattern of the sites.
    #[must_use]
    pub fn with_target(mut self, target: impl Into<String>) -> Self {
        self.target = target.into();
        self
    }

    /// The width of the bottleneck, at least 1.
    pub(crate) fn width(&self, d_model: usize) -> usize {
        (d_model / self.reduction_factor).max(1)
    }
}

impl AdapterConfig {
    /// The pattern, anchored at both ends; every other field is checked on the way.
    pub(crate) fn check(&self) -> Result<Regex, AdapterError> {
        let (size_field, size, dropout, target) = match self {
            Self::Lora(lora) => ("rank", lora.rank, lora.dropout, &lora.target),
            Self::Bottleneck(bottleneck) => (
                "reduction_factor",
                bottleneck.reduction_factor,
                bottleneck.dropout,
                &bottleneck.target,
            ),
        };
        if size == 0 {
            let (found, expected) = ("0".to_owned(), "at least 1");
            return Err(AdapterError::Config { field: size_field, found, expected });
        }
        if let Self::Lora(lora) = self
            && !(lora.alpha.is_finite() && lora.alpha > 0.0)
        {
            return Err(AdapterError::Config {
                field: "alpha",
                found: lora.alpha.to_string(),
                expected: "a finite number above 0",
            });
        }
        if !(0.0..1.0).contains(&dropout) {
            let (found, expected) = (dropout.to_string(), "0 <= dropout < 1");
            return Err(AdapterError::Config { field: "dropout", found, expected });
        }
        Regex::new(&format!("^(?:{target})$")).map_err(|_| AdapterError::Config {
            field: "target",
            found: format!("`{target}`"),
            expected: "a regular expression",
        })
    }

    /// The kind of site that the adapter sits on.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Lora(_) => "linear",
            Self::Bottleneck(_) => "residual",
        }
    }
}
