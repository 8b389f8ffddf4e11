//! Loops that become vector instructions. All are inlined, since a call within a loop keeps it from that.
#![expect(clippy::inline_always, reason = "a call within a loop keeps it from becoming vectors")]

use std::f32::consts::LOG2_E;

/// Numbers that are folded side by side.
const LANES: usize = 16;

/// `exp(x)` for `x ≤ 0`: a power of two times a polynomial on `[-ln √2, ln √2]`. 0 below -87.
#[inline(always)]
pub(crate) fn exp_of_negative(x: f32) -> f32 {
    /// 3 · 2²²: a number of which nothing is left behind the point once it is added, and that then stands in
    /// the lowest bits. A cast would check each number by itself.
    const WHOLE: f32 = 12_582_912.0;
    let shifted = x.max(-87.0) * LOG2_E + WHOLE;
    let n = shifted - WHOLE;
    // ln 2 in two parts, the first of few bits, so that `n` times it is exact.
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let p = 0.166_666_6 + r * (0.041_666_6 + r * (0.008_333_3 + r * 0.001_388_9));
    let p = 1.0 + r * (1.0 + r * (0.5 + r * p));
    let exp = p * f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    if x < -87.0 { 0.0 } else { exp }
}

/// The largest number; -∞ of none.
#[inline(always)]
pub(crate) fn largest(numbers: &[f32]) -> f32 {
    fold(numbers, f32::NEG_INFINITY, |a, b| if b > a { b } else { a })
}

/// The sum, in an order of its own.
#[inline(always)]
pub(crate) fn sum(numbers: &[f32]) -> f32 {
    fold(numbers, 0.0, |a, b| a + b)
}

/// The sum of products, in an order of its own.
#[inline(always)]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, rest_of_a), (b, rest_of_b)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut lanes = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += a * b;
        }
    }
    let rest = rest_of_a.iter().zip(rest_of_b).map(|(a, b)| a * b);
    lanes.into_iter().chain(rest).sum()
}

#[inline(always)]
fn fold(numbers: &[f32], start: f32, join: impl Fn(f32, f32) -> f32) -> f32 {
    let (chunks, rest) = numbers.as_chunks::<LANES>();
    let mut lanes = [start; LANES];
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane = join(*lane, *x);
        }
    }
    let mut folded = lanes.into_iter().fold(start, &join);
    for x in rest {
        folded = join(folded, *x);
    }
    folded
}
