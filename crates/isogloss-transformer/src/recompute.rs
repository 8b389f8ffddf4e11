//! Layers whose activations are computed again, in the place of being kept.

use std::cell::RefCell;
use std::marker::PhantomData;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor};
use isogloss_kernels::{drawn_seed, seed_random};

use crate::{DeviceBatch, EncoderLayer};

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
    batch: DeviceBatch,
    /// A leaf, from which the graph goes on.
    output: Tensor<2>,
}

struct Held {
    layer: EncoderLayer,
    input: Tensor<2>,
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
    fn backward(self, mut gradient: Tensor<2>, take: &mut dyn FnMut(Gradients)) {
        let Self { embedded, layers, batch, .. } = self;
        let from = |output: Tensor<2>, gradient: Tensor<2>| {
            (output * Tensor::from_inner(gradient)).sum().backward()
        };
        for (place, Held { layer, input, seed }) in layers.into_iter().enumerate().rev() {
            let goes_on = place > 0 || embedded.is_some();
            let input = if goes_on { input.require_grad() } else { input };
            seed_random(&input.device(), seed);
            let output = layer.forward(input.clone(), batch.layer_dims(), batch.visibility());
            let gradients = from(output, gradient);
            let below = if goes_on { input.grad(&gradients) } else { None };
            take(gradients);
            match below {
                Some(below) => gradient = below,
                None => return,
            }
        }
        if let Some(embedded) = embedded {
            take(from(embedded, gradient));
        }
    }
}

/// Runs layers and keeps their inputs, if somebody wants it so; `None` if not.
pub(crate) fn forward(
    layers: &[EncoderLayer],
    embeddings: &impl Module,
    embedded: &Tensor<2>,
    batch: &DeviceBatch,
) -> Option<Tensor<2>> {
    let is_on = embedded.is_autodiff() && TAPE.with_borrow(Option::is_some);
    if !is_on || layers.is_empty() {
        return None;
    }
    let device = embedded.device();
    let seed = drawn_seed(&device);
    let is_above = is_trained(embeddings);
    let lowest = if is_above { Some(0) } else { layers.iter().position(is_trained) };
    let mut x = embedded.clone().detach();
    let mut held = Vec::new();
    for (place, layer) in layers.iter().enumerate() {
        let seed = seed.wrapping_add(place as u64);
        seed_random(&device, seed);
        if lowest.is_some_and(|lowest| place >= lowest) {
            held.push(Held { layer: layer.clone(), input: x.clone(), seed });
        }
        // Without gradients nothing is kept; dropout is there all the same.
        x = layer.clone().no_grad().forward(x, batch.layer_dims(), batch.visibility());
    }
    if held.is_empty() {
        return Some(x);
    }
    let output = x.detach().require_grad();
    let embedded = is_above.then(|| embedded.clone());
    let pass = Pass { embedded, layers: held, batch: batch.clone(), output: output.clone() };
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
