//! The devices of a run.

use isogloss::burn::tensor::Device;

use crate::Outcome;

/// Opens the devices of a list: a run's own, and those that compute beside it.
///
/// # Errors
///
/// That of the first that cannot be opened; for an empty list.
pub fn devices(names: &[String]) -> Outcome<(Device, Vec<Device>)> {
    let devices: Vec<Device> =
        names.iter().map(|name| isogloss::device(name)).collect::<Result<_, _>>()?;
    let (own, others) = devices.split_first().ok_or("--device: expected at least one")?;
    Ok((own.clone(), others.iter().map(|device| device.clone().autodiff()).collect()))
}
