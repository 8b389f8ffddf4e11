//! Rows of few bits made wide, and products with them.
#![expect(clippy::inline_always, reason = "a call within a loop keeps it from becoming vectors")]

use std::mem::MaybeUninit;

use burn::backend::TensorMetadata;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::ops::FloatTensorOps as _;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{
    Autodiff, AutodiffBackend as _, Backend, Dispatch, DispatchDevice, Flex, backend_extension,
};
use burn::tensor::{DType, Int, Tensor, TensorData};
use pulp::{Arch, NullaryFnOnce};
use rayon::prelude::*;

use super::{NF4, NF4_BLOCK, Quantization, QuantizedMatrix};
use crate::flex::rows_of_chunk;
use crate::linear::flex::{FusedLinear, LinearGradient, in_rows};

/// Whether there is a kernel for the tensor.
pub(super) fn serves(words: &Tensor<2, Int>) -> bool {
    let is_flex = matches!(words.device().inner().as_dispatch(), DispatchDevice::Flex(_));
    // The kernel reads the bytes of a word in the order of memory.
    is_flex && words.dtype() == DType::I32 && cfg!(target_endian = "little")
}

pub(super) fn widen(
    words: Tensor<2, Int>,
    scale: Tensor<2>,
    cols: usize,
    format: Quantization,
) -> Tensor<2> {
    let (words, scale) = (words.into_dispatch(), scale.into_dispatch());
    Tensor::from_dispatch(<Dispatch as FewBits>::widen(words, scale, cols, format))
}

pub(super) fn linear<const D: usize>(
    x: Tensor<D>,
    matrix: &QuantizedMatrix,
    bias: Option<Tensor<1>>,
) -> Tensor<D> {
    let [outputs, inputs] = matrix.dims();
    in_rows(x, [inputs, outputs], bias, |x, bias| {
        let (words, scale) = (matrix.words.clone(), matrix.scale.clone());
        let (words, scale) = (words.into_dispatch(), scale.into_dispatch());
        let (cols, format) = (matrix.cols, matrix.format);
        <Dispatch as FewBits>::linear_of(x, words, scale, bias, cols, format)
    })
}

#[backend_extension(Autodiff, Flex)]
#[expect(unreachable_pub, reason = "the macro names it from outside")]
pub trait FewBits: Backend {
    fn widen(
        words: IntTensor<Self>,
        scale: FloatTensor<Self>,
        cols: usize,
        format: Quantization,
    ) -> FloatTensor<Self>;

    /// `x Wᵀ + b`, of a matrix `[out, in]`.
    fn linear_of(
        x: FloatTensor<Self>,
        words: IntTensor<Self>,
        scale: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        cols: usize,
        format: Quantization,
    ) -> FloatTensor<Self>;
}

/// Rows, of some of the words and scales.
struct Widening<'a> {
    to: &'a mut [MaybeUninit<f32>],
    from: &'a [u8],
    scales: &'a [f32],
    dims: Dims,
    format: Quantization,
    /// The two numbers of each byte, in 4 bits.
    twos: &'a [[f32; 2]; 256],
}

/// Of a row: numbers, bytes and scales.
#[derive(Clone, Copy)]
struct Dims {
    cols: usize,
    bytes: usize,
    scales: usize,
}

impl NullaryFnOnce for Widening<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { to, from, scales, dims, format, twos } = self;
        let rows = to.chunks_mut(dims.cols).zip(from.chunks(dims.bytes));
        for ((to, from), scales) in rows.zip(scales.chunks(dims.scales)) {
            match format {
                Quantization::Bf16 => {
                    let (pairs, _) = from.as_chunks::<2>();
                    for (to, &pair) in to.iter_mut().zip(pairs) {
                        let bits = u32::from(u16::from_le_bytes(pair)) << 16;
                        to.write(f32::from_bits(bits));
                    }
                }
                Quantization::Int8 => {
                    for (to, &from) in to.iter_mut().zip(from) {
                        to.write(f32::from(from.cast_signed()) * scales[0]);
                    }
                }
                Quantization::Nf4 => {
                    let blocks = to.chunks_mut(NF4_BLOCK).zip(from.chunks(NF4_BLOCK / 2));
                    for ((to, from), scale) in blocks.zip(scales) {
                        for (to, &from) in to.chunks_mut(2).zip(from) {
                            for (to, number) in to.iter_mut().zip(twos[usize::from(from)]) {
                                to.write(number * scale);
                            }
                        }
                    }
                }
            }
        }
    }
}

impl FewBits for Flex {
    fn widen(
        words: IntTensor<Self>,
        scale: FloatTensor<Self>,
        cols: usize,
        format: Quantization,
    ) -> FloatTensor<Self> {
        let (words, scale) = (words.to_contiguous(), scale.to_contiguous());
        let [rows, width] = words.shape().dims();
        let [_, scales] = scale.shape().dims::<2>();
        let bytes: &[u8] = bytemuck::cast_slice(words.as_slice::<i32>().unwrap_or_default());
        let numbers = scale.as_slice::<f32>().unwrap_or_default();
        let has_all = width == cols.div_ceil(format.per_word())
            && scales == format.scales(cols)
            && (bytes.len(), numbers.len()) == (4 * rows * width, rows * scales);
        assert!(has_all, "words and scales for {rows} rows of {cols} numbers");
        let (count, step, arch) = (rows * cols, rows_of_chunk(cols), Arch::new());
        // None of them 0, since chunks of nothing are none.
        let dims = Dims { cols: cols.max(1), bytes: 4 * width.max(1), scales: scales.max(1) };
        let mut twos = [[0.0; 2]; 256];
        for (byte, two) in twos.iter_mut().enumerate() {
            *two = [NF4[byte & 15], NF4[byte >> 4]];
        }
        let mut values = Vec::with_capacity(count);
        let parts = values.spare_capacity_mut()[..count].par_chunks_mut(step * dims.cols);
        let parts = parts.zip(bytes.par_chunks(step * dims.bytes));
        parts.zip(numbers.par_chunks(step * dims.scales)).for_each(|((to, from), scales)| {
            arch.dispatch(Widening { to, from, scales, dims, format, twos: &twos });
        });
        #[expect(unsafe_code, reason = "memory that is written before it is read is not cleared")]
        // SAFETY: each row has words and scales for all of its numbers, which were written.
        unsafe {
            values.set_len(count);
        }
        FloatTensor::<Self>::from_data(TensorData::new(values, [rows, cols]))
    }

    fn linear_of(
        x: FloatTensor<Self>,
        words: IntTensor<Self>,
        scale: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        cols: usize,
        format: Quantization,
    ) -> FloatTensor<Self> {
        let weight = Self::float_transpose(Self::widen(words, scale, cols, format));
        Self::fused_linear(x, weight, bias)
    }
}

impl<B: FewBits + LinearGradient, C: CheckpointStrategy> FewBits for Autodiff<B, C> {
    fn widen(
        words: IntTensor<Self>,
        scale: FloatTensor<Self>,
        cols: usize,
        format: Quantization,
    ) -> FloatTensor<Self> {
        // Nothing goes backwards through what is no parameter.
        Self::from_inner(B::widen(words, Self::inner(scale), cols, format))
    }

    fn linear_of(
        x: FloatTensor<Self>,
        words: IntTensor<Self>,
        scale: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        cols: usize,
        format: Quantization,
    ) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct Product;

        /// The matrix as it is held: that of 32 bits would be held from here to the way back.
        #[derive(Clone, Debug)]
        struct Held<B: Backend> {
            words: IntTensor<B>,
            scale: FloatTensor<B>,
            cols: usize,
            format: Quantization,
        }

        impl<B: FewBits + LinearGradient> Backward<B, 2> for Product {
            type State = Held<B>;

            fn backward(
                self,
                ops: Ops<Self::State, 2>,
                grads: &mut Gradients,
                _: &mut Checkpointer,
            ) {
                let grad = grads.consume::<B>(&ops.node);
                let ([of_x, of_bias], held) = (ops.parents, ops.state);
                if let Some(parent) = of_bias {
                    grads.register::<B>(parent.id, B::of_bias(grad.clone()));
                }
                if let Some(parent) = of_x {
                    let Held { words, scale, cols, format } = held;
                    let weight = B::float_transpose(B::widen(words, scale, cols, format));
                    grads.register::<B>(parent.id, B::of_input(grad, weight));
                }
            }
        }

        let nodes = [x.node(), bias.node()];
        let [x, scale, bias] = [x, scale, bias].map(Self::inner);
        let held = Held::<B> { words: words.clone(), scale: scale.clone(), cols, format };
        let forward = || B::linear_of(x, words, scale, bias, cols, format);
        match Product.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(held, forward()),
            OpsKind::UnTracked(prep) => prep.finish(forward()),
        }
    }
}
