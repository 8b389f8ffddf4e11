//! Random numbers to begin with.

use rand::{Rng, RngExt};

/// From `-bound` to `bound`.
#[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
pub(crate) fn uniform(rng: &mut impl Rng, count: usize, bound: f64) -> Vec<f32> {
    let bound = bound as f32;
    (0..count).map(|_| rng.random_range(-bound..=bound)).collect()
}

/// Normal with mean 0.
pub(crate) fn normal(rng: &mut impl Rng, count: usize, std: f64) -> Vec<f32> {
    // Box and Muller (1958); the first uniform is kept off zero.
    let draw = |_| {
        let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * rng.random::<f64>()).cos();
        #[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
        let weight = (std * normal) as f32;
        weight
    };
    (0..count).map(draw).collect()
}

/// The same, with what is beyond two standard deviations drawn again.
pub(crate) fn truncated_normal(rng: &mut impl Rng, count: usize, std: f64) -> Vec<f32> {
    let limit = 2.0 * std;
    let mut numbers = Vec::with_capacity(count);
    while numbers.len() < count {
        let drawn = normal(rng, count - numbers.len(), std).into_iter();
        numbers.extend(drawn.filter(|x| f64::from(x.abs()) <= limit));
    }
    numbers
}
