//! Cross-entropy whose gradient is computed together with its value.

use burn::tensor::{IndexingUpdateOp, Int, Tensor, activation};

use crate::LossSum;

/// Cross-entropy of logits that are at hand: few rows or few classes.
///
/// ```text
/// L = Σᵢ -log softmax(logitsᵢ)[targetᵢ]
/// ```
///
/// # Shapes
///
/// - `logits`: `[n, classes]`
/// - `targets`: `[n]`, below `classes`
pub fn cross_entropy(logits: Tensor<2>, targets: Tensor<1, Int>) -> LossSum {
    let count = targets.dims()[0];
    if count == 0 {
        return LossSum::zero(&logits.device());
    }
    let log_probabilities = activation::log_softmax(logits, 1).gather(1, targets.unsqueeze_dim(1));
    LossSum::new(log_probabilities.sum().neg(), count)
}

/// Cross-entropy of a linear layer over a vocabulary, without its logits staying in memory.
///
/// ```text
/// z = h Eᵀ + b        L = Σᵢ -log softmax(zᵢ)[targetᵢ]
/// ∂L/∂z = P - 1[target]        ∂L/∂h = (∂L/∂z) E        ∂L/∂E = (∂L/∂z)ᵀ h        ∂L/∂b = Σᵢ ∂L/∂zᵢ
/// ```
///
/// Under autodiff every operation on `z`, which is by far the largest tensor of a step, would be
/// recorded and taken back by one thread. The gradient of the last layer does not depend on
/// anything that comes after it but a factor, so it is computed here, with the fused kernels of the
/// plain device; what autodiff sees is a term that is linear in `h`, `E` and `b` and has these
/// gradients, and the value. Second derivatives are not to be had this way.
///
/// # Shapes
///
/// - `hidden`: `[n, d_model]`
/// - `weight`: `[vocab_size, d_model]`
/// - `bias`: `[vocab_size]`
/// - `targets`: `[n]`, below `vocab_size`
///
/// # Source
///
/// The same idea as a kernel: Hsu et al. (2024), "Liger Kernel: Efficient Triton Kernels for LLM
/// Training", section 3.2, <https://arxiv.org/abs/2410.10989>.
pub fn decoder_cross_entropy(
    hidden: &Tensor<2>,
    weight: &Tensor<2>,
    bias: &Tensor<1>,
    targets: &Tensor<1, Int>,
) -> LossSum {
    let count = targets.dims()[0];
    if count == 0 {
        return LossSum::zero(&hidden.device());
    }
    let (h, e, b) = (hidden.clone().inner(), weight.clone().inner(), bias.clone().inner());
    let targets = targets.clone().inner().unsqueeze_dim::<2>(1); // [n, 1]
    let logits = h.clone().matmul(e.clone().transpose()) + b.unsqueeze::<2>(); // [n, vocab]
    if !hidden.is_autodiff() {
        let chosen = activation::log_softmax(logits, 1).gather(1, targets);
        return LossSum::new(chosen.sum().neg(), count);
    }
    let chosen = logits.clone().gather(1, targets.clone()); // [n, 1]
    let max = logits.clone().max_dim(1); // [n, 1]
    let probabilities = activation::softmax(logits, 1); // [n, vocab]
    // The largest probability is exp(0) / Σ exp(z - max), which never underflows.
    let log_sum = max - probabilities.clone().max_dim(1).log();
    let value = (log_sum - chosen).sum();

    let minus_one = Tensor::full([count, 1], -1.0, &h.device());
    let gradient = probabilities.scatter(1, targets, minus_one, IndexingUpdateOp::Add); // [n, vocab]
    // A tensor that takes no gradient, such as the embedding under an adapter, costs no product.
    let mut linear = (hidden.clone() * gradient.clone().matmul(e)).sum();
    if weight.is_tracked() {
        linear = linear + (weight.clone() * gradient.clone().transpose().matmul(h)).sum();
    }
    if bias.is_tracked() {
        linear = linear + (bias.clone() * gradient.sum_dim(0).squeeze_dim::<1>(0)).sum();
    }
    LossSum::new(linear.clone() - linear.detach() + value, count)
}
