//! Low-rank adaptation of a linear layer.

use burn::module::{Module, Param};
use burn::nn::{Dropout, DropoutConfig, Linear};
use burn::tensor::{Device, Tensor, TensorData};
use isogloss_core::Seed;
use isogloss_kernels::{Either, Int8Linear, Int8Matrix, dropout, linear};
use rand::RngExt;

use crate::LoraConfig;

/// A linear layer that a LoRA may be attached to.
///
/// ```text
/// y = x W + b + (alpha / rank) · drop(x) A B
/// ```
///
/// The low-rank part is a side path: no matrix of the size of `W` is made in a step, and `W` takes
/// no gradient. Without a LoRA it is the layer alone. `W` may be in 8 bits.
///
/// # Source
///
/// Hu et al. (2022), "LoRA: Low-Rank Adaptation of Large Language Models",
/// <https://arxiv.org/abs/2106.09685>, with the initialisation of the `peft` library.
#[derive(Module, Debug)]
pub struct LinearSite {
    base: Either<Linear, Int8Linear>,
    pub(crate) lora: Option<LoraLinear>,
}

/// The two narrow matrices of a LoRA.
#[derive(Module, Debug)]
pub struct LoraLinear {
    /// Down. `[in, rank]`
    pub(crate) a: Param<Tensor<2>>,
    /// Up. `[rank, out]`
    pub(crate) b: Param<Tensor<2>>,
    dropout: Dropout,
    scale: f64,
}

impl LinearSite {
    /// The layer, without an adapter.
    pub fn new(base: Linear) -> Self {
        Self { base: Either::A(base), lora: None }
    }

    /// The layer itself, in 32 bits or in 8.
    pub fn base(&self) -> &Either<Linear, Int8Linear> {
        &self.base
    }

    /// Rounds the matrix of the layer to 8 bits; a LoRA stays as it is.
    #[must_use]
    pub fn into_int8(self) -> Self {
        let base = match self.base {
            Either::A(layer) => Either::B(Int8Linear::quantize(layer)),
            small @ Either::B(_) => small,
        };
        Self { base, ..self }
    }

    /// The LoRA on it, if any.
    pub fn lora(&self) -> Option<&LoraLinear> {
        self.lora.as_ref()
    }

    /// Puts a matrix of 8 bits in the place of the layer's; its bias and a LoRA stay as they are.
    ///
    /// # Shapes
    ///
    /// - `matrix`: `[out, in]`
    #[must_use]
    pub fn with_int8(self, matrix: Int8Matrix) -> Self {
        let bias = match self.base {
            Either::A(layer) => layer.bias,
            Either::B(layer) => layer.into_bias(),
        };
        Self { base: Either::B(Int8Linear::new(matrix, bias)), ..self }
    }

    /// # Shapes
    ///
    /// - `x`: `[…, in]`
    /// - returns: `[…, out]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let adapted = self.lora.as_ref().map(|lora| lora.forward(x.clone()));
        let y = match &self.base {
            Either::A(layer) => linear(x, layer.weight.val(), layer.bias.as_ref().map(Param::val)),
            Either::B(layer) => layer.forward(x),
        };
        match adapted {
            Some(adapted) => y + adapted,
            None => y,
        }
    }

    /// The inputs and outputs of the layer.
    pub(crate) fn dims(&self) -> [usize; 2] {
        match &self.base {
            Either::A(layer) => layer.weight.lazy_shape().dims(),
            Either::B(layer) => layer.dims(),
        }
    }

    /// Folds the LoRA into the weight and drops it. A weight in 8 bits becomes one in 32, since the sum
    /// rounded once more would not be the model that was trained.
    pub(crate) fn merge(&mut self) {
        let Some(lora) = self.lora.take() else { return };
        let delta = lora.delta();
        let mut layer = match &self.base {
            Either::A(layer) => layer.clone(),
            Either::B(layer) => layer.to_linear(),
        };
        let requires_grad = layer.weight.is_require_grad();
        layer.weight = layer
            .weight
            .map(|weight| {
                let delta = delta.to_device(&weight.device());
                weight.detach() + delta.detach()
            })
            // A parameter that was mapped is untracked whatever it was before.
            .set_require_grad(requires_grad);
        self.base = Either::A(layer);
    }
}

impl LoraLinear {
    /// A with the uniform distribution that `peft` draws from, U(±1/√in), and B zero, so that
    /// attaching changes no output.
    pub(crate) fn new(
        config: &LoraConfig,
        [inputs, outputs]: [usize; 2],
        seed: Seed,
        device: &Device,
    ) -> Self {
        let rank = config.rank;
        let bound = 1.0 / (inputs as f32).sqrt();
        let mut rng = seed.rng();
        let a: Vec<f32> = (0..inputs * rank).map(|_| rng.random_range(-bound..=bound)).collect();
        Self {
            a: Param::from_data(TensorData::new(a, [inputs, rank]), device),
            b: Param::from_data(TensorData::zeros::<f32, _>([rank, outputs]), device),
            dropout: DropoutConfig::new(config.dropout).init(),
            scale: config.alpha / rank as f64,
        }
    }

    fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let narrow = linear(dropout(x, &self.dropout), self.a.val(), None); // […, rank]
        // The narrow side is scaled: it is the smaller.
        linear(narrow.mul_scalar(self.scale), self.b.val(), None) // […, out]
    }

    /// What the LoRA adds to the weight. `[in, out]`
    pub fn delta(&self) -> Tensor<2> {
        self.a.val().matmul(self.b.val()).mul_scalar(self.scale)
    }

    /// The down-projection A. `[in, rank]`
    pub fn down_projection(&self) -> Tensor<2> {
        self.a.val()
    }

    /// The rank of the update.
    pub fn rank(&self) -> usize {
        self.a.lazy_shape()[1]
    }
}
