//! A step of AdamW.

use burn::tensor::Tensor;

/// What a step of [`adamw`] is taken with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWStep {
    /// The learning rate.
    pub learning_rate: f64,
    /// β₁ and β₂.
    pub betas: [f32; 2],
    /// ε.
    pub epsilon: f32,
    /// λ.
    pub weight_decay: f32,
    /// Which step it is, counted from 1.
    pub time: i32,
}

impl AdamWStep {
    /// What is left of a number that has no gradient and no moments.
    #[expect(clippy::cast_possible_truncation, reason = "parameters are f32")]
    pub(crate) fn decay(self) -> f32 {
        (1.0 - self.learning_rate * f64::from(self.weight_decay)) as f32
    }
}

/// Updates a parameter and its two moments, which are zero before the first step.
///
/// ```text
/// m ← β₁m + (1-β₁)g     v ← β₂v + (1-β₂)g²     θ ← θ(1 - lr·λ) - lr · m̂ / (√v̂ + ε)
/// ```
///
/// with `m̂ = m / (1 - β₁ᵗ)`, `v̂ = v / (1 - β₂ᵗ)`. On Flex all three are written over in one pass on all cores;
/// elsewhere it is plain operations.
///
/// # Shapes
///
/// - all: any, the same; no tensor of autodiff
/// - returns: the parameter, and its moments
///
/// # Source
///
/// Loshchilov and Hutter (2019), <https://arxiv.org/abs/1711.05101>.
pub fn adamw<const D: usize>(
    parameter: Tensor<D>,
    gradient: Tensor<D>,
    moments: Option<[Tensor<D>; 2]>,
    step: AdamWStep,
) -> (Tensor<D>, [Tensor<D>; 2]) {
    #[cfg(feature = "flex")]
    if crate::flex::serves(&parameter) {
        return flex::adamw(parameter, gradient, moments, step);
    }
    let AdamWStep { learning_rate, betas: [beta_1, beta_2], epsilon, weight_decay, time } = step;
    let [m, v] = moments.unwrap_or_else(|| [(); 2].map(|()| gradient.zeros_like()));
    let m = m.mul_scalar(beta_1) + gradient.clone().mul_scalar(1.0 - beta_1);
    let v = v.mul_scalar(beta_2) + gradient.square().mul_scalar(1.0 - beta_2);
    let m_hat = m.clone().div_scalar(1.0 - beta_1.powi(time));
    let v_hat = v.clone().div_scalar(1.0 - beta_2.powi(time));
    let update = m_hat / v_hat.sqrt().add_scalar(epsilon);
    let kept = parameter.mul_scalar(1.0 - learning_rate * f64::from(weight_decay));
    (kept - update.mul_scalar(learning_rate), [m, v])
}

#[cfg(feature = "flex")]
mod flex {
    use burn::backend::TensorMetadata;
    use burn::backend::tensor::FloatTensor;
    use burn::backend::{Backend, Dispatch, Flex, backend_extension};
    use burn::tensor::Tensor;

    use super::{AdamWStep, update_all};
    use crate::flex::{numbers, numbers_mut, owned, tensor};

    pub(super) fn adamw<const D: usize>(
        parameter: Tensor<D>,
        gradient: Tensor<D>,
        moments: Option<[Tensor<D>; 2]>,
        step: AdamWStep,
    ) -> (Tensor<D>, [Tensor<D>; 2]) {
        let (parameter, gradient) = (parameter.into_dispatch(), gradient.into_dispatch());
        let moments = moments.map(|[m, v]| (m.into_dispatch(), v.into_dispatch()));
        let (parameter, m, v) = match moments {
            Some((m, v)) => <Dispatch as FusedAdamW>::next(parameter, gradient, m, v, step),
            None => <Dispatch as FusedAdamW>::first(parameter, gradient, step),
        };
        (Tensor::from_dispatch(parameter), [m, v].map(Tensor::from_dispatch))
    }

    #[backend_extension(Flex)]
    trait FusedAdamW: Backend {
        fn first(
            parameter: FloatTensor<Self>,
            gradient: FloatTensor<Self>,
            step: AdamWStep,
        ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

        fn next(
            parameter: FloatTensor<Self>,
            gradient: FloatTensor<Self>,
            m: FloatTensor<Self>,
            v: FloatTensor<Self>,
            step: AdamWStep,
        ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
    }

    impl FusedAdamW for Flex {
        fn first(
            parameter: FloatTensor<Self>,
            gradient: FloatTensor<Self>,
            step: AdamWStep,
        ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
            let (shape, count) = (parameter.shape(), parameter.layout().num_elements());
            let [m, v] = [(); 2].map(|()| tensor(vec![0.0; count], shape.clone()));
            Self::next(parameter, gradient, m, v, step)
        }

        fn next(
            parameter: FloatTensor<Self>,
            gradient: FloatTensor<Self>,
            m: FloatTensor<Self>,
            v: FloatTensor<Self>,
            step: AdamWStep,
        ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
            let gradient = gradient.to_contiguous();
            let gradient = numbers(&gradient);
            let [mut parameter, mut m, mut v] = [parameter, m, v].map(owned);
            let [m_numbers, v_numbers] = [&mut m, &mut v].map(numbers_mut);
            update_all(numbers_mut(&mut parameter), gradient, m_numbers, v_numbers, step);
            (parameter, m, v)
        }
    }
}

/// Updates numbers in place, on all cores where there are kernels.
pub(crate) fn update_all(
    parameter: &mut [f32],
    gradient: &[f32],
    m: &mut [f32],
    v: &mut [f32],
    step: AdamWStep,
) {
    let update = Update::new(step);
    #[cfg(feature = "flex")]
    {
        use pulp::Arch;
        use rayon::prelude::*;

        use crate::flex::CHUNK;

        let arch = Arch::new();
        let moments = m.par_chunks_mut(CHUNK).zip(v.par_chunks_mut(CHUNK));
        let chunks = parameter.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK)).zip(moments);
        chunks.for_each(|((parameter, gradient), (m, v))| {
            arch.dispatch(|| update.apply(parameter, gradient, m, v));
        });
    }
    #[cfg(not(feature = "flex"))]
    update.apply(parameter, gradient, m, v);
}

/// The factors of an update.
#[derive(Clone, Copy)]
struct Update {
    betas: [f32; 2],
    // One less each, and one over the corrections of the two means.
    rests: [f32; 2],
    corrections: [f32; 2],
    epsilon: f32,
    kept: f32,
    rate: f32,
}

impl Update {
    #[expect(clippy::cast_possible_truncation, reason = "parameters are f32")]
    fn new(step: AdamWStep) -> Self {
        let AdamWStep { learning_rate, betas, epsilon, time, .. } = step;
        Self {
            betas,
            rests: betas.map(|beta| 1.0 - beta),
            corrections: betas.map(|beta| 1.0 / (1.0 - beta.powi(time))),
            epsilon,
            kept: step.decay(),
            rate: learning_rate as f32,
        }
    }

    #[expect(clippy::inline_always, reason = "a call keeps a loop from becoming vectors")]
    #[inline(always)]
    fn apply(self, parameter: &mut [f32], gradient: &[f32], m: &mut [f32], v: &mut [f32]) {
        let Self { betas, rests, corrections, epsilon, kept, rate } = self;
        let moments = m.iter_mut().zip(v);
        for ((parameter, &g), (m, v)) in parameter.iter_mut().zip(gradient).zip(moments) {
            *m = betas[0] * *m + rests[0] * g;
            *v = betas[1] * *v + rests[1] * g * g;
            let update = *m * corrections[0] / ((*v * corrections[1]).sqrt() + epsilon);
            *parameter = *parameter * kept - rate * update;
        }
    }
}
