#![doc = include_str!("../README.md")]

mod attention;
mod either;
mod gelu;
mod int8;
#[cfg(feature = "flex")]
mod product;
#[cfg(feature = "flex")]
mod vectors;

pub use attention::{AttentionShape, attention};
pub use either::Either;
pub use gelu::gelu;
pub use int8::{Int8Linear, Int8Matrix};
