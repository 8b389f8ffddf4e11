//! The crate as its users see it. One binary: each file beside this one is a module of it.

mod attach;
mod gradients;
mod host;
mod reference;
mod storage;
