//! Layers that are sums of Kronecker products.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use isogloss_kernels::linear;
use rand::Rng;

use crate::PhmConfig;
use crate::init::normal;
use crate::slot::Slot;

/// `y = x Σᵢ (Rᵢ ⊗ Lᵢ Tᵢ) + b`.
///
/// # Source
///
/// Zhang et al. (2021), "Beyond Fully-Connected Layers with Quaternions",
/// <https://arxiv.org/abs/2102.08597>; low-rank factors by Mahabadi et al. (2021), "Compacter",
/// <https://arxiv.org/abs/2106.04647>.
#[derive(Module, Debug)]
pub(crate) struct Phm {
    /// `[n, n, n]`
    rule: Param<Tensor<3>>,
    /// `[n, in / n, rank]`
    left: Param<Tensor<3>>,
    /// `[n, rank, out / n]`
    right: Param<Tensor<3>>,
    /// `[out]`
    bias: Param<Tensor<1>>,
}

impl Phm {
    /// For sides that are multiples of the dimension.
    pub(crate) fn new(
        config: PhmConfig,
        [inputs, outputs]: [usize; 2],
        rng: &mut impl Rng,
        device: &Device,
    ) -> Self {
        let PhmConfig { dim, rank } = config;
        let mut param = |dims: [usize; 3], std: f64| {
            let numbers = normal(rng, dims.iter().product(), std);
            Param::from_data(TensorData::new(numbers, dims), device)
        };
        // Glorot and Bengio (2010).
        let glorot = |sides: usize| (2.0 / sides as f64).sqrt();
        let [rows, columns] = [inputs / dim, outputs / dim];
        Self {
            rule: param([dim; 3], 0.01),
            left: param([dim, rows, rank], glorot(rows + rank)),
            right: param([dim, rank, columns], glorot(rank + columns)),
            bias: Param::from_data(TensorData::zeros::<f32, _>([outputs]), device),
        }
    }

    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        linear(x, self.matrix(), Some(self.bias.val()))
    }

    /// The matrix, which is small. `[in, out]`
    fn matrix(&self) -> Tensor<2> {
        let parts = self.left.val().matmul(self.right.val()); // [n, in / n, out / n]
        let [n, rows, columns] = parts.dims();
        let rule = self.rule.val().reshape([n, n * n]).transpose(); // [n · n, n]
        let products = rule.matmul(parts.reshape([n, rows * columns]));
        let products = products.reshape([n, n, rows, columns]).swap_dims(1, 2);
        products.reshape([n * rows, n * columns])
    }

    pub(crate) fn slots(&mut self) -> Vec<(&'static str, Slot<'_>)> {
        vec![
            ("phm_rule", Slot::Cube(&mut self.rule)),
            ("W_left", Slot::Cube(&mut self.left)),
            ("W_right", Slot::Cube(&mut self.right)),
            ("b", Slot::Vector(&mut self.bias)),
        ]
    }

    /// The sum of the squares of its matrix and its bias.
    pub(crate) fn squares(&self) -> Tensor<1> {
        self.matrix().square().sum() + self.bias.val().square().sum()
    }
}
