//! Products with a matrix of weights.

use burn::tensor::{Tensor, module};

/// `x W + b`.
///
/// On Flex the bias is where the product begins, so that the result is passed over once; backwards nothing
/// is transposed in memory, what takes no gradient costs no product, and `x` is kept for the weight's alone.
/// Elsewhere it is Burn's own.
///
/// # Shapes
///
/// - `x`: `[…, in]`; `weight`: `[in, out]`; `bias`: `[out]`
/// - returns: `[…, out]`
///
/// # Panics
///
/// Where the width of `x` is not that of the weight, as Burn's operations do.
pub fn linear<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if crate::flex::serves(&x) {
        return flex::linear(x, weight, bias);
    }
    module::linear(x, weight, bias)
}

#[cfg(feature = "flex")]
pub(crate) mod flex {
    use burn::backend::TensorMetadata;
    use burn::backend::autodiff::checkpoint::base::Checkpointer;
    use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
    use burn::backend::autodiff::grads::Gradients;
    use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
    use burn::backend::tensor::FloatTensor;
    use burn::backend::{
        Autodiff, AutodiffBackend as _, Backend, Dispatch, Flex, backend_extension,
    };
    use burn::tensor::Tensor;
    use pulp::Arch;
    use rayon::prelude::*;

    use crate::flex::{numbers, rows_of_chunk, tensor};
    use crate::product::{Matrix, product_of};

    pub(super) fn linear<const D: usize>(
        x: Tensor<D>,
        weight: Tensor<2>,
        bias: Option<Tensor<1>>,
    ) -> Tensor<D> {
        in_rows(x, weight.dims(), bias, |x, bias| {
            <Dispatch as FusedLinear>::fused_linear(x, weight.into_dispatch(), bias)
        })
    }

    /// Makes a matrix of all that goes into a linear layer, and what comes out of it as it went in.
    ///
    /// - `dims`: of the layer, `[in, out]`
    pub(crate) fn in_rows<const D: usize>(
        x: Tensor<D>,
        [inputs, outputs]: [usize; 2],
        bias: Option<Tensor<1>>,
        layer: impl FnOnce(FloatTensor<Dispatch>, FloatTensor<Dispatch>) -> FloatTensor<Dispatch>,
    ) -> Tensor<D> {
        let mut dims = x.dims();
        assert_eq!(dims[D - 1], inputs, "the width of what goes into a linear layer");
        let rows = dims.iter().product::<usize>() / inputs.max(1);
        dims[D - 1] = outputs;
        let bias = bias.unwrap_or_else(|| Tensor::zeros([outputs], &x.device()));
        let x = x.reshape([rows, inputs]).into_dispatch();
        Tensor::<2>::from_dispatch(layer(x, bias.into_dispatch())).reshape(dims)
    }

    #[backend_extension(Autodiff, Flex)]
    #[expect(unreachable_pub, reason = "the macro names it from outside")]
    pub trait FusedLinear: Backend {
        fn fused_linear(
            x: FloatTensor<Self>,
            weight: FloatTensor<Self>,
            bias: FloatTensor<Self>,
        ) -> FloatTensor<Self>;
    }

    /// What goes backwards, on the backends that compute: there is no derivative of the derivative.
    pub(crate) trait LinearGradient: FusedLinear {
        /// `dy Wᵀ`
        fn of_input(grad: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self>;

        /// `xᵀ dy`
        fn of_weight(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self>;

        /// `Σ dy`
        fn of_bias(grad: FloatTensor<Self>) -> FloatTensor<Self>;
    }

    /// The tensor in an order in which [`matrix`] can take it: as it is, if it is no mirror image.
    fn ordered(x: FloatTensor<Flex>) -> FloatTensor<Flex> {
        if x.layout().strides().iter().all(|&stride| stride >= 0) { x } else { x.to_contiguous() }
    }

    /// The matrix of a tensor, however it lies in memory.
    fn matrix(x: &FloatTensor<Flex>) -> ([usize; 2], Matrix<'_>) {
        let dims: [usize; 2] = x.shape().dims();
        let mut strides = [dims[1], 1];
        for (stride, given) in strides.iter_mut().zip(x.layout().strides()) {
            *stride = given.unsigned_abs();
        }
        (dims, Matrix { numbers: &x.storage::<f32>()[x.layout().start_offset()..], strides })
    }

    impl FusedLinear for Flex {
        fn fused_linear(
            x: FloatTensor<Self>,
            weight: FloatTensor<Self>,
            bias: FloatTensor<Self>,
        ) -> FloatTensor<Self> {
            let ([x, weight], bias) = ([x, weight].map(ordered), bias.to_contiguous());
            let ([rows, inputs], x) = matrix(&x);
            let ([_, outputs], weight) = matrix(&weight);
            let dims = [rows, outputs];
            tensor(product_of([x, weight], dims, inputs, Some(numbers(&bias))), dims)
        }
    }

    impl LinearGradient for Flex {
        fn of_input(grad: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
            let [grad, weight] = [grad, weight].map(ordered);
            let ([rows, outputs], grad) = matrix(&grad);
            let ([inputs, _], weight) = matrix(&weight);
            let dims = [rows, inputs];
            tensor(product_of([grad, weight.transposed()], dims, outputs, None), dims)
        }

        fn of_weight(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
            let [x, grad] = [x, grad].map(ordered);
            let ([rows, inputs], x) = matrix(&x);
            let ([_, outputs], grad) = matrix(&grad);
            let dims = [inputs, outputs];
            tensor(product_of([x.transposed(), grad], dims, rows, None), dims)
        }

        fn of_bias(grad: FloatTensor<Self>) -> FloatTensor<Self> {
            let grad = grad.to_contiguous();
            let [_, outputs]: [usize; 2] = grad.shape().dims();
            let arch = Arch::new();
            // One sum for each chunk, added up in their order, whoever computed them.
            let chunks = numbers(&grad).par_chunks(rows_of_chunk(outputs) * outputs.max(1));
            let add = |total: &mut [f32], row: &[f32]| {
                total.iter_mut().zip(row).for_each(|(total, value)| *total += value);
            };
            let sums: Vec<Vec<f32>> = chunks
                .map(|chunk| {
                    let mut sum = vec![0.0; outputs];
                    arch.dispatch(|| {
                        for row in chunk.chunks_exact(outputs) {
                            add(&mut sum, row);
                        }
                    });
                    sum
                })
                .collect();
            let mut total = vec![0.0; outputs];
            for sum in &sums {
                add(&mut total, sum);
            }
            tensor(total, [outputs])
        }
    }

    impl<B: LinearGradient, C: CheckpointStrategy> FusedLinear for Autodiff<B, C> {
        fn fused_linear(
            x: FloatTensor<Self>,
            weight: FloatTensor<Self>,
            bias: FloatTensor<Self>,
        ) -> FloatTensor<Self> {
            #[derive(Debug)]
            struct Product;

            impl<B: LinearGradient> Backward<B, 3> for Product {
                // Each is kept for the gradient of the other.
                type State = [Option<FloatTensor<B>>; 2];

                fn backward(
                    self,
                    ops: Ops<Self::State, 3>,
                    grads: &mut Gradients,
                    _: &mut Checkpointer,
                ) {
                    let grad = grads.consume::<B>(&ops.node);
                    let ([of_x, of_weight, of_bias], [x, weight]) = (ops.parents, ops.state);
                    if let Some(parent) = of_bias {
                        grads.register::<B>(parent.id, B::of_bias(grad.clone()));
                    }
                    if let (Some(parent), Some(x)) = (of_weight, x) {
                        grads.register::<B>(parent.id, B::of_weight(x, grad.clone()));
                    }
                    if let (Some(parent), Some(weight)) = (of_x, weight) {
                        grads.register::<B>(parent.id, B::of_input(grad, weight));
                    }
                }
            }

            let nodes = [x.node(), weight.node(), bias.node()];
            let is_tracked = [x.is_tracked(), weight.is_tracked()];
            let [x, weight, bias] = [x, weight, bias].map(Self::inner);
            match Product.prepare::<C>(nodes).compute_bound().stateful() {
                OpsKind::Tracked(prep) => {
                    let [of_x, of_weight] = is_tracked;
                    let kept = [of_weight.then(|| x.clone()), of_x.then(|| weight.clone())];
                    prep.finish(kept, B::fused_linear(x, weight, bias))
                }
                OpsKind::UnTracked(prep) => prep.finish(B::fused_linear(x, weight, bias)),
            }
        }
    }
}
