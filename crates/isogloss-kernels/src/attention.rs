//! Scaled dot-product attention over all heads.

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
/// On Flex, where nothing is differentiated, it is one kernel: heads are read and written where they
/// stand, scores of a few rows at a time stay in the cache, and what is hidden has weight 0. On other devices it is
/// Burn's own fused kernel. Under autodiff that falls apart into elementwise operations, each of which is
/// one pass on one thread over `[seq, seq]` scores; so there the division by the sum is moved behind the
/// product with `v`, where it touches `[seq, d_head]`:
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
/// - `bias`: `[batch or 1, 1, seq or 1, seq]`, added to the scores
/// - returns: as `q`
///
/// # Source
///
/// Vaswani et al. (2017), "Attention Is All You Need", section 3.2, <https://arxiv.org/abs/1706.03762>.
pub fn attention(
    [q, k, v]: [Tensor<2>; 3],
    bias: Option<Tensor<4>>,
    shape: AttentionShape,
    dropout: &Dropout,
) -> Tensor<2> {
    #[cfg(feature = "flex")]
    if flex::serves(&q) {
        return flex::attention([q, k, v], bias, shape);
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
            Some(bias) => scores + bias,
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

#[cfg(feature = "flex")]
mod flex {
    use burn::backend::TensorMetadata;
    use burn::backend::tensor::FloatTensor;
    use burn::backend::{Backend, Dispatch, DispatchDevice, Flex, backend_extension};
    use burn::tensor::{DType, Tensor, TensorData};
    use pulp::Arch;
    use rayon::prelude::*;

    use super::AttentionShape;
    use crate::product::{Matrix, MatrixMut, product};
    use crate::vectors::{exp_of_negative, largest, sum};

    /// Queries whose scores are held at once.
    const QUERIES: usize = 64;

    /// Whether the kernel is for the tensor.
    pub(super) fn serves(q: &Tensor<2>) -> bool {
        let is_flex = matches!(q.device().as_dispatch(), DispatchDevice::Flex(_));
        is_flex && !q.is_autodiff() && q.dtype() == DType::F32
    }

    pub(super) fn attention(
        [q, k, v]: [Tensor<2>; 3],
        bias: Option<Tensor<4>>,
        shape: AttentionShape,
    ) -> Tensor<2> {
        let bias = bias.unwrap_or_else(|| Tensor::zeros([1, 1, 1, shape.seq], &q.device()));
        let [q, k, v] = [q, k, v].map(Tensor::into_dispatch);
        let bias = bias.into_dispatch();
        Tensor::from_dispatch(<Dispatch as Attention>::fused_attention(q, k, v, bias, shape))
    }

    #[backend_extension(Flex)]
    #[expect(unreachable_pub, reason = "the macro names it from outside")]
    pub trait Attention: Backend {
        fn fused_attention(
            q: FloatTensor<Self>,
            k: FloatTensor<Self>,
            v: FloatTensor<Self>,
            bias: FloatTensor<Self>,
            shape: AttentionShape,
        ) -> FloatTensor<Self>;
    }

    impl Attention for Flex {
        fn fused_attention(
            q: FloatTensor<Self>,
            k: FloatTensor<Self>,
            v: FloatTensor<Self>,
            bias: FloatTensor<Self>,
            shape: AttentionShape,
        ) -> FloatTensor<Self> {
            let [q, k, v, bias] = [q, k, v, bias].map(|tensor| tensor.to_contiguous());
            let [tokens, d_model] = q.shape().dims();
            let [bias_batch, _, bias_rows, _] = bias.shape().dims();
            let AttentionShape { seq, n_heads, .. } = shape;
            let mut values = vec![0.0_f32; tokens * d_model];
            let numbers = [&q, &k, &v, &bias].map(|x| x.as_slice::<f32>().unwrap_or_default());
            let [q, k, v, bias] = numbers;
            let rows = Rows {
                seq,
                d_model,
                d_head: d_model / n_heads.max(1),
                // Of a bias for all rows there is one.
                bias_strides: [
                    if bias_batch == 1 { 0 } else { bias_rows * seq },
                    if bias_rows == 1 { 0 } else { seq },
                ],
            };
            let sequence = (seq * d_model).max(1);
            let pieces = values.par_chunks_mut(sequence).enumerate().flat_map(|(index, values)| {
                let pieces = values.par_chunks_mut(QUERIES * d_model.max(1)).enumerate();
                pieces.map(move |(piece, values)| (index, piece * QUERIES, values))
            });
            let arch = Arch::new();
            pieces.for_each_init(Vec::new, |scores, (index, first, out)| {
                let range = index * sequence..(index + 1) * sequence;
                let query = &q[range.start + first * d_model..][..out.len()];
                let bias = &bias[index * rows.bias_strides[0]..];
                rows.attend(
                    arch,
                    [query, &k[range.clone()], &v[range]],
                    (bias, first),
                    scores,
                    out,
                );
            });
            FloatTensor::<Self>::from_data(TensorData::new(values, [tokens, d_model]))
        }
    }

    /// How numbers lie in memory.
    #[derive(Clone, Copy)]
    struct Rows {
        seq: usize,
        d_model: usize,
        d_head: usize,
        // From one sequence to the next, and from one query to the next.
        bias_strides: [usize; 2],
    }

    impl Rows {
        /// Some queries of a sequence, from `first` on, with all heads.
        ///
        /// - `query`, `out`: `[queries, d_model]`
        /// - `k`, `v`: `[seq, d_model]`
        fn attend(
            self,
            arch: Arch,
            [query, k, v]: [&[f32]; 3],
            (bias, first): (&[f32], usize),
            scores: &mut Vec<f32>,
            out: &mut [f32],
        ) {
            let Self { seq, d_model, d_head, bias_strides } = self;
            let queries = out.len() / d_model;
            scores.resize(queries * seq, 0.0);
            let scale = 1.0 / (d_head as f32).sqrt();
            for head in (0..d_model).step_by(d_head.max(1)) {
                let [query, k, v] =
                    [query, k, v].map(|x| Matrix { numbers: &x[head..], strides: [d_model, 1] });
                product(
                    &mut MatrixMut { numbers: &mut *scores, dims: [queries, seq], row_stride: seq },
                    query,
                    k.transposed(),
                    d_head,
                    scale,
                );
                let mut inverses = [0.0; QUERIES];
                arch.dispatch(|| {
                    let rows = scores.chunks_exact_mut(seq).zip(&mut inverses).enumerate();
                    for (row, (scores, inverse)) in rows {
                        let bias = &bias[(first + row) * bias_strides[1]..][..seq];
                        scores.iter_mut().zip(bias).for_each(|(score, bias)| *score += bias);
                        let max = largest(scores);
                        for score in scores.iter_mut() {
                            *score = exp_of_negative(*score - max);
                        }
                        *inverse = 1.0 / sum(scores);
                    }
                });
                product(
                    &mut MatrixMut {
                        numbers: &mut out[head..],
                        dims: [queries, d_head],
                        row_stride: d_model,
                    },
                    Matrix { numbers: scores, strides: [seq, 1] },
                    v,
                    seq,
                    1.0,
                );
                for (out, inverse) in out.chunks_exact_mut(d_model).zip(inverses) {
                    out[head..head + d_head].iter_mut().for_each(|x| *x *= inverse);
                }
            }
        }
    }
}
