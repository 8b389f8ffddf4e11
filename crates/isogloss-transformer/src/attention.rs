//! Scaled dot-product attention over all heads.

use burn::nn::Dropout;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Tensor, module};

/// `softmax(q kᵀ + bias) v`, with the scale already in `q`.
///
/// Without autodiff this is Burn's fused kernel. Under autodiff that kernel falls apart into
/// elementwise operations, each of which is one pass on one thread over `[seq, seq]` scores; so
/// there the division by the sum is moved behind the product with `v`, where it touches
/// `[seq, d_head]`:
///
/// ```text
/// E = exp(q kᵀ + bias - max)        context = (dropout(E) v) / Σ E
/// ```
///
/// which is the same number, since the sum is one number for each row.
///
/// # Shapes
///
/// - `q`, `k`, `v`: `[batch, heads, seq, d_head]`
/// - `bias`: `[batch or 1, 1, seq or 1, seq]`, added to the scores
/// - returns: `[batch, heads, seq, d_head]`
pub(crate) fn attend(
    q: Tensor<4>,
    k: Tensor<4>,
    v: Tensor<4>,
    bias: Option<Tensor<4>>,
    dropout: &Dropout,
) -> Tensor<4> {
    if !q.is_autodiff() {
        let options = AttentionModuleOptions { scale: Some(1.0), ..Default::default() };
        return module::attention(q, k, v, None, bias, options);
    }
    let scores = q.matmul(k.swap_dims(2, 3)); // [batch, heads, seq_q, seq_k]
    let scores = match bias {
        Some(bias) => scores + bias,
        None => scores,
    };
    let max = scores.clone().detach().max_dim(3); // [batch, heads, seq_q, 1]
    let weights = (scores - max).exp();
    let sum = weights.clone().sum_dim(3); // [batch, heads, seq_q, 1]
    dropout.forward(weights).matmul(v) / sum // [batch, heads, seq_q, d_head]
}
