//! Products of two low-rank matrices, number by number.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use isogloss_core::Seed;
use isogloss_kernels::linear;

use crate::LoHaConfig;
use crate::dropped::Dropped;
use crate::init::uniform;
use crate::slot::Slot;

/// `ΔW = s (A₁ B₁) ∘ (A₂ B₂)`.
#[derive(Module, Debug)]
pub(crate) struct LoHa {
    /// `[in, rank]`
    a: [Param<Tensor<2>>; 2],
    /// `[rank, out]`
    b: [Param<Tensor<2>>; 2],
    dropped: Dropped,
    scale: f64,
}

impl LoHa {
    /// Of the four, B₂... the part that `peft` sets to zero is zero, so that nothing changes at first.
    pub(crate) fn new(
        config: &LoHaConfig,
        rank: usize,
        alpha: f64,
        [inputs, outputs]: [usize; 2],
        seed: Seed,
        device: &Device,
    ) -> Self {
        let mut rng = seed.rng();
        let mut matrix = |shape: [usize; 2], fan_in: usize| {
            let numbers = uniform(&mut rng, shape[0] * shape[1], 1.0 / (fan_in as f64).sqrt());
            Param::from_data(TensorData::new(numbers, shape), device)
        };
        let zeros = TensorData::zeros::<f32, _>([inputs, rank]);
        Self {
            a: [matrix([inputs, rank], inputs), Param::from_data(zeros, device)],
            b: [matrix([rank, outputs], rank), matrix([rank, outputs], rank)],
            dropped: Dropped::new(config.rank_dropout, true, config.module_dropout),
            scale: alpha / rank as f64,
        }
    }

    /// `[in, out]`
    pub(super) fn delta(&self) -> Tensor<2> {
        let [first, second] = [0, 1].map(|i| self.a[i].val().matmul(self.b[i].val()));
        (first * second).mul_scalar(self.scale)
    }

    pub(super) fn update(&self, x: Tensor<2>) -> Tensor<2> {
        self.dropped.forward(linear(x, self.delta(), None))
    }

    pub(super) fn slots(&mut self) -> Vec<(&'static str, Slot<'_>)> {
        let ([a1, a2], [b1, b2]) = (&mut self.a, &mut self.b);
        vec![
            ("hada_w1_a", Slot::Matrix(b1)),
            ("hada_w1_b", Slot::Matrix(a1)),
            ("hada_w2_a", Slot::Matrix(b2)),
            ("hada_w2_b", Slot::Matrix(a2)),
        ]
    }
}
