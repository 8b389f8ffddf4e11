//! Layers whose activations are computed again, in the place of being kept.

use std::cell::RefCell;
use std::marker::PhantomData;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Gradients, Int, Tensor};
use isogloss_kernels::{Prefix, drawn_seed, seed_random};

use crate::EncoderLayer;
use crate::hidden_states::Reading;

thread_local! {
    static TAPE: RefCell<Option<Vec<Pass>>> = const { RefCell::new(None) };
}

/// While it is there, each [`Encoder`](crate::Encoder) on this thread keeps what goes into its layers and nothing of what
/// they compute; [`backward`](Self::backward) computes it again, one layer at a time. Of `L` layers that saves the
/// activations of all but one, and costs one forward pass more.
///
/// Gradients are those of an encoder that keeps everything. Dropout draws other numbers than without a tape, the same
/// ones both times.
///
/// # Source
///
/// Chen et al. (2016), "Training Deep Nets with Sublinear Memory Cost", <https://arxiv.org/abs/1604.06174>, with a
/// segment for each layer.
///
/// # Examples
///
/// ```
/// use burn::tensor::Device;
/// use isogloss_core::Seed;
/// use isogloss_transformer::{EncoderBatch, EncoderConfig, RecomputeTape, SequenceInput};
///
/// let device = Device::flex().autodiff();
/// let config = EncoderConfig::new(10).with_d_model(8).with_n_layers(2).with_n_heads(2);
/// let encoder = config.try_init(&device, Seed::new(1))?;
/// let batch = EncoderBatch::try_new(&config, &[SequenceInput::new(vec![0, 5, 2])])?.to_device(&device);
/// let tape = RecomputeTape::begin();
/// let loss = encoder.forward(&batch).square().mean();
/// let mut has_gradient = false;
/// tape.backward(&loss, &mut |gradients| {
///     has_gradient |= encoder.word_embedding().grad(&gradients).is_some();
/// });
/// assert!(has_gradient);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RecomputeTape {
    // It belongs to the thread that began it.
    _not_send: PhantomData<*const ()>,
}

/// One pass through an encoder.
struct Pass {
    /// With its graph, if something of the embeddings is trained.
    embedded: Option<Tensor<2>>,
    /// Those from the lowest that is trained, or above embeddings that are.
    layers: Vec<Held>,
    reading: Reading,
    /// A leaf, from which the graph goes on.
    output: Tensor<2>,
}

struct Held {
    layer: EncoderLayer,
    input: Tensor<2>,
    /// With its graph, if something of it is trained.
    prefix: Option<Prefix>,
    /// The rows that it makes, where those are not all.
    wanted: Option<Tensor<1, Int>>,
    seed: u64,
}

impl RecomputeTape {
    /// Begins one, in the place of any there was.
    pub fn begin() -> Self {
        TAPE.set(Some(Vec::new()));
        Self { _not_send: PhantomData }
    }

    /// Goes backwards from a loss; hands over the gradients part by part, those of one layer after the other. Each
    /// parameter's gradient is the sum of what the parts have of it.
    pub fn backward(&self, loss: &Tensor<1>, take: &mut dyn FnMut(Gradients)) {
        let gradients = loss.backward();
        let passes = TAPE.with_borrow_mut(|tape| tape.as_mut().map(std::mem::take));
        let passes: Vec<_> = passes
            .unwrap_or_default()
            .into_iter()
            .map(|pass| (pass.output.grad(&gradients), pass))
            .collect();
        take(gradients);
        for (gradient, pass) in passes {
            if let Some(gradient) = gradient {
                pass.backward(gradient, take);
            }
        }
    }
}

impl Drop for RecomputeTape {
    fn drop(&mut self) {
        TAPE.set(None);
    }
}

impl Pass {
    fn backward(self, gradient: Tensor<2>, take: &mut dyn FnMut(Gradients)) {
        let Self { embedded, layers, reading, .. } = self;
        let from =
            |output: Tensor<2>, gradient: Tensor<2>| (output * Tensor::from_inner(gradient)).sum();
        // Of prefixes, which layers may have made of the same numbers.
        let mut of_prefixes: Vec<Tensor<1>> = Vec::new();
        let mut below = Some(gradient);
        for (place, held) in layers.into_iter().enumerate().rev() {
            let Held { layer, input, prefix, wanted, seed } = held;
            let Some(gradient) = below.take() else { break };
            let goes_on = place > 0 || embedded.is_some();
            let input = if goes_on { input.require_grad() } else { input };
            let leaves = prefix.as_ref().map(|prefix| {
                let leaves = prefix.tensors().map(|tensor| tensor.detach().require_grad());
                prefix.with_tensors(leaves)
            });
            seed_random(&input.device(), seed);
            let output = layer.forward(input.clone(), &reading, leaves.as_ref(), wanted.as_ref());
            let gradients = from(output, gradient).backward();
            below = if goes_on { input.grad(&gradients) } else { None };
            for (tensor, leaf) in
                prefix.iter().flat_map(Prefix::tensors).zip(leaves.iter().flat_map(Prefix::tensors))
            {
                if let (Some(gradient), true) = (leaf.grad(&gradients), tensor.is_tracked()) {
                    of_prefixes.push(from(tensor, gradient));
                }
            }
            take(gradients);
        }
        if let (Some(embedded), Some(gradient)) = (embedded, below) {
            take(from(embedded, gradient).backward());
        }
        if let Some(sum) = of_prefixes.into_iter().reduce(|a, b| a + b) {
            take(sum.backward());
        }
    }
}

/// Runs layers and keeps their inputs, if somebody wants it so; `None` if not. The last makes the wanted rows.
pub(crate) fn forward(
    layers: &[EncoderLayer],
    embeddings: &impl Module,
    embedded: &Tensor<2>,
    prefixes: &[Option<Prefix>],
    reading: &Reading,
    wanted: Option<&Tensor<1, Int>>,
) -> Option<Tensor<2>> {
    let is_on = embedded.is_autodiff() && TAPE.with_borrow(Option::is_some);
    if !is_on || layers.is_empty() {
        return None;
    }
    let device = embedded.device();
    let seed = drawn_seed(&device);
    let is_above = is_trained(embeddings);
    let learns = |(layer, prefix): (&EncoderLayer, &Option<Prefix>)| {
        is_trained(layer) || prefix.iter().flat_map(Prefix::tensors).any(|it| it.is_tracked())
    };
    let lowest = if is_above { Some(0) } else { layers.iter().zip(prefixes).position(learns) };
    let mut x = embedded.clone().detach();
    let mut held = Vec::new();
    for (place, layer) in layers.iter().enumerate() {
        let seed = seed.wrapping_add(place as u64);
        seed_random(&device, seed);
        let wanted = wanted.filter(|_| place + 1 == layers.len());
        if lowest.is_some_and(|lowest| place >= lowest) {
            let (prefix, wanted) = (prefixes[place].clone(), wanted.cloned());
            held.push(Held { layer: layer.clone(), input: x.clone(), prefix, wanted, seed });
        }
        // Without gradients nothing is kept; dropout is there all the same.
        let prefix = prefixes[place].as_ref();
        let prefix = prefix.map(|it| it.with_tensors(it.tensors().map(Tensor::detach)));
        x = layer.clone().no_grad().forward(x, reading, prefix.as_ref(), wanted);
    }
    if held.is_empty() {
        return Some(x);
    }
    let output = x.detach().require_grad();
    let embedded = is_above.then(|| embedded.clone());
    let pass = Pass { embedded, layers: held, reading: reading.clone(), output: output.clone() };
    TAPE.with_borrow_mut(|tape| {
        if let Some(passes) = tape {
            passes.push(pass);
        }
    });
    Some(output)
}

fn is_trained(module: &impl Module) -> bool {
    struct Trained(bool);
    impl ModuleVisitor for Trained {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0 |= param.is_require_grad();
        }
    }
    let mut trained = Trained(false);
    module.visit(&mut trained);
    trained.0
}
