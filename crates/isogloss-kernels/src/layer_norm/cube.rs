//! Normalisation on graphics processors: a cube of units for each row.

use burn::backend::TensorMetadata as _;
use burn::backend::ops::FloatTensorOps as _;
use burn::backend::tensor::FloatTensor;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{CubeBackend, cubecl};
use cubecl::prelude::*;

use super::fused::{FusedNorm, NormGradient};
use crate::cube::{Rows, empty, places, sum_of_units, total};

/// Rows whose gradients of gain and shift one unit adds up.
const BLOCK: u32 = 32;

#[expect(clippy::cast_possible_truncation, reason = "a setting in f32")]
impl FusedNorm for CubeBackend {
    fn fused_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        let [x, gamma, beta] = [x, gamma, beta].map(into_contiguous);
        let out = empty(&x, x.shape());
        let Some(rows) = rows_of(&x, &gamma) else { return out };
        let (count, dim) = rows.cubes(&x);
        forward::launch(
            &out.client,
            count,
            dim,
            x.required_address_type(),
            rows.lanes,
            x.into_buffer_arg(),
            gamma.into_buffer_arg(),
            beta.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            rows.count,
            rows.width,
            epsilon as f32,
            rows.units,
            rows.each,
        );
        out
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a setting in f32")]
impl NormGradient for CubeBackend {
    fn fused_norm_backward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        epsilon: f64,
        learned: bool,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let [x, gamma, grad] = [x, gamma, grad].map(into_contiguous);
        let (of_x, shape) = (empty(&x, x.shape()), gamma.shape());
        let Some(rows) = rows_of(&x, &gamma) else {
            let zeros = Self::float_zeros(shape, &gamma.device, gamma.dtype.into());
            return (of_x, zeros.clone(), zeros);
        };
        let moments = empty(&x, [rows.count as usize, 2]);
        let (count, dim) = rows.cubes(&x);
        backward::launch(
            &of_x.client,
            count,
            dim,
            x.required_address_type(),
            rows.lanes,
            x.clone().into_buffer_arg(),
            gamma.into_buffer_arg(),
            grad.clone().into_buffer_arg(),
            of_x.clone().into_buffer_arg(),
            moments.clone().into_buffer_arg(),
            rows.count,
            rows.width,
            epsilon as f32,
            rows.units,
            rows.each,
        );
        if !learned {
            let nothing = empty(&x, shape);
            return (of_x, nothing.clone(), nothing);
        }
        let blocks = rows.count.div_ceil(BLOCK) as usize;
        let [of_gamma, of_beta] = [(); 2].map(|()| empty(&x, [blocks, shape.num_elements()]));
        let (count, dim) = rows.cubes_of_parts(&x, blocks);
        columns::launch(
            &of_x.client,
            count,
            dim,
            x.required_address_type(),
            rows.lanes,
            x.into_buffer_arg(),
            grad.into_buffer_arg(),
            moments.into_buffer_arg(),
            of_gamma.clone().into_buffer_arg(),
            of_beta.clone().into_buffer_arg(),
            rows.count,
            rows.width,
            BLOCK,
        );
        let [of_gamma, of_beta] = [of_gamma, of_beta]
            .map(|blocks| Self::float_reshape(Self::float_sum_dim(blocks, 0), shape.clone()));
        (of_x, of_gamma, of_beta)
    }
}

/// Those of a tensor, if there are numbers in it.
fn rows_of(x: &CubeTensor, gamma: &CubeTensor) -> Option<Rows> {
    let width = gamma.shape().num_elements();
    Rows::new(x, x.shape().num_elements() / width.max(1), width)
}

/// Reads a row and takes its mean off, each unit its own `each` parts; gives the mean and one over the standard deviation.
#[cube]
fn centre<N: Size>(
    x: &[Vector<f32, N>],
    row: &mut Array<Vector<f32, N>>,
    width: usize,
    epsilon: f32,
    shared: &mut Shared<[f32]>,
    #[comptime] units: usize,
    #[comptime] each: usize,
) -> (f32, f32) {
    let first = CUBE_POS * width;
    let numbers = (width * N::value()) as f32;
    let mut sum = Vector::<f32, N>::new(0.0);
    #[unroll]
    for part in 0..each {
        let at = UNIT_POS as usize + part * units;
        if at < width {
            row[part] = x[first + at];
            sum += row[part];
        }
    }
    let mean = sum_of_units(total(sum), shared, units) / numbers;
    let mut squares = Vector::<f32, N>::new(0.0);
    #[unroll]
    for part in 0..each {
        if UNIT_POS as usize + part * units < width {
            let centred = row[part] - Vector::new(mean);
            row[part] = centred;
            squares += centred * centred;
        }
    }
    let variance = sum_of_units(total(squares), shared, units) / numbers;
    (mean, 1.0 / (variance + epsilon).sqrt())
}

#[cube(launch, address_type = "dynamic")]
fn forward<N: Size>(
    x: &[Vector<f32, N>],
    gamma: &[Vector<f32, N>],
    beta: &[Vector<f32, N>],
    out: &mut [Vector<f32, N>],
    rows: u32,
    width: u32,
    epsilon: f32,
    #[comptime] units: usize,
    #[comptime] each: usize,
) {
    if CUBE_POS >= rows as usize {
        terminate!();
    }
    let width = width as usize;
    let mut shared = places(units);
    let mut row = Array::<Vector<f32, N>>::new(each);
    let (_, inverse) = centre(x, &mut row, width, epsilon, &mut shared, units, each);
    let inverse = Vector::<f32, N>::new(inverse);
    #[unroll]
    for part in 0..each {
        let at = UNIT_POS as usize + part * units;
        if at < width {
            out[CUBE_POS * width + at] = row[part] * inverse * gamma[at] + beta[at];
        }
    }
}

/// ```text
/// g = γ ∘ dy      dx = (g - mean(g) - x̂ mean(g ∘ x̂)) / σ
/// ```
#[cube(launch, address_type = "dynamic")]
fn backward<N: Size>(
    x: &[Vector<f32, N>],
    gamma: &[Vector<f32, N>],
    grad: &[Vector<f32, N>],
    of_x: &mut [Vector<f32, N>],
    moments: &mut [f32],
    rows: u32,
    width: u32,
    epsilon: f32,
    #[comptime] units: usize,
    #[comptime] each: usize,
) {
    if CUBE_POS >= rows as usize {
        terminate!();
    }
    let width = width as usize;
    let first = CUBE_POS * width;
    let mut shared = places(units);
    let mut row = Array::<Vector<f32, N>>::new(each);
    let (mean, inverse) = centre(x, &mut row, width, epsilon, &mut shared, units, each);
    if UNIT_POS == 0 {
        moments[2 * CUBE_POS] = mean;
        moments[2 * CUBE_POS + 1] = inverse;
    }
    let inverse = Vector::<f32, N>::new(inverse);
    let mut scaled = Array::<Vector<f32, N>>::new(each);
    let mut sum = Vector::<f32, N>::new(0.0);
    let mut product = Vector::<f32, N>::new(0.0);
    #[unroll]
    for part in 0..each {
        let at = UNIT_POS as usize + part * units;
        if at < width {
            let g = grad[first + at] * gamma[at];
            let normal = row[part] * inverse;
            row[part] = normal;
            scaled[part] = g;
            sum += g;
            product += g * normal;
        }
    }
    let numbers = (width * N::value()) as f32;
    let sum = sum_of_units(total(sum), &mut shared, units) / numbers;
    let product = sum_of_units(total(product), &mut shared, units) / numbers;
    let (sum, product) = (Vector::<f32, N>::new(sum), Vector::<f32, N>::new(product));
    #[unroll]
    for part in 0..each {
        let at = UNIT_POS as usize + part * units;
        if at < width {
            of_x[first + at] = (scaled[part] - sum - row[part] * product) * inverse;
        }
    }
}

/// ```text
/// dγ = Σ dy ∘ x̂      dβ = Σ dy
/// ```
///
/// of a block of rows each. `[blocks, width]`
#[cube(launch, address_type = "dynamic")]
fn columns<N: Size>(
    x: &[Vector<f32, N>],
    grad: &[Vector<f32, N>],
    moments: &[f32],
    of_gamma: &mut [Vector<f32, N>],
    of_beta: &mut [Vector<f32, N>],
    rows: u32,
    width: u32,
    block_rows: u32,
) {
    let width = width as usize;
    let (block, column) = (ABSOLUTE_POS / width, ABSOLUTE_POS % width);
    let mut row = block * block_rows as usize;
    if row >= rows as usize {
        terminate!();
    }
    let end = min(row + block_rows as usize, rows as usize);
    let mut product = Vector::<f32, N>::new(0.0);
    let mut sum = Vector::<f32, N>::new(0.0);
    while row < end {
        let g = grad[row * width + column];
        let centred = x[row * width + column] - Vector::new(moments[2 * row]);
        product += g * centred * Vector::new(moments[2 * row + 1]);
        sum += g;
        row += 1;
    }
    of_gamma[ABSOLUTE_POS] = product;
    of_beta[ABSOLUTE_POS] = sum;
}
