//! Attention in one kernel, forwards and backwards.
#![expect(clippy::inline_always, reason = "a call within a loop keeps it from becoming vectors")]

use std::ops::Range;
use std::sync::Arc;

use burn::backend::TensorMetadata;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend as _, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::{Tensor, TensorData};
use pulp::{Arch, NullaryFnOnce};
use rayon::prelude::*;

use super::{AttentionShape, Visibility};
use crate::mask::Mask;
use crate::product::{Matrix, MatrixMut, Write, product};
use crate::vectors::{dot, exp_of_negative, largest, sum};

/// Queries whose scores are held at once.
const QUERIES: usize = 64;

pub(super) fn attention(
    [q, k, v]: [Tensor<2>; 3],
    visibility: &Visibility,
    shape: AttentionShape,
    mask: Option<Mask>,
) -> Tensor<2> {
    let bias = visibility.bias.clone();
    let bias = bias.unwrap_or_else(|| Tensor::zeros([1, 1, 1, shape.seq], &q.device()));
    let segments = visibility.segments.clone().unwrap_or_else(|| {
        (0..shape.batch).map(|row| row * shape.seq..(row + 1) * shape.seq).collect()
    });
    let [q, k, v] = [q, k, v].map(Tensor::into_dispatch);
    let bias = bias.into_dispatch();
    let layout = Layout { shape, segments, mask };
    Tensor::from_dispatch(<Dispatch as Attention>::fused_attention(q, k, v, bias, layout))
}

/// Where sequences lie among the tokens, and what of them is dropped.
#[derive(Clone, Debug)]
#[expect(unreachable_pub, reason = "the macro names it from outside")]
pub struct Layout {
    shape: AttentionShape,
    /// The tokens of each sequence, ascending.
    segments: Arc<[Range<usize>]>,
    mask: Option<Mask>,
}

#[backend_extension(Autodiff, Flex)]
#[expect(unreachable_pub, reason = "the macro names it from outside")]
pub trait Attention: Backend {
    fn fused_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        layout: Layout,
    ) -> FloatTensor<Self>;
}

/// What goes backwards, on the backends that compute: there is no derivative of the derivative.
trait AttentionGradient: Attention {
    /// The gradients of queries, keys and values.
    fn fused_attention_backward(
        inputs: Inputs<Self>,
        grad: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 3];
}

/// What attention is computed of.
#[derive(Clone, Debug)]
struct Inputs<B: Backend> {
    qkv: [FloatTensor<B>; 3],
    bias: FloatTensor<B>,
    layout: Layout,
}

impl Attention for Flex {
    fn fused_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        layout: Layout,
    ) -> FloatTensor<Self> {
        let [q, k, v, bias] = [q, k, v, bias].map(|tensor| tensor.to_contiguous());
        let dims = q.shape().dims();
        let rows = Rows::new(dims, bias.shape().dims(), &layout);
        let numbers = [&q, &k, &v, &bias].map(|x| x.as_slice::<f32>().unwrap_or_default());
        let [q, k, v, bias] = numbers;
        let mut values = vec![0.0_f32; q.len()];
        let sequences = rows.split(&mut values, &layout.segments);
        let pieces = sequences.into_par_iter().enumerate().flat_map(|(index, values)| {
            let pieces = values.par_chunks_mut(QUERIES * rows.d_model).enumerate();
            pieces.map(move |(piece, values)| (index, piece * QUERIES, values))
        });
        pieces.for_each_init(Vec::new, |scores, (index, first, out)| {
            let range = rows.numbers(&layout.segments[index]);
            let q = &q[range.start + first * rows.d_model..][..out.len()];
            let bias = rows.bias(bias, index, first);
            rows.attend([q, &k[range.clone()], &v[range]], bias, (index, first), scores, out);
        });
        FloatTensor::<Self>::from_data(TensorData::new(values, dims))
    }
}

impl AttentionGradient for Flex {
    fn fused_attention_backward(
        inputs: Inputs<Self>,
        grad: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 3] {
        let [q, k, v] = inputs.qkv.map(|tensor| tensor.to_contiguous());
        let [bias, grad] = [inputs.bias, grad].map(|tensor| tensor.to_contiguous());
        let dims = q.shape().dims();
        let layout = inputs.layout;
        let rows = Rows::new(dims, bias.shape().dims(), &layout);
        let [q, k, v, bias, grad] =
            [&q, &k, &v, &bias, &grad].map(|x| x.as_slice::<f32>().unwrap_or_default());
        let mut gradients = [(); 3].map(|()| vec![0.0_f32; q.len()]);
        let [of_q, of_k, of_v] =
            gradients.each_mut().map(|numbers| rows.split(numbers, &layout.segments));
        let sequences = of_q.into_par_iter().zip(of_k).zip(of_v).enumerate();
        sequences.for_each_init(Default::default, |space, (index, ((of_q, of_k), of_v))| {
            let range = rows.numbers(&layout.segments[index]);
            let (q, k) = (&q[range.clone()], &k[range.clone()]);
            let (v, grad) = (&v[range.clone()], &grad[range]);
            let step = QUERIES * rows.d_model;
            let pieces = q.chunks(step).zip(grad.chunks(step)).zip(of_q.chunks_mut(step));
            for (piece, ((q, grad), of_q)) in pieces.enumerate() {
                let bias = rows.bias(bias, index, piece * QUERIES);
                let at = (index, piece * QUERIES);
                rows.attend_backward([q, k, v, grad], bias, at, space, [of_q, of_k, of_v]);
            }
        });
        gradients.map(|values| FloatTensor::<Self>::from_data(TensorData::new(values, dims)))
    }
}

impl<B: AttentionGradient, C: CheckpointStrategy> Attention for Autodiff<B, C> {
    fn fused_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        layout: Layout,
    ) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct FusedAttention;

        impl<B: AttentionGradient> Backward<B, 3> for FusedAttention {
            type State = Inputs<B>;

            fn backward(
                self,
                ops: Ops<Self::State, 3>,
                grads: &mut Gradients,
                _: &mut Checkpointer,
            ) {
                let grad = grads.consume::<B>(&ops.node);
                let gradients = B::fused_attention_backward(ops.state, grad);
                for (parent, gradient) in ops.parents.into_iter().zip(gradients) {
                    if let Some(parent) = parent {
                        grads.register::<B>(parent.id, gradient);
                    }
                }
            }
        }

        let nodes = [q.node(), k.node(), v.node()];
        let (qkv, bias) = ([q, k, v].map(Self::inner), Self::inner(bias));
        let inputs = Inputs { qkv, bias, layout };
        let forward = |inputs: Inputs<B>| {
            let ([q, k, v], bias) = (inputs.qkv, inputs.bias);
            B::fused_attention(q, k, v, bias, inputs.layout)
        };
        match FusedAttention.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let values = forward(inputs.clone());
                prep.finish(inputs, values)
            }
            OpsKind::UnTracked(prep) => prep.finish(forward(inputs)),
        }
    }
}

/// How numbers lie in memory.
#[derive(Clone, Copy)]
struct Rows {
    // Of the longest row of the batch, by which masks are numbered.
    seq: usize,
    d_model: usize,
    d_head: usize,
    // From one sequence to the next, and from one query to the next.
    bias_strides: [usize; 2],
    mask: Option<Mask>,
    arch: Arch,
}

/// Weights of some queries, and their gradients.
#[derive(Default)]
struct Space {
    weights: Vec<f32>,
    gradients: Vec<f32>,
    // What the mask of one row is.
    factors: Vec<f32>,
}

impl Rows {
    fn new([_, d_model]: [usize; 2], bias: [usize; 4], layout: &Layout) -> Self {
        let (seq, d_model) = (layout.shape.seq.max(1), d_model.max(1));
        let [bias_batch, _, bias_rows, bias_width] = bias;
        Self {
            seq,
            d_model,
            d_head: (d_model / layout.shape.n_heads.max(1)).max(1),
            // Of a bias for all there is one.
            bias_strides: [
                if bias_batch == 1 { 0 } else { bias_rows * bias_width },
                if bias_rows == 1 { 0 } else { bias_width },
            ],
            mask: layout.mask,
            arch: Arch::new(),
        }
    }

    /// The numbers of a sequence.
    fn numbers(self, tokens: &Range<usize>) -> Range<usize> {
        tokens.start * self.d_model..tokens.end * self.d_model
    }

    /// The sequences, each by itself, without what lies between them.
    fn split<'a>(self, mut rest: &'a mut [f32], segments: &[Range<usize>]) -> Vec<&'a mut [f32]> {
        let mut at = 0;
        let part = |tokens: &Range<usize>| {
            let numbers = self.numbers(tokens);
            let (_, from) = std::mem::take(&mut rest).split_at_mut(numbers.start - at);
            let (part, after) = from.split_at_mut(numbers.len());
            (rest, at) = (after, numbers.end);
            part
        };
        segments.iter().map(part).collect()
    }

    /// The bias of a sequence from a query on.
    fn bias(self, bias: &[f32], sequence: usize, query: usize) -> &[f32] {
        let [of_sequence, of_query] = self.bias_strides;
        &bias[sequence * of_sequence + query * of_query..]
    }

    fn scale(self) -> f32 {
        1.0 / (self.d_head as f32).sqrt()
    }

    /// The matrix of a head.
    fn head(self, numbers: &[f32], head: usize) -> Matrix<'_> {
        Matrix { numbers: &numbers[head..], strides: [self.d_model, 1] }
    }

    /// The same, to be written. `[rows, d_head]`
    fn head_mut(self, numbers: &mut [f32], head: usize) -> MatrixMut<'_> {
        let rows = numbers.len() / self.d_model;
        let numbers = &mut numbers[head..];
        MatrixMut { numbers, dims: [rows, self.d_head], row_stride: self.d_model }
    }

    /// `exp(scores - max)` of some queries, and one over the sum of each row.
    ///
    /// - `weights`: `[queries, seq]`
    fn exponentials(
        self,
        [q, k]: [Matrix<'_>; 2],
        bias: &[f32],
        seq: usize,
        weights: &mut [f32],
    ) -> [f32; QUERIES] {
        let dims = [weights.len() / seq, seq];
        let mut out = MatrixMut { numbers: &mut *weights, dims, row_stride: seq };
        product(&mut out, Write::Over, [q, k.transposed()], self.d_head, self.scale());
        let mut inverses = [0.0; QUERIES];
        let bias_stride = self.bias_strides[1];
        self.arch.dispatch(Exponentials {
            seq,
            bias,
            bias_stride,
            weights,
            inverses: &mut inverses,
        });
        inverses
    }

    /// Which row of the mask is that of a query of a sequence, for the head that begins at `head`.
    fn mask_row(self, (sequence, query): (usize, usize), head: usize) -> u64 {
        ((sequence * (self.d_model / self.d_head) + head / self.d_head) * self.seq + query) as u64
    }

    /// Some queries of a sequence with all heads; `at` is the sequence, and the first of the queries.
    ///
    /// - `q`, `out`: `[queries, d_model]`
    /// - `k`, `v`: `[seq, d_model]`
    fn attend(
        self,
        [q, k, v]: [&[f32]; 3],
        bias: &[f32],
        at: (usize, usize),
        weights: &mut Vec<f32>,
        out: &mut [f32],
    ) {
        let Self { d_model, d_head, .. } = self;
        let seq = k.len() / d_model;
        weights.resize(out.len() / d_model * seq, 0.0);
        for head in (0..d_model).step_by(d_head) {
            let [q, k, v] = [q, k, v].map(|x| self.head(x, head));
            let inverses = self.exponentials([q, k], bias, seq, weights);
            if let Some(mask) = self.mask {
                let first = self.mask_row(at, head);
                self.arch.dispatch(Drop { seq, weights, mask, first });
            }
            let weights = Matrix { numbers: weights, strides: [seq, 1] };
            product(&mut self.head_mut(out, head), Write::Over, [weights, v], seq, 1.0);
            for (out, inverse) in out.chunks_exact_mut(d_model).zip(inverses) {
                out[head..head + d_head].iter_mut().for_each(|x| *x *= inverse);
            }
        }
    }

    /// The gradients of the same.
    ///
    /// ```text
    /// dV += (P ∘ M)ᵀ dO      dP = dO Vᵀ ∘ M      dS = P ∘ (dP - Σ dP ∘ P)      dQ = dS K      dK += dSᵀ Q
    /// ```
    ///
    /// where `M` is 0 for what was dropped.
    ///
    /// - `q`, `grad`, `of_q`: `[queries, d_model]`
    /// - `k`, `v`, `of_k`, `of_v`: `[seq, d_model]`
    fn attend_backward(
        self,
        [q, k, v, grad]: [&[f32]; 4],
        bias: &[f32],
        at: (usize, usize),
        space: &mut Space,
        [of_q, of_k, of_v]: [&mut [f32]; 3],
    ) {
        let Self { d_model, d_head, .. } = self;
        let seq = k.len() / d_model;
        let queries = q.len() / d_model;
        let Space { weights, gradients, factors } = space;
        weights.resize(queries * seq, 0.0);
        gradients.resize(queries * seq, 0.0);
        factors.resize(seq, 1.0);
        for head in (0..d_model).step_by(d_head) {
            let [q, k, v, grad] = [q, k, v, grad].map(|x| self.head(x, head));
            let inverses = self.exponentials([q, k], bias, seq, weights);
            let dims = [queries, seq];
            let mut out = MatrixMut { numbers: &mut *gradients, dims, row_stride: seq };
            product(&mut out, Write::Over, [grad, v.transposed()], d_head, 1.0);
            let mask = self.mask.map(|mask| (mask, self.mask_row(at, head)));
            let inverses = &inverses;
            self.arch.dispatch(OfScores { seq, weights, gradients, factors, inverses, mask });
            let strides = [seq, 1];
            let weights = Matrix { numbers: weights, strides };
            let of_scores = Matrix { numbers: gradients, strides };
            let (scale, add) = (self.scale(), Write::Add);
            product(&mut self.head_mut(of_q, head), Write::Over, [of_scores, k], seq, scale);
            let pair = [of_scores.transposed(), q];
            product(&mut self.head_mut(of_k, head), add, pair, queries, scale);
            let pair = [weights.transposed(), grad];
            product(&mut self.head_mut(of_v, head), add, pair, queries, 1.0);
        }
    }
}

/// Makes exponentials of scores. Not a closure: one of this size is not inlined, and outside of where it is
/// dispatched there are no vector instructions.
struct Exponentials<'a> {
    seq: usize,
    bias: &'a [f32],
    bias_stride: usize,
    weights: &'a mut [f32],
    inverses: &'a mut [f32],
}

impl NullaryFnOnce for Exponentials<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { seq, bias, bias_stride, weights, inverses } = self;
        let rows = weights.chunks_exact_mut(seq).zip(inverses).enumerate();
        for (row, (weights, inverse)) in rows {
            let bias = &bias[row * bias_stride..][..seq];
            for (score, bias) in weights.iter_mut().zip(bias) {
                *score += bias;
            }
            let max = largest(weights);
            for score in weights.iter_mut() {
                *score = exp_of_negative(*score - max);
            }
            *inverse = 1.0 / sum(weights);
        }
    }
}

/// Drops weights.
struct Drop<'a> {
    seq: usize,
    weights: &'a mut [f32],
    mask: Mask,
    first: u64,
}

impl NullaryFnOnce for Drop<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for (row, weights) in (self.first..).zip(self.weights.chunks_exact_mut(self.seq)) {
            self.mask.row(row).apply(weights);
        }
    }
}

/// Makes of exponentials the weights that values were multiplied with, and gradients of scores of those of
/// these weights.
struct OfScores<'a> {
    seq: usize,
    weights: &'a mut [f32],
    gradients: &'a mut [f32],
    factors: &'a mut [f32],
    inverses: &'a [f32],
    mask: Option<(Mask, u64)>,
}

impl NullaryFnOnce for OfScores<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { seq, weights, gradients, factors, inverses, mask } = self;
        let rows = weights.chunks_exact_mut(seq).zip(gradients.chunks_exact_mut(seq));
        for (row, ((weights, gradients), inverse)) in (0..).zip(rows.zip(inverses)) {
            for weight in weights.iter_mut() {
                *weight *= inverse;
            }
            if let Some((mask, first)) = mask {
                factors.fill(1.0);
                mask.row(first + row).apply(factors);
                for (gradient, factor) in gradients.iter_mut().zip(factors.iter()) {
                    *gradient *= factor;
                }
            }
            let mean = dot(weights, gradients);
            for (gradient, weight) in gradients.iter_mut().zip(weights.iter()) {
                *gradient = *weight * (*gradient - mean);
            }
            if mask.is_some() {
                for (weight, factor) in weights.iter_mut().zip(factors.iter()) {
                    *weight *= factor;
                }
            }
        }
    }
}
