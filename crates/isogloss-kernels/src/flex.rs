//! What all kernels for Flex share.

use burn::backend::DispatchDevice;
use burn::backend::Flex;
use burn::backend::TensorMetadata;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{DType, Device, Int, Shape, Tensor, TensorData};
use rayon::prelude::*;

/// Numbers that one thread takes at a time; their count does not depend on that of the threads.
pub(crate) const CHUNK: usize = 16_384;

/// Whether there are kernels for the tensor.
pub(crate) fn serves<const D: usize>(x: &Tensor<D>) -> bool {
    is(&x.device()) && x.dtype() == DType::F32
}

/// Whether it is Flex, with autodiff or without.
pub(crate) fn is(device: &Device) -> bool {
    matches!(device.clone().inner().as_dispatch(), DispatchDevice::Flex(_))
}

/// The numbers of a contiguous tensor.
pub(crate) fn numbers(x: &FloatTensor<Flex>) -> &[f32] {
    x.as_slice::<f32>().unwrap_or_default()
}

/// A tensor of numbers.
pub(crate) fn tensor(numbers: Vec<f32>, shape: impl Into<Shape>) -> FloatTensor<Flex> {
    FloatTensor::<Flex>::from_data(TensorData::new(numbers, shape.into()))
}

/// The same numbers, contiguous and held by nobody else: the tensor itself, where it is that.
pub(crate) fn owned(x: FloatTensor<Flex>) -> FloatTensor<Flex> {
    // Not `x` beside its copy: two that hold the same numbers.
    let x = if x.is_contiguous() { x } else { x.to_contiguous() };
    let count = x.layout().num_elements();
    if x.is_unique() && x.storage::<f32>().len() == count {
        return x;
    }
    let shape = x.shape();
    tensor(numbers(&x).to_vec(), shape)
}

/// The numbers of an [`owned`] tensor, to be written over.
pub(crate) fn numbers_mut(x: &mut FloatTensor<Flex>) -> &mut [f32] {
    x.storage_mut::<f32>()
}

/// Goes over all numbers in chunks, on all cores, each with its place among the chunks: where they are, if nobody
/// else holds them, and else in a copy, of which each thread makes what it then changes.
pub(crate) fn changed(
    x: FloatTensor<Flex>,
    chunk: usize,
    change: impl Fn(usize, &mut [f32]) + Sync,
) -> FloatTensor<Flex> {
    // Not `x` beside its copy: two that hold the same numbers.
    let mut x = if x.is_contiguous() { x } else { x.to_contiguous() };
    let chunk = chunk.max(1);
    let count = x.layout().num_elements();
    if x.is_unique() && x.storage::<f32>().len() == count {
        let chunks = numbers_mut(&mut x).par_chunks_mut(chunk).enumerate();
        chunks.for_each(|(place, numbers)| change(place, numbers));
        return x;
    }
    assert_eq!(numbers(&x).len(), count, "numbers of 32 bits");
    let (shape, mut values) = (x.shape(), Vec::with_capacity(count));
    let copies = values.spare_capacity_mut()[..count].par_chunks_mut(chunk);
    copies.zip(numbers(&x).par_chunks(chunk)).enumerate().for_each(|(place, (copy, numbers))| {
        change(place, copy.write_copy_of_slice(numbers));
    });
    #[expect(unsafe_code, reason = "memory that is written before it is read is not cleared")]
    // SAFETY: all chunks of the first `count` were written.
    unsafe {
        values.set_len(count);
    }
    tensor(values, shape)
}

/// Ids as places in a list.
///
/// # Panics
///
/// Where one is not below `bound`.
pub(crate) fn indices(ids: &Tensor<1, Int>, bound: usize) -> Vec<usize> {
    let ids: Vec<usize> = ids.clone().into_data().iter::<u32>().map(|id| id as usize).collect();
    assert!(ids.iter().all(|&id| id < bound), "ids below {bound}");
    ids
}

/// How many rows of `width` numbers make a chunk.
pub(crate) fn rows_of_chunk(width: usize) -> usize {
    (CHUNK / width.max(1)).max(1)
}
