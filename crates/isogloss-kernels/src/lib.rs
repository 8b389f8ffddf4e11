#![doc = include_str!("../README.md")]

mod either;
mod gelu;
mod int8;

pub use either::Either;
pub use gelu::gelu;
pub use int8::{Int8Linear, Int8Matrix};
