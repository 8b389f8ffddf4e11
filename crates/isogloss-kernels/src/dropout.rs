//! Dropout, alone and before a residual.

use burn::nn::Dropout;
use burn::tensor::Tensor;

/// Sets numbers to zero at random while training, and scales the others up.
///
/// On Flex one pass does it, and the mask is a hash of a seed and of each place, computed again on the way
/// back: none is kept. The seed comes from the device's generator. Elsewhere it is Burn's own.
///
/// # Shapes
///
/// - `x`: any; returns: as `x`
///
/// # Source
///
/// Srivastava et al. (2014), "Dropout", <https://jmlr.org/papers/v15/srivastava14a.html>.
pub fn dropout<const D: usize>(x: Tensor<D>, dropout: &Dropout) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if crate::flex::serves(&x) {
        return match crate::mask::Mask::draw(dropout, &x.device()) {
            Some(mask) => flex::dropout(x, mask),
            None => x,
        };
    }
    dropout.forward(x)
}

/// `residual + dropout(x)`, as [`dropout`].
///
/// # Shapes
///
/// - `residual`, `x`: any, the same; returns: as they are
pub fn residual_dropout<const D: usize>(
    residual: Tensor<D>,
    x: Tensor<D>,
    dropout: &Dropout,
) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if crate::flex::serves(&x)
        && let Some(mask) = crate::mask::Mask::draw(dropout, &x.device())
    {
        return flex::residual_dropout(residual, x, mask);
    }
    residual + self::dropout(x, dropout)
}

#[cfg(feature = "flex")]
mod flex {
    #![expect(
        clippy::inline_always,
        reason = "a call within a loop keeps it from becoming vectors"
    )]

    use burn::backend::autodiff::checkpoint::base::Checkpointer;
    use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
    use burn::backend::autodiff::grads::Gradients;
    use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
    use burn::backend::tensor::FloatTensor;
    use burn::backend::{
        Autodiff, AutodiffBackend as _, Backend, Dispatch, Flex, backend_extension,
    };
    use burn::tensor::Tensor;
    use pulp::{Arch, NullaryFnOnce};

    use crate::flex::{CHUNK, changed, numbers};
    use crate::mask::{Mask, MaskRow};

    pub(super) fn dropout<const D: usize>(x: Tensor<D>, mask: Mask) -> Tensor<D> {
        Tensor::from_dispatch(<Dispatch as FusedDropout>::masked(x.into_dispatch(), mask))
    }

    pub(super) fn residual_dropout<const D: usize>(
        residual: Tensor<D>,
        x: Tensor<D>,
        mask: Mask,
    ) -> Tensor<D> {
        let (residual, x) = (residual.into_dispatch(), x.into_dispatch());
        Tensor::from_dispatch(<Dispatch as FusedDropout>::masked_onto(residual, x, mask))
    }

    #[backend_extension(Autodiff, Flex)]
    trait FusedDropout: Backend {
        fn masked(x: FloatTensor<Self>, mask: Mask) -> FloatTensor<Self>;

        fn masked_onto(
            residual: FloatTensor<Self>,
            x: FloatTensor<Self>,
            mask: Mask,
        ) -> FloatTensor<Self>;
    }

    impl FusedDropout for Flex {
        fn masked(x: FloatTensor<Self>, mask: Mask) -> FloatTensor<Self> {
            let arch = Arch::new();
            changed(x, CHUNK, |chunk, values| {
                arch.dispatch(Masking { values, row: mask.row(chunk as u64) });
            })
        }

        fn masked_onto(
            residual: FloatTensor<Self>,
            x: FloatTensor<Self>,
            mask: Mask,
        ) -> FloatTensor<Self> {
            let residual = residual.to_contiguous();
            let (residual, arch) = (numbers(&residual), Arch::new());
            changed(x, CHUNK, |chunk, values| {
                let residual = &residual[chunk * CHUNK..][..values.len()];
                arch.dispatch(Adding { values, residual, row: mask.row(chunk as u64) });
            })
        }
    }

    // Not closures: those of this size are not inlined, and outside of where they are dispatched there are no
    // vector instructions.
    struct Masking<'a> {
        values: &'a mut [f32],
        row: MaskRow,
    }

    impl NullaryFnOnce for Masking<'_> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            self.row.apply(self.values);
        }
    }

    struct Adding<'a> {
        values: &'a mut [f32],
        residual: &'a [f32],
        row: MaskRow,
    }

    impl NullaryFnOnce for Adding<'_> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            let Self { values, residual, row } = self;
            for (place, (value, residual)) in (0_u32..).zip(values.iter_mut().zip(residual)) {
                *value = residual + *value * row.at(place);
            }
        }
    }

    /// What is needed to go back: the mask alone.
    #[derive(Debug)]
    struct Masked;

    impl<B: FusedDropout> Backward<B, 1> for Masked {
        type State = Mask;

        fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
            let grad = grads.consume::<B>(&ops.node);
            if let [Some(parent)] = ops.parents {
                grads.register::<B>(parent.id, B::masked(grad, ops.state));
            }
        }
    }

    impl<B: FusedDropout> Backward<B, 2> for Masked {
        type State = Mask;

        fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
            let grad = grads.consume::<B>(&ops.node);
            let [residual, x] = ops.parents;
            if let Some(x) = x {
                grads.register::<B>(x.id, B::masked(grad.clone(), ops.state));
            }
            if let Some(residual) = residual {
                grads.register::<B>(residual.id, grad);
            }
        }
    }

    impl<B: FusedDropout, C: CheckpointStrategy> FusedDropout for Autodiff<B, C> {
        fn masked(x: FloatTensor<Self>, mask: Mask) -> FloatTensor<Self> {
            let node = x.node();
            let value = B::masked(Self::inner(x), mask);
            match Masked.prepare::<C>([node]).compute_bound().stateful() {
                OpsKind::Tracked(prep) => prep.finish(mask, value),
                OpsKind::UnTracked(prep) => prep.finish(value),
            }
        }

        fn masked_onto(
            residual: FloatTensor<Self>,
            x: FloatTensor<Self>,
            mask: Mask,
        ) -> FloatTensor<Self> {
            let nodes = [residual.node(), x.node()];
            let value = B::masked_onto(Self::inner(residual), Self::inner(x), mask);
            match Masked.prepare::<C>(nodes).compute_bound().stateful() {
                OpsKind::Tracked(prep) => prep.finish(mask, value),
                OpsKind::UnTracked(prep) => prep.finish(value),
            }
        }
    }
}
