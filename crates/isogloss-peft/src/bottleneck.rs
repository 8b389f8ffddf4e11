//! Bottleneck adapters.

use burn::module::{Module, Param};
use burn::nn::{Dropout, DropoutConfig, Linear};
use burn::tensor::{Device, Tensor, TensorData};
use isogloss_core::Seed;
use isogloss_kernels::dropout;
use rand::RngExt;

use crate::{Activation, BottleneckConfig};

/// The end of a sub-layer, to which a bottleneck adapter may be attached.
///
/// ```text
/// without adapter    y = N(h + x)
/// with one           y = N(h + x + up(f(down(N(h + x)))))
/// ```
///
/// `h` is the output of the sub-layer, `x` its residual and `N` the host's layer normalisation. With
/// the adapter's second part zero, as it is when attached, nothing changes.
///
/// # Source
///
/// Pfeiffer et al. (2020), "MAD-X", <https://arxiv.org/abs/2005.00052>, equation 2, as the `adapters`
/// library computes its `seq_bn`: after the feed-forward sub-layer only, on what the pre-trained
/// normalisation makes of `h + x`, which is applied once more to the sum.
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

    /// Adds the sub-layer's output to the residual, adapts the sum and normalises it.
    ///
    /// `norm` is the host's normalisation of the sum; for a host that has none there, `|sum| sum`.
    ///
    /// # Shapes
    ///
    /// - `hidden`, `residual`: `[…, d_model]`
    /// - returns: as they are
    pub fn forward<const D: usize>(
        &self,
        hidden: Tensor<D>,
        residual: Tensor<D>,
        norm: impl Fn(Tensor<D>) -> Tensor<D>,
    ) -> Tensor<D> {
        let sum = hidden + residual;
        match &self.adapter {
            None => norm(sum),
            Some(adapter) => {
                let adapted = adapter.forward(norm(sum.clone()));
                norm(sum + adapted)
            }
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
        let narrow = self.activation.forward(self.down.forward(hidden));
        dropout(self.up.forward(narrow), &self.dropout)
    }
}
