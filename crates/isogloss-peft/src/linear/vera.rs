//! Random matrices that all layers share, and what each layer learns to make of them.

use burn::module::{Module, Param};
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::{Device, Tensor, TensorData};
use isogloss_core::Seed;
use isogloss_kernels::{dropout, linear};

use crate::VeraConfig;
use crate::init::uniform;
use crate::slot::Slot;

/// Two random matrices that never learn, as large as the largest layers need them.
#[derive(Clone, Debug)]
pub(crate) struct Projections {
    /// `[max_in, rank]`
    a: Tensor<2>,
    /// `[rank, max_out]`
    b: Tensor<2>,
}

impl Projections {
    pub(crate) fn new(
        rank: usize,
        [max_in, max_out]: [usize; 2],
        seed: Seed,
        device: &Device,
    ) -> Self {
        let mut rng = seed.derive("projections").rng();
        // He et al. (2015), with the gain of ReLU.
        let mut matrix = |shape: [usize; 2], fan_in: usize| {
            let numbers = uniform(&mut rng, shape[0] * shape[1], (6.0 / fan_in as f64).sqrt());
            Tensor::from_data(TensorData::new(numbers, shape), device)
        };
        Self { a: matrix([max_in, rank], max_in), b: matrix([rank, max_out], rank) }
    }
}

/// `Δy = λ_b ∘ ((λ_d ∘ (x A)) B)`.
#[derive(Module, Debug)]
pub(crate) struct Vera {
    /// `[rank]`
    lambda_d: Param<Tensor<1>>,
    /// `[out]`
    lambda_b: Param<Tensor<1>>,
    a: Tensor<2>,
    b: Tensor<2>,
    inputs: usize,
    dropout: Dropout,
}

impl Vera {
    /// λ_b is zero, so that nothing changes at first.
    pub(crate) fn new(
        config: &VeraConfig,
        projections: &Projections,
        [inputs, outputs]: [usize; 2],
        device: &Device,
    ) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
        let d = vec![config.d_initial as f32; config.rank];
        Self {
            lambda_d: Param::from_data(TensorData::new(d, [config.rank]), device),
            lambda_b: Param::from_data(TensorData::zeros::<f32, _>([outputs]), device),
            a: projections.a.clone(),
            b: projections.b.clone(),
            inputs,
            dropout: DropoutConfig::new(config.dropout).init(),
        }
    }

    /// The parts of the shared matrices that this layer has use for.
    fn parts(&self) -> [Tensor<2>; 2] {
        let outputs = self.lambda_b.lazy_shape()[0];
        [self.a.clone().narrow(0, 0, self.inputs), self.b.clone().narrow(1, 0, outputs)]
    }

    pub(super) fn update(&self, x: Tensor<2>) -> Tensor<2> {
        let [a, b] = self.parts();
        let narrow = linear(dropout(x, &self.dropout), a, None); // [n, rank]
        let narrow = narrow * self.lambda_d.val().unsqueeze::<2>();
        linear(narrow, b, None) * self.lambda_b.val().unsqueeze::<2>()
    }

    /// `[in, out]`
    pub(super) fn delta(&self) -> Tensor<2> {
        let [a, b] = self.parts();
        (a * self.lambda_d.val().unsqueeze::<2>()).matmul(b) * self.lambda_b.val().unsqueeze::<2>()
    }

    pub(super) fn slots(&mut self) -> Vec<(&'static str, Slot<'_>)> {
        vec![
            ("vera_lambda_b", Slot::Vector(&mut self.lambda_b)),
            ("vera_lambda_d", Slot::Vector(&mut self.lambda_d)),
        ]
    }

    /// What all layers share.
    pub(crate) fn projections(&self) -> Projections {
        Projections { a: self.a.clone(), b: self.b.clone() }
    }

    /// Holds what another layer holds.
    pub(crate) fn share(&mut self, projections: &Projections) {
        self.a = projections.a.clone();
        self.b = projections.b.clone();
    }

    /// What all layers share, with its names in a file.
    pub(crate) fn shared(&mut self) -> [(&'static str, Slot<'_>); 2] {
        [("vera_A", Slot::Fixed(&mut self.a)), ("vera_B", Slot::Fixed(&mut self.b))]
    }
}
