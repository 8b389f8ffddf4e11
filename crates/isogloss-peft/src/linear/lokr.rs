//! Kronecker products of small matrices.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use isogloss_core::Seed;
use isogloss_kernels::linear;
use rand::Rng;

use crate::LoKrConfig;
use crate::dropped::Dropped;
use crate::init::uniform;
use crate::slot::Slot;

/// `ΔW = s W₁ ⊗ W₂`.
#[derive(Module, Debug)]
pub(crate) struct LoKr {
    /// `[in₁, out₁]`
    first: Factor,
    /// `[in₂, out₂]`
    second: Factor,
    dropped: Dropped,
    scale: f64,
}

/// A matrix, whole or as a product.
#[derive(Module, Debug)]
enum Factor {
    Whole(Param<Tensor<2>>),
    Product(Product),
}

/// Of a narrow matrix down and one up.
#[derive(Module, Debug)]
struct Product {
    down: Param<Tensor<2>>,
    up: Param<Tensor<2>>,
}

impl Factor {
    fn new(
        [inputs, outputs]: [usize; 2],
        rank: Option<usize>,
        is_zero: bool,
        rng: &mut impl Rng,
        device: &Device,
    ) -> Self {
        let mut matrix = |shape: [usize; 2], is_zero: bool| {
            let count = shape[0] * shape[1];
            let bound = if is_zero { 0.0 } else { 1.0 / (shape[0] as f64).sqrt() };
            Param::from_data(TensorData::new(uniform(rng, count, bound), shape), device)
        };
        match rank {
            None => Self::Whole(matrix([inputs, outputs], is_zero)),
            Some(rank) => {
                let down = matrix([inputs, rank], false);
                Self::Product(Product { down, up: matrix([rank, outputs], is_zero) })
            }
        }
    }

    fn dims(&self) -> [usize; 2] {
        match self {
            Self::Whole(matrix) => matrix.lazy_shape().dims(),
            Self::Product(Product { down, up }) => [down.lazy_shape()[0], up.lazy_shape()[1]],
        }
    }

    fn value(&self) -> Tensor<2> {
        match self {
            Self::Whole(matrix) => matrix.val(),
            Self::Product(Product { down, up }) => down.val().matmul(up.val()),
        }
    }

    fn slots(
        &mut self,
        [whole, up_name, down_name]: [&'static str; 3],
    ) -> Vec<(&'static str, Slot<'_>)> {
        match self {
            Self::Whole(matrix) => vec![(whole, Slot::Matrix(matrix))],
            Self::Product(Product { down, up }) => {
                vec![(up_name, Slot::Matrix(up)), (down_name, Slot::Matrix(down))]
            }
        }
    }
}

impl LoKr {
    /// The first factor is zero, so that nothing changes at first.
    pub(crate) fn new(
        config: &LoKrConfig,
        rank: usize,
        alpha: f64,
        [inputs, outputs]: [usize; 2],
        seed: Seed,
        device: &Device,
    ) -> Self {
        let (in_first, in_second) = factors(inputs, config.decompose_factor);
        let (out_first, out_second) = factors(outputs, config.decompose_factor);
        // `r < max / 2`
        let is_narrow = |a: usize, b: usize| 2 * rank < a.max(b);
        let first_rank = (config.decompose_both && is_narrow(in_first, out_first)).then_some(rank);
        let second_rank = is_narrow(in_second, out_second).then_some(rank);
        let mut rng = seed.rng();
        Self {
            first: Factor::new([in_first, out_first], first_rank, true, &mut rng, device),
            second: Factor::new([in_second, out_second], second_rank, false, &mut rng, device),
            dropped: Dropped::new(
                config.rank_dropout,
                config.rank_dropout_scale,
                config.module_dropout,
            ),
            scale: alpha / rank as f64,
        }
    }

    /// Two products with small matrices, in the place of one with their Kronecker product.
    pub(super) fn update(&self, x: Tensor<2>) -> Tensor<2> {
        let ([in_first, out_first], [in_second, out_second]) =
            (self.first.dims(), self.second.dims());
        let [n, _] = x.dims();
        let x = x.reshape([n * in_first, in_second]);
        let half = linear(x.mul_scalar(self.scale), self.second.value(), None); // [n · in₁, out₂]
        let half = half.reshape([n, in_first, out_second]).swap_dims(1, 2);
        let whole = linear(half.reshape([n * out_second, in_first]), self.first.value(), None);
        let whole = whole.reshape([n, out_second, out_first]).swap_dims(1, 2);
        self.dropped.forward(whole.reshape([n, out_first * out_second]))
    }

    /// `[in, out]`
    pub(super) fn delta(&self) -> Tensor<2> {
        let ([in_first, out_first], [in_second, out_second]) =
            (self.first.dims(), self.second.dims());
        let first = self.first.value().reshape([in_first, 1, out_first, 1]);
        let second = self.second.value().reshape([1, in_second, 1, out_second]);
        let product: Tensor<4> = first * second;
        product.reshape([in_first * in_second, out_first * out_second]).mul_scalar(self.scale)
    }

    pub(super) fn slots(&mut self) -> Vec<(&'static str, Slot<'_>)> {
        let mut slots = self.first.slots(["lokr_w1", "lokr_w1_a", "lokr_w1_b"]);
        slots.extend(self.second.slots(["lokr_w2", "lokr_w2_a", "lokr_w2_b"]));
        slots
    }
}

/// Two numbers with that product, the first the smaller: as near to each other as there are, or the first as
/// near to `factor` as there is below it.
fn factors(dimension: usize, factor: Option<usize>) -> (usize, usize) {
    if let Some(factor) = factor
        && dimension.is_multiple_of(factor)
    {
        return (factor, dimension / factor);
    }
    let limit = factor.unwrap_or(dimension);
    let divides = |m: &usize| dimension.is_multiple_of(*m) && *m <= limit && m * m <= dimension;
    let first = (1..=dimension.isqrt()).rev().find(divides).unwrap_or(1);
    (first, dimension / first)
}

#[cfg(test)]
mod tests {
    use super::factors;

    #[test]
    fn a_dimension_is_taken_apart_as_peft_does() {
        for (dimension, expected) in [
            (768, (24, 32)),
            (3072, (48, 64)),
            (1024, (32, 32)),
            (250_002, (387, 646)),
            (127, (1, 127)),
            (1, (1, 1)),
        ] {
            assert_eq!(factors(dimension, None), expected);
        }
        assert_eq!(factors(768, Some(7)), (6, 128));
        assert_eq!(factors(128, Some(4)), (4, 32));
        // One that divides is taken though it is the larger.
        assert_eq!(factors(128, Some(64)), (64, 2));
    }
}
