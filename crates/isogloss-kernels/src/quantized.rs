//! Matrices in 16 bits, in 8, and in 4.

#[cfg(feature = "flex")]
mod flex;

use std::convert::Infallible;

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use half::bf16;

use crate::linear;

/// Numbers that are rounded at a time, so that little beside the matrix is held.
const BLOCK: usize = 1 << 20;

/// In how many bits the numbers of a [`QuantizedMatrix`] are, and which they can be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Quantization {
    /// 8-bit whole numbers with a scale for each row: a quarter of the memory, for a little of the precision.
    ///
    /// ```text
    /// scale = max |row| / 127        stored = round(row / scale)        row ≈ scale · stored
    /// ```
    ///
    /// so that no number is off by more than half a scale. Dettmers et al. (2022), "LLM.int8()", section 2,
    /// <https://arxiv.org/abs/2208.07339>: absmax quantisation by rows ("vector-wise").
    Int8,
    /// One of 16 numbers, in 4 bits, with a scale for each 64 of a row: an eighth of the memory and a little more.
    ///
    /// The 16 are 0, 1, -1 and, between them, as many as are equally likely of normal numbers; the nearest is
    /// stored. Dettmers et al. (2023), "QLoRA", section 3 and appendix E, <https://arxiv.org/abs/2305.14314>: 4-bit
    /// NormalFloat, without the second quantisation of scales. Blocks are of a row, where `bitsandbytes` counts on
    /// into the next: the same, where a row is a multiple of 64.
    Nf4,
    /// The first 16 bits of a 32-bit number, bfloat16: half of the memory, and of each number the first 8 binary
    /// digits, the nearest. What was published in these 16 bits is held as it is.
    Bf16,
}

/// The numbers of [`Quantization::Nf4`], ascending.
const NF4: [f32; 16] = [
    -1.0,
    -0.696_192_8,
    -0.525_073_05,
    -0.394_917_5,
    -0.284_441_38,
    -0.184_773_43,
    -0.091_050_036,
    0.0,
    0.079_580_3,
    0.160_930_2,
    0.246_112_3,
    0.337_915_24,
    0.440_709_83,
    0.562_617,
    0.722_956_84,
    1.0,
];

/// The numbers of a row that have a scale of their own in 4 bits.
const NF4_BLOCK: usize = 64;

impl Quantization {
    /// The numbers that a word of 32 bits holds.
    const fn per_word(self) -> usize {
        match self {
            Self::Bf16 => 2,
            Self::Int8 => 4,
            Self::Nf4 => 8,
        }
    }

    /// What the rows of a table are held in, of which each is a word's alone: in no fewer bits than 8.
    #[must_use]
    pub const fn of_table(self) -> Self {
        match self {
            Self::Nf4 => Self::Int8,
            Self::Int8 | Self::Bf16 => self,
        }
    }

    /// The scales of a row.
    fn scales(self, cols: usize) -> usize {
        match self {
            // In 16 bits, of 1.
            Self::Int8 | Self::Bf16 => 1,
            Self::Nf4 => cols.div_ceil(NF4_BLOCK).max(1),
        }
    }

    /// Appends a row to words and its scales to those.
    fn push_row(self, row: &[f32], words: &mut Vec<i32>, scales: &mut Vec<f32>) {
        match self {
            Self::Int8 => scales.push(push_int8(row, words)),
            Self::Bf16 => {
                push_bf16(row, words);
                scales.push(1.0);
            }
            Self::Nf4 => {
                for block in row.chunks(NF4_BLOCK) {
                    scales.push(push_nf4(block, words));
                }
                if row.is_empty() {
                    scales.push(0.0);
                }
            }
        }
    }
}

/// A matrix of few bits with scales.
///
/// It computes nothing in those bits: rows become 32-bit numbers when they are wanted, on Flex in one pass on all
/// cores. It takes no gradient, is no parameter, and no optimiser, record or file of weights sees it.
///
/// # Examples
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use isogloss_kernels::{Quantization, QuantizedMatrix};
///
/// let matrix = Tensor::<2>::from_floats([[0.5, -1.27], [0.0, 25.4]], &Device::flex());
/// let small = QuantizedMatrix::quantize(matrix, Quantization::Int8);
/// assert_eq!(small.bytes(), 2 * (4 + 4));
/// let rows = small.select(Tensor::from_ints([1], &Device::flex()));
/// assert_eq!(rows.into_data().try_to_vec::<f32>().unwrap(), [0.0, 25.4]);
/// ```
#[derive(Module, Debug)]
pub struct QuantizedMatrix {
    /// Several numbers to a word, the first in its lowest bits. `[rows, words]`
    words: Tensor<2, Int>,
    /// `[rows, scales]`
    scale: Tensor<2>,
    #[module(skip)]
    cols: usize,
    #[module(skip)]
    format: Quantization,
}

impl QuantizedMatrix {
    /// Rounds a matrix. What is no number becomes 0.
    ///
    /// # Shapes
    ///
    /// - `matrix`: `[rows, cols]`
    pub fn quantize(matrix: Tensor<2>, format: Quantization) -> Self {
        let matrix = matrix.inner();
        let (device, [rows, cols]) = (matrix.device(), matrix.dims());
        let step = Self::rows_at_once(cols);
        let blocks = (0..rows).step_by(step).map(|first| {
            let block = matrix.clone().narrow(0, first, step.min(rows - first)).cast(DType::F32);
            Ok::<_, Infallible>(block.into_data().iter::<f32>().collect())
        });
        match Self::try_from_blocks(cols, blocks, format, &device) {
            Ok(this) => this,
            Err(never) => match never {},
        }
    }

    /// Rounds a matrix that comes in blocks of rows, none of which is kept: one that is larger than memory
    /// in 32 bits may fit it in fewer.
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
        format: Quantization,
        device: &Device,
    ) -> Result<Self, E> {
        let (mut words, mut scales, mut rows) = (Vec::new(), Vec::new(), 0);
        for block in blocks {
            let block = block?;
            assert_eq!(block.len() % cols.max(1), 0, "a block of whole rows");
            for row in block.chunks(cols.max(1)) {
                format.push_row(row, &mut words, &mut scales);
                rows += 1;
            }
        }
        let words = TensorData::new(words, [rows, cols.div_ceil(format.per_word())]);
        let scale = TensorData::new(scales, [rows, format.scales(cols)]);
        Ok(Self {
            words: Tensor::from_data(words, (device, DType::I32)),
            scale: Tensor::from_data(scale, (device, DType::F32)),
            cols,
            format,
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
        let ([rows, width], [_, scales]) = (self.words.dims(), self.scale.dims());
        rows * (width + scales) * 4
    }

    /// In how many bits it is.
    pub fn format(&self) -> Quantization {
        self.format
    }

    /// The matrix in 32 bits.
    ///
    /// # Shapes
    ///
    /// - returns: `[rows, cols]`
    pub fn to_float(&self) -> Tensor<2> {
        widen(&self.words, self.scale.clone(), self.cols, self.format)
    }

    /// Some of its rows in 32 bits.
    ///
    /// # Shapes
    ///
    /// - `rows`: `[n]`
    /// - returns: `[n, cols]`
    pub fn select(&self, rows: Tensor<1, Int>) -> Tensor<2> {
        let words = self.words.clone().select(0, rows.clone());
        widen(&words, self.scale.clone().select(0, rows), self.cols, self.format)
    }
}

/// A linear layer whose matrix is in few bits: `y = x W + b`.
///
/// Its rows, with their scales, are the outputs. The bias stays as it was, a parameter. On Flex the matrix is in 32 bits
/// for as long as it is multiplied, and is made once more on the way back; elsewhere autodiff holds it until then.
#[derive(Module, Debug)]
pub struct QuantizedLinear {
    /// Transposed. `[out, in]`
    matrix: QuantizedMatrix,
    bias: Option<Param<Tensor<1>>>,
}

impl QuantizedLinear {
    /// Rounds a layer.
    pub fn quantize(layer: Linear, format: Quantization) -> Self {
        let matrix = QuantizedMatrix::quantize(layer.weight.val().transpose(), format);
        Self::new(matrix, layer.bias)
    }

    /// A layer of a matrix that has been rounded, transposed.
    ///
    /// # Shapes
    ///
    /// - `matrix`: `[out, in]`
    /// - `bias`: `[out]`
    pub fn new(matrix: QuantizedMatrix, bias: Option<Param<Tensor<1>>>) -> Self {
        Self { matrix, bias }
    }

    /// In how many bits its matrix is.
    pub fn format(&self) -> Quantization {
        self.matrix.format()
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
        let bias = self.bias.as_ref().map(Param::val);
        #[cfg(feature = "flex")]
        if crate::flex::serves(&x) && flex::serves(&self.matrix.words) {
            return flex::linear(x, &self.matrix, bias);
        }
        linear(x, self.weight(), bias)
    }

    /// `[in, out]`
    fn weight(&self) -> Tensor<2> {
        self.matrix.to_float().transpose()
    }
}

/// Appends a row, four numbers to a word; returns its scale.
fn push_int8(row: &[f32], words: &mut Vec<i32>) -> f32 {
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

/// Appends a row, two numbers to a word.
fn push_bf16(row: &[f32], words: &mut Vec<i32>) {
    let code = |x: f32| if x.is_nan() { 0 } else { bf16::from_f32(x).to_bits() };
    for two in row.chunks(2) {
        let high = two.get(1).map_or(0, |&x| code(x));
        words.push((u32::from(high) << 16 | u32::from(code(two[0]))).cast_signed());
    }
}

/// What a number of 16 bits is a product of: one of the numbers of its high byte, which are a sign and all but the last
/// bit of the exponent, and one of those of its low byte. For devices on which bits cannot become a number; below
/// 2⁻¹²⁵ it is 0.
fn bf16_factors() -> [Vec<f32>; 2] {
    let high = |byte: u16| match byte & 0x7f {
        0 => 0.0,
        // 2^(2k - 127)
        k => bf16::from_bits((byte & 0x80) << 8 | (2 * k) << 7).to_f32(),
    };
    let low =
        |byte: u16| bf16::from_bits(127 << 7 | byte & 0x7f).to_f32() * f32::from(1 + (byte >> 7));
    [(0..256).map(high).collect(), (0..256).map(low).collect()]
}

/// Appends a block, eight numbers to a word; returns its scale.
fn push_nf4(block: &[f32], words: &mut Vec<i32>) -> f32 {
    let largest = block.iter().filter(|x| x.is_finite()).fold(0.0_f32, |max, x| max.max(x.abs()));
    let inverse = if largest > 0.0 && (1.0 / largest).is_finite() { 1.0 / largest } else { 0.0 };
    for eight in block.chunks(8) {
        let mut word = 0_u32;
        for (place, &x) in eight.iter().enumerate() {
            let x = if x.is_nan() { 0.0 } else { (x * inverse).clamp(-1.0, 1.0) };
            // As many are below it as middles between two.
            let middles = NF4.windows(2).map(|two| f32::midpoint(two[0], two[1]));
            let code: u32 = middles.map(|middle| u32::from(middle < x)).sum();
            word |= code << (4 * place);
        }
        words.push(word.cast_signed());
    }
    if inverse > 0.0 { largest } else { 0.0 }
}

/// - `words`: `[rows, words]`
/// - `scale`: `[rows, scales]`
/// - returns: `[rows, cols]`
fn widen(words: &Tensor<2, Int>, scale: Tensor<2>, cols: usize, format: Quantization) -> Tensor<2> {
    #[cfg(feature = "flex")]
    if flex::serves(words) {
        return flex::widen(words.clone(), scale, cols, format);
    }
    let [rows, width] = words.dims();
    let part = |index: usize, bits: i32| {
        let shift = bits * i32::try_from(index).unwrap_or(0);
        words.clone().bitwise_right_shift_scalar(shift).bitwise_and_scalar((1 << bits) - 1)
    };
    let parts = 0..format.per_word();
    let (numbers, block) = match format {
        Quantization::Bf16 => {
            let device = words.device();
            let factor = |bits: Tensor<2, Int>, factors: Vec<f32>| {
                let factors = Tensor::<1>::from_floats(factors.as_slice(), &device);
                factors.select(0, bits.flatten::<1>(0, 1)).reshape([rows, width])
            };
            let half = |index| {
                let [high, low] = bf16_factors();
                factor(part(2 * index + 1, 8), high) * factor(part(2 * index, 8), low)
            };
            (Tensor::stack::<3>(parts.map(half).collect(), 2), cols)
        }
        Quantization::Int8 => {
            // Without a sign, shifted by half the range, and back.
            let byte = |index| part(index, 8).bitwise_xor_scalar(128).float() - 128.0;
            (Tensor::stack::<3>(parts.map(byte).collect(), 2), cols)
        }
        Quantization::Nf4 => {
            let codes = Tensor::stack::<3>(parts.map(|index| part(index, 4)).collect(), 2);
            let table = Tensor::<1>::from_floats(NF4, &words.device());
            let dims = codes.dims();
            (table.select(0, codes.flatten::<1>(0, 2)).reshape(dims), NF4_BLOCK)
        }
    };
    let numbers = numbers.reshape([rows, width * format.per_word()]).narrow(1, 0, cols);
    let [_, scales] = scale.dims();
    if scales == 1 {
        return numbers * scale;
    }
    // Blocks of a row, the last of which may be short.
    let wide = scale.unsqueeze_dim::<3>(2).repeat_dim(2, block); // [rows, scales, block]
    numbers * wide.reshape([rows, scales * block]).narrow(1, 0, cols)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_16_bits_are_products_of_what_their_bytes_stand_for() {
        let [high, low] = bf16_factors();
        for bits in 0..=u16::MAX {
            let expected = bf16::from_bits(bits).to_f32();
            let [first, second] = bits.to_be_bytes().map(usize::from);
            let found = high[first] * low[second];
            if expected.is_nan() {
                continue;
            }
            if expected.abs() < 2.0_f32.powi(-125) {
                assert!(found.abs() < f32::MIN_POSITIVE, "{bits:04x}: {found}");
            } else {
                assert!(found.to_bits() == expected.to_bits(), "{bits:04x}: {found} {expected}");
            }
        }
    }
}
