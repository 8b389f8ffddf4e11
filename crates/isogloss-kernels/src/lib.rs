#![doc = include_str!("../README.md")]

mod gelu;

pub use gelu::gelu;
