//! What happens to a vector after it was pooled.

use burn::tensor::Tensor;
use isogloss_transformer::l2_normalize;

use crate::Dense;

/// A step from a pooled vector to the sentence's.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Stage {
    /// A layer.
    Dense(Box<Dense>),
    /// The vector is scaled to length 1.
    Normalize,
}

impl Stage {
    /// # Shapes
    ///
    /// - `vectors`: `[n, d_input]`
    /// - returns: `[n, d_output]`
    pub fn forward(&self, vectors: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Dense(dense) => dense.forward(vectors),
            Self::Normalize => l2_normalize(vectors),
        }
    }
}
