//! Low-rank adaptation of a linear layer.

use burn::module::{Module, Param};
use burn::nn::{Dropout, DropoutConfig, Linear};
use burn::tensor::module::linear;
use burn::tensor::{Device, Tensor, TensorData};
use isogloss_core::Seed;
use rand::RngExt;

use crate::LoraConfig;

/// A linear layer that a LoRA may be attached to.
///
/// ```text
/// y = x W + b + (alpha / rank) · drop(x) A B
/// ```
///
/// The low-rank part is a side path: no matrix of the size of `W` is made in a step, and `W` takes
/// no gradient. Without a LoRA it is the layer alone.
///
/// # Source
///
/// Hu et al. (2022), "LoRA: Low-Rank Adaptation of Large Language Models",
/// <https://arxiv.org/abs/2106.09685>, with the initialisation of the `peft` library.
#[derive(Module, Debug)]
pub struct LinearSite {
    pub(crate) base: Linear,
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
        Self { base, lora: None }
    }

    /// The layer itself.
    pub fn base(&self) -> &Linear {
        &self.base
    }

    /// The LoRA on it, if any.
    pub fn lora(&self) -> Option<&LoraLinear> {
        self.lora.as_ref()
    }

    /// # Shapes
    ///
    /// - `x`: `[…, in]`
    /// - returns: `[…, out]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        match &self.lora {
            None => self.base.forward(x),
            Some(lora) => self.base.forward(x.clone()) + lora.forward(x),
        }
    }

    /// The inputs and outputs of the layer.
    pub(crate) fn dims(&self) -> [usize; 2] {
        self.base.weight.val().dims()
    }

    /// Folds the LoRA into the weight and drops it.
    pub(crate) fn merge(&mut self) {
        let Some(lora) = self.lora.take() else { return };
        let delta = lora.delta();
        let weight = self.base.weight.clone();
        let requires_grad = weight.is_require_grad();
        self.base.weight = weight
            .map(|weight| {
                let delta = delta.to_device(&weight.device());
                weight.detach() + delta.detach()
            })
            // A parameter that was mapped is untracked whatever it was before.
            .set_require_grad(requires_grad);
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
        let narrow = linear(self.dropout.forward(x), self.a.val(), None); // […, rank]
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
