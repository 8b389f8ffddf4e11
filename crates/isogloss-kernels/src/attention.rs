//! Scaled dot-product attention over all heads.

#[cfg(feature = "flex")]
mod flex;

use burn::nn::Dropout;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Tensor, module};

/// Which rows of a batch look at each other, and with how many heads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AttentionShape {
    /// Sequences.
    pub batch: usize,
    /// Tokens of each, padding included.
    pub seq: usize,
    /// Heads, a divisor of the width.
    pub n_heads: usize,
}

/// `softmax(q kᵀ / √d_head + bias) v`, head by head.
///
/// On Flex it is one kernel: heads are read and written where they stand, scores of a few rows at a time stay
/// in the cache, what is hidden has weight 0, and backwards the weights, and which of them were dropped, are
/// computed once more, so that none is kept. On other devices it is Burn's own fused kernel. Under autodiff
/// that falls apart into elementwise operations, each of which is one pass over `[seq, seq]` scores; so
/// there the division by the sum is moved behind the product with `v`, where it touches `[seq, d_head]`:
///
/// ```text
/// E = exp(q kᵀ / √d_head + bias - max)        context = (dropout(E) v) / Σ E
/// ```
///
/// which is the same number, since the sum is one number for each row.
///
/// # Shapes
///
/// - `q`, `k`, `v`: `[batch · seq, d_model]`, the rows of `[batch, seq]` one after the other, heads side by
///   side
/// - `bias`: `[batch or 1, 1, seq or 1, seq]`, added to the scores; takes no gradient
/// - returns: as `q`
///
/// # Panics
///
/// Where tensors are not of these shapes or `n_heads` is no divisor of `d_model`, as Burn's operations do.
///
/// # Source
///
/// Vaswani et al. (2017), "Attention Is All You Need", section 3.2, <https://arxiv.org/abs/1706.03762>. The
/// gradient without weights that are kept: Dao et al. (2022), "FlashAttention", appendix B.2,
/// <https://arxiv.org/abs/2205.14135>.
pub fn attention(
    [q, k, v]: [Tensor<2>; 3],
    bias: Option<Tensor<4>>,
    shape: AttentionShape,
    dropout: &Dropout,
) -> Tensor<2> {
    #[cfg(feature = "flex")]
    if crate::flex::serves(&q) {
        let mask = crate::mask::Mask::draw(dropout, &q.device());
        return flex::attention([q, k, v], bias, shape, mask);
    }
    let AttentionShape { batch, seq, n_heads } = shape;
    let [tokens, d_model] = q.dims();
    let d_head = d_model / n_heads.max(1);
    let heads = |x: Tensor<2>| x.reshape([batch, seq, n_heads, d_head]).swap_dims(1, 2);
    // The scale goes into the queries, which are smaller than the scores.
    let q = heads(q.mul_scalar((d_head as f64).sqrt().recip())); // [batch, heads, seq, d_head]
    let (k, v) = (heads(k), heads(v));
    let context = if q.is_autodiff() {
        let scores = q.matmul(k.swap_dims(2, 3)); // [batch, heads, seq, seq]
        let scores = match bias {
            Some(bias) => scores + bias.detach(),
            None => scores,
        };
        let max = scores.clone().detach().max_dim(3); // [batch, heads, seq, 1]
        let weights = (scores - max).exp();
        let sum = weights.clone().sum_dim(3); // [batch, heads, seq, 1]
        dropout.forward(weights).matmul(v) / sum // [batch, heads, seq, d_head]
    } else {
        let options = AttentionModuleOptions { scale: Some(1.0), ..Default::default() };
        module::attention(q, k, v, None, bias, options)
    };
    context.swap_dims(1, 2).reshape([tokens, d_model])
}
