//! The device that tensor tests run on.

use burn::tensor::{Device, Tensor};

/// The device that the environment variable `ISOGLOSS_TEST_DEVICE` names; `flex` without one.
///
/// # Panics
///
/// Where the name is of no device that the tests were built with, or where the device multiplies
/// matrices wrongly, as some drivers do without a word: a test on it would prove nothing.
#[expect(clippy::panic, reason = "a test without its device has failed")]
pub fn device() -> Device {
    let name = std::env::var("ISOGLOSS_TEST_DEVICE").unwrap_or_else(|_| "flex".to_owned());
    let device = match name.as_str() {
        "flex" => Device::flex(),
        #[cfg(feature = "ndarray")]
        #[expect(deprecated, reason = "the backend is offered for as long as Burn has it")]
        "ndarray" => Device::ndarray(),
        #[cfg(feature = "wgpu")]
        "wgpu" => Device::wgpu(burn::tensor::DeviceKind::DefaultDevice),
        #[cfg(feature = "cuda")]
        "cuda" => Device::cuda(0),
        _ => panic!("ISOGLOSS_TEST_DEVICE is `{name}`, which the tests were not built with"),
    };
    let n = 20;
    let host: Vec<f32> = (0..n * n).map(|i| ((i * 37 % 101) as f32 - 50.0) / 50.0).collect();
    let matrix = Tensor::<1>::from_floats(host.as_slice(), &device).reshape([n, n]);
    let product: Vec<f32> = matrix.clone().matmul(matrix).into_data().iter().collect();
    let expected: Vec<f32> = (0..n * n)
        .map(|place| (0..n).map(|k| host[place / n * n + k] * host[k * n + place % n]).sum())
        .collect();
    // Sums of 20 products of numbers below 1, in any order.
    crate::assert_close(&product, &expected, 1e-4);
    device
}

/// A device that is not the one under test, where the tests were built with one: NdArray, or Flex beside it.
pub fn other_device() -> Option<Device> {
    #[cfg(feature = "ndarray")]
    {
        #[expect(deprecated, reason = "the backend is offered for as long as Burn has it")]
        let ndarray = Device::ndarray();
        Some(if device() == ndarray { Device::flex() } else { ndarray })
    }
    #[cfg(not(feature = "ndarray"))]
    (!is_flex(&device())).then(Device::flex)
}

/// Whether it is Flex, for which there are kernels that others do without.
pub fn is_flex(device: &Device) -> bool {
    device.clone().inner() == Device::flex()
}
