//! A tensor's numbers as a slice: where they are on Flex, a copy of them elsewhere.

use burn::tensor::{Tensor, TensorData};

/// Hands the numbers of a tensor over to be changed.
pub(crate) fn edited<const D: usize>(x: Tensor<D>, edit: &mut dyn FnMut(&mut [f32])) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if crate::flex::serves(&x) {
        return flex::edited(x, edit);
    }
    let (dims, device) = (x.dims(), x.device());
    let mut numbers: Vec<f32> = x.into_data().iter().collect();
    edit(&mut numbers);
    Tensor::from_data(TensorData::new(numbers, dims), &device)
}

/// Shows the numbers of a tensor.
pub(crate) fn seen<const D: usize>(x: &Tensor<D>, see: &mut dyn FnMut(&[f32])) {
    #[cfg(feature = "flex")]
    if crate::flex::serves(x) {
        flex::seen(x.clone(), see);
        return;
    }
    let numbers: Vec<f32> = x.to_data().iter().collect();
    see(&numbers);
}

#[cfg(feature = "flex")]
mod flex {
    use burn::backend::tensor::FloatTensor;
    use burn::backend::{Backend, Dispatch, Flex, backend_extension};
    use burn::tensor::Tensor;

    use crate::flex::{numbers, numbers_mut, owned};

    pub(super) fn edited<const D: usize>(
        x: Tensor<D>,
        edit: &mut dyn FnMut(&mut [f32]),
    ) -> Tensor<D> {
        Tensor::from_dispatch(<Dispatch as Numbers>::edited(x.into_dispatch(), edit))
    }

    pub(super) fn seen<const D: usize>(x: Tensor<D>, see: &mut dyn FnMut(&[f32])) {
        <Dispatch as Numbers>::seen(x.into_dispatch(), see);
    }

    #[backend_extension(Flex)]
    trait Numbers: Backend {
        fn edited(x: FloatTensor<Self>, edit: &mut dyn FnMut(&mut [f32])) -> FloatTensor<Self>;

        fn seen(x: FloatTensor<Self>, see: &mut dyn FnMut(&[f32])) -> FloatTensor<Self>;
    }

    impl Numbers for Flex {
        fn edited(x: FloatTensor<Self>, edit: &mut dyn FnMut(&mut [f32])) -> FloatTensor<Self> {
            let mut x = owned(x);
            edit(numbers_mut(&mut x));
            x
        }

        fn seen(x: FloatTensor<Self>, see: &mut dyn FnMut(&[f32])) -> FloatTensor<Self> {
            let x = x.to_contiguous();
            see(numbers(&x));
            x
        }
    }
}
