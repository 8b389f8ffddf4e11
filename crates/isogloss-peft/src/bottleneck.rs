//! Bottleneck adapters.

use burn::module::{Module, Param};
use burn::nn::{Dropout, DropoutConfig, Linear};
use burn::tensor::{Device, Tensor, TensorData, activation};
use isogloss_core::Seed;
use rand::RngExt;

use crate::{Activation, BottleneckConfig};

/// The end of a sub-layer, to which a bottleneck adapter may be attached.
///
/// ```text
/// without adapter    y = h + x
/// with one           y = h + up(f(down(h))) + x
/// ```
///
/// `h` is the output of the sub-layer and `x` its residual; the host applies its layer
/// normalisation to `y`. With the adapter's second part zero, as it is when attached, nothing
/// changes.
///
/// # Source
///
/// The place, after the feed-forward sub-layer only, and the residual inside the adapter are those
/// of Pfeiffer et al. (2020), "MAD-X", <https://arxiv.org/abs/2005.00052>, equation 2. Their code
/// normalises `h + x` before the adapter too (`original_ln_before`); we apply the pre-trained
/// normalisation once, after it, so that an adapter that does nothing leaves the model as it was.
#[derive(Module, Debug)]
pub struct ResidualSite {
    pub(crate) adapter: Option<BottleneckAdapter>,
    d_model: usize,
}

/// `up(f(down(h)))`: through a narrow layer and back.
#[derive(Module, Debug)]
pub struct BottleneckAdapter {
    pub(crate) down: Linear,
    pub(crate) up: Linear,
    dropout: Dropout,
    #[module(skip)]
    activation: Activation,
}

impl ResidualSite {
    /// A site for hidden states of width `d_model`, without an adapter.
    pub fn new(d_model: usize) -> Self {
        Self { adapter: None, d_model }
    }

    /// The adapter on it, if any.
    pub fn adapter(&self) -> Option<&BottleneckAdapter> {
        self.adapter.as_ref()
    }

    /// Adds the sub-layer's output, adapted, to the residual.
    ///
    /// # Shapes
    ///
    /// - `hidden`, `residual`: `[…, d_model]`
    /// - returns: as they are
    pub fn forward<const D: usize>(&self, hidden: Tensor<D>, residual: Tensor<D>) -> Tensor<D> {
        match &self.adapter {
            None => hidden + residual,
            Some(adapter) => adapter.forward(hidden.clone()) + hidden + residual,
        }
    }

    /// The width of the hidden states.
    pub(crate) fn d_model(&self) -> usize {
        self.d_model
    }
}

impl BottleneckAdapter {
    /// `down` with N(0, 0.02²), as BERT; `up` zero, so that attaching changes no output.
    pub(crate) fn new(
        config: &BottleneckConfig,
        d_model: usize,
        seed: Seed,
        device: &Device,
    ) -> Self {
        let width = config.width(d_model);
        let mut rng = seed.rng();
        // Box and Muller (1958); the first uniform is kept off zero.
        let down: Vec<f32> = (0..d_model * width)
            .map(|_| {
                let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
                let normal = radius * (std::f64::consts::TAU * rng.random::<f64>()).cos();
                #[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
                let weight = (0.02 * normal) as f32;
                weight
            })
            .collect();
        let linear = |weight: TensorData, width: usize| Linear {
            weight: Param::from_data(weight, device),
            bias: Some(Param::from_data(TensorData::zeros::<f32, _>([width]), device)),
        };
        Self {
            down: linear(TensorData::new(down, [d_model, width]), width),
            up: linear(TensorData::zeros::<f32, _>([width, d_model]), d_model),
            dropout: DropoutConfig::new(config.dropout).init(),
            activation: config.activation,
        }
    }

    fn forward<const D: usize>(&self, hidden: Tensor<D>) -> Tensor<D> {
        let narrow = self.down.forward(hidden);
        let narrow = match self.activation {
            Activation::Relu => activation::relu(narrow),
            Activation::Gelu => activation::gelu(narrow),
        };
        self.dropout.forward(self.up.forward(narrow))
    }
}
