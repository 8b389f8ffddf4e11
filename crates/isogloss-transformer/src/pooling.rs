//! From the hidden states of tokens to one vector for each sentence.

use burn::tensor::Tensor;
use isogloss_kernels::HIDDEN;
use serde::{Deserialize, Serialize};

use crate::{DeviceBatch, HiddenStates};

/// How hidden states become a sentence vector.
///
/// # Source
///
/// Reimers and Gurevych (2019), "Sentence-BERT", section 3, <https://arxiv.org/abs/1908.10084>.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Pooling {
    /// The mean over the tokens of the row, delimiters included.
    #[default]
    Mean,
    /// The hidden state of the first token, or of a prompt before it.
    Cls,
    /// The largest value over the tokens of the row, in each dimension.
    Max,
    /// The sum over the tokens of the row, divided by the square root of their number.
    MeanSqrtLen,
}

impl Pooling {
    /// Pools the hidden states of `batch`; padding has no part in the result.
    ///
    /// # Shapes
    ///
    /// - `hidden`: `[batch, seq, d_model]`, or what an encoder has [read](crate::Encoder::read)
    /// - returns: `[batch, d_model]`
    pub fn forward(self, hidden: impl Into<HiddenStates>, batch: &DeviceBatch) -> Tensor<2> {
        let states = hidden.into();
        let hidden = states.tokens();
        let mean = |hidden| batch.mean_weights.clone().matmul(hidden).squeeze_dim::<2>(1);
        match self {
            Self::Mean => mean(hidden),
            Self::MeanSqrtLen => {
                // The largest weight of a row is one over the number of its tokens.
                let roots = batch.mean_weights.clone().max_dim(2).squeeze_dim::<2>(2).sqrt(); // [batch, 1]
                mean(hidden) / roots
            }
            Self::Cls => states.first(),
            Self::Max if batch.pools_everything => hidden.max_dim(1).squeeze_dim(1),
            Self::Max => {
                let is_hidden = batch.mean_weights.clone().equal_elem(0.0).swap_dims(1, 2); // [batch, seq, 1]
                let dims = hidden.dims();
                hidden.mask_fill(is_hidden.expand(dims), HIDDEN).max_dim(1).squeeze_dim(1)
            }
        }
    }
}

/// Scales each row to length 1; a row of zeros stays one.
///
/// # Shapes
///
/// - `vectors`: `[n, d_model]`
/// - returns: as `vectors`
pub fn l2_normalize(vectors: Tensor<2>) -> Tensor<2> {
    // ε under the root, where the derivative at zero is finite; 1e-12 is lost beside any real norm.
    let norm = (vectors.clone().square().sum_dim(1) + 1e-12).sqrt(); // [n, 1]
    vectors / norm
}
