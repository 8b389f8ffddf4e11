//! Linear layers, and what may be put on them.

mod adalora;
mod ia3;
mod loha;
mod lokr;
mod lora;
mod vera;

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::Tensor;
use isogloss_kernels::{Either, Quantization, QuantizedLinear, QuantizedMatrix, linear};

pub(crate) use adalora::AdaLora;
pub(crate) use ia3::Ia3;
pub(crate) use loha::LoHa;
pub(crate) use lokr::LoKr;
pub use lora::is_lora_b;
pub(crate) use lora::{Lora, norm_of_product};
pub(crate) use vera::{Projections, Vera};

use crate::composition::Node;
use crate::held::{Held, as_rows, mean};
use crate::slot::Slot;

/// A linear layer that adapters may be put on.
///
/// Without one it is the layer alone. Each adapter takes the layer as those below it left it; see the
/// configurations for what each computes. No adapter makes a matrix of the size of the layer's, other
/// than LoHa, whose products cannot be taken apart, and DoRA on a layer of few bits, which is widened for it.
#[derive(Module, Debug)]
pub struct LinearSite {
    base: Either<Linear, QuantizedLinear>,
    pub(crate) adapters: Held<LinearAdapter>,
}

/// An adapter of a linear layer.
#[derive(Module, Debug)]
pub(crate) enum LinearAdapter {
    Lora(Lora),
    AdaLora(AdaLora),
    Ia3(Ia3),
    LoHa(LoHa),
    LoKr(LoKr),
    Vera(Vera),
}

/// A matrix and a bias. `[in, out]`, `[out]`
#[derive(Clone, Debug)]
pub(crate) struct Affine {
    pub(crate) weight: Tensor<2>,
    pub(crate) bias: Option<Tensor<1>>,
}

impl LinearSite {
    /// The layer, without an adapter.
    pub fn new(base: Linear) -> Self {
        Self { base: Either::A(base), adapters: Held::new() }
    }

    /// The layer itself, in 32 bits or in fewer.
    pub fn base(&self) -> &Either<Linear, QuantizedLinear> {
        &self.base
    }

    /// Rounds the matrix of the layer; adapters stay as they are.
    #[must_use]
    pub fn quantized(self, format: Quantization) -> Self {
        let base = match self.base {
            Either::A(layer) => Either::B(QuantizedLinear::quantize(layer, format)),
            small @ Either::B(_) => small,
        };
        let mut this = Self { base, ..self };
        this.renew_norms();
        this
    }

    /// Puts a matrix of few bits in the place of the layer's; its bias and adapters stay as they are.
    ///
    /// # Shapes
    ///
    /// - `matrix`: `[out, in]`
    #[must_use]
    pub fn with_quantized(self, matrix: QuantizedMatrix) -> Self {
        let bias = match self.base {
            Either::A(layer) => layer.bias,
            Either::B(layer) => layer.into_bias(),
        };
        let mut this = Self { base: Either::B(QuantizedLinear::new(matrix, bias)), ..self };
        this.renew_norms();
        this
    }

    /// # Shapes
    ///
    /// - `x`: `[…, in]`
    /// - returns: `[…, out]`
    ///
    /// # Panics
    ///
    /// Where `x` is not of that width, and where adapters differ by rows or tokens of which a batch has
    /// another number.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let node = self.adapters.node();
        if node.is_empty() {
            return self.alone(x);
        }
        let mut dims = x.dims();
        let x = as_rows(x);
        let y = self.alone(self.prepare(node, x.clone()));
        let y = self.finish(node, x, y);
        dims[D - 1] = y.dims()[1];
        y.reshape(dims)
    }

    /// The layer without adapters.
    fn alone<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        match &self.base {
            Either::A(layer) => linear(x, layer.weight.val(), layer.bias.as_ref().map(Param::val)),
            Either::B(layer) => layer.forward(x),
        }
    }

    /// What the layer is given in the place of `x`.
    fn prepare(&self, node: &Node, x: Tensor<2>) -> Tensor<2> {
        if !self.prepares(node) {
            return x;
        }
        match node {
            Node::Adapter(number) => self.adapters.adapter(*number).prepare(x),
            // Refused before: bottlenecks alone are fused.
            Node::Fuse(..) => x,
            Node::Stack(parts) => parts.iter().rev().fold(x, |x, part| self.prepare(part, x)),
            // The layer is affine: what it makes of the mean is the mean of what it makes.
            Node::Average(parts) => mean(parts, |part| self.prepare(part, x.clone())),
            Node::Pieces(pieces) => pieces.map(&[x], |part, [x]| self.prepare(part, x)),
        }
    }

    fn prepares(&self, node: &Node) -> bool {
        node.any(&|number| self.adapters.adapter(number).prepares())
    }

    /// Whether a mean is computed as it is meant: what the layer makes of the mean of its inputs is the mean
    /// of what it makes only where none of its parts scales what the layer gives.
    pub(crate) fn is_exact(&self, node: &Node) -> bool {
        match node {
            Node::Adapter(_) | Node::Fuse(..) => true,
            Node::Stack(parts) => parts.iter().all(|part| self.is_exact(part)),
            Node::Average(parts) => {
                let scales = node.any(&|number| self.adapters.adapter(number).scales());
                !(self.prepares(node) && scales)
                    && parts.iter().all(|(part, _)| self.is_exact(part))
            }
            Node::Pieces(pieces) => pieces.kinds.iter().all(|(part, _)| self.is_exact(part)),
        }
    }

    /// What becomes of the layer's output `y` where it was given `x`.
    fn finish(&self, node: &Node, x: Tensor<2>, y: Tensor<2>) -> Tensor<2> {
        match node {
            Node::Adapter(number) => self.adapters.adapter(*number).finish(x, y, self),
            Node::Fuse(..) => y,
            Node::Stack(parts) => {
                // What each is given: what those above it make of `x`.
                let mut inputs = Vec::with_capacity(parts.len());
                parts.iter().rev().fold(x, |x, part| {
                    inputs.push(x.clone());
                    self.prepare(part, x)
                });
                parts
                    .iter()
                    .zip(inputs.into_iter().rev())
                    .fold(y, |y, (part, x)| self.finish(part, x, y))
            }
            Node::Average(parts) => mean(parts, |part| self.finish(part, x.clone(), y.clone())),
            Node::Pieces(pieces) => pieces.map(&[x, y], |part, [x, y]| self.finish(part, x, y)),
        }
    }

    /// The inputs and outputs of the layer.
    pub(crate) fn dims(&self) -> [usize; 2] {
        match &self.base {
            Either::A(layer) => layer.weight.lazy_shape().dims(),
            Either::B(layer) => layer.dims(),
        }
    }

    /// `x W`, without the bias.
    pub(crate) fn product(&self, x: Tensor<2>) -> Tensor<2> {
        linear(x, self.affine().weight, None)
    }

    pub(crate) fn bias(&self) -> Option<Tensor<1>> {
        match &self.base {
            Either::A(layer) => layer.bias.as_ref().map(Param::val),
            Either::B(layer) => layer.bias(),
        }
    }

    /// The layer in 32 bits.
    pub(crate) fn affine(&self) -> Affine {
        let of = |layer: &Linear| Affine {
            weight: layer.weight.val(),
            bias: layer.bias.as_ref().map(Param::val),
        };
        match &self.base {
            Either::A(layer) => of(layer),
            Either::B(layer) => of(&layer.to_linear()),
        }
    }

    /// The layer that computes what the active adapters and this one compute; `None` where no layer does,
    /// since they differ by rows or tokens.
    fn merged(&self, node: &Node, layer: Affine) -> Option<Affine> {
        match node {
            Node::Adapter(number) => Some(self.adapters.adapter(*number).merge(layer, self)),
            Node::Stack(parts) => {
                parts.iter().try_fold(layer, |layer, part| self.merged(part, layer))
            }
            Node::Average(parts) => {
                let merged = parts.iter().map(|(part, weight)| {
                    let Affine { weight: matrix, bias } = self.merged(part, layer.clone())?;
                    let bias = bias.map(|bias| bias.mul_scalar(*weight));
                    Some(Affine { weight: matrix.mul_scalar(*weight), bias })
                });
                let sum = |a: Affine, b: Affine| Affine {
                    weight: a.weight + b.weight,
                    bias: match (a.bias, b.bias) {
                        (Some(a), Some(b)) => Some(a + b),
                        (a, b) => a.or(b),
                    },
                };
                merged.reduce(|a, b| Some(sum(a?, b?))).flatten()
            }
            Node::Pieces(_) | Node::Fuse(..) => None,
        }
    }

    /// Folds the active adapters into the layer and drops all; says whether it could. A layer of few bits
    /// becomes one in 32, since the sum rounded once more would not be the model that was trained.
    pub(crate) fn merge(&mut self) -> bool {
        let node = self.adapters.node();
        if !node.is_empty() {
            let Some(merged) = self.merged(node, self.affine()) else { return false };
            let mut layer = match &self.base {
                Either::A(layer) => layer.clone(),
                Either::B(layer) => layer.to_linear(),
            };
            // A parameter that was mapped is untracked whatever it was before.
            let is_trained = layer.weight.is_require_grad();
            layer.weight =
                layer.weight.map(|_| merged.weight.detach()).set_require_grad(is_trained);
            layer.bias = match (layer.bias, merged.bias) {
                (Some(own), Some(bias)) => {
                    let is_trained = own.is_require_grad();
                    Some(own.map(|_| bias.detach()).set_require_grad(is_trained))
                }
                (_, bias) => bias.map(|bias| Param::from_tensor(bias.detach())),
            };
            self.base = Either::A(layer);
        }
        self.adapters = Held::new();
        true
    }

    /// The same layer as it is once training is over.
    pub(crate) fn without_dropout(&self) -> Self {
        self.valid()
    }

    /// Takes the norms of the layer's matrix anew, where an adapter needs them.
    pub(crate) fn renew_norms(&mut self) {
        let names: Vec<String> =
            self.adapters.about().iter().map(|about| about.name.clone()).collect();
        let norms = (!names.is_empty()).then(|| lora::square_norms(&self.affine().weight));
        for name in names {
            if let (Some(LinearAdapter::Lora(lora)), Some(norms)) =
                (self.adapters.get_mut(&name), &norms)
            {
                lora.set_base_norms(norms);
            }
        }
    }
}

/// What a layer makes of vectors.
pub(crate) fn apply(layer: &Linear, x: Tensor<2>) -> Tensor<2> {
    linear(x, layer.weight.val(), layer.bias.as_ref().map(Param::val))
}

macro_rules! each {
    ($this:expr, $adapter:ident => $result:expr) => {
        match $this {
            Self::Lora($adapter) => $result,
            Self::AdaLora($adapter) => $result,
            Self::Ia3($adapter) => $result,
            Self::LoHa($adapter) => $result,
            Self::LoKr($adapter) => $result,
            Self::Vera($adapter) => $result,
        }
    };
}

impl LinearAdapter {
    /// Whether it changes what the layer is given.
    pub(crate) fn prepares(&self) -> bool {
        matches!(self, Self::Ia3(ia3) if ia3.is_on_input())
    }

    /// Whether it scales what the layer gives.
    fn scales(&self) -> bool {
        match self {
            Self::Lora(lora) => lora.has_magnitude(),
            Self::Ia3(ia3) => !ia3.is_on_input(),
            Self::AdaLora(_) | Self::LoHa(_) | Self::LoKr(_) | Self::Vera(_) => false,
        }
    }

    fn prepare(&self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Ia3(ia3) if ia3.is_on_input() => ia3.scale(x),
            _ => x,
        }
    }

    fn finish(&self, x: Tensor<2>, y: Tensor<2>, site: &LinearSite) -> Tensor<2> {
        match self {
            Self::Lora(lora) => lora.finish(x, y, site),
            Self::AdaLora(lora) => lora.finish(x, y),
            Self::Ia3(ia3) if ia3.is_on_input() => y,
            Self::Ia3(ia3) => ia3.scale(y),
            Self::LoHa(loha) => y + loha.update(x),
            Self::LoKr(lokr) => y + lokr.update(x),
            Self::Vera(vera) => y + vera.update(x),
        }
    }

    /// The layer with the adapter in it.
    fn merge(&self, layer: Affine, site: &LinearSite) -> Affine {
        let add = |delta: Tensor<2>| Affine {
            weight: layer.weight.clone() + delta.to_device(&layer.weight.device()),
            bias: layer.bias.clone(),
        };
        match self {
            Self::Lora(lora) => lora.merge(layer, site),
            Self::AdaLora(lora) => match lora.delta() {
                Some(delta) => add(delta),
                None => layer,
            },
            Self::Ia3(ia3) => ia3.merge(layer),
            Self::LoHa(loha) => add(loha.delta()),
            Self::LoKr(lokr) => add(lokr.delta()),
            Self::Vera(vera) => add(vera.delta()),
        }
    }

    /// Its parameters, with what follows the name of the module in a file.
    pub(crate) fn slots(&mut self) -> Vec<(String, Slot<'_>)> {
        let slots = each!(self, adapter => adapter.slots());
        slots.into_iter().map(|(name, slot)| (name.to_owned(), slot)).collect()
    }

    /// The part of an [orthogonal penalty](crate::penalty) that it has, of two matrices.
    pub(crate) fn skew(&self) -> Option<Tensor<1>> {
        match self {
            Self::AdaLora(lora) => lora.skew(),
            _ => None,
        }
    }

    /// The Frobenius norm of what it adds to the matrix of its layer.
    pub(crate) fn update_norm(&self, site: &LinearSite) -> f64 {
        let delta = match self {
            Self::Lora(lora) if !lora.has_magnitude() => return lora.update_norm(),
            _ => {
                let layer = site.affine();
                self.merge(layer.clone(), site).weight - layer.weight
            }
        };
        f64::from(delta.square().sum().sqrt().into_scalar::<f32>())
    }
}
