//! Low-rank updates.

use burn::module::{Module, Param};
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::{Device, Tensor, TensorData};
use isogloss_core::Seed;
use isogloss_kernels::{dropout, linear};

use super::{Affine, LinearSite};
use crate::init::{normal, uniform};
use crate::slot::Slot;
use crate::{LoraConfig, LoraInit};

/// The two narrow matrices of a LoRA, and what its variants have besides.
#[derive(Module, Debug)]
pub(crate) struct Lora {
    /// Down. `[in, rank]`
    a: Param<Tensor<2>>,
    /// Up. `[rank, out]`
    b: Param<Tensor<2>>,
    /// `[out]`
    b_bias: Option<Param<Tensor<1>>>,
    magnitude: Option<Magnitude>,
    dropout: Dropout,
    scale: f64,
}

/// What DoRA has besides: the length of each output's weights.
#[derive(Module, Debug)]
struct Magnitude {
    /// `[out]`
    m: Param<Tensor<1>>,
    /// The squared lengths of the frozen layer's. `[out]`
    base: Tensor<1>,
}

impl Lora {
    /// B is zero, so that nothing changes at first.
    pub(crate) fn new(
        config: &LoraConfig,
        rank: usize,
        alpha: f64,
        site: &LinearSite,
        seed: Seed,
        device: &Device,
    ) -> Self {
        let [inputs, outputs] = site.dims();
        let mut rng = seed.rng();
        let a = match config.init {
            LoraInit::Kaiming => uniform(&mut rng, inputs * rank, 1.0 / (inputs as f64).sqrt()),
            LoraInit::Gaussian => normal(&mut rng, inputs * rank, 1.0 / rank as f64),
        };
        let magnitude = config.dora.then(|| {
            let base = square_norms(&site.affine().weight).detach().to_device(device);
            Magnitude { m: Param::from_data(base.clone().sqrt().into_data(), device), base }
        });
        let b_bias =
            config.b_bias.then(|| Param::from_data(TensorData::zeros::<f32, _>([outputs]), device));
        let scale = config.scale(rank, alpha);
        Self {
            a: Param::from_data(TensorData::new(a, [inputs, rank]), device),
            b: Param::from_data(TensorData::zeros::<f32, _>([rank, outputs]), device),
            b_bias,
            magnitude,
            dropout: DropoutConfig::new(config.dropout).init(),
            scale,
        }
    }

    /// One of these factors, `[in, rank]` and `[rank, out]`, with a scale of 1.
    pub(crate) fn of_factors(a: TensorData, b: TensorData, device: &Device) -> Self {
        Self {
            a: Param::from_data(a, device),
            b: Param::from_data(b, device),
            b_bias: None,
            magnitude: None,
            dropout: DropoutConfig::new(0.0).init(),
            scale: 1.0,
        }
    }

    /// Its factors and its scale; `None` where there is more to it.
    pub(crate) fn factors(&self) -> Option<(TensorData, TensorData, f64)> {
        let is_plain = self.b_bias.is_none() && self.magnitude.is_none();
        is_plain.then(|| (self.a.val().into_data(), self.b.val().into_data(), self.scale))
    }

    pub(super) fn finish(&self, x: Tensor<2>, y: Tensor<2>, site: &LinearSite) -> Tensor<2> {
        let narrow = linear(dropout(x, &self.dropout), self.a.val(), None); // [n, rank]
        // The narrow side is scaled: it is the smaller.
        let update = linear(narrow.mul_scalar(self.scale), self.b.val(), self.scaled_bias());
        let y = y + update; // [n, out]
        match &self.magnitude {
            None => y,
            Some(magnitude) => {
                let gain = self.gain(magnitude, site).unsqueeze::<2>(); // [1, out]
                match site.bias() {
                    None => y * gain,
                    // The bias of the layer is not scaled.
                    Some(bias) => {
                        let bias = bias.unsqueeze::<2>();
                        (y - bias.clone()) * gain + bias
                    }
                }
            }
        }
    }

    fn scaled_bias(&self) -> Option<Tensor<1>> {
        self.b_bias.as_ref().map(|bias| bias.val().mul_scalar(self.scale))
    }

    /// `m / ‖W + s A B‖`, the norm of each column without a gradient and without the product. `[out]`
    fn gain(&self, magnitude: &Magnitude, site: &LinearSite) -> Tensor<1> {
        let (a, b) = (self.a.val().detach(), self.b.val().detach());
        let across = a.clone().transpose(); // [rank, in]
        // ‖w + s A b‖² = ‖w‖² + 2 s bᵀ(Aᵀw) + s² bᵀ(AᵀA)b
        let mixed = site.product(across.clone()).detach() * b.clone();
        let own = across.matmul(a).matmul(b.clone()) * b;
        let squares = magnitude.base.clone()
            + (mixed.mul_scalar(2.0 * self.scale) + own.mul_scalar(self.scale * self.scale))
                .sum_dim(0)
                .squeeze_dim::<1>(0);
        magnitude.m.val() / squares.clamp_min(f32::MIN_POSITIVE).sqrt()
    }

    pub(super) fn merge(&self, layer: Affine, site: &LinearSite) -> Affine {
        let device = layer.weight.device();
        let weight = layer.weight + self.delta().to_device(&device);
        let bias = match (layer.bias, self.scaled_bias()) {
            (Some(own), Some(bias)) => Some(own + bias.to_device(&device)),
            (own, bias) => own.or(bias),
        };
        let Some(magnitude) = &self.magnitude else { return Affine { weight, bias } };
        let gain = self.gain(magnitude, site).to_device(&device);
        // What B's bias adds is scaled, the layer's own is not.
        let bias = match (bias, site.bias()) {
            (Some(bias), Some(own)) => Some((bias - own.clone()) * gain.clone() + own),
            (bias, _) => bias.map(|bias| bias * gain.clone()),
        };
        Affine { weight: weight * gain.unsqueeze::<2>(), bias }
    }

    /// `s A B`. `[in, out]`
    fn delta(&self) -> Tensor<2> {
        self.a.val().matmul(self.b.val()).mul_scalar(self.scale)
    }

    pub(super) fn has_magnitude(&self) -> bool {
        self.magnitude.is_some()
    }

    /// The Frobenius norm of the update.
    pub(super) fn update_norm(&self) -> f64 {
        norm_of_product(self.a.val(), self.b.val(), self.scale)
    }

    pub(super) fn set_base_norms(&mut self, norms: &Tensor<1>) {
        if let Some(magnitude) = &mut self.magnitude {
            magnitude.base = norms.clone().detach();
        }
    }

    pub(super) fn slots(&mut self) -> Vec<(&'static str, Slot<'_>)> {
        let mut slots = vec![
            ("lora_A.weight", Slot::Matrix(&mut self.a)),
            ("lora_B.weight", Slot::Matrix(&mut self.b)),
        ];
        if let Some(bias) = &mut self.b_bias {
            slots.push(("lora_B.bias", Slot::Vector(bias)));
        }
        if let Some(magnitude) = &mut self.magnitude {
            slots.push(("lora_magnitude_vector", Slot::Vector(&mut magnitude.m)));
        }
        slots
    }
}

/// Whether the parameter at a path of a model is the matrix B of a LoRA on a linear layer, which learns faster than A
/// in LoRA+.
///
/// # Source
///
/// Hayou et al. (2024), "LoRA+", <https://arxiv.org/abs/2402.12354>.
pub fn is_lora_b(path: &str) -> bool {
    // As the derive of Burn spells it: the variant of the adapter, then the field.
    path.ends_with(".Lora.b")
}

/// `‖s A B‖`, from the products of the narrow matrices with themselves.
pub(crate) fn norm_of_product(a: Tensor<2>, b: Tensor<2>, scale: f64) -> f64 {
    let gram = a.clone().transpose().matmul(a) * b.clone().matmul(b.transpose());
    scale.abs() * f64::from(gram.sum().into_scalar::<f32>()).max(0.0).sqrt()
}

/// The squared lengths of the columns of a matrix. `[in, out]` to `[out]`
pub(super) fn square_norms(weight: &Tensor<2>) -> Tensor<1> {
    weight.clone().square().sum_dim(0).squeeze_dim::<1>(0)
}
