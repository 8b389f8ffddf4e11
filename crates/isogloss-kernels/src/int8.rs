//! Matrices in 8 bits.

use std::convert::Infallible;

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use crate::linear;

/// Numbers that are quantised at a time, so that little beside the matrix is held.
const BLOCK: usize = 1 << 20;

/// A matrix of 8-bit whole numbers with a scale for each row: a quarter of the memory, for a little of
/// its precision.
///
/// ```text
/// scale = max |row| / 127        stored = round(row / scale)        row ≈ scale · stored
/// ```
///
/// so that no number is off by more than half a scale. It computes nothing in 8 bits: rows become
/// 32-bit numbers when they are wanted, on Flex in one pass on all cores. It takes no gradient, is no
/// parameter, and no optimiser, record or file of weights sees it.
///
/// # Source
///
/// Dettmers et al. (2022), "LLM.int8()", section 2, <https://arxiv.org/abs/2208.07339>: absmax
/// quantisation by rows ("vector-wise").
///
/// # Examples
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use isogloss_kernels::Int8Matrix;
///
/// let matrix = Tensor::<2>::from_floats([[0.5, -1.27], [0.0, 25.4]], &Device::flex());
/// let small = Int8Matrix::quantize(matrix);
/// assert_eq!(small.bytes(), 2 * (4 + 4));
/// let rows = small.select(Tensor::from_ints([1], &Device::flex()));
/// assert_eq!(rows.into_data().try_to_vec::<f32>().unwrap(), [0.0, 25.4]);
/// ```
#[derive(Module, Debug)]
pub struct Int8Matrix {
    /// Four numbers to a word, the first in its lowest byte. `[rows, ⌈cols / 4⌉]`
    words: Tensor<2, Int>,
    /// `[rows, 1]`
    scale: Tensor<2>,
    #[module(skip)]
    cols: usize,
}

impl Int8Matrix {
    /// Rounds a matrix. What is no number becomes 0.
    ///
    /// # Shapes
    ///
    /// - `matrix`: `[rows, cols]`
    pub fn quantize(matrix: Tensor<2>) -> Self {
        let matrix = matrix.inner();
        let (device, [rows, cols]) = (matrix.device(), matrix.dims());
        let step = Self::rows_at_once(cols);
        let blocks = (0..rows).step_by(step).map(|first| {
            let block = matrix.clone().narrow(0, first, step.min(rows - first)).cast(DType::F32);
            Ok::<_, Infallible>(block.into_data().iter::<f32>().collect())
        });
        match Self::try_from_blocks(cols, blocks, &device) {
            Ok(this) => this,
            Err(never) => match never {},
        }
    }

    /// Rounds a matrix that comes in blocks of rows, none of which is kept: one that is larger than memory
    /// in 32 bits may fit it in 8.
    ///
    /// # Errors
    ///
    /// The first that a block is.
    ///
    /// # Panics
    ///
    /// Where a block is no whole number of rows.
    ///
    /// # Shapes
    ///
    /// - `blocks`: each `[n, cols]`, row by row
    pub fn try_from_blocks<E>(
        cols: usize,
        blocks: impl Iterator<Item = Result<Vec<f32>, E>>,
        device: &Device,
    ) -> Result<Self, E> {
        let (mut words, mut scales) = (Vec::new(), Vec::new());
        for block in blocks {
            let block = block?;
            assert_eq!(block.len() % cols.max(1), 0, "a block of whole rows");
            let rows = block.chunks(cols.max(1));
            scales.extend(rows.map(|row| push_row(row, &mut words)));
        }
        let rows = scales.len();
        let words = TensorData::new(words, [rows, cols.div_ceil(4)]);
        let scale = TensorData::new(scales, [rows, 1]);
        Ok(Self {
            words: Tensor::from_data(words, (device, DType::I32)),
            scale: Tensor::from_data(scale, (device, DType::F32)),
            cols,
        })
    }

    /// How many rows make a block of a size that is quickly read.
    pub fn rows_at_once(cols: usize) -> usize {
        (BLOCK / cols.max(1)).max(1)
    }

    /// `[rows, cols]`
    pub fn dims(&self) -> [usize; 2] {
        [self.words.dims()[0], self.cols]
    }

    /// What it holds in memory, in bytes.
    pub fn bytes(&self) -> usize {
        let [rows, width] = self.words.dims();
        rows * (width + 1) * 4
    }

    /// The matrix in 32 bits.
    ///
    /// # Shapes
    ///
    /// - returns: `[rows, cols]`
    pub fn to_float(&self) -> Tensor<2> {
        widen(&self.words, self.scale.clone(), self.cols)
    }

    /// Some of its rows in 32 bits.
    ///
    /// # Shapes
    ///
    /// - `rows`: `[n]`
    /// - returns: `[n, cols]`
    pub fn select(&self, rows: Tensor<1, Int>) -> Tensor<2> {
        let words = self.words.clone().select(0, rows.clone());
        widen(&words, self.scale.clone().select(0, rows), self.cols)
    }
}

/// A linear layer whose matrix is in 8 bits: `y = x W + b`.
///
/// Its rows, each with its scale, are the outputs. The bias stays as it was, a parameter.
#[derive(Module, Debug)]
pub struct Int8Linear {
    /// Transposed. `[out, in]`
    matrix: Int8Matrix,
    bias: Option<Param<Tensor<1>>>,
}

impl Int8Linear {
    /// Rounds a layer.
    pub fn quantize(layer: Linear) -> Self {
        Self::new(Int8Matrix::quantize(layer.weight.val().transpose()), layer.bias)
    }

    /// A layer of a matrix that has been rounded, transposed.
    ///
    /// # Shapes
    ///
    /// - `matrix`: `[out, in]`
    /// - `bias`: `[out]`
    pub fn new(matrix: Int8Matrix, bias: Option<Param<Tensor<1>>>) -> Self {
        Self { matrix, bias }
    }

    /// The layer in 32 bits, with the rounded numbers.
    pub fn to_linear(&self) -> Linear {
        Linear { weight: Param::from_tensor(self.weight()), bias: self.bias.clone() }
    }

    /// Its bias. `[out]`
    pub fn bias(&self) -> Option<Tensor<1>> {
        self.bias.as_ref().map(Param::val)
    }

    /// Its bias alone. `[out]`
    pub fn into_bias(self) -> Option<Param<Tensor<1>>> {
        self.bias
    }

    /// The inputs and outputs of the layer.
    pub fn dims(&self) -> [usize; 2] {
        let [outputs, inputs] = self.matrix.dims();
        [inputs, outputs]
    }

    /// # Shapes
    ///
    /// - `x`: `[…, in]`
    /// - returns: `[…, out]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        linear(x, self.weight(), self.bias.as_ref().map(Param::val))
    }

    /// `[in, out]`
    fn weight(&self) -> Tensor<2> {
        self.matrix.to_float().transpose()
    }
}

/// Appends a row, four numbers to a word; returns its scale.
fn push_row(row: &[f32], words: &mut Vec<i32>) -> f32 {
    let largest = row.iter().filter(|x| x.is_finite()).fold(0.0_f32, |max, x| max.max(x.abs()));
    let scale = largest / 127.0;
    // A row whose scale would vanish is one of zeros.
    let inverse = if scale > 0.0 { 127.0 / largest } else { 0.0 };
    for four in row.chunks(4) {
        let mut bytes = [0; 4];
        for (byte, &x) in bytes.iter_mut().zip(four) {
            // A cast from a number that is none gives 0, one from beyond the range its end.
            #[expect(clippy::cast_possible_truncation, reason = "rounded and within the range")]
            let rounded = (x * inverse).round().clamp(-127.0, 127.0) as i8;
            *byte = rounded.cast_unsigned();
        }
        words.push(i32::from_le_bytes(bytes));
    }
    scale
}

/// - `words`: `[rows, ⌈cols / 4⌉]`
/// - `scale`: `[rows, 1]`
/// - returns: `[rows, cols]`
fn widen(words: &Tensor<2, Int>, scale: Tensor<2>, cols: usize) -> Tensor<2> {
    #[cfg(feature = "flex")]
    if flex::serves(words) {
        return flex::widen(words.clone(), scale, cols);
    }
    let [rows, width] = words.dims();
    // Without a sign, shifted by half the range, and back.
    let byte = |index: i32| {
        let byte = words.clone().bitwise_right_shift_scalar(8 * index).bitwise_and_scalar(255);
        byte.bitwise_xor_scalar(128).float() - 128.0 // [rows, width]
    };
    let bytes = Tensor::stack::<3>((0..4).map(byte).collect(), 2); // [rows, width, 4]
    bytes.reshape([rows, width * 4]).narrow(1, 0, cols) * scale
}

#[cfg(feature = "flex")]
mod flex {
    use burn::backend::TensorMetadata;
    use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
    use burn::backend::tensor::{FloatTensor, IntTensor};
    use burn::backend::{
        Autodiff, AutodiffBackend as _, Backend, Dispatch, DispatchDevice, Flex, backend_extension,
    };
    use burn::tensor::{DType, Int, Tensor, TensorData};
    use pulp::Arch;
    use rayon::prelude::*;

    /// Numbers that one thread takes at a time.
    const CHUNK: usize = 16_384;

    /// Whether there is a kernel for the tensor.
    pub(super) fn serves(words: &Tensor<2, Int>) -> bool {
        let is_flex = matches!(words.device().inner().as_dispatch(), DispatchDevice::Flex(_));
        // The kernel reads the bytes of a word in the order of memory.
        is_flex && words.dtype() == DType::I32 && cfg!(target_endian = "little")
    }

    pub(super) fn widen(words: Tensor<2, Int>, scale: Tensor<2>, cols: usize) -> Tensor<2> {
        let (words, scale) = (words.into_dispatch(), scale.into_dispatch());
        Tensor::from_dispatch(<Dispatch as Widen>::widen(words, scale, cols))
    }

    #[backend_extension(Autodiff, Flex)]
    #[expect(unreachable_pub, reason = "the macro names it from outside")]
    pub trait Widen: Backend {
        fn widen(
            words: IntTensor<Self>,
            scale: FloatTensor<Self>,
            cols: usize,
        ) -> FloatTensor<Self>;
    }

    impl Widen for Flex {
        fn widen(
            words: IntTensor<Self>,
            scale: FloatTensor<Self>,
            cols: usize,
        ) -> FloatTensor<Self> {
            let (words, scale) = (words.to_contiguous(), scale.to_contiguous());
            let [rows, width] = words.shape().dims();
            let bytes: &[i8] = bytemuck::cast_slice(words.as_slice::<i32>().unwrap_or_default());
            let scales = scale.as_slice::<f32>().unwrap_or_default();
            let mut values = vec![0.0_f32; rows * cols];
            let (cols_or_one, bytes_of_row) = (cols.max(1), 4 * width.max(1));
            let step = (CHUNK / cols_or_one).max(1);
            let arch = Arch::new();
            let from = bytes.par_chunks(step * bytes_of_row).zip(scales.par_chunks(step));
            let pairs = values.par_chunks_mut(step * cols_or_one).zip(from);
            pairs.for_each(|(to, (from, scales))| {
                arch.dispatch(|| {
                    let rows = to.chunks_mut(cols_or_one).zip(from.chunks(bytes_of_row));
                    for ((to, from), scale) in rows.zip(scales) {
                        for (to, &from) in to.iter_mut().zip(from) {
                            *to = f32::from(from) * scale;
                        }
                    }
                });
            });
            FloatTensor::<Self>::from_data(TensorData::new(values, [rows, cols]))
        }
    }

    impl<B: Widen, C: CheckpointStrategy> Widen for Autodiff<B, C> {
        fn widen(
            words: IntTensor<Self>,
            scale: FloatTensor<Self>,
            cols: usize,
        ) -> FloatTensor<Self> {
            // Nothing goes backwards through what is no parameter.
            Self::from_inner(B::widen(words, Self::inner(scale), cols))
        }
    }
}
