//! What training minimises: a model and a batch in, a loss with its count out.

use burn::tensor::{Device, Tensor};
use isogloss_core::Seed;

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

    /// Reads the sum and hands it to `backward`, unless it is of no target.
    pub fn accumulate(self, backward: &mut dyn FnMut(Tensor<1>)) -> LossValue {
        if self.count == 0 {
            return LossValue::new(0.0, 0);
        }
        let sum = f64::from(self.sum.clone().into_scalar::<f32>());
        backward(self.sum);
        LossValue::new(sum, self.count)
    }

    /// The mean over targets, which is zero where there are none.
    pub fn mean(&self) -> Tensor<1> {
        self.sum.clone() / self.count.max(1) as f64
    }
}

/// A loss that went backwards: the numbers of a [`LossSum`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct LossValue {
    /// The sum over targets.
    pub sum: f64,
    /// How many targets there are.
    pub count: usize,
}

impl LossValue {
    /// A sum over `count` targets.
    pub const fn new(sum: f64, count: usize) -> Self {
        Self { sum, count }
    }
}

/// What a model of type `M` is trained for.
///
/// Masked, translation and causal language modelling are [`MlmObjective`](crate::MlmObjective), on
/// single sentences, on pairs and on what comes next;
/// [`ReplacedTokenObjective`](crate::ReplacedTokenObjective) finds replaced tokens;
/// [`RankingObjective`](crate::RankingObjective) brings translations together;
/// [`ClassificationObjective`](crate::ClassificationObjective) tells labels of sequences and of tokens
/// apart, [`RegressionObjective`](crate::RegressionObjective) gives numbers, and
/// [`QuestionAnsweringObjective`](crate::QuestionAnsweringObjective) finds answers. A user's own objective
/// is one more implementation.
pub trait Objective<M> {
    /// What the loss is computed on, ready on its device.
    type Batch;

    /// The loss of `model` on `batch`.
    fn loss(&self, model: &M, batch: &Self::Batch) -> LossSum;

    /// Computes the loss and hands it to `backward`, whose gradients add up: as a whole, or as parts
    /// whose gradients sum to that of the whole while fewer activations are held at a time.
    ///
    /// Dropout of what is read more than once draws from `seed`. A loss of no target is not handed on.
    fn accumulate(
        &self,
        model: &M,
        batch: &Self::Batch,
        _seed: Seed,
        backward: &mut dyn FnMut(Tensor<1>),
    ) -> LossValue {
        self.loss(model, batch).accumulate(backward)
    }
}
