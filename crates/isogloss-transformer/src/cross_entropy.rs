//! Cross-entropy, with the number of its targets.

use burn::tensor::{Int, Tensor, activation};

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

/// [`isogloss_kernels::decoder_cross_entropy`] of any number of targets, with their number: the loss of
/// the last layer of a language model, without its logits staying in memory.
///
/// # Shapes
///
/// - `hidden`: `[n, d_model]`
/// - `weight`: `[vocab_size, d_model]`
/// - `bias`: `[vocab_size]`
/// - `targets`: `[n]`, below `vocab_size`
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
    LossSum::new(isogloss_kernels::decoder_cross_entropy(hidden, weight, bias, targets), count)
}
