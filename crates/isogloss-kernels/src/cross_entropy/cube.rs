//! Rows of logits on graphics processors: a cube of units for each.

use burn::backend::ops::FloatTensorOps as _;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Dispatch, TensorMetadata as _, backend_extension};
use burn::tensor::{DType, Int, IntDType, Shape, Tensor};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::{CubeBackend, cubecl};
use cubecl::prelude::*;

use crate::cube::{
    Rows, empty, largest_of, largest_of_units, places, sum_of_units, times_transposed, total,
};

/// The gradient of logits and the loss of each row, as [`super::of_rows`] has it.
pub(super) fn of_rows(
    hidden: Tensor<2>,
    weight: Tensor<2>,
    bias: Tensor<1>,
    targets: Tensor<1, Int>,
) -> (Tensor<2>, Tensor<1>) {
    assert_eq!(bias.dims(), [weight.dims()[0]], "a bias for each row of the weight");
    let (hidden, weight) = (hidden.into_dispatch(), weight.into_dispatch());
    let bias = bias.cast(DType::F32).into_dispatch();
    let targets = targets.cast(IntDType::I32).into_dispatch();
    let (gradient, losses) = <Dispatch as LogitRows>::of_logit_rows(hidden, weight, bias, targets);
    (Tensor::from_dispatch(gradient), Tensor::from_dispatch(losses))
}

#[backend_extension(Cube, Fusion)]
#[expect(unreachable_pub, reason = "the macro names it from outside")]
pub trait LogitRows: Backend {
    #[fusion(meta = |hidden, weight, bias, targets| {
        let (mut gradient, mut losses) = (hidden.clone(), bias.clone());
        gradient.shape = Shape::new([hidden.shape[0], weight.shape[0]]);
        losses.shape = targets.shape.clone();
        (gradient, losses)
    })]
    fn of_logit_rows(
        hidden: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        targets: IntTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
}

impl LogitRows for CubeBackend {
    fn of_logit_rows(
        hidden: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        targets: IntTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let logits = times_transposed(hidden, weight);
        let (bias, targets) = (into_contiguous(bias), into_contiguous(targets));
        let [count, words]: [usize; 2] = logits.shape().dims();
        let Some(rows) = Rows::new(&logits, count, words) else {
            let losses = Self::float_zeros([count].into(), &bias.device, bias.dtype.into());
            return (logits, losses);
        };
        let losses = empty(&logits, [count]);
        let (count, dim) = rows.cubes(&logits);
        gradient::launch(
            &losses.client,
            count,
            dim,
            logits.required_address_type(),
            rows.lanes,
            logits.clone().into_buffer_arg(),
            bias.into_buffer_arg(),
            targets.into_buffer_arg(),
            losses.clone().into_buffer_arg(),
            rows.count,
            rows.width,
            rows.units,
        );
        (logits, losses)
    }
}

#[cube(launch, address_type = "dynamic")]
fn gradient<N: Size>(
    logits: &mut [Vector<f32, N>],
    bias: &[Vector<f32, N>],
    targets: &[i32],
    losses: &mut [f32],
    rows: u32,
    width: u32,
    #[comptime] units: usize,
) {
    let row = CUBE_POS;
    if row >= rows as usize {
        terminate!();
    }
    let width = width as usize;
    let first = row * width;
    let mut shared = places(units);
    let mut largest = Vector::<f32, N>::min_value();
    let mut at = UNIT_POS as usize;
    while at < width {
        largest = max(largest, logits[first + at] + bias[at]);
        at += units;
    }
    let largest = largest_of_units(largest_of(largest), &mut shared, units);
    let largest = Vector::<f32, N>::new(largest);
    let mut sum = Vector::<f32, N>::new(0.0);
    let mut at = UNIT_POS as usize;
    while at < width {
        sum += (logits[first + at] + bias[at] - largest).exp();
        at += units;
    }
    let sum = sum_of_units(total(sum), &mut shared, units);
    let inverse = Vector::<f32, N>::new(1.0 / sum);
    let target = usize::cast_from(targets[row]);
    // What the target's logit is below the largest one, which one unit knows.
    let mut chosen = f32::min_value();
    let mut at = UNIT_POS as usize;
    while at < width {
        let below = logits[first + at] + bias[at] - largest;
        let mut probabilities = below.exp() * inverse;
        #[unroll]
        for lane in 0..N::value() {
            if at * N::value() + lane == target {
                chosen = below.extract(lane);
                probabilities.insert(lane, probabilities.extract(lane) - 1.0);
            }
        }
        logits[first + at] = probabilities;
        at += units;
    }
    let chosen = largest_of_units(chosen, &mut shared, units);
    if UNIT_POS == 0 {
        losses[row] = sum.ln() - chosen;
    }
}
