//! Gradients of all parameters together: their norm, their scale.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use isogloss_kernels::{scaled, sum_of_squares};

/// Multiplies gradients by `scale` and, where their norm is then above `max_norm`, scales them
/// down to it.
///
/// ```text
/// n = ‖scale · g‖₂ over all parameters together       g ← scale · min(1, max_norm / (n + 1e-6)) · g
/// ```
///
/// Burn's own clipping by norm takes each tensor by itself, which changes the direction of the
/// step. Returns the gradients and `n`.
pub(crate) fn scale_and_clip<M: Module>(
    module: &M,
    gradients: GradientsParams,
    scale: f64,
    max_norm: Option<f64>,
) -> (GradientsParams, f64) {
    let mut squares = SumOfSquares { gradients: &gradients, sum: None };
    module.visit(&mut squares);
    // The one read-back of a step; NaN and infinity pass through it to the caller.
    let sum = squares.sum.map_or(0.0, |sum| f64::from(sum.into_scalar::<f32>()));
    let norm = scale * sum.sqrt();
    let clip = max_norm.map_or(1.0, |max_norm| (max_norm / (norm + 1e-6)).min(1.0));
    let mut scaled = Scaled { gradients, by: scale * clip, result: GradientsParams::new() };
    module.visit(&mut scaled);
    (scaled.result, norm)
}

struct SumOfSquares<'a> {
    gradients: &'a GradientsParams,
    sum: Option<Tensor<1>>,
}

impl ModuleVisitor for SumOfSquares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            let sum = sum_of_squares(gradient);
            self.sum = Some(match self.sum.take() {
                Some(total) => total + sum,
                None => sum,
            });
        }
    }
}

struct Scaled {
    gradients: GradientsParams,
    by: f64,
    result: GradientsParams,
}

impl ModuleVisitor for Scaled {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            self.result.register(param.id, scaled(gradient, self.by));
        }
    }
}
