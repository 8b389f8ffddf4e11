//! Initial weights, drawn on the host so that a seed gives the same ones on every device.

use std::f64::consts::TAU;

use burn::module::Param;
use burn::nn::{Embedding, Initializer, Linear};
use burn::tensor::{Device, Tensor, TensorData};
use isogloss_core::Seed;
use isogloss_kernels::LayerNorm;
use rand::RngExt;

/// Where initial weights come from.
#[derive(Debug)]
pub(crate) struct Initialization<'a> {
    /// `None` for a model that is about to be loaded: zeros, which are never materialised.
    seed: Option<Seed>,
    std: f64,
    device: &'a Device,
}

impl<'a> Initialization<'a> {
    pub(crate) fn seeded(std: f64, seed: Seed, device: &'a Device) -> Self {
        Self { seed: Some(seed), std, device }
    }

    pub(crate) fn blank(device: &'a Device) -> Self {
        Self { seed: None, std: 0.0, device }
    }

    /// A weight matrix and a bias of zeros.
    pub(crate) fn linear(&self, path: &str, [d_input, d_output]: [usize; 2]) -> Linear {
        let weight = self.normal(path, [d_input, d_output], None);
        Linear { weight, bias: Some(self.zeros(d_output)) }
    }

    /// A table whose row `zero_row`, if any, is zero.
    pub(crate) fn embedding(
        &self,
        path: &str,
        shape: [usize; 2],
        zero_row: Option<usize>,
    ) -> Embedding {
        Embedding { weight: self.normal(path, shape, zero_row) }
    }

    pub(crate) fn layer_norm(&self, d_model: usize, epsilon: f64) -> LayerNorm {
        LayerNorm::new(d_model, epsilon, self.device)
    }

    pub(crate) fn zeros(&self, size: usize) -> Param<Tensor<1>> {
        Initializer::Zeros.init([size], self.device)
    }

    /// A table that is not trained: sines in even columns, cosines in odd ones, as in XLM.
    #[expect(clippy::cast_possible_truncation, reason = "weights are kept in single precision")]
    pub(crate) fn sines(&self, rows: usize, columns: usize) -> Param<Tensor<2>> {
        let value = |row: usize, column: usize| {
            let exponent = 2.0 * (column / 2) as f64 / columns as f64;
            let angle = row as f64 / 10_000_f64.powf(exponent);
            (if column.is_multiple_of(2) { angle.sin() } else { angle.cos() }) as f32
        };
        let values = (0..rows).flat_map(|row| (0..columns).map(move |column| value(row, column)));
        let values = TensorData::new(values.collect::<Vec<_>>(), [rows, columns]);
        Param::from_tensor(Tensor::from_data(values, self.device)).set_require_grad(false)
    }

    fn normal(&self, path: &str, shape: [usize; 2], zero_row: Option<usize>) -> Param<Tensor<2>> {
        let Some(seed) = self.seed else {
            return Initializer::Zeros.init(shape, self.device);
        };
        let [rows, columns] = shape;
        let mut values = normal_values(rows * columns, self.std, seed.derive(path));
        if let Some(row) = zero_row {
            values[row * columns..(row + 1) * columns].fill(0.0);
        }
        Param::from_tensor(Tensor::from_data(TensorData::new(values, shape), self.device))
    }
}

/// Numbers from `N(0, std²)`, by the transform of Box and Muller (1958).
#[expect(clippy::cast_possible_truncation, reason = "weights are kept in single precision")]
fn normal_values(count: usize, std: f64, seed: Seed) -> Vec<f32> {
    let mut rng = seed.rng();
    let mut values = Vec::with_capacity(count + 1);
    while values.len() < count {
        // In (0, 1], so that the logarithm is finite.
        let uniform = 1.0 - rng.random::<f64>();
        let radius = std * (-2.0 * uniform.ln()).sqrt();
        let (sine, cosine) = (TAU * rng.random::<f64>()).sin_cos();
        values.push((radius * cosine) as f32);
        values.push((radius * sine) as f32);
    }
    values.truncate(count);
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_have_the_mean_and_deviation_asked_for() {
        let values = normal_values(100_000, 0.02, Seed::new(1));
        let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / 1e5;
        let square = values.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / 1e5;
        // Standard errors: 0.02 / √1e5 = 6.3e-5 and 0.02 / √2e5 = 4.5e-5; five of each.
        assert!(mean.abs() < 3.2e-4, "mean {mean}");
        assert!((square.sqrt() - 0.02).abs() < 2.3e-4, "deviation {}", square.sqrt());
    }
}
