//! A plain Burn model that offers sites: what a user of this crate writes.

use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor, TensorData};
use isogloss_core::Seed;
use isogloss_peft::{AdapterHost, LinearSite, ResidualSite, SiteMut};
use rand::RngExt;

#[derive(Module, Debug)]
pub(crate) struct Block {
    pub(crate) up: LinearSite,
    pub(crate) down: LinearSite,
    end: ResidualSite,
    norm: LayerNorm,
    head: Linear,
}

impl Block {
    pub(crate) fn new(width: usize, device: &Device) -> Self {
        device.seed(7);
        let site =
            |inputs, outputs| LinearSite::new(LinearConfig::new(inputs, outputs).init(device));
        Self {
            up: site(width, 2 * width),
            down: site(2 * width, width),
            end: ResidualSite::new(width),
            norm: LayerNormConfig::new(width).init(device),
            head: LinearConfig::new(width, 3).init(device),
        }
    }

    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let hidden = self.down.forward(self.up.forward(x.clone()).tanh());
        self.head.forward(self.end.forward(hidden, x, |sum| self.norm.forward(sum)))
    }
}

impl AdapterHost for Block {
    fn for_each_site(&mut self, visit: &mut dyn FnMut(&str, SiteMut<'_>)) {
        visit("up", SiteMut::Linear(&mut self.up));
        visit("down", SiteMut::Linear(&mut self.down));
        visit("end", SiteMut::Residual(&mut self.end));
    }
}

/// Rows of numbers from -1 to 1. `[rows, width]`
pub(crate) fn rows(rows: usize, width: usize, device: &Device) -> Tensor<2> {
    let mut rng = Seed::new(2).rng();
    let values: Vec<f32> = (0..rows * width).map(|_| rng.random_range(-1.0..1.0)).collect();
    Tensor::from_data(TensorData::new(values, [rows, width]), device)
}

pub(crate) fn values(tensor: Tensor<2>) -> Vec<f32> {
    tensor.into_data().iter().collect()
}
