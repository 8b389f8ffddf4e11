//! The Gaussian error linear unit.

use burn::tensor::{Tensor, activation};

/// `x Φ(x)`, with `Φ` the distribution function of the standard normal distribution.
///
/// On Flex both the function and its derivative `Φ(x) + x φ(x)` are computed in one pass on all cores; the
/// absolute error is at most `|x| · 8e-8` beyond rounding. Elsewhere it is Burn's own.
///
/// # Shapes
///
/// - `x`: any; returns: as `x`
///
/// # Source
///
/// Hendrycks and Gimpel (2016), "Gaussian Error Linear Units", <https://arxiv.org/abs/1606.08415>. `Φ` by
/// the error function of Abramowitz and Stegun (1964), "Handbook of Mathematical Functions", 7.1.26.
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if crate::flex::serves(&x) {
        return flex::gelu(x);
    }
    activation::gelu(x)
}

#[cfg(feature = "flex")]
mod flex {
    #![expect(
        clippy::inline_always,
        reason = "a call within a loop keeps it from becoming vectors"
    )]

    use std::f32::consts::FRAC_1_SQRT_2;

    use burn::backend::autodiff::checkpoint::base::Checkpointer;
    use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
    use burn::backend::autodiff::grads::Gradients;
    use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
    use burn::backend::tensor::FloatTensor;
    use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
    use burn::tensor::Tensor;
    use pulp::{Arch, NullaryFnOnce};

    use crate::flex::{CHUNK, changed, numbers};
    use crate::vectors::exp_of_negative;

    pub(super) fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
        Tensor::from_dispatch(<Dispatch as Gelu>::fused_gelu(x.into_dispatch()))
    }

    #[backend_extension(Autodiff, Flex)]
    #[expect(unreachable_pub, reason = "the macro names it from outside")]
    pub trait Gelu: Backend {
        fn fused_gelu(x: FloatTensor<Self>) -> FloatTensor<Self>;
    }

    /// What goes backwards, on the backends that compute: there is no derivative of the derivative.
    trait GeluGradient: Gelu {
        fn fused_gelu_backward(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self>;
    }

    impl Gelu for Flex {
        fn fused_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
            let arch = Arch::new();
            changed(x, CHUNK, |_, values| arch.dispatch(Forward { values }))
        }
    }

    impl GeluGradient for Flex {
        fn fused_gelu_backward(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
            let x = x.to_contiguous();
            let (x, arch) = (numbers(&x), Arch::new());
            changed(grad, CHUNK, |chunk, grad| {
                let x = &x[chunk * CHUNK..][..grad.len()];
                arch.dispatch(Slope { grad, x });
            })
        }
    }

    // Not closures: those of this size are not inlined, and outside of where they are dispatched there are no
    // vector instructions.
    struct Forward<'a> {
        values: &'a mut [f32],
    }

    impl NullaryFnOnce for Forward<'_> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            for x in self.values {
                *x *= distribution(*x).0;
            }
        }
    }

    struct Slope<'a> {
        grad: &'a mut [f32],
        x: &'a [f32],
    }

    impl NullaryFnOnce for Slope<'_> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            for (grad, &x) in self.grad.iter_mut().zip(self.x) {
                let (distribution, exponential) = distribution(x);
                // φ(x) = exp(-x²/2) / √(2π)
                *grad *= distribution + x * exponential * 0.398_942_3;
            }
        }
    }

    impl<B: GeluGradient, C: CheckpointStrategy> Gelu for Autodiff<B, C> {
        fn fused_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
            #[derive(Debug)]
            struct FusedGelu;

            impl<B: GeluGradient> Backward<B, 1> for FusedGelu {
                type State = FloatTensor<B>;

                fn backward(
                    self,
                    ops: Ops<Self::State, 1>,
                    grads: &mut Gradients,
                    _: &mut Checkpointer,
                ) {
                    let grad = grads.consume::<B>(&ops.node);
                    if let [Some(parent)] = ops.parents {
                        grads.register::<B>(parent.id, B::fused_gelu_backward(ops.state, grad));
                    }
                }
            }

            match FusedGelu.prepare::<C>([x.node()]).compute_bound().stateful() {
                OpsKind::Tracked(prep) => {
                    let x = x.into_primitive();
                    prep.finish(x.clone(), B::fused_gelu(x))
                }
                OpsKind::UnTracked(prep) => prep.finish(B::fused_gelu(x.into_primitive())),
            }
        }
    }

    /// `Φ(x)` and `exp(-x²/2)`. Without calls, so that it becomes vectors.
    #[inline(always)]
    fn distribution(x: f32) -> (f32, f32) {
        let z = x.abs() * FRAC_1_SQRT_2;
        let exponential = exp_of_negative(-z * z);
        let t = 1.0 / (1.0 + 0.327_591_1 * z);
        let series = 1.421_413_7 + t * (-1.453_152 + t * 1.061_405_4);
        let tail = 0.5 * t * (0.254_829_6 + t * (-0.284_496_74 + t * series)) * exponential;
        (if x >= 0.0 { 1.0 - tail } else { tail }, exponential)
    }
}
