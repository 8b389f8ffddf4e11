//! The size of a tensor, and another size.

use burn::tensor::Tensor;

/// The sum of the squares of all numbers.
///
/// On Flex it is one pass on all cores, which makes nothing of the tensor's size; elsewhere it is plain
/// operations.
///
/// # Shapes
///
/// - `x`: any, no tensor of autodiff; returns: `[1]`
pub fn sum_of_squares<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    #[cfg(feature = "flex")]
    if crate::flex::serves(&x) {
        return flex::sum_of_squares(x);
    }
    x.square().sum()
}

/// All numbers, multiplied with one; on Flex in place and on all cores, where nobody else holds them.
///
/// # Shapes
///
/// - `x`: any, no tensor of autodiff; returns: as `x`
pub fn scaled<const D: usize>(x: Tensor<D>, by: f64) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if crate::flex::serves(&x) {
        return flex::scaled(x, by);
    }
    x.mul_scalar(by)
}

#[cfg(feature = "flex")]
mod flex {
    use burn::backend::tensor::FloatTensor;
    use burn::backend::{Backend, Dispatch, Flex, backend_extension};
    use burn::tensor::Tensor;
    use pulp::Arch;
    use rayon::prelude::*;

    use crate::flex::{CHUNK, changed, numbers, tensor};
    use crate::vectors::dot;

    pub(super) fn sum_of_squares<const D: usize>(x: Tensor<D>) -> Tensor<1> {
        Tensor::from_dispatch(<Dispatch as Scale>::sum_of_squares(x.into_dispatch()))
    }

    pub(super) fn scaled<const D: usize>(x: Tensor<D>, by: f64) -> Tensor<D> {
        Tensor::from_dispatch(<Dispatch as Scale>::scaled(x.into_dispatch(), by))
    }

    #[backend_extension(Flex)]
    trait Scale: Backend {
        fn sum_of_squares(x: FloatTensor<Self>) -> FloatTensor<Self>;

        fn scaled(x: FloatTensor<Self>, by: f64) -> FloatTensor<Self>;
    }

    #[expect(clippy::cast_possible_truncation, reason = "tensors are f32")]
    impl Scale for Flex {
        fn sum_of_squares(x: FloatTensor<Self>) -> FloatTensor<Self> {
            let x = x.to_contiguous();
            let arch = Arch::new();
            // One sum for each chunk, added up in their order, whoever computed them.
            let chunks = numbers(&x).par_chunks(CHUNK);
            let sums: Vec<f32> = chunks.map(|x| arch.dispatch(|| dot(x, x))).collect();
            let sum: f64 = sums.into_iter().map(f64::from).sum();
            tensor(vec![sum as f32], [1])
        }

        fn scaled(x: FloatTensor<Self>, by: f64) -> FloatTensor<Self> {
            let by = by as f32;
            changed(x, CHUNK, |_, x| x.iter_mut().for_each(|x| *x *= by))
        }
    }
}
