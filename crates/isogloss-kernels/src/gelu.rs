//! The Gaussian error linear unit.

use std::f64::consts::FRAC_1_SQRT_2;

use burn::tensor::{Tensor, activation};

/// `x Φ(x)`, with `Φ` the distribution function of the standard normal distribution.
///
/// Backwards it is the derivative `Φ(x) + x φ(x)`, where Burn's own is that of the approximation by a hyperbolic tangent.
/// On Flex both are computed in one pass on all cores; the absolute error is at most `|x| · 8e-8` beyond rounding. On
/// graphics processors they are Burn's operations, which its fusion joins. `x` alone is kept for the way back, on devices
/// without kernels `Φ(x)` as well.
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
    #[cfg(any(feature = "flex", feature = "cube"))]
    if crate::serves(&x) {
        return fused::gelu(x);
    }
    if x.is_autodiff() {
        let distribution = x.clone().mul_scalar(FRAC_1_SQRT_2).erf().add_scalar(1.0);
        return x.mul_scalar(0.5) * distribution;
    }
    activation::gelu(x)
}

#[cfg(any(feature = "flex", feature = "cube"))]
mod fused {
    use std::f32::consts::{FRAC_1_SQRT_2, PI};

    use burn::backend::autodiff::checkpoint::base::Checkpointer;
    use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
    use burn::backend::autodiff::grads::Gradients;
    use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
    use burn::backend::tensor::FloatTensor;
    use burn::backend::{Autodiff, Backend, Dispatch, backend_extension};
    use burn::tensor::Tensor;

    pub(super) fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
        Tensor::from_dispatch(<Dispatch as Gelu>::fused_gelu(x.into_dispatch()))
    }

    #[backend_extension(
        Autodiff,
        Flex: cfg(feature = "flex"),
        Cube: cfg(feature = "cube"),
        Fusion: cfg(feature = "cube")
    )]
    #[expect(unreachable_pub, reason = "the macro names it from outside")]
    pub trait Gelu: Backend {
        #[fusion(default)]
        fn fused_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
            Self::gelu(x)
        }
    }

    /// What goes backwards, on the backends that compute: there is no derivative of the derivative.
    #[backend_extension(
        Flex: cfg(feature = "flex"),
        Cube: cfg(feature = "cube"),
        Fusion: cfg(feature = "cube")
    )]
    #[expect(unreachable_pub, reason = "the macro names it from outside")]
    pub trait GeluGradient: Gelu {
        #[fusion(default)]
        fn fused_gelu_backward(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
            let z = Self::float_mul_scalar(x.clone(), FRAC_1_SQRT_2.into());
            let distribution = Self::float_add_scalar(Self::float_erf(z.clone()), 1.0.into());
            let distribution = Self::float_mul_scalar(distribution, 0.5.into());
            let exponential = Self::float_exp(Self::float_neg(Self::float_mul(z.clone(), z)));
            let density = Self::float_mul_scalar(exponential, (0.5 / PI).sqrt().into());
            let slope = Self::float_add(distribution, Self::float_mul(x, density));
            Self::float_mul(grad, slope)
        }
    }

    #[cfg(feature = "cube")]
    impl Gelu for burn_cubecl::CubeBackend {}

    #[cfg(feature = "cube")]
    impl GeluGradient for burn_cubecl::CubeBackend {}

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
}

#[cfg(feature = "flex")]
mod flex {
    #![expect(
        clippy::inline_always,
        reason = "a call within a loop keeps it from becoming vectors"
    )]

    use std::f32::consts::FRAC_1_SQRT_2;

    use burn::backend::Flex;
    use burn::backend::tensor::FloatTensor;
    use pulp::{Arch, NullaryFnOnce};

    use super::fused::{Gelu, GeluGradient};
    use crate::flex::{CHUNK, changed, numbers};
    use crate::vectors::exp_of_negative;

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
