//! From the hidden states of tokens to one vector for each sentence.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::DeviceBatch;

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
    /// The hidden state of the first token.
    Cls,
    /// The largest value over the tokens of the row, in each dimension.
    Max,
}

impl Pooling {
    /// Pools the hidden states of `batch`; padding has no part in the result.
    ///
    /// # Shapes
    ///
    /// - `hidden`: `[batch, seq, d_model]`
    /// - returns: `[batch, d_model]`
    pub fn forward(self, hidden: Tensor<3>, batch: &DeviceBatch) -> Tensor<2> {
        match self {
            Self::Mean => batch.mean_weights.clone().matmul(hidden).squeeze_dim(1),
            Self::Cls => hidden.narrow(1, 0, 1).squeeze_dim(1),
            Self::Max => {
                let hidden = match &batch.key_bias {
                    Some(bias) => {
                        let bias = bias.clone().squeeze_dim::<3>(1).swap_dims(1, 2); // [batch, seq, 1]
                        hidden + bias
                    }
                    None => hidden,
                };
                hidden.max_dim(1).squeeze_dim(1)
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
