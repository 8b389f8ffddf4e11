//! temporary
#![allow(missing_docs, missing_debug_implementations)]
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
#[derive(Module, Debug)]
pub struct LinearSite { base: Linear }
impl LinearSite { pub fn new(base: Linear) -> Self { Self { base } } pub fn base(&self)->&Linear{&self.base}
 pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> { self.base.forward(x) } }
#[derive(Module, Debug)]
pub struct ResidualSite { d_model: usize }
impl ResidualSite { pub fn new(d_model: usize) -> Self { Self { d_model } }
 pub fn forward<const D: usize>(&self, h: Tensor<D>, r: Tensor<D>) -> Tensor<D> { h + r } }
pub enum SiteMut<'a> { Linear(&'a mut LinearSite), Residual(&'a mut ResidualSite) }
pub trait AdapterHost { fn for_each_site(&mut self, visit: &mut dyn FnMut(&str, SiteMut<'_>)); }
