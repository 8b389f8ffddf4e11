//! The adapters at one place of a model.

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Int, Tensor};

use crate::composition::{Axis, Node, Pieces};
use crate::{AdapterConfig, Composition};

/// What is known of an adapter wherever a part of it is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct About {
    pub(crate) name: String,
    pub(crate) config: AdapterConfig,
    /// The adapters that it was combined of, and theirs, in order of their names.
    pub(crate) made_of: Vec<String>,
}

/// The adapters at one place of a model, and which of them act.
#[derive(Module, Debug)]
pub(crate) struct Held<T: Module> {
    list: Vec<T>,
    #[module(skip)]
    about: Vec<Arc<About>>,
    #[module(skip)]
    active: Composition,
    /// The same, for the adapters that are here.
    #[module(skip)]
    node: Node,
}

impl<T: Module> Held<T> {
    pub(crate) fn new() -> Self {
        Self {
            list: Vec::new(),
            about: Vec::new(),
            active: Composition::base(),
            node: Node::default(),
        }
    }

    /// What acts here; empty where nothing does.
    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    pub(crate) fn active(&self) -> &Composition {
        &self.active
    }

    pub(crate) fn adapter(&self, number: usize) -> &T {
        &self.list[number]
    }

    pub(crate) fn about(&self) -> &[Arc<About>] {
        &self.about
    }

    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.about.iter().position(|about| about.name == name)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut T> {
        let number = self.position(name)?;
        Some(&mut self.list[number])
    }

    pub(crate) fn for_each(&mut self, f: impl FnMut(&mut T)) {
        self.list.iter_mut().for_each(f);
    }

    pub(crate) fn push(&mut self, about: Arc<About>, adapter: T) {
        self.about.push(about);
        self.list.push(adapter);
    }

    /// Takes one off; the others act as they did.
    pub(crate) fn remove(&mut self, name: &str) -> Option<T> {
        let number = self.position(name)?;
        self.about.remove(number);
        let adapter = self.list.remove(number);
        self.activate(&self.active.clone().without(name));
        Some(adapter)
    }

    pub(crate) fn activate(&mut self, composition: &Composition) {
        self.node = composition.resolve(&|name| self.position(name));
        self.active = composition.clone();
    }

    /// Lets nothing act here until it is activated again.
    pub(crate) fn rest(&mut self) {
        self.node = Node::default();
    }

    /// Takes or leaves gradients to the one of that name.
    pub(crate) fn set_trained(&mut self, name: &str, is_trained: bool) {
        if let Some(number) = self.position(name) {
            let adapter = self.list.remove(number).set_require_grad(is_trained);
            self.list.insert(number, adapter);
        }
    }
}

impl Pieces {
    /// Does to each part of tensors what is to be done with it. `[tokens, …]` to `[tokens, …]`
    ///
    /// # Panics
    ///
    /// Where the tokens are no multiple of the parts.
    pub(crate) fn map<const N: usize>(
        &self,
        tensors: &[Tensor<2>; N],
        f: impl Fn(&Node, [Tensor<2>; N]) -> Tensor<2>,
    ) -> Tensor<2> {
        let tokens = tensors[0].dims()[0];
        let parts = self.of;
        assert!(
            tokens.is_multiple_of(parts),
            "a batch of {tokens} tokens, of which adapters for {parts} {} can make nothing",
            self.axis.name(),
        );
        // [outer, inner, width], of which one is the parts.
        let split = match self.axis {
            Axis::Rows => [parts, tokens / parts],
            Axis::Tokens => [tokens / parts, parts],
        };
        let dim = self.axis as usize;
        let mut order = Vec::with_capacity(parts);
        let mut done = Vec::with_capacity(self.kinds.len());
        for (node, places) in &self.kinds {
            let taken = tensors.each_ref().map(|tensor| {
                let width = tensor.dims()[1];
                let split = tensor.clone().reshape([split[0], split[1], width]);
                pick(split, dim, places).flatten(0, 1)
            });
            let made = f(node, taken);
            let width = made.dims()[1];
            let mut shape = [split[0], split[1], width];
            shape[dim] = places.len();
            done.push(made.reshape(shape));
            order.extend_from_slice(places);
        }
        let all = if done.len() == 1 { done.remove(0) } else { Tensor::cat(done, dim) };
        let mut back = vec![0; parts];
        order.iter().enumerate().for_each(|(at, place)| back[*place] = at);
        let width = all.dims()[2];
        pick(all, dim, &back).reshape([tokens, width])
    }
}

/// The sum of what is made of each part, times its weight.
#[expect(clippy::expect_used, reason = "a mean without parts is no composition")]
pub(crate) fn mean(parts: &[(Node, f64)], f: impl Fn(&Node) -> Tensor<2>) -> Tensor<2> {
    let scaled = parts.iter().map(|(part, weight)| f(part).mul_scalar(*weight));
    scaled.reduce(|a, b| a + b).expect("a mean is of at least one")
}

/// The vectors of a tensor, one after the other. `[…, width]` to `[n, width]`
pub(crate) fn as_rows<const D: usize>(x: Tensor<D>) -> Tensor<2> {
    let dims = x.dims();
    let width = dims[D - 1];
    let rows = dims.iter().product::<usize>() / width.max(1);
    x.reshape([rows, width])
}

fn pick(tensor: Tensor<3>, dim: usize, places: &[usize]) -> Tensor<3> {
    let is_run = places.windows(2).all(|two| two[1] == two[0] + 1);
    match places {
        [first, ..] if is_run => tensor.narrow(dim, *first, places.len()),
        _ => {
            let places: Vec<i64> = places.iter().map(|place| place.cast_signed() as i64).collect();
            let places = Tensor::<1, Int>::from_data(places.as_slice(), &tensor.device());
            tensor.select(dim, places)
        }
    }
}
