//! GELU beside its definition.

use burn::tensor::{Tensor, activation};
use isogloss_kernels::gelu;
use proptest::prelude::*;

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

fn largest_difference<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> f32 {
    let (a, b) = (values(a), values(b));
    assert_eq!(a.len(), b.len());
    a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn values_are_those_of_the_definition() {
    let x = [-3.0, -1.0, -0.1, 0.5, 1.0, 3.0, 0.0, -20.0, 20.0, -1e30, 1e30];
    let expected: [f32; 11] = [
        -0.004_049_694,
        -0.158_655_25,
        -0.046_017_216,
        0.345_731_23,
        0.841_344_8,
        2.995_950_3,
        0.0,
        0.0,
        20.0,
        0.0,
        1e30,
    ];
    let found = values(gelu(Tensor::<1>::from_floats(x, &crate::device())));
    for ((x, found), expected) in x.iter().zip(found).zip(expected) {
        let tolerance = 1e-6_f32.max(expected.abs() * 1e-6);
        assert!((found - expected).abs() < tolerance, "{x}: {found} {expected}");
    }
}

#[test]
fn what_is_not_a_number_stays_so() {
    let x = Tensor::<1>::from_floats([f32::NAN, f32::INFINITY], &crate::device());
    let found = values(gelu(x));
    assert!(found[0].is_nan() && found[1] == f32::INFINITY, "{found:?}");
}

/// Numbers from -6 to 6, more of them than one thread takes.
fn ramp() -> Vec<f32> {
    (0..70_000).map(|i| (i as f32 * 0.37).sin() * 6.0).collect()
}

#[test]
fn values_and_gradients_are_those_of_the_error_function() {
    let device = crate::device().autodiff();
    let numbers = ramp();
    let x = || Tensor::<1>::from_floats(numbers.as_slice(), &device).require_grad();
    // Of its own for each, since going backwards uses a graph up.
    let weight = || Tensor::<1>::from_floats(numbers.as_slice(), &device).cos();
    let (a, b) = (x(), x());
    let theirs = b.clone() * (b.clone() * 0.5_f64.sqrt()).erf().add_scalar(1.0) * 0.5;
    let ours = gelu(a.clone());
    assert!(largest_difference(ours.clone(), theirs.clone()) < 2e-6);
    let ours = a.grad(&(ours * weight()).sum().backward()).unwrap();
    let theirs = b.grad(&(theirs * weight()).sum().backward()).unwrap();
    assert!(largest_difference(ours, theirs) < 5e-6);
}

#[test]
fn a_view_is_read_as_it_is_and_left_alone() {
    let device = crate::device();
    let whole = Tensor::<1>::from_floats(ramp().as_slice(), &device).reshape([70, 1000]);
    let view = whole.clone().swap_dims(0, 1).narrow(0, 100, 50);
    let expected = activation::gelu(view.clone());
    assert!(largest_difference(gelu(view), expected) < 2e-6);
    // Held twice, so not computed in place.
    assert_eq!(values(whole.clone().reshape([70_000])), ramp());
    let first = gelu(whole.clone());
    assert!(largest_difference(gelu(whole), first) < 1e-9);
}

#[test]
fn a_tensor_without_gradient_takes_none() {
    let device = crate::device().autodiff();
    let x = Tensor::<1>::from_floats([1.0, 2.0], &device);
    let weight = Tensor::<1>::from_floats([3.0, 4.0], &device).require_grad();
    let gradients = (gelu(x.clone()) * weight.clone()).sum().backward();
    assert!(x.grad(&gradients).is_none());
    assert!(weight.grad(&gradients).is_some());
}

proptest! {
    #[test]
    fn it_lies_between_zero_and_its_argument(x in -30.0_f32..30.0) {
        let found = values(gelu(Tensor::<1>::from_floats([x], &crate::device())))[0];
        prop_assert!(found <= x.max(0.0) + 1e-6);
        prop_assert!(found >= x.min(0.0) - 1e-6 && found > -0.171);
    }
}
