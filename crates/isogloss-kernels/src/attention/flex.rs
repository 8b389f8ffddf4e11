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

use super::{AttentionShape, Prefix, Visibility};
use crate::mask::Mask;
use crate::product::{Matrix, MatrixMut, Write, product};
use crate::vectors::{dot, exp_of_negative, largest, sum};

/// Queries whose scores are held at once, forwards by each thread.
const QUERIES: usize = 64;

/// The same backwards, where a thread has a sequence to itself: what is multiplied is laid out for fewer products.
const QUERIES_BACKWARD: usize = 128;

pub(super) fn attention(
    [q, k, v]: [Tensor<2>; 3],
    prefix: Option<&Prefix>,
    visibility: &Visibility,
    shape: AttentionShape,
    mask: Option<Mask>,
) -> Tensor<2> {
    let bias = visibility.bias.clone();
    let bias = bias.unwrap_or_else(|| Tensor::zeros([1, 1, 1, shape.seq], &q.device()));
    let segments = visibility.segments.clone().unwrap_or_else(|| {
        (0..shape.batch).map(|row| row * shape.seq..(row + 1) * shape.seq).collect()
    });
    // Without a prefix, what stands in its place is not looked at.
    let [keys, values] = match prefix {
        Some(prefix) => [prefix.keys.clone(), prefix.values.clone()],
        None => [k.clone(), v.clone()],
    };
    let [q, k, v, keys, values] = [q, k, v, keys, values].map(Tensor::into_dispatch);
    let bias = bias.into_dispatch();
    let before = prefix.map_or(0, |prefix| prefix.length);
    let lengths = prefix.and_then(|prefix| prefix.lengths.clone());
    let layout = Layout { shape, segments, before, lengths, mask };
    let made = <Dispatch as Attention>::fused_attention(q, k, v, keys, values, bias, layout);
    Tensor::from_dispatch(made)
}

/// Where sequences lie among the tokens, and what of them is dropped.
#[derive(Clone, Debug)]
#[expect(unreachable_pub, reason = "the macro names it from outside")]
pub struct Layout {
    shape: AttentionShape,
    /// The tokens of each sequence, ascending.
    segments: Arc<[Range<usize>]>,
    /// The keys of a prefix.
    before: usize,
    /// How many of them each sequence sees, where that differs.
    lengths: Option<Arc<[usize]>>,
    mask: Option<Mask>,
}

#[backend_extension(Autodiff, Flex)]
#[expect(unreachable_pub, reason = "the macro names it from outside")]
pub trait Attention: Backend {
    fn fused_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        prefix_k: FloatTensor<Self>,
        prefix_v: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        layout: Layout,
    ) -> FloatTensor<Self>;
}

/// What goes backwards, on the backends that compute: there is no derivative of the derivative.
trait AttentionGradient: Attention {
    /// The gradients of queries, keys and values, and of the prefix, if there is one.
    fn fused_attention_backward(
        inputs: Inputs<Self>,
        grad: FloatTensor<Self>,
    ) -> Vec<FloatTensor<Self>>;
}

/// What attention is computed of.
#[derive(Clone, Debug)]
struct Inputs<B: Backend> {
    qkv: [FloatTensor<B>; 3],
    prefix: [FloatTensor<B>; 2],
    bias: FloatTensor<B>,
    layout: Layout,
}

impl Attention for Flex {
    fn fused_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        prefix_k: FloatTensor<Self>,
        prefix_v: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        layout: Layout,
    ) -> FloatTensor<Self> {
        let [q, k, v, prefix_k, prefix_v, bias] =
            [q, k, v, prefix_k, prefix_v, bias].map(|tensor| tensor.to_contiguous());
        let dims = q.shape().dims();
        let rows = Rows::new(dims, bias.shape().dims(), &layout);
        let numbers = [&q, &k, &v, &prefix_k, &prefix_v, &bias];
        let [q, k, v, prefix_k, prefix_v, bias] =
            numbers.map(|x| x.as_slice::<f32>().unwrap_or_default());
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
            let before = rows.prefix(&layout, prefix_k.len(), index);
            let k = [&prefix_k[before.clone()], &k[range.clone()]];
            let v = [&prefix_v[before], &v[range]];
            rows.attend(q, [k, v], bias, (index, first), scores, out);
        });
        FloatTensor::<Self>::from_data(TensorData::new(values, dims))
    }
}

impl AttentionGradient for Flex {
    fn fused_attention_backward(
        inputs: Inputs<Self>,
        grad: FloatTensor<Self>,
    ) -> Vec<FloatTensor<Self>> {
        let [q, k, v] = inputs.qkv.map(|tensor| tensor.to_contiguous());
        let prefix = inputs.prefix.map(|tensor| tensor.to_contiguous());
        let [bias, grad] = [inputs.bias, grad].map(|tensor| tensor.to_contiguous());
        let (dims, prefix_dims) = (q.shape().dims(), prefix[0].shape().dims());
        let layout = inputs.layout;
        let rows = Rows::new(dims, bias.shape().dims(), &layout);
        let [prefix_k, prefix_v] = &prefix;
        let [q, k, v, prefix_k, prefix_v, bias, grad] =
            [&q, &k, &v, prefix_k, prefix_v, &bias, &grad]
                .map(|x| x.as_slice::<f32>().unwrap_or_default());
        let mut gradients = [(); 3].map(|()| vec![0.0_f32; q.len()]);
        let [of_q, of_k, of_v] =
            gradients.each_mut().map(|numbers| rows.split(numbers, &layout.segments));
        // Each sequence adds to a prefix of its own, so that none waits for another.
        let size = layout.before * rows.d_model;
        let mut of_prefix = [(); 2].map(|()| vec![0.0_f32; layout.segments.len() * size]);
        let [of_prefix_k, of_prefix_v] = of_prefix.each_mut().map(|numbers| {
            let mut rest = numbers.as_mut_slice();
            let part = |_: &Range<usize>| rest.split_off_mut(..size).unwrap_or_default();
            layout.segments.iter().map(part).collect::<Vec<_>>()
        });
        let of_tokens = of_q.into_par_iter().zip(of_k).zip(of_v);
        let sequences = of_tokens.zip(of_prefix_k).zip(of_prefix_v).enumerate();
        sequences.for_each_init(Default::default, |space, (index, parts)| {
            let ((((of_q, of_k), of_v), of_prefix_k), of_prefix_v) = parts;
            let range = rows.numbers(&layout.segments[index]);
            let before = rows.prefix(&layout, prefix_k.len(), index);
            let (q, grad) = (&q[range.clone()], &grad[range.clone()]);
            let k = [&prefix_k[before.clone()], &k[range.clone()]];
            let v = [&prefix_v[before.clone()], &v[range]];
            let of_prefix = [of_prefix_k, of_prefix_v].map(|it| &mut it[..before.len()]);
            let [of_prefix_k, of_prefix_v] = of_prefix;
            let mut of = [[of_prefix_k, of_k], [of_prefix_v, of_v]];
            let step = QUERIES_BACKWARD * rows.d_model;
            let pieces = q.chunks(step).zip(grad.chunks(step)).zip(of_q.chunks_mut(step));
            for (piece, ((q, grad), of_q)) in pieces.enumerate() {
                let first = piece * QUERIES_BACKWARD;
                let (bias, at) = (rows.bias(bias, index, first), (index, first));
                rows.attend_backward([q, grad], [k, v], bias, at, space, of_q, &mut of);
            }
        });
        let tensor = |values, dims| FloatTensor::<Self>::from_data(TensorData::new(values, dims));
        let mut all: Vec<_> = gradients.into_iter().map(|it| tensor(it, dims)).collect();
        if size > 0 {
            for mut numbers in of_prefix {
                // One for all is given what each sequence has of it.
                if prefix_k.len() == size {
                    let (sum, others) = numbers.split_at_mut(size);
                    for other in others.chunks_exact(size) {
                        sum.iter_mut().zip(other).for_each(|(sum, other)| *sum += other);
                    }
                    numbers.truncate(size);
                }
                all.push(tensor(numbers, prefix_dims));
            }
        }
        all
    }
}

impl<B: AttentionGradient, C: CheckpointStrategy> Attention for Autodiff<B, C> {
    fn fused_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        prefix_k: FloatTensor<Self>,
        prefix_v: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        layout: Layout,
    ) -> FloatTensor<Self> {
        if layout.before == 0 {
            return tracked::<B, C, 3>(
                [&q, &k, &v],
                [&q, &k, &v, &prefix_k, &prefix_v],
                bias,
                layout,
            );
        }
        let all = [&q, &k, &v, &prefix_k, &prefix_v];
        tracked::<B, C, 5>(all, all, bias, layout)
    }
}

/// Attention, whose gradients go to some of what it is computed of.
fn tracked<B: AttentionGradient, C: CheckpointStrategy, const N: usize>(
    parents: [&FloatTensor<Autodiff<B, C>>; N],
    all: [&FloatTensor<Autodiff<B, C>>; 5],
    bias: FloatTensor<Autodiff<B, C>>,
    layout: Layout,
) -> FloatTensor<Autodiff<B, C>> {
    #[derive(Debug)]
    struct FusedAttention;

    impl<B: AttentionGradient, const N: usize> Backward<B, N> for FusedAttention {
        type State = Inputs<B>;

        fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, _: &mut Checkpointer) {
            let grad = grads.consume::<B>(&ops.node);
            let gradients = B::fused_attention_backward(ops.state, grad);
            for (parent, gradient) in ops.parents.into_iter().zip(gradients) {
                if let Some(parent) = parent {
                    grads.register::<B>(parent.id, gradient);
                }
            }
        }
    }

    let [q, k, v, prefix_k, prefix_v] = all.map(|tensor| Autodiff::<B, C>::inner(tensor.clone()));
    let (qkv, prefix) = ([q, k, v], [prefix_k, prefix_v]);
    let inputs = Inputs { qkv, prefix, bias: Autodiff::<B, C>::inner(bias), layout };
    #[expect(clippy::redundant_closure_for_method_calls, reason = "the type has no path from here")]
    let nodes = parents.map(|tensor| tensor.node());
    let forward = |inputs: Inputs<B>| {
        let Inputs { qkv: [q, k, v], prefix: [prefix_k, prefix_v], bias, layout } = inputs;
        B::fused_attention(q, k, v, prefix_k, prefix_v, bias, layout)
    };
    match FusedAttention.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            let values = forward(inputs.clone());
            prep.finish(inputs, values)
        }
        OpsKind::UnTracked(prep) => prep.finish(forward(inputs)),
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

    /// The numbers of the prefix that a sequence sees, of so many.
    fn prefix(self, layout: &Layout, numbers: usize, sequence: usize) -> Range<usize> {
        let size = layout.before * self.d_model;
        // One for all, or one for each row.
        let start = if numbers == size { 0 } else { sequence * size };
        let seen = layout.lengths.as_ref().map_or(layout.before, |lengths| lengths[sequence]);
        start..start + seen * self.d_model
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
    /// - `k`: of the prefix and of the tokens, `[keys, d_model]` each
    /// - `bias`: of the tokens
    /// - `weights`: `[queries, keys]`, of both
    fn exponentials(
        self,
        q: Matrix<'_>,
        k: [&[f32]; 2],
        head: usize,
        bias: &[f32],
        weights: &mut [f32],
    ) -> [f32; QUERIES_BACKWARD] {
        let [before, seq] = k.map(|k| k.len() / self.d_model);
        let keys = before + seq;
        let queries = weights.len() / keys;
        for (k, at) in [(k[0], 0), (k[1], before)] {
            let dims = [queries, k.len() / self.d_model];
            if dims[1] > 0 {
                let mut out = MatrixMut { numbers: &mut weights[at..], dims, row_stride: keys };
                let pair = [q, self.head(k, head).transposed()];
                product(&mut out, Write::Over, pair, self.d_head, self.scale());
            }
        }
        let mut inverses = [0.0; QUERIES_BACKWARD];
        let bias_stride = self.bias_strides[1];
        self.arch.dispatch(Exponentials {
            keys,
            before,
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
    /// - `k`, `v`: of the prefix and of the tokens, `[keys, d_model]` each
    fn attend(
        self,
        q: &[f32],
        [k, v]: [[&[f32]; 2]; 2],
        bias: &[f32],
        at: (usize, usize),
        weights: &mut Vec<f32>,
        out: &mut [f32],
    ) {
        let Self { d_model, d_head, .. } = self;
        let counts = k.map(|k| k.len() / d_model);
        let keys = counts[0] + counts[1];
        weights.resize(out.len() / d_model * keys, 0.0);
        for head in (0..d_model).step_by(d_head) {
            let inverses = self.exponentials(self.head(q, head), k, head, bias, weights);
            if let Some(mask) = self.mask {
                let first = self.mask_row(at, head);
                self.arch.dispatch(Drop { keys, weights, mask, first });
            }
            for (part, column) in [(0, 0), (1, counts[0])] {
                if counts[part] > 0 {
                    let weights = Matrix { numbers: &weights[column..], strides: [keys, 1] };
                    let write = if column == 0 { Write::Over } else { Write::Add };
                    let pair = [weights, self.head(v[part], head)];
                    product(&mut self.head_mut(out, head), write, pair, counts[part], 1.0);
                }
            }
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
    /// - `k`, `v`, and what `of` has of them: of the prefix and of the tokens, `[keys, d_model]` each
    #[expect(clippy::too_many_arguments, reason = "what goes in, and what comes out")]
    fn attend_backward(
        self,
        [q, grad]: [&[f32]; 2],
        [k, v]: [[&[f32]; 2]; 2],
        bias: &[f32],
        at: (usize, usize),
        space: &mut Space,
        of_q: &mut [f32],
        [of_k, of_v]: &mut [[&mut [f32]; 2]; 2],
    ) {
        let Self { d_model, d_head, .. } = self;
        let counts = k.map(|k| k.len() / d_model);
        let keys = counts[0] + counts[1];
        let queries = q.len() / d_model;
        let parts = [(0, 0), (1, counts[0])];
        let parts = || parts.into_iter().filter(|(part, _)| counts[*part] > 0);
        let Space { weights, gradients, factors } = space;
        weights.resize(queries * keys, 0.0);
        gradients.resize(queries * keys, 0.0);
        factors.resize(keys, 1.0);
        for head in (0..d_model).step_by(d_head) {
            let [q, grad] = [q, grad].map(|x| self.head(x, head));
            let inverses = self.exponentials(q, k, head, bias, weights);
            for (part, column) in parts() {
                let numbers = &mut gradients[column..];
                let dims = [queries, counts[part]];
                let mut out = MatrixMut { numbers, dims, row_stride: keys };
                let pair = [grad, self.head(v[part], head).transposed()];
                product(&mut out, Write::Over, pair, d_head, 1.0);
            }
            let mask = self.mask.map(|mask| (mask, self.mask_row(at, head)));
            let inverses = &inverses;
            self.arch.dispatch(OfScores { keys, weights, gradients, factors, inverses, mask });
            for (part, column) in parts() {
                let strides = [keys, 1];
                let weights = Matrix { numbers: &weights[column..], strides };
                let of_scores = Matrix { numbers: &gradients[column..], strides };
                let (scale, add, count) = (self.scale(), Write::Add, counts[part]);
                let write = if column == 0 { Write::Over } else { Write::Add };
                let pair = [of_scores, self.head(k[part], head)];
                product(&mut self.head_mut(of_q, head), write, pair, count, scale);
                let pair = [of_scores.transposed(), q];
                product(&mut self.head_mut(of_k[part], head), add, pair, queries, scale);
                let pair = [weights.transposed(), grad];
                product(&mut self.head_mut(of_v[part], head), add, pair, queries, 1.0);
            }
        }
    }
}

/// Makes exponentials of scores. Not a closure: one of this size is not inlined, and outside of where it is
/// dispatched there are no vector instructions.
struct Exponentials<'a> {
    keys: usize,
    // Of a prefix, which has no bias.
    before: usize,
    bias: &'a [f32],
    bias_stride: usize,
    weights: &'a mut [f32],
    inverses: &'a mut [f32],
}

impl NullaryFnOnce for Exponentials<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { keys, before, bias, bias_stride, weights, inverses } = self;
        let rows = weights.chunks_exact_mut(keys).zip(inverses).enumerate();
        for (row, (weights, inverse)) in rows {
            let bias = &bias[row * bias_stride..][..keys - before];
            for (score, bias) in weights[before..].iter_mut().zip(bias) {
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
    keys: usize,
    weights: &'a mut [f32],
    mask: Mask,
    first: u64,
}

impl NullaryFnOnce for Drop<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for (row, weights) in (self.first..).zip(self.weights.chunks_exact_mut(self.keys)) {
            self.mask.row(row).apply(weights);
        }
    }
}

/// Makes of exponentials the weights that values were multiplied with, and gradients of scores of those of
/// these weights.
struct OfScores<'a> {
    keys: usize,
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
        let Self { keys, weights, gradients, factors, inverses, mask } = self;
        let rows = weights.chunks_exact_mut(keys).zip(gradients.chunks_exact_mut(keys));
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
