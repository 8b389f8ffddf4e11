//! Low-rank updates of tables.

use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor, TensorData};
use isogloss_core::Seed;
use isogloss_kernels::embedding;

use crate::LoraConfig;
use crate::composition::Node;
use crate::held::{Held, mean};
use crate::init::normal;
use crate::linear::norm_of_product;
use crate::slot::Slot;

/// What adapters add to the rows of a table; it stands beside the table.
///
/// `y = E[id] + s · A[id] B`: only the rows that are read are computed with, and take gradients. An output that
/// is tied to the table stays what it was, as in `peft`.
///
/// # Source
///
/// Hu et al. (2022), <https://arxiv.org/abs/2106.09685>, as `peft` 0.21 has it for embeddings: A begins with
/// zeros, B normal with 1, and there is no dropout.
#[derive(Module, Debug)]
pub struct EmbeddingSite {
    pub(crate) adapters: Held<EmbeddingLora>,
    rows: usize,
    d_model: usize,
}

/// The two narrow matrices of a LoRA of a table.
#[derive(Module, Debug)]
pub(crate) struct EmbeddingLora {
    /// `[rows, rank]`
    a: Param<Tensor<2>>,
    /// `[rank, d_model]`
    b: Param<Tensor<2>>,
    scale: f64,
}

impl EmbeddingSite {
    /// A site beside a table of so many rows of that width, without an adapter.
    pub fn new(rows: usize, d_model: usize) -> Self {
        Self { adapters: Held::new(), rows, d_model }
    }

    /// The rows of the table with what adapters add to them.
    ///
    /// # Shapes
    ///
    /// - `found`: `[n, d_model]`, the rows of the table
    /// - `ids`: `[n]`, which they are
    /// - returns: as `found`
    ///
    /// # Panics
    ///
    /// Where adapters differ by rows or tokens of which a batch has another number.
    pub fn forward(&self, found: Tensor<2>, ids: Tensor<1, Int>) -> Tensor<2> {
        self.apply(self.adapters.node(), found, ids)
    }

    fn apply(&self, node: &Node, found: Tensor<2>, ids: Tensor<1, Int>) -> Tensor<2> {
        match node {
            Node::Adapter(number) => found + self.adapters.adapter(*number).update(ids),
            // Refused before: bottlenecks alone are fused.
            Node::Fuse(..) => found,
            Node::Stack(parts) => {
                parts.iter().fold(found, |found, part| self.apply(part, found, ids.clone()))
            }
            Node::Average(parts) => {
                mean(parts, |part| self.apply(part, found.clone(), ids.clone()))
            }
            Node::Pieces(pieces) => {
                // A whole number below 2²⁴ is one of 32 bits, too.
                let ids = ids.float().unsqueeze_dim::<2>(1);
                pieces.map(&[found, ids], |part, [found, ids]| {
                    self.apply(part, found, ids.squeeze_dim::<1>(1).int())
                })
            }
        }
    }

    /// Takes note of rows that were appended to the table; adapters add nothing to them at first.
    pub fn grow(&mut self, rows: usize) {
        self.rows += rows;
        self.adapters.for_each(|lora| lora.grow(rows));
    }

    /// The rows of the table, and their width.
    pub(crate) fn dims(&self) -> [usize; 2] {
        [self.rows, self.d_model]
    }
}

impl EmbeddingLora {
    pub(crate) fn new(
        config: &LoraConfig,
        rank: usize,
        alpha: f64,
        [rows, d_model]: [usize; 2],
        seed: Seed,
        device: &Device,
    ) -> Self {
        let b = normal(&mut seed.rng(), rank * d_model, 1.0);
        Self {
            a: Param::from_data(TensorData::zeros::<f32, _>([rows, rank]), device),
            b: Param::from_data(TensorData::new(b, [rank, d_model]), device),
            scale: config.scale(rank, alpha),
        }
    }

    fn update(&self, ids: Tensor<1, Int>) -> Tensor<2> {
        embedding(&self.a, ids).matmul(self.b.val()).mul_scalar(self.scale)
    }

    fn grow(&mut self, rows: usize) {
        let (old, is_trained) = (self.a.val(), self.a.is_require_grad());
        let zeros = Tensor::zeros([rows, old.dims()[1]], &old.device());
        let grown = Tensor::cat(vec![old.detach(), zeros], 0).detach();
        self.a = Param::from_tensor(grown).set_require_grad(is_trained);
    }

    pub(crate) fn slots(&mut self) -> Vec<(String, Slot<'_>)> {
        vec![
            ("lora_embedding_A".to_owned(), Slot::Matrix(&mut self.a)),
            ("lora_embedding_B".to_owned(), Slot::Matrix(&mut self.b)),
        ]
    }

    /// The Frobenius norm of what it adds to the table.
    pub(crate) fn update_norm(&self) -> f64 {
        norm_of_product(self.a.val(), self.b.val(), self.scale)
    }
}
