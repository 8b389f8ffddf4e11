//! Attention on graphics processors: Burn's products, and between them one kernel that reads scores once.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::ops::FloatTensorOps as _;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{
    Autodiff, AutodiffBackend as _, Backend, Dispatch, TensorMetadata as _, backend_extension,
};
use burn::nn::Dropout;
use burn::tensor::{DType, Int, Tensor};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{CubeBackend, cubecl};
use cubecl::prelude::*;

use crate::cube::{
    Rows, empty, kept, largest_of, largest_of_units, owned, places, sum_of_units, times_transposed,
    total,
};
use crate::mask::Rate;
use crate::random::drawn_keys;

/// `softmax(q kᵀ + bias) v` with dropout of the weights, of which none is kept for the way back, and the scores only where
/// they are no more numbers than `q`, `k`, `v` and what comes out: what is kept grows with the tokens, never with their square.
///
/// - `q`: `[batch, heads, queries, d_head]`; `k`, `v`: `[batch, heads, keys, d_head]`
/// - `bias`: `[batch or 1, 1, queries or 1, keys]`
pub(super) fn attention(
    [q, k, v]: [Tensor<4>; 3],
    bias: Option<Tensor<4>>,
    dropout: &Dropout,
) -> Tensor<4> {
    let device = q.device();
    let ([batch, _, queries, _], [_, _, keys, _]) = (q.dims(), k.dims());
    let bias = match bias {
        Some(bias) => bias.cast(DType::F32),
        None => Tensor::zeros([1, 1, 1, keys], (&device, DType::F32)),
    };
    let [of_batch, of_heads, of_queries, of_keys] = bias.dims();
    let fits = [(of_batch, batch), (of_heads, 1), (of_queries, queries)];
    assert!(
        of_keys == keys && fits.iter().all(|&(own, all)| own == all || own == 1),
        "a bias of [{batch} or 1, 1, {queries} or 1, {keys}], found {:?}",
        bias.dims()
    );
    let rate = Rate::of(dropout, &device);
    let seed: Tensor<1, Int> = match rate {
        Some(_) => drawn_keys(&device),
        None => Tensor::zeros([2], (&device, DType::I32)),
    };
    let [q, k, v, bias] = [q, k, v, bias].map(Tensor::into_dispatch);
    let seed = seed.into_dispatch();
    Tensor::from_dispatch(<Dispatch as Attention>::attended(q, k, v, bias, seed, rate))
}

#[backend_extension(Autodiff, Cube, Fusion)]
#[expect(unreachable_pub, reason = "the macro names it from outside")]
pub trait Attention: Backend {
    #[fusion(dtype = q, shape = q)]
    fn attended(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        seed: IntTensor<Self>,
        rate: Option<Rate>,
    ) -> FloatTensor<Self>;
}

/// What attention is made of, on the backends that compute: there is no derivative of the derivative.
#[backend_extension(Cube, Fusion)]
#[expect(unreachable_pub, reason = "the macro names it from outside")]
pub trait Weights: Attention {
    /// `a bᵀ`
    #[fusion(meta = |a, b| {
        let mut product = a.clone();
        product.shape[3] = b.shape[2];
        product
    })]
    fn product(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self>;

    /// The weights of values, by the scores of their keys.
    #[fusion(dtype = scores, shape = scores)]
    fn weights(
        scores: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        seed: IntTensor<Self>,
        rate: Option<Rate>,
    ) -> FloatTensor<Self>;

    /// The same weights, and the gradient of the scores by that of the weights.
    #[fusion(meta = |scores, grad, _, _, _| (scores.clone(), grad.clone()))]
    fn weights_backward(
        scores: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        seed: IntTensor<Self>,
        rate: Option<Rate>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
}

impl Attention for CubeBackend {
    fn attended(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        seed: IntTensor<Self>,
        rate: Option<Rate>,
    ) -> FloatTensor<Self> {
        let scores = Self::product(q, k);
        Self::float_matmul(Self::weights(scores, bias, seed, rate), v)
    }
}

impl Weights for CubeBackend {
    fn product(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        times_transposed(a, b)
    }

    fn weights(
        scores: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        seed: IntTensor<Self>,
        rate: Option<Rate>,
    ) -> FloatTensor<Self> {
        let scores = into_contiguous(scores);
        let Some(rows) = rows_of(&scores) else { return scores };
        let (bias, layout) = layout_of(&scores, bias, &rows, rate);
        let (count, dim) = rows.cubes(&scores);
        let weights = empty(&scores, scores.shape());
        forward::launch(
            &weights.client,
            count,
            dim,
            scores.required_address_type(),
            rows.lanes,
            scores.into_buffer_arg(),
            weights.clone().into_buffer_arg(),
            bias.into_buffer_arg(),
            seed.into_buffer_arg(),
            layout,
            rate.is_some(),
            rows.units,
            rows.each,
        );
        weights
    }

    fn weights_backward(
        scores: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        seed: IntTensor<Self>,
        rate: Option<Rate>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let [scores, grad] = [scores, grad].map(owned);
        let Some(rows) = rows_of(&scores) else { return (scores, grad) };
        let (bias, layout) = layout_of(&scores, bias, &rows, rate);
        let (count, dim) = rows.cubes(&scores);
        backward::launch(
            &scores.client,
            count,
            dim,
            scores.required_address_type(),
            rows.lanes,
            scores.clone().into_buffer_arg(),
            grad.clone().into_buffer_arg(),
            bias.into_buffer_arg(),
            seed.into_buffer_arg(),
            layout,
            rate.is_some(),
            rows.units,
            rows.each,
        );
        (scores, grad)
    }
}

/// The rows of scores, if there are any.
fn rows_of(scores: &CubeTensor) -> Option<Rows> {
    let [batch, heads, queries, keys]: [usize; 4] = scores.shape().dims();
    Rows::new(scores, batch * heads * queries, keys)
}

/// A bias, and where each row of scores finds its own; what is dropped.
#[expect(clippy::cast_possible_truncation, reason = "dimensions of a tensor, each below 2³²")]
fn layout_of(
    scores: &CubeTensor,
    bias: CubeTensor,
    rows: &Rows,
    rate: Option<Rate>,
) -> (CubeTensor, LayoutLaunch) {
    let (threshold, scale) = rate.map_or((0, 1.0), |rate| (rate.threshold, rate.scale));
    let bias = into_contiguous(bias);
    let [_, heads, queries, _]: [usize; 4] = scores.shape().dims();
    let [of_batch, _, of_queries, _]: [usize; 4] = bias.shape().dims();
    let (queries, heads) = (queries as u32, heads as u32);
    // What all share lies at one place.
    let of_sequence = if of_batch == 1 { 0 } else { of_queries as u32 * rows.width };
    let of_query = if of_queries == 1 { 0 } else { rows.width };
    let layout = LayoutLaunch::new(
        rows.count,
        rows.width,
        heads * queries,
        queries,
        of_sequence,
        of_query,
        threshold,
        scale,
    );
    (bias, layout)
}

/// Rows of scores and their bias, counted in parts of a row, and what is dropped of them.
#[derive(Clone, Copy, CubeType, CubeLaunch)]
struct Layout {
    rows: u32,
    width: u32,
    rows_of_sequence: u32,
    queries: u32,
    bias_of_sequence: u32,
    bias_of_query: u32,
    threshold: u32,
    scale: f32,
}

/// Where the bias of a row of scores begins.
#[cube]
fn bias_of(layout: &Layout, row: u32) -> usize {
    let sequence = row / layout.rows_of_sequence;
    let query = row % layout.queries;
    (sequence * layout.bias_of_sequence + query * layout.bias_of_query) as usize
}

/// Reads a row of scores with their bias, each unit its own `each` parts, and makes weights of them.
#[cube]
fn softmax<N: Size>(
    scores: &[Vector<f32, N>],
    bias: &[Vector<f32, N>],
    row: &mut Array<Vector<f32, N>>,
    layout: &Layout,
    shared: &mut Shared<[f32]>,
    #[comptime] units: usize,
    #[comptime] each: usize,
) {
    let width = layout.width as usize;
    let first = CUBE_POS * width;
    let bias_first = bias_of(layout, u32::cast_from(CUBE_POS));
    let mut largest = Vector::<f32, N>::min_value();
    #[unroll]
    for part in 0..each {
        let at = UNIT_POS as usize + part * units;
        if at < width {
            let score = scores[first + at] + bias[bias_first + at];
            row[part] = score;
            largest = max(largest, score);
        }
    }
    let largest = largest_of_units(largest_of(largest), shared, units);
    let largest = Vector::<f32, N>::new(largest);
    let mut sum = Vector::<f32, N>::new(0.0);
    #[unroll]
    for part in 0..each {
        if UNIT_POS as usize + part * units < width {
            let exponential = (row[part] - largest).exp();
            row[part] = exponential;
            sum += exponential;
        }
    }
    let sum = sum_of_units(total(sum), shared, units);
    let inverse = Vector::<f32, N>::new(1.0 / sum);
    #[unroll]
    for part in 0..each {
        if UNIT_POS as usize + part * units < width {
            row[part] *= inverse;
        }
    }
}

/// Weights by scores.
#[cube(launch, address_type = "dynamic")]
fn forward<N: Size>(
    scores: &[Vector<f32, N>],
    weights: &mut [Vector<f32, N>],
    bias: &[Vector<f32, N>],
    seed: &[i32],
    layout: Layout,
    #[comptime] drops: bool,
    #[comptime] units: usize,
    #[comptime] each: usize,
) {
    if CUBE_POS >= layout.rows as usize {
        terminate!();
    }
    let width = layout.width as usize;
    let mut shared = places(units);
    let mut row = Array::<Vector<f32, N>>::new(each);
    softmax(scores, bias, &mut row, &layout, &mut shared, units, each);
    #[unroll]
    for part in 0..each {
        let at = UNIT_POS as usize + part * units;
        if at < width {
            let place = CUBE_POS * width + at;
            let mut weight = row[part];
            if comptime!(drops) {
                weight *= kept(place, seed, layout.threshold, layout.scale);
            }
            weights[place] = weight;
        }
    }
}

/// ```text
/// w = dropout(p)      dp = dropout(dw)      ds = p ∘ (dp - Σ p ∘ dp)
/// ```
///
/// Scores become weights, the gradients of weights those of scores.
#[cube(launch, address_type = "dynamic")]
fn backward<N: Size>(
    scores: &mut [Vector<f32, N>],
    grads: &mut [Vector<f32, N>],
    bias: &[Vector<f32, N>],
    seed: &[i32],
    layout: Layout,
    #[comptime] drops: bool,
    #[comptime] units: usize,
    #[comptime] each: usize,
) {
    if CUBE_POS >= layout.rows as usize {
        terminate!();
    }
    let width = layout.width as usize;
    let mut shared = places(units);
    let mut row = Array::<Vector<f32, N>>::new(each);
    softmax(&*scores, bias, &mut row, &layout, &mut shared, units, each);
    let mut row_grads = Array::<Vector<f32, N>>::new(each);
    let mut sum = Vector::<f32, N>::new(0.0);
    #[unroll]
    for part in 0..each {
        let at = UNIT_POS as usize + part * units;
        if at < width {
            let place = CUBE_POS * width + at;
            let mut weight = row[part];
            let mut grad = grads[place];
            if comptime!(drops) {
                let kept = kept(place, seed, layout.threshold, layout.scale);
                grad *= kept;
                weight *= kept;
            }
            scores[place] = weight;
            row_grads[part] = grad;
            sum += row[part] * grad;
        }
    }
    let sum = Vector::<f32, N>::new(sum_of_units(total(sum), &mut shared, units));
    #[unroll]
    for part in 0..each {
        let at = UNIT_POS as usize + part * units;
        if at < width {
            grads[CUBE_POS * width + at] = row[part] * (row_grads[part] - sum);
        }
    }
}

/// Attention of some inputs, and the scores.
fn attended<B: Weights>(
    [q, k, v, bias]: [FloatTensor<B>; 4],
    seed: IntTensor<B>,
    rate: Option<Rate>,
) -> [FloatTensor<B>; 2] {
    let scores = B::product(q, k);
    let weights = B::weights(scores.clone(), bias, seed, rate);
    [B::float_matmul(weights, v), scores]
}

#[derive(Debug)]
struct Attended;

/// What attention was computed of, and of what its weights were dropped.
#[derive(Clone, Debug)]
struct Held<B: Backend> {
    inputs: [FloatTensor<B>; 4],
    /// None where they would be more than what goes in and comes out, and are computed once more.
    scores: Option<FloatTensor<B>>,
    seed: IntTensor<B>,
    rate: Option<Rate>,
}

impl<B: Weights> Backward<B, 3> for Attended {
    type State = Held<B>;

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let [of_q, of_k, of_v] = ops.parents;
        let Held { inputs: [q, k, v, bias], scores, seed, rate } = ops.state;
        let scores = scores.unwrap_or_else(|| B::product(q.clone(), k.clone()));
        let of_weights = B::product(grad.clone(), v);
        let (weights, of_scores) = B::weights_backward(scores, of_weights, bias, seed, rate);
        let transposed = |x| B::float_swap_dims(x, 2, 3);
        if let Some(parent) = of_v {
            grads.register::<B>(parent.id, B::float_matmul(transposed(weights), grad));
        }
        if let Some(parent) = of_k {
            let product = B::float_matmul(transposed(of_scores.clone()), q);
            grads.register::<B>(parent.id, product);
        }
        if let Some(parent) = of_q {
            grads.register::<B>(parent.id, B::float_matmul(of_scores, k));
        }
    }
}

impl<B: Weights, C: CheckpointStrategy> Attention for Autodiff<B, C> {
    fn attended(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        seed: IntTensor<Self>,
        rate: Option<Rate>,
    ) -> FloatTensor<Self> {
        let nodes = [q.node(), k.node(), v.node()];
        let inputs = [q, k, v, bias].map(Self::inner);
        match Attended.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let [context, scores] = attended::<B>(inputs.clone(), seed.clone(), rate);
                let numbers = |x: &FloatTensor<B>| x.shape().num_elements();
                let of_others = inputs[..3].iter().chain([&context]).map(numbers).sum();
                let scores = (numbers(&scores) <= of_others).then_some(scores);
                prep.finish(Held { inputs, scores, seed, rate }, context)
            }
            OpsKind::UnTracked(prep) => {
                let [q, k, v, bias] = inputs;
                prep.finish(B::attended(q, k, v, bias, seed, rate))
            }
        }
    }
}
