//! Normalisation of layers.

#[cfg(feature = "cube")]
mod cube;

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};

/// `γ ∘ (x - mean) / √(variance + ε) + β`, over the last dimension.
///
/// The parameters are named as those of Burn's own, so that files of one serve the other. On Flex and on graphics
/// processors kernels read a row once forwards and once backwards; elsewhere it is plain operations.
///
/// # Source
///
/// Ba, Kiros and Hinton (2016), "Layer Normalization", <https://arxiv.org/abs/1607.06450>.
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// The gain. `[d_model]`
    pub gamma: Param<Tensor<1>>,
    /// The shift. `[d_model]`
    pub beta: Param<Tensor<1>>,
    #[module(skip)]
    epsilon: f64,
}

impl LayerNorm {
    /// With a gain of 1 and a shift of 0.
    pub fn new(d_model: usize, epsilon: f64, device: &Device) -> Self {
        Self {
            gamma: Initializer::Ones.init([d_model], device),
            beta: Initializer::Zeros.init([d_model], device),
            epsilon,
        }
    }

    /// # Shapes
    ///
    /// - `x`: `[…, d_model]`; returns: as `x`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let (gamma, beta) = (self.gamma.val(), self.beta.val());
        #[cfg(any(feature = "flex", feature = "cube"))]
        if crate::serves(&x) {
            return fused::layer_norm(x, [gamma, beta], self.epsilon);
        }
        let last = D - 1;
        let centred = x.clone() - x.mean_dim(last);
        let variance = centred.clone().square().mean_dim(last);
        let normal = centred / variance.add_scalar(self.epsilon).sqrt();
        normal * gamma.unsqueeze() + beta.unsqueeze()
    }
}

/// What there are kernels for, and the way back through it.
#[cfg(any(feature = "flex", feature = "cube"))]
mod fused {
    use burn::backend::autodiff::checkpoint::base::Checkpointer;
    use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
    use burn::backend::autodiff::grads::Gradients;
    use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
    use burn::backend::tensor::FloatTensor;
    use burn::backend::{Autodiff, AutodiffBackend as _, Backend, Dispatch, backend_extension};
    use burn::tensor::Tensor;

    pub(super) fn layer_norm<const D: usize>(
        x: Tensor<D>,
        [gamma, beta]: [Tensor<1>; 2],
        epsilon: f64,
    ) -> Tensor<D> {
        let width = x.dims()[D - 1];
        for parameter in [&gamma, &beta] {
            assert_eq!(parameter.dims(), [width], "a gain and a shift for each number of a row");
            assert_eq!(parameter.dtype(), x.dtype(), "parameters of the kind of the numbers");
        }
        let (x, gamma, beta) = (x.into_dispatch(), gamma.into_dispatch(), beta.into_dispatch());
        Tensor::from_dispatch(<Dispatch as FusedNorm>::fused_norm(x, gamma, beta, epsilon))
    }

    #[backend_extension(
        Autodiff,
        Flex: cfg(feature = "flex"),
        Cube: cfg(feature = "cube"),
        Fusion: cfg(feature = "cube")
    )]
    #[expect(unreachable_pub, reason = "the macro names it from outside")]
    pub trait FusedNorm: Backend {
        #[fusion(dtype = x, shape = x)]
        fn fused_norm(
            x: FloatTensor<Self>,
            gamma: FloatTensor<Self>,
            beta: FloatTensor<Self>,
            epsilon: f64,
        ) -> FloatTensor<Self>;
    }

    /// What goes backwards, on the backends that compute: there is no derivative of the derivative.
    #[backend_extension(
        Flex: cfg(feature = "flex"),
        Cube: cfg(feature = "cube"),
        Fusion: cfg(feature = "cube")
    )]
    #[expect(unreachable_pub, reason = "the macro names it from outside")]
    pub trait NormGradient: FusedNorm {
        /// The gradients of `x`, gain and shift; of the latter two something else, unless they are learned.
        #[fusion(meta = |x, gamma, _, _, _| (x.clone(), gamma.clone(), gamma.clone()))]
        fn fused_norm_backward(
            x: FloatTensor<Self>,
            gamma: FloatTensor<Self>,
            grad: FloatTensor<Self>,
            epsilon: f64,
            learned: bool,
        ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
    }

    #[derive(Debug)]
    struct Normed;

    impl<B: NormGradient> Backward<B, 3> for Normed {
        // `x`, gain and ε.
        type State = (FloatTensor<B>, FloatTensor<B>, f64);

        fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
            let grad = grads.consume::<B>(&ops.node);
            let (x, gamma, epsilon) = ops.state;
            let learned = ops.parents[1..].iter().any(Option::is_some);
            let (of_x, of_gamma, of_beta) =
                B::fused_norm_backward(x, gamma, grad, epsilon, learned);
            for (parent, gradient) in ops.parents.into_iter().zip([of_x, of_gamma, of_beta]) {
                if let Some(parent) = parent {
                    grads.register::<B>(parent.id, gradient);
                }
            }
        }
    }

    impl<B: NormGradient, C: CheckpointStrategy> FusedNorm for Autodiff<B, C> {
        fn fused_norm(
            x: FloatTensor<Self>,
            gamma: FloatTensor<Self>,
            beta: FloatTensor<Self>,
            epsilon: f64,
        ) -> FloatTensor<Self> {
            let nodes = [x.node(), gamma.node(), beta.node()];
            let [x, gamma, beta] = [x, gamma, beta].map(Self::inner);
            match Normed.prepare::<C>(nodes).compute_bound().stateful() {
                OpsKind::Tracked(prep) => {
                    let inputs = (x.clone(), gamma.clone(), epsilon);
                    prep.finish(inputs, B::fused_norm(x, gamma, beta, epsilon))
                }
                OpsKind::UnTracked(prep) => prep.finish(B::fused_norm(x, gamma, beta, epsilon)),
            }
        }
    }
}

#[cfg(feature = "flex")]
mod flex {
    #![expect(
        clippy::inline_always,
        reason = "a call within a loop keeps it from becoming vectors"
    )]

    use burn::backend::Flex;
    use burn::backend::tensor::FloatTensor;
    use pulp::{Arch, NullaryFnOnce};
    use rayon::prelude::*;

    use super::fused::{FusedNorm, NormGradient};
    use crate::flex::{changed, numbers, numbers_mut, owned, rows_of_chunk, tensor};
    use crate::vectors::{dot, sum};

    impl FusedNorm for Flex {
        fn fused_norm(
            x: FloatTensor<Self>,
            gamma: FloatTensor<Self>,
            beta: FloatTensor<Self>,
            epsilon: f64,
        ) -> FloatTensor<Self> {
            let (gamma, beta) = (gamma.to_contiguous(), beta.to_contiguous());
            let (gamma, beta) = (numbers(&gamma), numbers(&beta));
            let arch = Arch::new();
            let chunk = rows_of_chunk(gamma.len()) * gamma.len();
            changed(x, chunk, |_, values| {
                arch.dispatch(Forward { values, gamma, beta, epsilon });
            })
        }
    }

    impl NormGradient for Flex {
        fn fused_norm_backward(
            x: FloatTensor<Self>,
            gamma: FloatTensor<Self>,
            grad: FloatTensor<Self>,
            epsilon: f64,
            learned: bool,
        ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
            let (x, gamma) = (x.to_contiguous(), gamma.to_contiguous());
            let (x, gamma) = (numbers(&x), numbers(&gamma));
            let width = gamma.len().max(1);
            let arch = Arch::new();
            let chunk = rows_of_chunk(width) * width;
            let mut of_x = owned(grad);
            let chunks = numbers_mut(&mut of_x).par_chunks_mut(chunk).zip(x.par_chunks(chunk));
            // One sum for each chunk, added up in their order, whoever computed them.
            let of_chunk = |(grad, x)| {
                let mut sums = [vec![0.0; width], vec![0.0; width]];
                let mut normal = vec![0.0; width];
                let (of_both, normal) = (learned.then_some(&mut sums), &mut *normal);
                arch.dispatch(Backwards { grad, x, gamma, epsilon, sums: of_both, normal });
                sums
            };
            let sums: Vec<_> = chunks.map(of_chunk).collect();
            let mut totals = [vec![0.0; width], vec![0.0; width]];
            for sums in &sums {
                for (total, sum) in totals.iter_mut().zip(sums) {
                    total.iter_mut().zip(sum).for_each(|(total, sum)| *total += sum);
                }
            }
            let [of_gamma, of_beta] = totals.map(|total| tensor(total, [width]));
            (of_x, of_gamma, of_beta)
        }
    }

    /// One over the standard deviation of a row, which is centred in place.
    #[inline(always)]
    fn centre(row: &mut [f32], epsilon: f64) -> f32 {
        let mean = sum(row) / row.len() as f32;
        for value in row.iter_mut() {
            *value -= mean;
        }
        #[expect(clippy::cast_possible_truncation, reason = "a setting in f32")]
        let epsilon = epsilon as f32;
        1.0 / (dot(row, row) / row.len() as f32 + epsilon).sqrt()
    }

    struct Forward<'a> {
        values: &'a mut [f32],
        gamma: &'a [f32],
        beta: &'a [f32],
        epsilon: f64,
    }

    impl NullaryFnOnce for Forward<'_> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            let Self { values, gamma, beta, epsilon } = self;
            for row in values.chunks_exact_mut(gamma.len()) {
                let inverse = centre(row, epsilon);
                for ((value, gamma), beta) in row.iter_mut().zip(gamma).zip(beta) {
                    *value = *value * inverse * gamma + beta;
                }
            }
        }
    }

    /// ```text
    /// g = γ ∘ dy      dx = (g - mean(g) - x̂ mean(g ∘ x̂)) / σ      dγ = Σ dy ∘ x̂      dβ = Σ dy
    /// ```
    struct Backwards<'a> {
        grad: &'a mut [f32],
        x: &'a [f32],
        gamma: &'a [f32],
        epsilon: f64,
        sums: Option<&'a mut [Vec<f32>; 2]>,
        normal: &'a mut [f32],
    }

    impl NullaryFnOnce for Backwards<'_> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            let Self { grad, x, gamma, epsilon, mut sums, normal } = self;
            let width = gamma.len();
            for (grad, x) in grad.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
                normal.copy_from_slice(x);
                let inverse = centre(normal, epsilon);
                for value in normal.iter_mut() {
                    *value *= inverse;
                }
                if let Some([of_gamma, of_beta]) = &mut sums {
                    let sums = of_gamma.iter_mut().zip(of_beta.iter_mut());
                    for ((grad, normal), (of_gamma, of_beta)) in grad.iter().zip(&*normal).zip(sums)
                    {
                        *of_gamma += grad * normal;
                        *of_beta += grad;
                    }
                }
                for (grad, gamma) in grad.iter_mut().zip(gamma) {
                    *grad *= gamma;
                }
                let mean = sum(grad) / width as f32;
                let slope = dot(grad, normal) / width as f32;
                for (grad, normal) in grad.iter_mut().zip(&*normal) {
                    *grad = (*grad - mean - normal * slope) * inverse;
                }
            }
        }
    }
}
