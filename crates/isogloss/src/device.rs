//! The choice of a device by name, at run time.

use std::panic::{AssertUnwindSafe, catch_unwind};

#[cfg(any(feature = "wgpu", feature = "vulkan"))]
use burn::tensor::DeviceKind;
use burn::tensor::{Device, Tensor};
use thiserror::Error;

/// Why a name did not become a device.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum DeviceError {
    /// The name is of no device that this program was built with.
    #[error(
        "device `{name}` is not among those compiled in: {} (a cargo feature adds each: flex, \
         ndarray, wgpu, vulkan, cuda, remote)",
        compiled_in().join(", ")
    )]
    Unknown {
        /// The name, as it was given.
        name: String,
    },

    /// What follows the colon does not select one.
    #[error("device `{name}`: `{found}` selects none, expected {expected}")]
    Index {
        /// The name, as it was given.
        name: String,
        /// What follows the colon.
        found: String,
        /// What may follow it.
        expected: &'static str,
    },

    /// The device could not be opened: no driver, or no such adapter.
    #[error("device `{name}` cannot be opened: {reason}")]
    NoAdapter {
        /// The name, as it was given.
        name: String,
        /// What its driver said.
        reason: String,
    },

    /// The device computes, and wrongly. Some drivers do so without a word.
    #[error(
        "device `{name}` multiplies matrices wrongly: {found} differs from the host's product, \
         expected at most {tolerance} (its driver is at fault; choose another device)"
    )]
    WrongProduct {
        /// The name, as it was given.
        name: String,
        /// The largest absolute difference found.
        found: f32,
        /// The largest that rounding explains.
        tolerance: f32,
    },
}

/// The names of the devices that this program was built with, best first.
pub fn compiled_in() -> Vec<&'static str> {
    let all = [
        ("cuda", cfg!(feature = "cuda")),
        ("vulkan", cfg!(feature = "vulkan")),
        ("wgpu", cfg!(feature = "wgpu")),
        ("flex", cfg!(feature = "flex")),
        ("ndarray", cfg!(feature = "ndarray")),
    ];
    // A device of another machine is none that `auto` could find.
    all.into_iter().filter(|(_, is_in)| *is_in).map(|(name, _)| name).collect()
}

/// Opens a device by its name, and trusts it only after a product of matrices.
///
/// | name | device |
/// |---|---|
/// | `flex` | the CPU, through Burn's own kernels |
/// | `ndarray` | the CPU, through `ndarray` |
/// | `wgpu`, `wgpu:1`, `wgpu:cpu` | a graphics processor, by WebGPU's shaders; the discrete one of that number; a software adapter |
/// | `vulkan`, `vulkan:1`, `vulkan:cpu` | the same, by Vulkan's |
/// | `cuda`, `cuda:1` | an NVIDIA processor, the first or that of a number; products of matrices are in TF32, good to three digits |
/// | `remote:10.0.0.7:3000` | that of another machine, which lends it by the example `lend`; unencrypted, see [`REMOTE_TOKEN`] |
/// | `auto` | the first of [`compiled_in`] that opens and computes rightly |
///
/// # Errors
///
/// [`DeviceError`]; an unknown name is answered with the list of what was compiled in.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "flex")] {
/// let device = isogloss::device("flex")?;
/// assert!(!device.is_autodiff());
/// # }
/// assert!(isogloss::device("abacus").unwrap_err().to_string().contains("compiled in: "));
/// # Ok::<(), isogloss::DeviceError>(())
/// ```
pub fn device(name: &str) -> Result<Device, DeviceError> {
    if name == "auto" {
        let mut first_error = DeviceError::Unknown { name: name.to_owned() };
        for (index, candidate) in compiled_in().into_iter().enumerate() {
            match device(candidate) {
                Ok(device) => return Ok(device),
                Err(error) if index == 0 => first_error = error,
                Err(_) => {}
            }
        }
        return Err(first_error);
    }
    let (kind, index) = name.split_once(':').map_or((name, None), |(kind, i)| (kind, Some(i)));
    let open = opener(name, kind, index)?;
    // A missing driver is a panic inside Burn, at the first use of the device.
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let device = open()?;
        let difference = worst_product_difference(&device);
        Ok((device, difference))
    }));
    let opened = opened.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(text.unwrap_or("its driver failed without a reason").to_owned())
    });
    let (device, difference) =
        opened.map_err(|reason| DeviceError::NoAdapter { name: name.to_owned(), reason })?;
    // Sums of 33 products of numbers below 1, in any order: of 32 bits, but on CUDA, where Burn rounds the numbers of
    // a product to TF32 first, to 11 bits each. A driver that multiplies wrongly is off by 1 and more.
    let tolerance = if kind == "cuda" { 2e-2 } else { 1e-4 };
    if difference <= tolerance {
        Ok(device)
    } else {
        Err(DeviceError::WrongProduct { name: name.to_owned(), found: difference, tolerance })
    }
}

/// Whether a device is the CPU, on which as much can go on at the same time as there are cores.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "flex")]
/// assert!(isogloss::is_cpu(&isogloss::device("flex")?.autodiff()));
/// # Ok::<(), isogloss::DeviceError>(())
/// ```
pub fn is_cpu(device: &Device) -> bool {
    let device = device.clone().inner();
    let cpus = ["flex", "ndarray"].into_iter().filter_map(|name| opener(name, name, None).ok());
    cpus.filter_map(|open| open().ok()).any(|cpu| cpu == device)
}

/// Opens a device, or says why it cannot be.
type Open = Box<dyn FnOnce() -> Result<Device, String>>;

/// The environment variable with the token of devices that other machines lend.
pub const REMOTE_TOKEN: &str = "ISOGLOSS_REMOTE_TOKEN";

/// How to open the device of a kind; nothing is opened yet.
fn opener(name: &str, kind: &str, index: Option<&str>) -> Result<Open, DeviceError> {
    let no_index = || match index {
        None => Ok(()),
        Some(found) => Err(DeviceError::Index {
            name: name.to_owned(),
            found: found.to_owned(),
            expected: "no number, for there is one",
        }),
    };
    match kind {
        #[cfg(feature = "flex")]
        "flex" => no_index().map(|()| Box::new(|| Ok(Device::flex())) as Open),
        #[cfg(feature = "ndarray")]
        "ndarray" => {
            no_index()?;
            #[expect(deprecated, reason = "the backend is offered for as long as Burn has it")]
            let open = || Ok(Device::from(burn_ndarray::NdArrayDevice::default()));
            Ok(Box::new(open))
        }
        #[cfg(feature = "wgpu")]
        "wgpu" => {
            let kind = adapter(name, index)?;
            Ok(Box::new(move || Ok(Device::wgpu(kind))))
        }
        #[cfg(feature = "vulkan")]
        "vulkan" => {
            let kind = adapter(name, index)?;
            Ok(Box::new(move || Ok(Device::vulkan(kind))))
        }
        #[cfg(feature = "cuda")]
        "cuda" => {
            let index = index.unwrap_or("0").parse::<usize>().map_err(|_| DeviceError::Index {
                name: name.to_owned(),
                found: index.unwrap_or_default().to_owned(),
                expected: "a number such as `cuda:1`",
            })?;
            Ok(Box::new(move || Ok(Device::cuda(index))))
        }
        #[cfg(feature = "remote")]
        "remote" => {
            use burn::remote::RemoteHost;
            let Some(address) = index.filter(|address| !address.is_empty()) else {
                return Err(DeviceError::Index {
                    name: name.to_owned(),
                    found: index.unwrap_or_default().to_owned(),
                    expected: "an address such as `remote:10.0.0.7:3000`",
                });
            };
            let host = RemoteHost::websocket(&format!("ws://{address}"));
            let host = match std::env::var(REMOTE_TOKEN) {
                Ok(token) if !token.is_empty() => host.with_credential(token),
                _ => host,
            };
            Ok(Box::new(move || {
                Device::remote_options(&host).init().map_err(|error| error.to_string())
            }))
        }
        _ => {
            let _ = no_index;
            Err(DeviceError::Unknown { name: name.to_owned() })
        }
    }
}

#[cfg(any(feature = "wgpu", feature = "vulkan"))]
fn adapter(name: &str, index: Option<&str>) -> Result<DeviceKind, DeviceError> {
    match index {
        None => Ok(DeviceKind::DefaultDevice),
        Some("cpu") => Ok(DeviceKind::Cpu),
        Some(found) => found.parse().map(DeviceKind::DiscreteGpu).map_err(|_| DeviceError::Index {
            name: name.to_owned(),
            found: found.to_owned(),
            expected: "a number or `cpu`",
        }),
    }
}

/// The largest absolute difference between products on `device` and on the host.
fn worst_product_difference(device: &Device) -> f32 {
    let [rows, inner, columns] = [17, 33, 20];
    let host = |count: usize, step: usize| -> Vec<f32> {
        (0..count).map(|i| ((i * step % 101) as f32 - 50.0) / 50.0).collect()
    };
    let (left, right) = (host(rows * inner, 37), host(inner * columns, 53));
    let upload =
        |values: &[f32], shape: [usize; 2]| Tensor::<1>::from_floats(values, device).reshape(shape);
    let product = upload(&left, [rows, inner]).matmul(upload(&right, [inner, columns])).into_data();
    let found: Vec<f32> = product.iter::<f32>().collect();
    let mut worst = if found.len() == rows * columns { 0.0_f32 } else { f32::INFINITY };
    for (place, found) in found.into_iter().enumerate() {
        let (row, column) = (place / columns, place % columns);
        let expected: f32 =
            (0..inner).map(|k| left[row * inner + k] * right[k * columns + column]).sum();
        let difference = (found - expected).abs();
        // `max` would drop a NaN.
        worst = if difference <= worst { worst } else { difference };
    }
    worst
}
