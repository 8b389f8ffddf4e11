//! Comparing numbers that need not be equal to the last bit.

/// By what tolerances are multiplied on the device under test: by 1,000 on CUDA, where Burn multiplies matrices of
/// 32 bits in TF32, which keeps three digits of seven.
pub fn slack() -> f32 {
    let is_cuda = std::env::var("ISOGLOSS_TEST_DEVICE").is_ok_and(|name| name == "cuda");
    if is_cuda { 1_000.0 } else { 1.0 }
}

/// Asserts that two slices differ by `tolerance` times [`slack`] at most, everywhere.
///
/// # Panics
///
/// Otherwise, with the worst place; a NaN differs from everything.
pub fn assert_close(found: &[f32], expected: &[f32], tolerance: f32) {
    let tolerance = tolerance * slack();
    assert_eq!(found.len(), expected.len(), "number of values");
    let difference = |i: usize| (found[i] - expected[i]).abs();
    let worst = (0..found.len()).reduce(|worst, i| {
        if difference(i) <= difference(worst) || difference(worst).is_nan() { worst } else { i }
    });
    if let Some(i) = worst {
        assert!(
            difference(i) <= tolerance,
            "value {i} is {}, expected {} to within {tolerance}",
            found[i],
            expected[i],
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "value 1 is NaN")]
    fn a_nan_is_never_close() {
        assert_close(&[1.0, f32::NAN], &[1.0, 1.0], 1e9);
    }
}
