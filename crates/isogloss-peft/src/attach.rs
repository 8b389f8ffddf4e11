//! Attaching adapters to a model, taking them off, folding them in.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use isogloss_core::Seed;

use crate::{AdapterConfig, AdapterError, AdapterHost, BottleneckAdapter, LoraLinear, SiteMut};

/// What was attached where.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AttachReport {
    /// The sites, in the order in which the model shows them.
    pub sites: Vec<String>,
    /// The numbers that the adapters consist of.
    pub parameters: usize,
}

/// Attaches fresh adapters to every site that the pattern matches, and freezes everything else.
///
/// The model computes what it did before: an adapter begins as the identity. Afterwards only the
/// adapters' parameters take gradients and optimizer state. Dropout in the base still acts while
/// training, as with the `peft` library. What else is to train, such as a fresh head, the caller thaws
/// (`unfreeze_group`).
///
/// Each site draws its weights from a stream that `seed` and its path name, so that equal seeds
/// give equal adapters on any device.
///
/// # Errors
///
/// [`AdapterError::Config`] for a field out of its range, [`AdapterError::NoMatch`] with the sites
/// there are, [`AdapterError::Rank`], and [`AdapterError::Occupied`].
pub fn attach<H: AdapterHost + Module>(
    host: H,
    config: &AdapterConfig,
    seed: Seed,
    device: &Device,
) -> Result<(H, AttachReport), AdapterError> {
    let pattern = config.check()?;
    let mut host = host.no_grad();
    let mut sites = Vec::new();
    let mut others = Vec::new();
    let mut fault = None;
    host.for_each_site(&mut |path, site| {
        if site.kind() != config.kind() {
            return;
        }
        if !pattern.is_match(path) {
            others.push(path.to_owned());
            return;
        }
        sites.push(path.to_owned());
        let seed = seed.derive(path);
        match (site, config) {
            (SiteMut::Linear(site), AdapterConfig::Lora(lora)) => {
                let [inputs, outputs] = site.dims();
                let site_path = path.to_owned();
                if site.lora.is_some() {
                    fault.get_or_insert(AdapterError::Occupied { site: site_path });
                } else if lora.rank > inputs.min(outputs) {
                    let rank = lora.rank;
                    let error = AdapterError::Rank { site: site_path, rank, inputs, outputs };
                    fault.get_or_insert(error);
                } else {
                    site.lora = Some(LoraLinear::new(lora, [inputs, outputs], seed, device));
                }
            }
            (SiteMut::Residual(site), AdapterConfig::Bottleneck(bottleneck)) => {
                if site.adapter.is_some() {
                    fault.get_or_insert(AdapterError::Occupied { site: path.to_owned() });
                } else {
                    let d_model = site.d_model();
                    site.adapter = Some(BottleneckAdapter::new(bottleneck, d_model, seed, device));
                }
            }
            // The kinds were compared above.
            _ => {}
        }
    });
    if let Some(fault) = fault {
        return Err(fault);
    }
    if sites.is_empty() {
        let target = match config {
            AdapterConfig::Lora(lora) => lora.target.clone(),
            AdapterConfig::Bottleneck(bottleneck) => bottleneck.target.clone(),
        };
        return Err(AdapterError::NoMatch { target, kind: config.kind(), sites: others });
    }
    let parameters = trainable_parameter_count(&host);
    Ok((host, AttachReport { sites, parameters }))
}

/// Takes every adapter off and thaws the model: what is left is the base as it was.
///
/// # Errors
///
/// [`AdapterError::Nothing`] where there is none.
pub fn detach<H: AdapterHost + Module>(mut host: H) -> Result<H, AdapterError> {
    let mut found = false;
    host.for_each_site(&mut |_, site| {
        found |= match site {
            SiteMut::Linear(site) => site.lora.take().is_some(),
            SiteMut::Residual(site) => site.adapter.take().is_some(),
        };
    });
    if found { Ok(host.unfreeze()) } else { Err(AdapterError::Nothing { what: "adapter" }) }
}

/// Folds every LoRA into its weight, `W + (alpha / rank) A B`, so that it costs nothing any more.
///
/// The outputs stay what they were, up to rounding. To have the base back, keep it: a clone shares
/// its tensors.
///
/// # Errors
///
/// [`AdapterError::Nothing`] without a LoRA, [`AdapterError::NotMergeable`] where a bottleneck
/// adapter is attached as well.
pub fn merge_lora<H: AdapterHost + Module>(mut host: H) -> Result<H, AdapterError> {
    let (mut found, mut bottleneck) = (false, None);
    host.for_each_site(&mut |path, site| match site {
        SiteMut::Linear(site) => found |= site.lora.is_some(),
        SiteMut::Residual(site) => {
            if site.adapter.is_some() {
                bottleneck.get_or_insert(path.to_owned());
            }
        }
    });
    if let Some(site) = bottleneck {
        return Err(AdapterError::NotMergeable { site });
    }
    if !found {
        return Err(AdapterError::Nothing { what: "LoRA" });
    }
    host.for_each_site(&mut |_, site| {
        if let SiteMut::Linear(site) = site {
            site.merge();
        }
    });
    Ok(host)
}

/// The numbers that a model consists of, adapters included.
pub fn parameter_count<M: Module>(model: &M) -> usize {
    model.num_params()
}

/// The numbers of a model that take gradients.
pub fn trainable_parameter_count<M: Module>(model: &M) -> usize {
    struct Count(usize);
    impl ModuleVisitor for Count {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if param.is_require_grad() {
                self.0 += param.lazy_shape().num_elements();
            }
        }
    }
    let mut count = Count(0);
    model.visit(&mut count);
    count.0
}

/// Takes every adapter off a copy: what the base consists of, by path, with its shape.
pub(crate) fn base_shapes<H: AdapterHost + Module>(host: &H) -> BTreeMap<String, Vec<usize>> {
    let mut base = host.clone();
    base.for_each_site(&mut |_, site| match site {
        SiteMut::Linear(site) => site.lora = None,
        SiteMut::Residual(site) => site.adapter = None,
    });
    shapes(&base)
}

/// The path and shape of every tensor of a module, without initialising any.
pub(crate) fn shapes<M: Module>(module: &M) -> BTreeMap<String, Vec<usize>> {
    let mut visitor = Shapes::default();
    module.visit(&mut visitor);
    visitor.shapes
}

#[derive(Default)]
struct Shapes {
    path: Vec<String>,
    shapes: BTreeMap<String, Vec<usize>>,
}

impl ModuleVisitor for Shapes {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.shapes.insert(self.path.join("."), param.lazy_shape().to_vec());
    }
}
