//! What is added to a loss while adapters are trained.

use burn::tensor::Tensor;

use crate::fusion::{Fusion, fusion_penalty};
use crate::{AdapterConfig, AdapterHost, SiteMut};

/// The weight that the `adapters` library gives it.
const FUSION_WEIGHT: f64 = 0.01;

/// What is added to the mean loss of a batch while adapters of these kinds learn: for AdaLoRA, how far its
/// matrices are from being orthonormal; for attention over adapters, how far its values are from the identity,
/// times 0.01. `[1]`; `None` where nothing of the kind learns.
///
/// ```text
/// AdaLoRA   weight · mean over all A and B of ‖AᵀA - I‖_F
/// fusion    0.01 · Σ (V - I)²
/// ```
pub fn penalty<H: AdapterHost + Clone>(host: &H) -> Option<Tensor<1>> {
    let (mut skew, mut count, mut weight) = (None::<Tensor<1>>, 0, 0.0);
    let mut learns = false;
    host.clone().for_each_site(&mut |_, site| match site {
        SiteMut::Linear(site) => {
            for (number, about) in site.adapters.about().iter().enumerate() {
                let AdapterConfig::AdaLora(config) = &about.config else { continue };
                let Some(more) = site.adapters.adapter(number).skew() else { continue };
                weight = config.orthogonal_weight;
                count += 2;
                skew = Some(match skew.take() {
                    Some(sum) => sum + more,
                    None => more,
                });
            }
        }
        SiteMut::Residual(site) => learns |= site.fusions().iter().any(Fusion::learns),
        _ => {}
    });
    let orthogonal = skew.map(|sum| sum.mul_scalar(weight / f64::from(count)));
    let fusion = if learns { fusion_penalty(host) } else { None };
    match (orthogonal, fusion.map(|penalty| penalty.mul_scalar(FUSION_WEIGHT))) {
        (Some(a), Some(b)) => Some(a + b),
        (a, b) => a.or(b),
    }
}
