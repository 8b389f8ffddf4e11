//! What training minimises: a model and a batch in, a loss with its count out.

use burn::tensor::{Device, Tensor};

/// A loss as a sum over targets, with their number.
///
/// Sums add up over micro-batches, means do not: one step divides the sum of all sums by the sum of
/// all counts.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LossSum {
    /// The sum over targets. `[1]`
    pub sum: Tensor<1>,
    /// How many targets there are.
    pub count: usize,
}

impl LossSum {
    /// A sum over `count` targets.
    pub fn new(sum: Tensor<1>, count: usize) -> Self {
        Self { sum, count }
    }

    /// The loss of no target: zero, with no gradient for any parameter.
    pub fn zero(device: &Device) -> Self {
        let zero = Tensor::zeros([1], device);
        // Going backwards from a tensor that autodiff does not know would panic.
        Self { sum: if device.is_autodiff() { zero.require_grad() } else { zero }, count: 0 }
    }

    /// The mean over targets, which is zero where there are none.
    pub fn mean(&self) -> Tensor<1> {
        self.sum.clone() / self.count.max(1) as f64
    }
}

/// What a model of type `M` is trained for.
///
/// Masked and translation language modelling are [`MlmObjective`](crate::MlmObjective), on single
/// sentences and on pairs; [`RankingObjective`](crate::RankingObjective) brings translations
/// together; [`ClassificationObjective`](crate::ClassificationObjective) tells labels apart. A user's
/// own objective is one more implementation.
pub trait Objective<M> {
    /// What the loss is computed on, ready on its device.
    type Batch;

    /// The loss of `model` on `batch`.
    fn loss(&self, model: &M, batch: &Self::Batch) -> LossSum;
}
