//! What all kernels for CubeCL's devices share, which are graphics processors behind CUDA, Vulkan or WebGPU.

use burn::backend::ops::FloatTensorOps as _;
use burn::backend::{DispatchDevice, TensorMetadata as _};
use burn::tensor::{DType, Shape, Tensor};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::kernel::matmul::{MatmulStrategy, matmul};
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{CubeBackend, cubecl};
use cubecl::calculate_cube_count_elemwise;
use cubecl::prelude::*;

/// Units of which one adds up what they have.
const GROUP: usize = 16;

/// Units that share a row, at most: so many that there are two steps of adding up.
const UNITS: usize = GROUP * GROUP;

/// Whether there are kernels for the tensor.
pub(crate) fn serves<const D: usize>(x: &Tensor<D>) -> bool {
    let device = x.device().inner();
    matches!(device.as_dispatch(), DispatchDevice::Cube(_)) && x.dtype() == DType::F32
}

/// A tensor of numbers that nobody has written yet.
pub(crate) fn empty(like: &CubeTensor, shape: impl Into<Shape>) -> CubeTensor {
    let (client, device) = (like.client.clone(), like.device.clone());
    empty_device_contiguous_dtype(client, device, shape.into(), like.dtype)
}

/// The same numbers, contiguous and held by nobody else: the tensor itself, where it is that.
pub(crate) fn owned(x: CubeTensor) -> CubeTensor {
    let x = into_contiguous(x);
    if x.can_mut() { x } else { x.copy() }
}

/// `a bᵀ`, contiguous and held by nobody else. `[…, n, k]`, `[…, m, k]` to `[…, n, m]`
pub(crate) fn times_transposed(a: CubeTensor, b: CubeTensor) -> CubeTensor {
    let (rank, mut shape) = (a.rank(), a.shape());
    shape[rank - 1] = b.shape()[rank - 2];
    // Not what `float_matmul` gives, whose rows may be apart.
    let out = empty(&a, shape);
    let (dtype, b) = (a.dtype, CubeBackend::float_swap_dims(b, rank - 2, rank - 1));
    let product = matmul(a, b, Some(out.clone()), MatmulStrategy::default(), dtype);
    assert!(product.is_ok(), "matrices that can be multiplied: {:?}", product.err());
    out
}

/// Rows of a tensor and who computes them: a cube for each row, of whose parts each unit takes every `units`-th one.
pub(crate) struct Rows {
    pub(crate) count: u32,
    /// Parts of a row.
    pub(crate) width: u32,
    /// Numbers of a part.
    pub(crate) lanes: usize,
    /// Units of a cube, a power of two.
    pub(crate) units: usize,
    /// Parts of a unit, at most.
    pub(crate) each: usize,
}

impl Rows {
    /// So many rows of so many numbers, unless there are none.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "rows and columns of a tensor, each below 2³²"
    )]
    pub(crate) fn new(x: &CubeTensor, count: usize, numbers: usize) -> Option<Self> {
        if count * numbers == 0 {
            return None;
        }
        let lanes = if numbers.is_multiple_of(4) { 4 } else { 1 };
        let width = numbers / lanes;
        let most = 1 << x.client.properties().hardware.max_units_per_cube.max(1).ilog2();
        let units = (width / 4).next_power_of_two().clamp(32, UNITS).min(most);
        Some(Self {
            count: count as u32,
            width: width as u32,
            lanes,
            units,
            each: width.div_ceil(units),
        })
    }

    /// The cubes of all rows.
    #[expect(clippy::cast_possible_truncation, reason = "not above the limit")]
    pub(crate) fn cubes(&self, x: &CubeTensor) -> (CubeCount, CubeDim) {
        let dim = CubeDim::new_1d(self.units as u32);
        (calculate_cube_count_elemwise(&x.client, self.count as usize * self.units, dim), dim)
    }

    /// A unit for each part of so many rows.
    #[expect(clippy::cast_possible_truncation, reason = "not above the limit")]
    pub(crate) fn cubes_of_parts(&self, x: &CubeTensor, rows: usize) -> (CubeCount, CubeDim) {
        let dim = CubeDim::new_1d(self.units as u32);
        (calculate_cube_count_elemwise(&x.client, rows * self.width as usize, dim), dim)
    }
}

/// Where the units of a cube put what others are to read.
#[cube]
pub(crate) fn places(#[comptime] units: usize) -> Shared<[f32]> {
    Shared::<[f32]>::new_slice(comptime!(units + GROUP))
}

/// The sum over the units of a cube, in an order that depends on their number alone.
#[cube]
pub(crate) fn sum_of_units(
    value: f32,
    shared: &mut Shared<[f32]>,
    #[comptime] units: usize,
) -> f32 {
    of_units(value, shared, false, units)
}

/// The largest number that a unit of a cube has.
#[cube]
pub(crate) fn largest_of_units(
    value: f32,
    shared: &mut Shared<[f32]>,
    #[comptime] units: usize,
) -> f32 {
    of_units(value, shared, true, units)
}

#[cube]
fn of_units(
    value: f32,
    shared: &mut Shared<[f32]>,
    #[comptime] largest: bool,
    #[comptime] units: usize,
) -> f32 {
    let (groups, unit) = (comptime!(units.div_ceil(GROUP)), UNIT_POS as usize);
    // Whoever read what was there before has read it.
    sync_cube();
    shared[unit] = value;
    sync_cube();
    if unit < groups {
        shared[units + unit] =
            of_some(&*shared, unit * GROUP, largest, comptime!(units.min(GROUP)));
    }
    sync_cube();
    of_some(&*shared, units, largest, groups)
}

/// What so many places come to from the first one on. Waiting for one another costs more than to read what all others
/// have.
#[cube]
fn of_some(
    shared: &Shared<[f32]>,
    first: usize,
    #[comptime] largest: bool,
    #[comptime] count: usize,
) -> f32 {
    let mut all = shared[first];
    #[unroll]
    for place in 1..count {
        if comptime!(largest) {
            all = max(all, shared[first + place]);
        } else {
            all += shared[first + place];
        }
    }
    all
}

/// The sum of what a unit has.
#[cube]
pub(crate) fn total<N: Size>(x: Vector<f32, N>) -> f32 {
    let mut sum = 0.0f32;
    #[unroll]
    for lane in 0..N::value() {
        sum += x.extract(lane);
    }
    sum
}

/// The largest of what a unit has.
#[cube]
pub(crate) fn largest_of<N: Size>(x: Vector<f32, N>) -> f32 {
    let mut largest = x.extract(0usize);
    #[unroll]
    for lane in 1..N::value() {
        largest = max(largest, x.extract(lane));
    }
    largest
}

/// What numbers are multiplied with by dropout: 0, or the scale of what is kept, as `MaskRow::at` says it.
#[cube]
pub(crate) fn kept<N: Size>(
    place: usize,
    seed: &[i32],
    threshold: u32,
    scale: f32,
) -> Vector<f32, N> {
    let first = u32::cast_from(place * N::value());
    let mut x = Vector::<u32, N>::new(first);
    #[unroll]
    for lane in 0..N::value() {
        x.insert(lane, first + u32::cast_from(lane));
    }
    let x = x ^ Vector::new(u32::cast_from(seed[0]));
    let x = ((x ^ (x >> Vector::new(16))) * Vector::new(0x7feb_352d))
        ^ Vector::new(u32::cast_from(seed[1]));
    let x = (x ^ (x >> Vector::new(15))) * Vector::new(0x846c_a68b);
    let x = x ^ (x >> Vector::new(16));
    select_many(x.less_than(&Vector::new(threshold)), Vector::new(0.0), Vector::new(scale))
}
