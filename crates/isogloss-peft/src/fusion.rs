//! Attention over bottlenecks.

use std::path::Path;

use burn::module::{Module, Param};
use burn::nn::{Dropout, DropoutConfig, Linear};
use burn::tensor::{Device, Tensor, TensorData, activation};
use isogloss_core::Seed;
use isogloss_kernels::{dropout, linear};

use crate::active::{activate, check_known};
use crate::init::normal;
use crate::linear::apply;
use crate::slot::Slot;
use crate::{AdapterError, AdapterHost, Composition, SiteMut};

/// Attention over what several bottlenecks make of a hidden state, which learns what is of use when.
///
/// ```text
/// y = residual + Σ αₖ V zₖ        α = softmax(Q h · K zₖ)
/// ```
///
/// `zₖ` is what adapter k adds, `h` what the last of them is given. The scores are not divided by the root
/// of the width.
///
/// # Source
///
/// Pfeiffer et al. (2021), "AdapterFusion", <https://arxiv.org/abs/2005.00247>, as the `adapters` library
/// 1.3 computes it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FusionConfig {
    /// Whether values have a matrix, which begins as the identity. Default: yes.
    pub value: bool,
    /// Dropout on scores, in `[0, 1)`. Default: 0.
    pub dropout: f64,
}

impl Default for FusionConfig {
    fn default() -> Self {
        Self { value: true, dropout: 0.0 }
    }
}

/// The attention at one site.
#[derive(Module, Debug)]
pub(crate) struct Fusion {
    query: Linear,
    key: Linear,
    /// `[d_model, d_model]`
    value: Option<Param<Tensor<2>>>,
    dropout: Dropout,
}

impl Fusion {
    fn new(config: &FusionConfig, d_model: usize, seed: Seed, device: &Device) -> Self {
        let mut rng = seed.rng();
        let mut layer = || {
            let weight = normal(&mut rng, d_model * d_model, 0.02);
            let bias = TensorData::zeros::<f32, _>([d_model]);
            Linear {
                weight: Param::from_data(TensorData::new(weight, [d_model; 2]), device),
                bias: Some(Param::from_data(bias, device)),
            }
        };
        let (query, key) = (layer(), layer());
        let value = config.value.then(|| {
            let near_zero = 1e-6_f32;
            let numbers = (0..d_model * d_model)
                .map(|at| if at / d_model == at % d_model { 1.0 } else { near_zero });
            let numbers: Vec<f32> = numbers.collect();
            Param::from_data(TensorData::new(numbers, [d_model; 2]), device)
        });
        Self { query, key, value, dropout: DropoutConfig::new(config.dropout).init() }
    }

    pub(crate) fn dropout(&self) -> f64 {
        self.dropout.prob
    }

    /// What is added to the residual. `[n, d_model]`
    pub(crate) fn forward(&self, query: Tensor<2>, updates: Vec<Tensor<2>>) -> Tensor<2> {
        let query = apply(&self.query, query);
        let scores = updates
            .iter()
            .map(|update| (apply(&self.key, update.clone()) * query.clone()).sum_dim(1))
            .collect();
        let scores = dropout(Tensor::cat(scores, 1), &self.dropout); // [n, adapters]
        let shares = activation::softmax(scores, 1);
        let mixed = updates
            .into_iter()
            .enumerate()
            .map(|(at, update)| update * shares.clone().narrow(1, at, 1))
            .reduce(|sum, update| sum + update);
        let mixed = mixed.unwrap_or_else(|| query.zeros_like());
        match &self.value {
            // Of a mean, since the matrix has no bias.
            Some(value) => linear(mixed, value.val(), None),
            None => mixed,
        }
    }

    /// Its parameters, with their names in a file of the `adapters` library.
    fn slots(&mut self) -> Vec<(String, Slot<'_>)> {
        let mut slots = Vec::new();
        for (name, layer) in [("query", &mut self.query), ("key", &mut self.key)] {
            slots.push((format!("{name}.weight"), Slot::Matrix(&mut layer.weight)));
            if let Some(bias) = &mut layer.bias {
                slots.push((format!("{name}.bias"), Slot::Vector(bias)));
            }
        }
        if let Some(value) = &mut self.value {
            slots.push(("value.weight".to_owned(), Slot::Matrix(value)));
        }
        slots
    }

    /// `Σ (V - I)²`, where values have a matrix.
    /// Whether it is trained.
    pub(crate) fn learns(&self) -> bool {
        self.query.weight.is_require_grad()
    }

    fn penalty(&self) -> Option<Tensor<1>> {
        let value = self.value.as_ref()?.val();
        let identity = Tensor::<2>::eye(value.dims()[0], &value.device());
        Some((value - identity).square().sum())
    }
}

/// Puts attention over these bottlenecks at every site that one of them is on, lets it act in their place on
/// top of what acts besides, and freezes everything else.
///
/// Heads and biases that one of them has in full do not act in it; a head that is to learn with it is an adapter
/// of its own, of [modules alone](crate::BitFitConfig::without_biases). The loss of a run that trains it gains a
/// [`penalty`](crate::penalty). For [`train_only`](crate::train_only) it is called as its adapters, with commas between.
///
/// # Errors
///
/// [`AdapterError::Unknown`] for an adapter that is not attached, [`AdapterError::Taken`] where there is
/// attention over them, [`AdapterError::NotCombinable`] for one that is no sequential bottleneck, and
/// [`AdapterError::Config`].
pub fn attach_fusion<H: AdapterHost + Module>(
    mut host: H,
    adapters: &[&str],
    config: &FusionConfig,
    seed: Seed,
    device: &Device,
) -> Result<H, AdapterError> {
    if !(0.0..1.0).contains(&config.dropout) {
        let (field, found) = ("dropout", config.dropout.to_string());
        return Err(AdapterError::Config { field, found, expected: "0 <= rate < 1" });
    }
    adapters.iter().try_for_each(|name| check_known(&host, name))?;
    let fused = fused_name(adapters);
    let (mut fault, mut acting) = (None, Composition::base());
    host.for_each_site(&mut |path, mut site| {
        acting = site.active();
        let has = |site: &mut SiteMut<'_>, name: &str| {
            site.abouts().iter().any(|about| about.name == name)
        };
        let Some(name) = adapters.iter().find(|name| has(&mut site, name)) else { return };
        match &mut site {
            SiteMut::Residual(site) if site.has_parallel(adapters) => {
                fault.get_or_insert(refused(name, path, "beside its sub-layer"));
            }
            SiteMut::Residual(site) if site.fusion(&fused).is_some() => {
                fault.get_or_insert(AdapterError::Taken { name: fused.clone() });
            }
            SiteMut::Residual(_) | SiteMut::Full(_) => {}
            _ => {
                fault.get_or_insert(refused(name, path, "no bottleneck"));
            }
        }
    });
    if let Some(fault) = fault {
        return Err(fault);
    }
    let mut is_somewhere = false;
    host.for_each_site(&mut |path, site| {
        if let SiteMut::Residual(site) = site
            && adapters.iter().any(|name| site.adapters.position(name).is_some())
        {
            is_somewhere = true;
            let fusion = Fusion::new(config, site.d_model(), seed.derive(path), device);
            site.push_fusion(fused.clone(), fusion);
        }
    });
    if !is_somewhere {
        return Err(AdapterError::Nothing { what: "bottleneck among these adapters" });
    }
    let below = adapters.iter().fold(acting, |acting, name| acting.without(name));
    let fuse = Composition::Fuse(adapters.iter().map(|name| (*name).to_owned()).collect());
    let host = activate(host, &below.over(fuse))?;
    crate::train_only(host, &[&fused])
}

fn refused(name: &str, path: &str, why: &'static str) -> AdapterError {
    AdapterError::NotCombinable { name: name.to_owned(), site: path.to_owned(), why }
}

/// What attention over these is called: their names, with commas between.
pub(crate) fn fused_name<S: AsRef<str>>(adapters: &[S]) -> String {
    adapters.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(",")
}

/// `Σ (V - I)²` over the sites of all attention that there is, by which its values are held near the
/// identity. `[1]`; `None` where no values have a matrix.
pub fn fusion_penalty<H: AdapterHost + Clone>(host: &H) -> Option<Tensor<1>> {
    let mut sum: Option<Tensor<1>> = None;
    host.clone().for_each_site(&mut |_, site| {
        let SiteMut::Residual(site) = site else { return };
        for penalty in site.fusions().iter().filter_map(Fusion::penalty) {
            sum = Some(match sum.take() {
                Some(sum) => sum + penalty,
                None => penalty,
            });
        }
    });
    sum
}

/// Writes the attention over these bottlenecks as the `adapters` library does:
/// `adapter_fusion_config.json` and `model_adapter_fusion.safetensors`. The bottlenecks have directories of
/// their own.
///
/// # Errors
///
/// [`AdapterError::Nothing`] where there is none over them, [`AdapterError::Write`].
pub fn save_fusion<H: AdapterHost + Module>(
    host: &H,
    adapters: &[&str],
    dir: &Path,
) -> Result<(), AdapterError> {
    crate::files::save_fusion(host, adapters, dir)
}

/// Puts attention from a directory of the `adapters` library over bottlenecks that are attached, in the
/// order of the file, and lets it act. Nothing is trained afterwards.
///
/// Where the file says that dropout is the model's, there is none.
///
/// # Errors
///
/// Those of [`attach_fusion`]; [`AdapterError::File`] where tensors are missing, left over or of another
/// shape, and for options that are not supported; [`AdapterError::Read`].
pub fn load_fusion<H: AdapterHost + Module>(
    host: H,
    adapters: &[&str],
    dir: &Path,
    device: &Device,
) -> Result<H, AdapterError> {
    crate::files::load_fusion(host, adapters, dir, device)
}

impl crate::ResidualSite {
    /// The parameters of attention of that name.
    pub(crate) fn fusion_slots(&mut self, name: &str) -> Vec<(String, Slot<'_>)> {
        self.fusion_mut(name).map(Fusion::slots).unwrap_or_default()
    }
}
