#![doc = include_str!("../README.md")]

mod adamw;
mod attention;
mod cross_entropy;
#[cfg(feature = "cube")]
mod cube;
mod dropout;
mod either;
mod embedding;
#[cfg(feature = "flex")]
mod flex;
mod gelu;
mod host;
mod layer_norm;
mod linear;
#[cfg(any(feature = "flex", feature = "cube"))]
mod mask;
#[cfg(feature = "flex")]
mod product;
mod quantized;
mod random;
mod row_adamw;
mod rows;
mod scale;
#[cfg(feature = "flex")]
mod vectors;

pub use adamw::{AdamWStep, adamw};
pub use attention::{AttentionShape, HIDDEN, Prefix, Visibility, attention, causal_bias};
pub use cross_entropy::decoder_cross_entropy;
pub use dropout::{dropout, residual_dropout};
pub use either::Either;
pub use embedding::embedding;
pub use gelu::gelu;
pub use layer_norm::LayerNorm;
pub use linear::linear;
pub use quantized::{Quantization, QuantizedLinear, QuantizedMatrix};
pub use random::{RandomStream, drawn_seed, seed_random};
pub use row_adamw::{RowAdamW, RowMoments};
pub use rows::{RowGradient, RowTape, RowsRead};
pub use scale::{scaled, sum_of_squares};

/// Whether there are kernels for the tensor on whichever device it is.
#[cfg(any(feature = "flex", feature = "cube"))]
fn serves<const D: usize>(x: &burn::tensor::Tensor<D>) -> bool {
    #[cfg(feature = "flex")]
    if flex::serves(x) {
        return true;
    }
    #[cfg(feature = "cube")]
    if cube::serves(x) {
        return true;
    }
    false
}
