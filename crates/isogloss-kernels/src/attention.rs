//! Scaled dot-product attention over all heads.

#[cfg(feature = "cube")]
mod cube;
#[cfg(feature = "flex")]
mod flex;

use std::ops::Range;
use std::sync::Arc;

use burn::nn::Dropout;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Device, Tensor, TensorData, module};

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

/// What is added to the score of a hidden key: finite, so that no row of scores turns into NaN, and so low
/// that its exponential is zero.
pub const HIDDEN: f32 = -1e9;

/// Keys and values that stand before those of the tokens, and that every token sees.
///
/// # Source
///
/// Li and Liang (2021), "Prefix-Tuning", <https://arxiv.org/abs/2101.00190>.
#[derive(Clone, Debug)]
pub struct Prefix {
    // `[length, d_model]`, or that for each row, one after the other.
    keys: Tensor<2>,
    values: Tensor<2>,
    length: usize,
    // Of each row, where they differ; not above `length`.
    lengths: Option<Arc<[usize]>>,
}

impl Prefix {
    /// One for all sequences.
    ///
    /// # Shapes
    ///
    /// - `keys`, `values`: `[length, d_model]`
    pub fn new(keys: Tensor<2>, values: Tensor<2>) -> Self {
        let length = keys.dims()[0];
        Self { keys, values, length, lengths: None }
    }

    /// Another one for each row of a batch, which is not packed; `None` where no row has any.
    ///
    /// # Shapes
    ///
    /// - of each row that has some, keys and values: `[length of its own, d_model]`
    pub fn of_rows(rows: &[Option<[Tensor<2>; 2]>]) -> Option<Self> {
        let of = |row: &Option<[Tensor<2>; 2]>| row.as_ref().map_or(0, |[keys, _]| keys.dims()[0]);
        let lengths: Vec<usize> = rows.iter().map(of).collect();
        let length = lengths.iter().copied().max()?;
        let [some, _] = rows.iter().flatten().next()?;
        let (d_model, device) = (some.dims()[1], some.device());
        let padded = |row: &Option<[Tensor<2>; 2]>, at: usize| {
            let own = of(row);
            let zeros = (own < length).then(|| Tensor::zeros([length - own, d_model], &device));
            let parts = row.as_ref().map(|row| row[at].clone()).into_iter().chain(zeros);
            Tensor::cat(parts.collect(), 0)
        };
        let [keys, values] =
            [0, 1].map(|at| Tensor::cat(rows.iter().map(|row| padded(row, at)).collect(), 0));
        Some(Self { keys, values, length, lengths: Some(lengths.into()) })
    }

    /// Its keys and its values.
    pub fn tensors(&self) -> [Tensor<2>; 2] {
        [self.keys.clone(), self.values.clone()]
    }

    /// The same of other numbers.
    ///
    /// # Shapes
    ///
    /// - `keys`, `values`: as [those that it has](Self::tensors)
    #[must_use]
    pub fn with_tensors(&self, [keys, values]: [Tensor<2>; 2]) -> Self {
        Self { keys, values, length: self.length, lengths: self.lengths.clone() }
    }

    /// Its keys and values for each row. `[batch, n_heads, length, d_head]`
    fn heads(&self, [batch, n_heads, d_head]: [usize; 3]) -> [Tensor<4>; 2] {
        [&self.keys, &self.values].map(|tensor| {
            let of = tensor.dims()[0] / self.length.max(1);
            let heads = tensor.clone().reshape([of, self.length, n_heads, d_head]).swap_dims(1, 2);
            heads.expand([batch, n_heads, self.length, d_head])
        })
    }

    /// What is added to scores, beside what is added to those of tokens. `[… or 1, 1, … or 1, length + seq]`
    fn bias(&self, tokens: Option<Tensor<4>>, seq: usize, device: &Device) -> Option<Tensor<4>> {
        if tokens.is_none() && self.lengths.is_none() {
            return None;
        }
        let own: Tensor<4> = match &self.lengths {
            None => Tensor::zeros([1, 1, 1, self.length], device),
            Some(lengths) => {
                let cell = |&seen: &usize| {
                    (0..self.length).map(move |key| if key < seen { 0.0 } else { HIDDEN })
                };
                let cells: Vec<f32> = lengths.iter().flat_map(cell).collect();
                let dims = [lengths.len(), 1, 1, self.length];
                Tensor::from_data(TensorData::new(cells, dims), device)
            }
        };
        let tokens = tokens.unwrap_or_else(|| Tensor::zeros([1, 1, 1, seq], device));
        let [batch, _, queries, _] = tokens.dims();
        let batch = batch.max(own.dims()[0]);
        let own = own.expand([batch, 1, queries, self.length]);
        Some(Tensor::cat(vec![own, tokens.expand([batch, 1, queries, seq])], 3))
    }
}

/// Which tokens of a batch see which.
#[derive(Clone, Debug, Default)]
pub struct Visibility {
    // `[batch or 1, 1, seq or 1, seq]`; where there are segments, of one of them, from its first token on.
    bias: Option<Tensor<4>>,
    // The tokens of each sequence, ascending, none of them empty.
    segments: Option<Arc<[Range<usize>]>>,
}

impl Visibility {
    /// Adds a bias to scores, [`HIDDEN`] to those of keys that a query does not see.
    ///
    /// # Shapes
    ///
    /// - `bias`: `[batch or 1, 1, seq or 1, seq]`
    pub fn biased(bias: Tensor<4>) -> Self {
        Self { bias: Some(bias), segments: None }
    }

    /// Packs several sequences into each row: tokens of a sequence see each other, in a causal model those
    /// before them, and none of another. On Flex each sequence is computed by itself; elsewhere scores are
    /// of whole rows, and those of other sequences are hidden.
    ///
    /// - `rows`: for each row, the lengths of its sequences from its first token on
    /// - `seq`: the length of a row
    ///
    /// # Panics
    ///
    /// Where the sequences of a row are longer than it is.
    ///
    /// # Source
    ///
    /// Krell et al. (2021), "Efficient Sequence Packing without Cross-contamination",
    /// <https://arxiv.org/abs/2107.02027>.
    pub fn packed(rows: &[Vec<usize>], seq: usize, causal: bool, device: &Device) -> Self {
        let mut segments = Vec::new();
        for (row, lengths) in rows.iter().enumerate() {
            assert!(lengths.iter().sum::<usize>() <= seq, "sequences that fit a row of {seq}");
            let mut start = row * seq;
            for &length in lengths.iter().filter(|&&length| length > 0) {
                segments.push(start..start + length);
                start += length;
            }
        }
        #[cfg(feature = "flex")]
        if crate::flex::is(device) {
            let longest = segments.iter().map(Range::len).max().unwrap_or(1);
            let bias = causal.then(|| causal_bias(longest, device));
            return Self { bias, segments: Some(segments.into()) };
        }
        let bias = block_diagonal(&segments, [rows.len(), seq], causal);
        Self::biased(Tensor::from_data(bias, device))
    }

    /// As it is added to the scores of whole rows. `[batch or 1, 1, seq or 1, seq]`
    fn of_rows(&self, [batch, seq]: [usize; 2], device: &Device) -> Option<Tensor<4>> {
        match (&self.segments, &self.bias) {
            // On Flex, but with numbers that its kernel does not take.
            (Some(segments), bias) => {
                let blocks = block_diagonal(segments, [batch, seq], bias.is_some());
                Some(Tensor::from_data(blocks, device))
            }
            (None, bias) => bias.clone(),
        }
    }
}

/// Hides the tokens of other sequences, and later ones of the same in a causal model. `[rows, 1, seq, seq]`
fn block_diagonal(segments: &[Range<usize>], [rows, seq]: [usize; 2], causal: bool) -> TensorData {
    let mut bias = vec![HIDDEN; rows * seq * seq];
    for segment in segments {
        let from = segment.start % seq;
        for query in segment.clone() {
            let count = if causal { query + 1 - segment.start } else { segment.len() };
            bias[query * seq + from..][..count].fill(0.0);
        }
    }
    TensorData::new(bias, [rows, 1, seq, seq])
}

/// Hides what comes later. `[1, 1, seq, seq]`
pub fn causal_bias(seq: usize, device: &Device) -> Tensor<4> {
    let cell = |place: usize| if place % seq > place / seq { HIDDEN } else { 0.0 };
    let bias = (0..seq * seq).map(cell).collect::<Vec<_>>();
    Tensor::from_data(TensorData::new(bias, [1, 1, seq, seq]), device)
}

/// `softmax(q kᵀ / √d_head + bias) v`, head by head.
///
/// On Flex it is one kernel: heads are read and written where they stand, scores of a few rows at a time stay
/// in the cache, what is hidden has weight 0, and backwards the weights, and which of them were dropped, are
/// computed once more, so that none is kept. On graphics processors, under autodiff, products are Burn's, and what is
/// between them is one kernel each way; scores are computed once more there, too, unless they are no more numbers than `q`,
/// `k`, `v` and what is returned. What is left, which is other devices and
/// graphics processors without autodiff, is Burn's own fused kernel. Under autodiff that falls apart into elementwise
/// operations, each of which is one pass over `[seq, seq]` scores; so there the division by the sum is moved behind the
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
/// - `prefix`: of the same width, if there is one
/// - `visibility`: of the same batch; its bias takes no gradient
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
    prefix: Option<&Prefix>,
    visibility: &Visibility,
    shape: AttentionShape,
    dropout: &Dropout,
) -> Tensor<2> {
    #[cfg(feature = "flex")]
    if crate::flex::serves(&q) {
        let mask = crate::mask::Mask::draw(dropout, &q.device());
        return flex::attention([q, k, v], prefix, visibility, shape, mask);
    }
    let AttentionShape { batch, seq, n_heads } = shape;
    let bias = visibility.of_rows([batch, seq], &q.device());
    let [tokens, d_model] = q.dims();
    let d_head = d_model / n_heads.max(1);
    let heads = |x: Tensor<2>| x.reshape([batch, seq, n_heads, d_head]).swap_dims(1, 2);
    // The scale goes into the queries, which are smaller than the scores.
    let q = heads(q.mul_scalar((d_head as f64).sqrt().recip())); // [batch, heads, seq, d_head]
    let (k, v) = (heads(k), heads(v));
    let (k, v, bias) = match prefix {
        None => (k, v, bias),
        Some(prefix) => {
            let [keys, values] = prefix.heads([batch, n_heads, d_head]);
            let joined = |before, tokens| Tensor::cat(vec![before, tokens], 2);
            let bias = prefix.bias(bias, seq, &q.device());
            (joined(keys, k), joined(values, v), bias)
        }
    };
    #[cfg(feature = "cube")]
    if q.is_autodiff() && crate::cube::serves(&q) {
        let context = cube::attention([q, k, v], bias, dropout);
        return context.swap_dims(1, 2).reshape([tokens, d_model]);
    }
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
