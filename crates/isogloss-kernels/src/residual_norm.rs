//! The end of a sub-layer: dropout, residual and normalisation at once.

use burn::nn::Dropout;
use burn::tensor::Tensor;

use crate::{LayerNorm, residual_dropout};

/// `norm(residual + dropout(x))`, as the sub-layers of a post-LN model end; without dropout also what embeddings end with.
///
/// On Flex a row is added, kept for the way back and normalised while it is near; its mask of dropout is a hash, as that of
/// [`dropout`](crate::dropout). Elsewhere it is plain operations.
///
/// # Shapes
///
/// - `residual`, `x`: `[…, d_model]`, the same; returns: as they are
pub fn residual_norm<const D: usize>(
    residual: Tensor<D>,
    x: Tensor<D>,
    dropout: Option<&Dropout>,
    norm: &LayerNorm,
) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if crate::flex::serves(&x) {
        let mask = dropout.and_then(|dropout| crate::mask::Mask::draw(dropout, &x.device()));
        let end = flex::End { mask, epsilon: norm.epsilon() };
        return flex::residual_norm([residual, x], [norm.gamma.val(), norm.beta.val()], end);
    }
    norm.forward(match dropout {
        Some(dropout) => residual_dropout(residual, x, dropout),
        None => residual + x,
    })
}

#[cfg(feature = "flex")]
mod flex {
    use burn::backend::autodiff::checkpoint::base::Checkpointer;
    use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
    use burn::backend::autodiff::grads::Gradients;
    use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
    use burn::backend::tensor::FloatTensor;
    use burn::backend::{
        Autodiff, AutodiffBackend as _, Backend, Dispatch, Flex, TensorMetadata as _,
        backend_extension,
    };
    use burn::tensor::Tensor;
    use pulp::{Arch, NullaryFnOnce};
    use rayon::prelude::*;

    use crate::flex::{numbers, numbers_mut, owned, rows_of_chunk, tensor};
    use crate::layer_norm::flex::{gradients, normalise};
    use crate::mask::Mask;

    /// What a sub-layer ends with, beside its tensors.
    #[derive(Clone, Copy, Debug)]
    pub(super) struct End {
        /// Of the rows of `d_model` numbers.
        pub(super) mask: Option<Mask>,
        pub(super) epsilon: f64,
    }

    pub(super) fn residual_norm<const D: usize>(
        [residual, x]: [Tensor<D>; 2],
        [gamma, beta]: [Tensor<1>; 2],
        end: End,
    ) -> Tensor<D> {
        let (residual, x) = (residual.into_dispatch(), x.into_dispatch());
        let (gamma, beta) = (gamma.into_dispatch(), beta.into_dispatch());
        Tensor::from_dispatch(<Dispatch as FusedEnd>::fused_end(residual, x, gamma, beta, end))
    }

    #[backend_extension(Autodiff, Flex)]
    trait FusedEnd: Backend {
        fn fused_end(
            residual: FloatTensor<Self>,
            x: FloatTensor<Self>,
            gamma: FloatTensor<Self>,
            beta: FloatTensor<Self>,
            end: End,
        ) -> FloatTensor<Self>;
    }

    /// What goes backwards, on the backends that compute: there is no derivative of the derivative.
    trait EndGradient: FusedEnd {
        /// What [`FusedEnd`] gives, and the sum before its normalisation.
        fn fused_end_kept(tensors: [FloatTensor<Self>; 4], end: End) -> [FloatTensor<Self>; 2];

        /// The gradients of the residual, `x`, gain and shift.
        fn fused_end_backward(
            inputs: Inputs<Self>,
            grad: FloatTensor<Self>,
        ) -> [FloatTensor<Self>; 4];
    }

    #[derive(Clone, Debug)]
    struct Inputs<B: Backend> {
        sum: FloatTensor<B>,
        gamma: FloatTensor<B>,
        end: End,
    }

    impl FusedEnd for Flex {
        fn fused_end(
            residual: FloatTensor<Self>,
            x: FloatTensor<Self>,
            gamma: FloatTensor<Self>,
            beta: FloatTensor<Self>,
            end: End,
        ) -> FloatTensor<Self> {
            let (mut x, others) = (owned(x), [residual, gamma, beta].map(|it| it.to_contiguous()));
            let [residual, gamma, beta] = others.each_ref().map(numbers);
            let width = gamma.len().max(1);
            let (arch, rows) = (Arch::new(), rows_of_chunk(width));
            let chunks = numbers_mut(&mut x).par_chunks_mut(rows * width);
            let chunks = chunks.zip(residual.par_chunks(rows * width)).enumerate();
            chunks.for_each(|(chunk, (sum, residual))| {
                let first = chunk * rows;
                arch.dispatch(Forward { sum, residual, normal: None, gamma, beta, end, first });
            });
            x
        }
    }

    impl EndGradient for Flex {
        fn fused_end_kept(
            [residual, x, gamma, beta]: [FloatTensor<Self>; 4],
            end: End,
        ) -> [FloatTensor<Self>; 2] {
            let (mut x, others) = (owned(x), [residual, gamma, beta].map(|it| it.to_contiguous()));
            let [residual, gamma, beta] = others.each_ref().map(numbers);
            let width = gamma.len().max(1);
            let (arch, rows) = (Arch::new(), rows_of_chunk(width));
            let mut normal = vec![0.0; residual.len()];
            let chunks = numbers_mut(&mut x).par_chunks_mut(rows * width);
            let chunks = chunks.zip(residual.par_chunks(rows * width));
            let chunks = chunks.zip(normal.par_chunks_mut(rows * width)).enumerate();
            chunks.for_each(|(chunk, ((sum, residual), normal))| {
                let (first, normal) = (chunk * rows, Some(normal));
                arch.dispatch(Forward { sum, residual, normal, gamma, beta, end, first });
            });
            let normal = tensor(normal, x.shape());
            [normal, x]
        }

        fn fused_end_backward(
            inputs: Inputs<Self>,
            grad: FloatTensor<Self>,
        ) -> [FloatTensor<Self>; 4] {
            let Inputs { sum, gamma, end } = inputs;
            let of_norm = [&sum, &gamma];
            let Some(mask) = end.mask else {
                let [of_sum, of_gamma, of_beta] = gradients(of_norm, end.epsilon, grad, None);
                return [of_sum.clone(), of_sum, of_gamma, of_beta];
            };
            let (arch, width) = (Arch::new(), gamma.shape().num_elements().max(1));
            let mut of_x = vec![0.0; sum.shape().num_elements()];
            let masked = |first: usize, of_sum: &[f32], of_x: &mut [f32]| {
                let rows = of_sum.chunks_exact(width).zip(of_x.chunks_exact_mut(width));
                for (row, (of_sum, of_x)) in (first as u64..).zip(rows) {
                    let row = mask.row(row);
                    arch.dispatch(|| {
                        for ((place, of_x), of_sum) in (0_u32..).zip(of_x).zip(of_sum) {
                            *of_x = of_sum * row.at(place);
                        }
                    });
                }
            };
            let also = Some((&mut *of_x, &masked as &(dyn Fn(usize, &[f32], &mut [f32]) + Sync)));
            let [of_sum, of_gamma, of_beta] = gradients(of_norm, end.epsilon, grad, also);
            let of_x = tensor(of_x, of_sum.shape());
            [of_sum, of_x, of_gamma, of_beta]
        }
    }

    /// Rows from the one given on: their sums in the place of `x`, and the same normalised, behind them or in their place.
    struct Forward<'a> {
        sum: &'a mut [f32],
        residual: &'a [f32],
        normal: Option<&'a mut [f32]>,
        gamma: &'a [f32],
        beta: &'a [f32],
        end: End,
        first: usize,
    }

    impl NullaryFnOnce for Forward<'_> {
        type Output = ();

        #[expect(clippy::inline_always, reason = "a call keeps it from becoming vectors")]
        #[inline(always)]
        fn call(self) {
            let Self { sum, residual, mut normal, gamma, beta, end, first } = self;
            let width = gamma.len();
            let rows = sum.chunks_exact_mut(width).zip(residual.chunks_exact(width)).enumerate();
            for (place, (sum, residual)) in rows {
                match end.mask {
                    Some(mask) => {
                        let row = mask.row((first + place) as u64);
                        for ((place, sum), residual) in (0_u32..).zip(&mut *sum).zip(residual) {
                            *sum = residual + *sum * row.at(place);
                        }
                    }
                    None => sum.iter_mut().zip(residual).for_each(|(sum, it)| *sum += it),
                }
                match &mut normal {
                    Some(normal) => {
                        let normal = &mut normal[place * width..][..width];
                        normal.copy_from_slice(sum);
                        normalise(normal, gamma, beta, end.epsilon);
                    }
                    None => normalise(sum, gamma, beta, end.epsilon),
                }
            }
        }
    }

    impl<B: EndGradient, C: CheckpointStrategy> FusedEnd for Autodiff<B, C> {
        fn fused_end(
            residual: FloatTensor<Self>,
            x: FloatTensor<Self>,
            gamma: FloatTensor<Self>,
            beta: FloatTensor<Self>,
            end: End,
        ) -> FloatTensor<Self> {
            #[derive(Debug)]
            struct Ended;

            impl<B: EndGradient> Backward<B, 4> for Ended {
                type State = Inputs<B>;

                fn backward(
                    self,
                    ops: Ops<Self::State, 4>,
                    grads: &mut Gradients,
                    _: &mut Checkpointer,
                ) {
                    let grad = grads.consume::<B>(&ops.node);
                    let gradients = B::fused_end_backward(ops.state, grad);
                    for (parent, gradient) in ops.parents.into_iter().zip(gradients) {
                        if let Some(parent) = parent {
                            grads.register::<B>(parent.id, gradient);
                        }
                    }
                }
            }

            let nodes = [residual.node(), x.node(), gamma.node(), beta.node()];
            let [residual, x, gamma, beta] = [residual, x, gamma, beta].map(Self::inner);
            match Ended.prepare::<C>(nodes).compute_bound().stateful() {
                OpsKind::Tracked(prep) => {
                    let of_gamma = gamma.clone();
                    let [y, sum] = B::fused_end_kept([residual, x, gamma, beta], end);
                    prep.finish(Inputs { sum, gamma: of_gamma, end }, y)
                }
                OpsKind::UnTracked(prep) => {
                    prep.finish(B::fused_end(residual, x, gamma, beta, end))
                }
            }
        }
    }
}
