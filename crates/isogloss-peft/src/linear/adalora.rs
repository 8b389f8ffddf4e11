//! Low-rank updates whose rank is learned.

use burn::module::{Module, Param};
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::{Device, Tensor, TensorData};
use isogloss_core::Seed;
use isogloss_kernels::{dropout, linear};

use crate::AdaLoraConfig;
use crate::init::normal;
use crate::slot::{Slot, replaced};

/// `Δy = s · ((x A) ∘ e) B`.
#[derive(Module, Debug)]
pub(crate) struct AdaLora {
    /// `[in, rank]`
    pub(crate) a: Param<Tensor<2>>,
    /// What singular values are. `[rank]`
    pub(crate) e: Param<Tensor<1>>,
    /// `[rank, out]`
    pub(crate) b: Param<Tensor<2>>,
    dropout: Dropout,
    scale: f64,
    /// Which of the ranks that it began with are left; those that are not may be there, with an `e` of 0.
    #[module(skip)]
    kept: Vec<bool>,
}

impl AdaLora {
    /// `e` is zero, so that nothing changes at first. Of one that was trained, only those that are `kept` are
    /// there.
    pub(crate) fn new(
        config: &AdaLoraConfig,
        kept: Option<&[bool]>,
        [inputs, outputs]: [usize; 2],
        seed: Seed,
        device: &Device,
    ) -> Self {
        let kept = kept.map_or_else(|| vec![true; config.initial_rank], <[bool]>::to_vec);
        let rank = kept.iter().filter(|it| **it).count();
        let mut rng = seed.rng();
        let mut matrix = |dims: [usize; 2]| {
            let numbers = normal(&mut rng, dims[0] * dims[1], 0.02);
            Param::from_data(TensorData::new(numbers, dims), device)
        };
        Self {
            a: matrix([inputs, rank]),
            e: Param::from_data(TensorData::zeros::<f32, _>([rank]), device),
            b: matrix([rank, outputs]),
            dropout: DropoutConfig::new(config.dropout).init(),
            // By the rank that it began with, whatever is left of it.
            scale: config.alpha / (config.initial_rank as f64 + 1e-5),
            kept,
        }
    }

    pub(super) fn finish(&self, x: Tensor<2>, y: Tensor<2>) -> Tensor<2> {
        if self.rank() == 0 {
            return y;
        }
        let narrow = linear(dropout(x, &self.dropout), self.a.val(), None); // [n, rank]
        let scaled = narrow * self.e.val().mul_scalar(self.scale).unsqueeze::<2>();
        y + linear(scaled, self.b.val(), None)
    }

    /// What it adds to the matrix of its layer. `[in, out]`
    pub(super) fn delta(&self) -> Option<Tensor<2>> {
        (self.rank() > 0).then(|| {
            let a = self.a.val() * self.e.val().mul_scalar(self.scale).unsqueeze::<2>();
            a.matmul(self.b.val())
        })
    }

    fn rank(&self) -> usize {
        self.e.lazy_shape()[0]
    }

    pub(crate) fn kept(&self) -> &[bool] {
        &self.kept
    }

    /// Lets no more than these act.
    pub(crate) fn keep(&mut self, kept: &[bool]) {
        let values: Vec<f32> = self.e.val().into_data().iter().collect();
        let values: Vec<f32> =
            values.into_iter().zip(kept).map(|(e, kept)| if *kept { e } else { 0.0 }).collect();
        let shape = self.e.lazy_shape();
        self.e = replaced(self.e.clone(), TensorData::new(values, shape));
        self.kept = kept.to_vec();
    }

    /// The places that are to be left out of a file, since they do nothing.
    pub(crate) fn idle(&self) -> Vec<usize> {
        if self.rank() < self.kept.len() {
            return Vec::new();
        }
        self.kept.iter().enumerate().filter(|(_, kept)| !**kept).map(|(place, _)| place).collect()
    }

    pub(super) fn slots(&mut self) -> Vec<(&'static str, Slot<'_>)> {
        vec![
            ("lora_A", Slot::Matrix(&mut self.a)),
            ("lora_B", Slot::Matrix(&mut self.b)),
            ("lora_E", Slot::Column(&mut self.e)),
        ]
    }

    /// How far the columns of A and the rows of B are from being orthonormal: `‖AᵀA - I‖ + ‖BBᵀ - I‖`; `None`
    /// where they do not learn.
    pub(super) fn skew(&self) -> Option<Tensor<1>> {
        if !self.a.is_require_grad() || self.rank() == 0 {
            return None;
        }
        let off = |gram: Tensor<2>| {
            let eye = Tensor::<2>::eye(gram.dims()[0], &gram.device());
            (gram - eye).square().sum().sqrt()
        };
        let (a, b) = (self.a.val(), self.b.val());
        Some(off(a.clone().transpose().matmul(a)) + off(b.clone().matmul(b.transpose())))
    }
}
