//! The end of a sub-layer.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::bottleneck::Bottleneck;
use crate::composition::Node;
use crate::fusion::Fusion;
use crate::held::{Held, as_rows, mean};

/// The end of a sub-layer, on which bottleneck adapters may be put.
///
/// ```text
/// without adapters   y = N(h + x)
/// with one           y = N(h' + x),   h' = h + up(f(down(N(h + x))))
/// ```
///
/// `h` is the output of the sub-layer, `x` its residual and `N` the host's layer normalisation. That is
/// the adapter of Pfeiffer et al.; what the others make of `h` and `x` is said at
/// [`BottleneckConfig`](crate::BottleneckConfig). Of several in a stack, each takes the `h'` of the one
/// below it for its `h`, and the last says whether the model's normalisation ends it.
#[derive(Module, Debug)]
pub struct ResidualSite {
    pub(crate) adapters: Held<Bottleneck>,
    fusions: Vec<Fusion>,
    /// The names of those that each is over, with commas between.
    #[module(skip)]
    fused: Vec<String>,
    d_model: usize,
    #[module(skip)]
    after: SubLayer,
}

/// After which sub-layer a site stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SubLayer {
    /// Attention.
    Attention,
    /// The feed-forward network.
    FeedForward,
}

impl ResidualSite {
    /// A site for hidden states of width `d_model` behind such a sub-layer, without an adapter.
    pub fn new(d_model: usize, after: SubLayer) -> Self {
        let (fusions, fused) = (Vec::new(), Vec::new());
        Self { adapters: Held::new(), fusions, fused, d_model, after }
    }

    /// Whether no adapter acts on it.
    pub fn is_idle(&self) -> bool {
        self.adapters.node().is_empty()
    }

    /// Adds the sub-layer's output to the residual, adapts the sum and normalises it.
    ///
    /// `norm` is the host's normalisation of the sum; for a host that has none there, `|sum| sum`.
    ///
    /// # Shapes
    ///
    /// - `hidden`, `residual`: `[…, d_model]`
    /// - returns: as they are
    ///
    /// # Panics
    ///
    /// Where adapters differ by rows or tokens of which a batch has another number.
    pub fn forward<const D: usize>(
        &self,
        hidden: Tensor<D>,
        residual: Tensor<D>,
        norm: impl Fn(Tensor<2>) -> Tensor<2>,
    ) -> Tensor<D> {
        let dims = hidden.dims();
        let [hidden, residual] = [hidden, residual].map(as_rows);
        self.run(self.adapters.node(), hidden, residual, &norm).reshape(dims)
    }

    /// The site with what acts on it, to its end.
    fn run(
        &self,
        node: &Node,
        hidden: Tensor<2>,
        residual: Tensor<2>,
        norm: &dyn Fn(Tensor<2>) -> Tensor<2>,
    ) -> Tensor<2> {
        // Adapters that differ may end differently.
        if let Node::Pieces(pieces) = node {
            return pieces.map(&[hidden, residual], |part, [h, x]| self.run(part, h, x, norm));
        }
        let hidden = self.adapt(node, hidden, residual.clone(), norm);
        if self.is_ended_by_norm(node) { norm(hidden + residual) } else { hidden }
    }

    /// Whether the model's normalisation ends what acts: the last of a stack says it.
    fn is_ended_by_norm(&self, node: &Node) -> bool {
        match node {
            Node::Adapter(number) => self.adapters.adapter(*number).shape.model_norm_after,
            Node::Stack(parts) => parts.last().is_none_or(|part| self.is_ended_by_norm(part)),
            Node::Average(parts) => {
                parts.last().is_none_or(|(part, _)| self.is_ended_by_norm(part))
            }
            Node::Fuse(adapters, _) => adapters
                .last()
                .is_none_or(|number| self.adapters.adapter(*number).shape.model_norm_after),
            Node::Pieces(pieces) => {
                pieces.kinds.last().is_none_or(|(part, _)| self.is_ended_by_norm(part))
            }
        }
    }

    fn adapt(
        &self,
        node: &Node,
        hidden: Tensor<2>,
        residual: Tensor<2>,
        norm: &dyn Fn(Tensor<2>) -> Tensor<2>,
    ) -> Tensor<2> {
        match node {
            Node::Adapter(number) => self.adapters.adapter(*number).forward(hidden, residual, norm),
            Node::Stack(parts) => parts
                .iter()
                .fold(hidden, |hidden, part| self.adapt(part, hidden, residual.clone(), norm)),
            Node::Average(parts) => {
                mean(parts, |part| self.adapt(part, hidden.clone(), residual.clone(), norm))
            }
            Node::Fuse(adapters, name) => {
                let (Some(last), Some(fusion)) = (adapters.last(), self.fusion(name)) else {
                    return hidden;
                };
                // The last says what all are given, and what their mean is added to.
                let (input, residual) = self.adapters.adapter(*last).inputs(hidden, residual, norm);
                let update =
                    |number: &usize| self.adapters.adapter(*number).raw_update(input.clone());
                let updates = adapters.iter().map(update).collect();
                residual + fusion.forward(input.clone(), updates)
            }
            Node::Pieces(pieces) => {
                pieces.map(&[hidden, residual], |part, [h, x]| self.adapt(part, h, x, norm))
            }
        }
    }

    pub(crate) fn fusions(&self) -> &[Fusion] {
        &self.fusions
    }

    pub(crate) fn fusion(&self, name: &str) -> Option<&Fusion> {
        let number = self.fused.iter().position(|other| other == name)?;
        Some(&self.fusions[number])
    }

    pub(crate) fn fusion_mut(&mut self, name: &str) -> Option<&mut Fusion> {
        let number = self.fused.iter().position(|other| other == name)?;
        Some(&mut self.fusions[number])
    }

    pub(crate) fn push_fusion(&mut self, name: String, fusion: Fusion) {
        self.fused.push(name);
        self.fusions.push(fusion);
    }

    /// Takes attention off that is over an adapter.
    pub(crate) fn remove_fusions_of(&mut self, adapter: &str) {
        while let Some(number) =
            self.fused.iter().position(|name| name.split(',').any(|it| it == adapter))
        {
            self.fused.remove(number);
            self.fusions.remove(number);
        }
    }

    /// Drops all adapters.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.d_model, self.after);
    }

    /// Takes or leaves gradients to attention of that name.
    pub(crate) fn set_fusion_trained(&mut self, name: &str, is_trained: bool) {
        if let Some(number) = self.fused.iter().position(|other| other == name) {
            let fusion = self.fusions.remove(number).set_require_grad(is_trained);
            self.fusions.insert(number, fusion);
        }
    }

    /// Whether one of these stands beside its sub-layer.
    pub(crate) fn has_parallel(&self, adapters: &[&str]) -> bool {
        let mut here = adapters.iter().filter_map(|name| self.adapters.position(name));
        here.any(|number| self.adapters.adapter(number).shape.is_parallel)
    }

    /// The width of the hidden states.
    pub(crate) fn d_model(&self) -> usize {
        self.d_model
    }

    /// The sub-layer that it stands behind.
    pub(crate) fn after(&self) -> SubLayer {
        self.after
    }
}
