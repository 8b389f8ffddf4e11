//! Where embeddings are mapped, and mapped back before tokens are predicted.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, TensorData};
use isogloss_core::Seed;

use crate::composition::Node;
use crate::config::narrowed;
use crate::held::{Held, as_rows, mean};
use crate::init::normal;
use crate::linear::apply;
use crate::slot::Slot;
use crate::{Activation, BottleneckInit, InvertibleConfig};

/// The output of the embeddings, on which invertible adapters may be put.
///
/// A model that predicts tokens calls [`inverse`](Self::inverse) on what its output matrix is given.
#[derive(Module, Debug)]
pub struct InvertibleSite {
    pub(crate) adapters: Held<Invertible>,
    d_model: usize,
}

/// `y₁ = x₁ + F(x₂)`, `y₂ = x₂ + G(y₁)`.
#[derive(Module, Debug)]
pub(crate) struct Invertible {
    f: [Linear; 2],
    g: [Linear; 2],
    #[module(skip)]
    activation: Activation,
    is_undone: bool,
}

impl InvertibleSite {
    /// A site for embeddings of width `d_model`, without an adapter.
    pub fn new(d_model: usize) -> Self {
        Self { adapters: Held::new(), d_model }
    }

    /// What those that act make of the embeddings. Of a stack, the first comes first.
    ///
    /// # Shapes
    ///
    /// - `x`: `[…, d_model]`; returns: as `x`
    ///
    /// # Panics
    ///
    /// Where adapters differ by rows or tokens of which a batch has another number.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        self.through(x, |x| self.apply(self.adapters.node(), x))
    }

    /// Undoes it, where the adapters that act are such as are undone.
    ///
    /// # Shapes
    ///
    /// - `x`: `[…, d_model]`; returns: as `x`
    ///
    /// # Panics
    ///
    /// Where adapters that map embeddings differ by rows or tokens: they cannot be undone of some tokens of a
    /// batch.
    pub fn inverse<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        assert!(
            self.adapters.node().is_empty()
                || (self.routes() == [None; 2] && self.copies().is_none()),
            "adapters that map embeddings row by row cannot be undone of chosen tokens",
        );
        self.through(x, |x| self.undo(self.adapters.node(), x))
    }

    fn through<const D: usize>(
        &self,
        x: Tensor<D>,
        f: impl FnOnce(Tensor<2>) -> Tensor<2>,
    ) -> Tensor<D> {
        if self.adapters.node().is_empty() {
            return x;
        }
        let dims = x.dims();
        f(as_rows(x)).reshape(dims)
    }

    fn apply(&self, node: &Node, x: Tensor<2>) -> Tensor<2> {
        match node {
            Node::Adapter(number) => self.adapters.adapter(*number).forward(x),
            // Refused before: bottlenecks alone are fused.
            Node::Fuse(..) => x,
            Node::Stack(parts) => parts.iter().fold(x, |x, part| self.apply(part, x)),
            Node::Average(parts) => mean(parts, |part| self.apply(part, x.clone())),
            Node::Pieces(pieces) => pieces.map(&[x], |part, [x]| self.apply(part, x)),
        }
    }

    fn undo(&self, node: &Node, x: Tensor<2>) -> Tensor<2> {
        match node {
            Node::Adapter(number) => self.adapters.adapter(*number).inverse(x),
            Node::Stack(parts) => parts.iter().rev().fold(x, |x, part| self.undo(part, x)),
            // Refused before: a mean has no inverse, and some of the tokens have no rows.
            Node::Average(_) | Node::Fuse(..) | Node::Pieces(_) => x,
        }
    }

    /// How many rows, and how many tokens of a row, what acts is made for, where it differs by those.
    pub fn routes(&self) -> [Option<usize>; 2] {
        self.adapters.active().routes()
    }

    /// How many times a batch is to hold its rows, where what acts is made for several.
    pub fn copies(&self) -> Option<usize> {
        self.adapters.active().copies()
    }

    /// The width of the embeddings.
    pub(crate) fn d_model(&self) -> usize {
        self.d_model
    }
}

impl Invertible {
    pub(crate) fn new(
        config: InvertibleConfig,
        activation: Activation,
        init: BottleneckInit,
        d_model: usize,
        seed: Seed,
        device: &Device,
    ) -> Self {
        let mut rng = seed.derive("invertible").rng();
        let mut layer = |[inputs, outputs]: [usize; 2], is_zero: bool| {
            let weight = normal(&mut rng, inputs * outputs, if is_zero { 0.0 } else { 0.02 });
            let bias = TensorData::zeros::<f32, _>([outputs]);
            Linear {
                weight: Param::from_data(TensorData::new(weight, [inputs, outputs]), device),
                bias: Some(Param::from_data(bias, device)),
            }
        };
        let halves = [d_model / 2, d_model - d_model / 2];
        // The library that this is read from and written for draws both at random, whatever the others.
        let begins_as_identity = init != BottleneckInit::Bert;
        let mut net = |[inputs, outputs]: [usize; 2]| {
            let width = narrowed(inputs, config.reduction_factor);
            [layer([inputs, width], false), layer([width, outputs], begins_as_identity)]
        };
        Self {
            f: net([halves[1], halves[0]]),
            g: net(halves),
            activation,
            is_undone: config.inverse_at_head,
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let [x1, x2] = halves(x);
        let y1 = x1 + self.net(&self.f, x2.clone());
        let y2 = x2 + self.net(&self.g, y1.clone());
        Tensor::cat(vec![y1, y2], 1)
    }

    fn inverse(&self, y: Tensor<2>) -> Tensor<2> {
        if !self.is_undone {
            return y;
        }
        let [y1, y2] = halves(y);
        let x2 = y2 - self.net(&self.g, y1.clone());
        let x1 = y1 - self.net(&self.f, x2.clone());
        Tensor::cat(vec![x1, x2], 1)
    }

    fn net(&self, [down, up]: &[Linear; 2], x: Tensor<2>) -> Tensor<2> {
        apply(up, self.activation.forward(apply(down, x)))
    }

    /// Its parameters, with what follows its name in a file of the `adapters` library.
    pub(crate) fn slots(&mut self) -> Vec<(String, Slot<'_>)> {
        let mut slots = Vec::new();
        for (name, net) in [("F", &mut self.f), ("G", &mut self.g)] {
            for (at, layer) in [0, 2].into_iter().zip(net) {
                slots.push((format!("{name}.{at}.weight"), Slot::Matrix(&mut layer.weight)));
                if let Some(bias) = &mut layer.bias {
                    slots.push((format!("{name}.{at}.bias"), Slot::Vector(bias)));
                }
            }
        }
        slots
    }

    /// The Frobenius norm of the second layers, which is zero where it changes nothing.
    pub(crate) fn update_norm(&self) -> f64 {
        let square = |layer: &Linear| {
            let weight = layer.weight.val().square().sum();
            layer.bias.as_ref().map_or(weight.clone(), |bias| weight + bias.val().square().sum())
        };
        let sum = square(&self.f[1]) + square(&self.g[1]);
        f64::from(sum.sqrt().into_scalar::<f32>())
    }
}

fn halves(x: Tensor<2>) -> [Tensor<2>; 2] {
    let width = x.dims()[1];
    let first = width / 2;
    [x.clone().narrow(1, 0, first), x.narrow(1, first, width - first)]
}
