//! A plain Burn model that offers sites: what a user of this crate writes.

use burn::module::{Module, Param};
use burn::nn::{LayerNorm, LayerNormConfig, Linear};
use burn::tensor::{Device, Tensor, TensorData};
use isogloss_core::Seed;
use isogloss_peft::{FullParameters, LinearSite, ResidualSite, SubLayer, adapter_sites};
use rand::RngExt;

#[derive(Module, Debug)]
pub(crate) struct Block {
    pub(crate) up: LinearSite,
    pub(crate) down: LinearSite,
    pub(crate) end: ResidualSite,
    pub(crate) norm: LayerNorm,
    pub(crate) head: Linear,
    #[module(skip)]
    full: FullParameters,
}

impl Block {
    /// The same whenever it is asked for, whatever other tests draw.
    pub(crate) fn new(width: usize, device: &Device) -> Self {
        let layer = |name: &str, inputs: usize, outputs: usize| {
            let mut rng = Seed::new(7).derive(name).rng();
            let bound = 1.0 / (inputs as f32).sqrt();
            let mut numbers = |count: usize| -> Vec<f32> {
                (0..count).map(|_| rng.random_range(-bound..bound)).collect()
            };
            let weight = TensorData::new(numbers(inputs * outputs), [inputs, outputs]);
            let bias = TensorData::new(numbers(outputs), [outputs]);
            Linear {
                weight: Param::from_data(weight, device),
                bias: Some(Param::from_data(bias, device)),
            }
        };
        Self {
            up: LinearSite::new(layer("up", width, 2 * width)),
            down: LinearSite::new(layer("down", 2 * width, width)),
            end: ResidualSite::new(width, SubLayer::FeedForward),
            norm: LayerNormConfig::new(width).init(device),
            head: layer("head", width, 3),
            full: FullParameters::default(),
        }
    }

    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let hidden = self.down.forward(self.up.forward(x.clone()).tanh());
        self.head.forward(self.end.forward(hidden, x, |sum| self.norm.forward(sum)))
    }
}

adapter_sites!(Block { Linear: up, down; Residual: end; Full: full });

/// Rows of numbers from -1 to 1. `[rows, width]`
pub(crate) fn rows(rows: usize, width: usize, device: &Device) -> Tensor<2> {
    let mut rng = Seed::new(2).rng();
    let values: Vec<f32> = (0..rows * width).map(|_| rng.random_range(-1.0..1.0)).collect();
    Tensor::from_data(TensorData::new(values, [rows, width]), device)
}

pub(crate) fn values(tensor: Tensor<2>) -> Vec<f32> {
    tensor.into_data().iter().collect()
}
