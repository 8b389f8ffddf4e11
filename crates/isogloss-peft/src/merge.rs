//! Folding adapters into the layers they are on.

use burn::module::Module;
use burn::tensor::{Tensor, TensorData};

use crate::active::{active_adapters, adapter_names};
use crate::attach::thawed;
use crate::{AdapterError, AdapterHost, LinearSite, SiteMut};

/// What was folded in, and how exactly.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MergeReport {
    /// The adapters that acted, and now are part of the model.
    pub merged: Vec<String>,
    /// Those that did not act, and are gone.
    pub dropped: Vec<String>,
    /// The largest difference that it made to an output of a layer, as a share of the largest output:
    /// rounding.
    pub error: f64,
}

/// Beyond rounding, as a share.
const TOLERANCE: f64 = 1e-3;

/// Folds the adapters that act into the layers that they are on, so that they cost nothing any more.
///
/// The outputs stay what they were, up to rounding, which is checked at each layer. To have the base back,
/// keep it: a clone shares its tensors. What adapters have in full stays in the model. What was trained before
/// the first adapter came is thawed, as by [`detach`](crate::detach).
///
/// # Errors
///
/// [`AdapterError::Nothing`] where no adapter acts; [`AdapterError::NotMergeable`] with the first site
/// whose adapters no layer can absorb: bottlenecks, and those that differ by rows or tokens;
/// [`AdapterError::Inexact`] where a layer's outputs would change beyond rounding.
pub fn merge<H: AdapterHost + Module>(mut host: H) -> Result<(H, MergeReport), AdapterError> {
    let composition = active_adapters(&host);
    let acting = composition.names();
    if acting.is_empty() {
        return Err(AdapterError::Nothing { what: "active adapter" });
    }
    let (merged, dropped): (Vec<_>, Vec<_>) =
        adapter_names(&host).into_iter().partition(|name| acting.contains(name.as_str()));
    let (mut fault, mut error) = (None, 0.0_f64);
    host.for_each_site(&mut |path, site| {
        if fault.is_some() {
            return;
        }
        if let Some(why) = unmergeable(&site) {
            fault = Some(AdapterError::NotMergeable { site: path.to_owned(), why });
            return;
        }
        match site {
            SiteMut::Linear(site) if !site.adapters.node().is_empty() => {
                let before = probe(site);
                if !site.merge() {
                    let why = "adapters that differ by rows or tokens";
                    fault = Some(AdapterError::NotMergeable { site: path.to_owned(), why });
                    return;
                }
                let share = difference(&before, &probe(site));
                error = error.max(share);
                if share > TOLERANCE || share.is_nan() {
                    fault = Some(AdapterError::Inexact { site: path.to_owned(), share });
                }
            }
            // It is asked below what was trained before.
            SiteMut::Full(full) => full.forget_adapters(),
            mut other => other.clear(),
        }
    });
    match fault {
        Some(fault) => Err(fault),
        None => Ok((thawed(host), MergeReport { merged, dropped, error })),
    }
}

/// What acts at a site that is no layer.
fn unmergeable(site: &SiteMut<'_>) -> Option<&'static str> {
    let (is_idle, why) = match site {
        SiteMut::Residual(site) => (site.is_idle(), "a bottleneck adapter"),
        SiteMut::Invertible(site) => (site.adapters.node().is_empty(), "an invertible adapter"),
        SiteMut::Embedding(site) => {
            (site.adapters.node().is_empty(), "an adapter of a table that a head may share")
        }
        SiteMut::Prefix(site) => (site.adapters.node().is_empty(), "a prefix"),
        SiteMut::Prompt(site) => (site.adapters.node().is_empty(), "a prompt"),
        SiteMut::Linear(_) | SiteMut::Full(_) => return None,
    };
    (!is_idle).then_some(why)
}

/// What a layer makes of a few rows that have no pattern.
fn probe(site: &LinearSite) -> Vec<f32> {
    const ROWS: usize = 4;
    let [inputs, _] = site.dims();
    #[expect(clippy::cast_possible_truncation, reason = "any numbers do")]
    let numbers = (0..ROWS * inputs).map(|i| (0.7 * i as f64 + (i as f64).sqrt()).sin() as f32);
    let rows = TensorData::new(numbers.collect::<Vec<_>>(), [ROWS, inputs]);
    let rows = Tensor::<2>::from_data(rows, &site.affine().weight.device());
    site.without_dropout().forward(rows).into_data().iter().collect()
}

fn difference(before: &[f32], after: &[f32]) -> f64 {
    let largest = |numbers: &mut dyn Iterator<Item = f32>| {
        numbers.fold(0.0_f32, |max, x| if x.is_nan() { x } else { max.max(x.abs()) })
    };
    let difference = largest(&mut before.iter().zip(after).map(|(a, b)| a - b));
    f64::from(difference) / f64::from(largest(&mut before.iter().copied()).max(f32::MIN_POSITIVE))
}
