//! Matrices in 16, 8 and 4 bits beside the numbers they were made of.

use burn::module::{Module, Param};
use burn::nn::LinearConfig;
use burn::tensor::{Tensor, TensorData};
use isogloss_kernels::{Either, Quantization, QuantizedLinear, QuantizedMatrix};
use proptest::prelude::*;

const INT8: Quantization = Quantization::Int8;
const NF4: Quantization = Quantization::Nf4;
const BF16: Quantization = Quantization::Bf16;

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

fn matrix(numbers: Vec<f32>, dims: [usize; 2]) -> Tensor<2> {
    Tensor::from_data(TensorData::new(numbers, dims), &crate::device())
}

fn ramp(dims: [usize; 2]) -> Tensor<2> {
    let numbers = (0..dims[0] * dims[1]).map(|i| (i as f32 * 0.37).sin() * (i % 7) as f32);
    matrix(numbers.collect(), dims)
}

#[test]
fn numbers_are_those_computed_by_hand() {
    let rows = vec![
        1.27, -0.64, 0.006, 0.004, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 254.0, -254.0, 1.0, 3.0, 0.9,
    ];
    let small = QuantizedMatrix::quantize(matrix(rows, [3, 5]), INT8);
    assert_eq!((small.dims(), small.bytes()), ([3, 5], 3 * (8 + 4)));
    let expected =
        [1.27, -0.64, 0.01, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 254.0, -254.0, 2.0, 4.0, 0.0];
    for (found, expected) in values(small.to_float()).into_iter().zip(expected) {
        assert!((found - expected).abs() < 1e-5, "{found} {expected}");
    }
}

#[test]
fn what_is_not_finite_does_not_spoil_its_row() {
    let rows = vec![f32::NAN, 1.0, f32::INFINITY, f32::NEG_INFINITY];
    let found = values(QuantizedMatrix::quantize(matrix(rows, [1, 4]), INT8).to_float());
    assert_eq!(found, [0.0, 1.0, 1.0, -1.0]);
}

#[test]
fn rows_are_those_of_the_whole() {
    for format in [INT8, BF16] {
        select_as_the_whole(format);
    }
}

fn select_as_the_whole(format: Quantization) {
    // More than one thread takes, of a width that is no whole number of words.
    let small = QuantizedMatrix::quantize(ramp([700, 37]), format);
    let whole = values(small.to_float());
    let chosen = [699_u16, 0, 3, 3];
    let found = values(small.select(Tensor::from_ints(chosen.map(i32::from), &crate::device())));
    let expected: Vec<f32> =
        chosen.iter().flat_map(|&row| whole[usize::from(row) * 37..][..37].to_vec()).collect();
    assert_eq!(found, expected);
}

#[test]
fn blocks_make_the_matrix_that_the_whole_makes() {
    let whole = ramp([10, 6]);
    let blocks = values(whole.clone()).chunks(6 * 4).map(<[f32]>::to_vec).collect::<Vec<_>>();
    let blocks = QuantizedMatrix::try_from_blocks(
        6,
        blocks.into_iter().map(Ok::<_, ()>),
        INT8,
        &crate::device(),
    );
    assert_eq!(
        values(blocks.unwrap().to_float()),
        values(QuantizedMatrix::quantize(whole, INT8).to_float())
    );
    let fails = [Ok(vec![0.0; 6]), Err("gone")];
    assert_eq!(
        QuantizedMatrix::try_from_blocks(6, fails.into_iter(), INT8, &crate::device()).unwrap_err(),
        "gone"
    );
}

#[test]
fn a_layer_passes_gradients_to_its_input_and_its_bias() {
    for (format, near) in [(INT8, 0.01), (BF16, 0.01), (NF4, 0.3)] {
        passes_gradients(format, near);
    }
}

fn passes_gradients(format: Quantization, tolerance: f32) {
    let device = crate::device().autodiff();
    let layer = LinearConfig::new(6, 5).init(&device);
    let small = QuantizedLinear::quantize(layer.clone(), format);
    assert_eq!(small.dims(), [6, 5]);
    let rounded = small.to_linear();
    let ramp =
        |dims: [usize; 2]| Tensor::<2>::from_data(ramp(dims).div_scalar(6).into_data(), &device);
    let x = ramp([4, 6]).require_grad();
    let found = small.forward(x.clone());
    let expected = rounded.forward(x.clone());
    assert_eq!(values(found.clone()), values(expected.clone()));
    let near = layer.forward(x.clone()) - found.clone();
    assert!(values(near.abs().max())[0] < tolerance);
    let weight = ramp([4, 5]);
    let gradients = |layer: Option<&Param<Tensor<1>>>, y: Tensor<2>| {
        let gradients = (y * weight.clone()).sum().backward();
        let of_bias = layer.unwrap().val().grad(&gradients).unwrap();
        [values(x.grad(&gradients).unwrap()), values(of_bias)]
    };
    let bias = small.clone().into_bias();
    let found = gradients(bias.as_ref(), found);
    let expected = gradients(rounded.bias.as_ref(), expected);
    assert!(found[1].iter().any(|x| x.abs() > 1e-3));
    for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }
    assert_eq!((small.num_params(), layer.num_params()), (5, 35));
}

#[test]
fn sixteen_bits_hold_the_first_digits() {
    // A tie goes to the even one, as 1 + 2⁻⁸ to 1; of an odd count, so that half of a word is nothing.
    let row =
        vec![1.0, 1.003_906_3, 1.011_718_8, -0.1, f32::NAN, f32::INFINITY, -3.0e38, 1e-37, 0.0];
    let small = QuantizedMatrix::quantize(matrix(row, [1, 9]), BF16);
    assert_eq!((small.dims(), small.bytes(), small.format()), ([1, 9], 4 * (5 + 1), BF16));
    let found = values(small.to_float());
    let expected = [
        1.0,
        1.0,
        1.015_625,
        -0.100_097_656,
        0.0,
        f32::INFINITY,
        -3.004_055_3e38,
        9.991_702e-38,
        0.0,
    ];
    for (found, expected) in found.iter().zip(expected) {
        let is_near = (found - expected).abs() <= 1e-4 * expected.abs();
        assert!(is_near || found.to_bits() == expected.to_bits(), "{found} {expected}");
    }
}

#[test]
fn either_module_stands_under_the_same_path() {
    let device = crate::device();
    let layer = LinearConfig::new(6, 5).init(&device);
    let full = Either::<_, QuantizedLinear>::A(layer.clone());
    assert_eq!(full.num_params(), 35);
    assert_eq!(full.devices(), std::slice::from_ref(&device));
    let small: Either<burn::nn::Linear, _> = Either::B(QuantizedLinear::quantize(layer, INT8));
    assert_eq!(small.num_params(), 5);
    assert_eq!(small.clone().to_device(&device).valid().devices(), [device]);
}

/// Those of appendix E of the paper.
const NUMBERS: [f32; 16] = [
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

#[test]
fn four_bits_hold_the_numbers_of_the_paper() {
    // Each of the 16, by a scale of 3, in a block of its own length; then a row that ends within a block.
    let rows: Vec<f32> = (0..70).map(|i| 3.0 * NUMBERS[(i * 7 + 15) % 16]).collect();
    let small = QuantizedMatrix::quantize(matrix(rows.clone(), [1, 70]), NF4);
    // 9 words of 8 numbers, 2 scales.
    assert_eq!((small.dims(), small.bytes(), small.format()), ([1, 70], 4 * (9 + 2), NF4));
    let (found, last) =
        (values(small.to_float()), rows[64..].iter().fold(0.0, |max: f32, x| max.max(x.abs())));
    for (found, expected) in found[..64].iter().zip(&rows) {
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }
    assert!((last - 3.0).abs() > 1e-3 || found[64..] == rows[64..]);
    // Between two the nearer is taken.
    let [low, high] = [NUMBERS[9], NUMBERS[10]];
    let row = vec![1.0, low + 0.4 * (high - low), low + 0.6 * (high - low), f32::NAN];
    let found = values(QuantizedMatrix::quantize(matrix(row, [1, 4]), NF4).to_float());
    assert_eq!(found, [1.0, low, high, 0.0]);
    let none = values(QuantizedMatrix::quantize(matrix(vec![0.0; 3], [1, 3]), NF4).to_float());
    assert_eq!(none, [0.0; 3]);
}

#[test]
fn rows_of_four_bits_are_those_of_the_whole() {
    let small = QuantizedMatrix::quantize(ramp([300, 137]), NF4);
    let whole = values(small.to_float());
    let chosen = [299_u16, 0, 3];
    let found = values(small.select(Tensor::from_ints(chosen.map(i32::from), &crate::device())));
    let expected: Vec<f32> =
        chosen.iter().flat_map(|&row| whole[usize::from(row) * 137..][..137].to_vec()).collect();
    assert_eq!(found, expected);
}

proptest! {
    #[test]
    fn the_nearest_of_sixteen_is_stored(
        cols in 1_usize..140,
        numbers in proptest::collection::vec(-100.0_f32..100.0, 140),
    ) {
        let numbers = &numbers[..cols];
        let found = values(QuantizedMatrix::quantize(matrix(numbers.to_vec(), [1, cols]), NF4).to_float());
        for (found, block) in found.chunks(64).zip(numbers.chunks(64)) {
            let scale = block.iter().fold(0.0_f32, |max, x| max.max(x.abs()));
            for (found, x) in found.iter().zip(block) {
                let nearest = NUMBERS.map(|it| (it * scale - x).abs()).into_iter().fold(f32::MAX, f32::min);
                prop_assert!((found - x).abs() <= nearest + 1e-4, "{found} {x} {scale}");
            }
        }
    }

    #[test]
    fn eight_digits_are_kept_and_no_more_are_lost_a_second_time(
        numbers in proptest::collection::vec(-1e4_f32..1e4, 1..40),
    ) {
        let once = |numbers: &[f32]| {
            let row = matrix(numbers.to_vec(), [1, numbers.len()]);
            values(QuantizedMatrix::quantize(row, BF16).to_float())
        };
        let found = once(&numbers);
        for (found, x) in found.iter().zip(&numbers) {
            prop_assert!((found - x).abs() <= x.abs() / 256.0, "{found} {x}");
        }
        prop_assert_eq!(once(&found), found);
    }

    #[test]
    fn no_number_is_off_by_more_than_half_a_scale(
        rows in 1_usize..5,
        cols in 1_usize..9,
        numbers in proptest::collection::vec(-100.0_f32..100.0, 32),
    ) {
        let numbers = numbers[..rows.min(4) * cols.min(8)].to_vec();
        let (rows, cols) = (rows.min(4), cols.min(8));
        let found = values(QuantizedMatrix::quantize(matrix(numbers.clone(), [rows, cols]), INT8).to_float());
        for (found, row) in found.chunks(cols).zip(numbers.chunks(cols)) {
            let scale = row.iter().fold(0.0_f32, |max, x| max.max(x.abs())) / 127.0;
            for (found, x) in found.iter().zip(row) {
                prop_assert!((found - x).abs() <= scale * 0.5 + 1e-5, "{found} {x} {scale}");
            }
        }
    }
}
