//! Attaching adapters to a model, taking them off.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use isogloss_core::Seed;

use crate::active::{activate, active, adapter_names, check_known, train_only};
use crate::bottleneck::Bottleneck;
use crate::composition::check_name;
use crate::config::SiteKind;
use crate::embedding::EmbeddingLora;
use crate::full;
use crate::held::About;
use crate::invertible::Invertible;
use crate::linear::{AdaLora, Ia3, LinearAdapter, LoHa, LoKr, Lora, Projections, Vera};
use crate::names::{BaseTensor, BaseTensors};
use crate::prefix::PrefixTuning;
use crate::prompt::Prompt;
use crate::targets::{by_pattern, is_saved};
use crate::{
    AdapterConfig, AdapterError, AdapterHost, AttachedAdapter, BiasMode, BottleneckConfig,
    ForeignNames, LinearSite, ModuleNames, SiteMut, SubLayer, adapters,
};

/// What was attached where.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AttachReport {
    /// The sites, in the order in which the model shows them.
    pub sites: Vec<String>,
    /// The parameters of the model itself that the adapter has in full: biases, heads.
    pub full: Vec<String>,
    /// The numbers that the adapter consists of.
    pub parameters: usize,
}

/// Attaches a fresh adapter to every module that its configuration means, on top of what acts already,
/// and freezes everything else.
///
/// Where the method begins so, the model computes what it did before. Afterwards only the adapter's
/// parameters take gradients and optimizer state, other adapters' included; [`train_only`] lets several
/// train. Dropout in the base still acts while training, as with the `peft` library. What else is to
/// train, such as a fresh head, is named among the saved modules, or thawed by the caller.
///
/// Each site draws its weights from a stream that `seed` and its path name, so that equal seeds
/// give equal adapters on any device.
///
/// # Errors
///
/// [`AdapterError::Config`] for a field out of its range, [`AdapterError::Unmatched`] with what there
/// is, [`AdapterError::Rank`], [`AdapterError::Taken`] for a name that another has, and
/// [`AdapterError::NoPlace`] for parameters in full in a model without
/// [`FullParameters`](crate::FullParameters).
pub fn attach<H: AdapterHost + Module>(
    host: H,
    name: &str,
    config: &AdapterConfig,
    seed: Seed,
    device: &Device,
) -> Result<(H, AttachReport), AdapterError> {
    let plan = Plan::new(&host, name, config)?;
    let about = About { name: name.to_owned(), config: config.clone(), made_of: Vec::new() };
    let (host, report) = plan.carry_out(host, about, seed, device)?;
    Ok((train_only(host, &[name])?, report))
}

/// Takes one adapter off; the others act as they did, but for attention over it, which goes with it. After
/// the last one, what was trained before the first came is thawed: what is left is the base as it was. A
/// model without [`FullParameters`](crate::FullParameters) does not remember, and is thawed as a whole.
///
/// # Errors
///
/// [`AdapterError::Unknown`] where there is none of that name.
pub fn detach<H: AdapterHost + Module>(mut host: H, name: &str) -> Result<H, AdapterError> {
    check_known(&host, name)?;
    let is_last = adapter_names(&host).len() == 1;
    let rest = active(&mut host).without(name);
    let mut host = activate(host, &rest)?;
    host.for_each_site(&mut |_, mut site| site.remove(name));
    Ok(if is_last { thawed(host) } else { host })
}

/// Takes an adapter off, as [`detach`] does, and with it all that was [combined](crate::combine) of it: what a
/// community asks for that withdraws the text it learned from. Names what went. It need not be on the model
/// itself.
///
/// Of two adapters that learned one above the other, it does not know; and a base that one was
/// [merged](crate::merge) into has it for good.
///
/// # Errors
///
/// [`AdapterError::Unknown`] where there is none of that name, and none made of one.
pub fn withdraw<H: AdapterHost + Module>(
    host: H,
    name: &str,
) -> Result<(H, Vec<String>), AdapterError> {
    let found = adapters(&host).adapters.into_iter();
    let has_it = |it: &AttachedAdapter| it.name == name || it.made_of.iter().any(|of| of == name);
    let gone: Vec<String> = found.filter(has_it).map(|it| it.name).collect();
    if gone.is_empty() {
        check_known(&host, name)?;
    }
    let host = gone.iter().try_fold(host, |host, name| detach(host, name))?;
    Ok((host, gone))
}

/// Lets learn what learned before the first adapter came; all, where a model does not remember.
pub(crate) fn thawed<H: AdapterHost + Module>(mut host: H) -> H {
    let mut before = None;
    host.for_each_site(&mut |_, site| {
        if let SiteMut::Full(full) = site {
            before = full.take_trained();
        }
    });
    match before {
        Some(paths) => full::train_only(host, &paths),
        None => host.unfreeze(),
    }
}

/// Takes every adapter off, as [`detach`] does.
///
/// # Errors
///
/// [`AdapterError::Nothing`] where there is none.
pub fn detach_all<H: AdapterHost + Module>(host: H) -> Result<H, AdapterError> {
    let names = adapter_names(&host);
    if names.is_empty() {
        return Err(AdapterError::Nothing { what: "adapter" });
    }
    names.iter().try_fold(host, |host, name| detach(host, name))
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

/// Where the parts of an adapter go, all of it checked.
#[derive(Debug)]
pub(crate) struct Plan {
    sites: Vec<PlannedSite>,
    full: BTreeSet<String>,
}

/// A site, by its path.
#[derive(Debug)]
struct PlannedSite {
    path: String,
    dims: [usize; 2],
    rank: usize,
    alpha: f64,
    is_feedforward: bool,
    kept: Option<Vec<bool>>,
}

impl Plan {
    pub(crate) fn new<H: AdapterHost + Module>(
        host: &H,
        name: &str,
        config: &AdapterConfig,
    ) -> Result<Self, AdapterError> {
        check_name(name)?;
        config.check()?;
        if adapter_names(host).iter().any(|other| other == name) {
            return Err(AdapterError::Taken { name: name.to_owned() });
        }
        let (base, foreign) = (base_tensors(host), host.foreign_names());
        let saved = config.saved_modules();
        if config.is_of_adapters() && name.contains('.') {
            let (field, found) = ("name", format!("`{name}`"));
            let expected = "a name without a point, which `adapters` has no place for";
            return Err(AdapterError::Config { field, found, expected });
        }
        let mut sites = Vec::new();
        if let Some(config) = config.bottleneck() {
            sites.extend(at_its_places(config, offered_sites(host, SiteKind::Residual, &base))?);
            if config.invertible.is_some() {
                sites.extend(the_sites(host, SiteKind::Invertible, &base, "inv_adapter", "nice")?);
            }
        }
        if let Some(prefix) = config.prefix() {
            let all = the_sites(host, SiteKind::Prefix, &base, "method", "prefix")?;
            let n_layers = all[0].dims[0];
            if let Some(layer) = prefix.leave_out.iter().find(|layer| **layer >= n_layers) {
                return Err(AdapterError::Unmatched {
                    field: "leave_out",
                    entry: layer.to_string(),
                    kind: SiteKind::Prefix.name(),
                    names: (0..n_layers).map(|layer| layer.to_string()).collect(),
                });
            }
            sites.extend(all);
        }
        if matches!(config, AdapterConfig::Prompt(_)) {
            sites.extend(the_sites(host, SiteKind::Prompt, &base, "method", "prompt")?);
        }
        if let Some(targets) = config.targets() {
            let mut offered = offered_sites(host, SiteKind::Linear, &base);
            // Tables are no linear modules, but may be named.
            if matches!(config, AdapterConfig::Lora(_)) && targets.modules != ModuleNames::All {
                offered.extend(offered_sites(host, SiteKind::Embedding, &base));
            }
            let names: Vec<String> = offered.iter().map(|site| site.name.clone()).collect();
            let chosen = targets.choose("target_modules", &names, saved, &foreign)?;
            sites.extend(chosen.into_iter().map(|index| offered[index].clone()));
        }
        let full = full_paths(config, &sites, &base, &foreign)?;
        if !full.is_empty() && !has_place_for_full(host) {
            return Err(AdapterError::NoPlace {
                path: full.into_iter().next().unwrap_or_default(),
            });
        }
        let names: Vec<&str> = sites.iter().map(|site| &*site.name).collect();
        let (ranks, alphas) = sizes(config, &names, &foreign)?;
        let feedforward = match config {
            AdapterConfig::Ia3(ia3) => {
                let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
                let mut is_feedforward = vec![false; names.len()];
                for index in ia3.feedforward_among(&names, &foreign)? {
                    is_feedforward[index] = true;
                }
                is_feedforward
            }
            _ => vec![false; names.len()],
        };
        let sites = sites.drain(..).enumerate().map(|(index, site)| {
            let (rank, [inputs, outputs]) = (ranks[index], site.dims);
            // One that was trained, or combined of several, is as it is.
            let may_be_any = config.targets().is_none_or(|targets| targets.allow_unmatched);
            let is_lora = matches!(config, AdapterConfig::Lora(_));
            if let AdapterConfig::Lora(lora) = config
                && site.is_table
                && (lora.dora || lora.b_bias)
            {
                let field = if lora.dora { "use_dora" } else { "lora_bias" };
                let (found, expected) = ("true".to_owned(), "false on a table of embeddings");
                return Err(AdapterError::Config { field, found, expected });
            }
            if is_lora && !may_be_any && rank > inputs.min(outputs) {
                return Err(AdapterError::Rank { site: site.path, rank, inputs, outputs });
            }
            let kept = match config {
                AdapterConfig::AdaLora(config) => {
                    let name = foreign.plain(&site.name);
                    let kept = config.kept.iter().find(|(other, _)| foreign.plain(other) == name);
                    kept.map(|(_, kept)| kept.clone())
                }
                _ => None,
            };
            Ok(PlannedSite {
                kept,
                path: site.path,
                dims: site.dims,
                rank,
                alpha: alphas[index],
                is_feedforward: feedforward[index],
            })
        });
        Ok(Self { sites: sites.collect::<Result<_, _>>()?, full })
    }

    /// Puts the parts where they go, and lets the adapter act on top.
    pub(crate) fn carry_out<H: AdapterHost + Module>(
        self,
        mut host: H,
        about: About,
        seed: Seed,
        device: &Device,
    ) -> Result<(H, AttachReport), AdapterError> {
        let about = Arc::new(about);
        let About { name, config, .. } = &*about;
        note_trained(&mut host);
        let composition = active(&mut host).with(name);
        let projections = match config {
            AdapterConfig::Vera(vera) => {
                let largest = |side: usize| self.sites.iter().map(|site| site.dims[side]).max();
                let dims = [0, 1].map(|side| largest(side).unwrap_or(0));
                Some(Projections::new(vera.rank, dims, seed, device))
            }
            _ => None,
        };
        let planned: BTreeMap<&str, &PlannedSite> =
            self.sites.iter().map(|site| (&*site.path, site)).collect();
        let mut parameters = 0;
        host.for_each_site(&mut |path, site| {
            let Some(plan) = planned.get(path) else { return };
            let seed = seed.derive(path);
            match site {
                SiteMut::Linear(site) => {
                    let made = plan.linear(config, projections.as_ref(), site, seed, device);
                    let Some(adapter) = made else { return };
                    parameters += adapter.num_params();
                    site.adapters.push(Arc::clone(&about), adapter);
                }
                SiteMut::Residual(site) => {
                    let Some(config) = config.bottleneck() else { return };
                    let (layer, d_model) = (layer_number(path), site.d_model());
                    let adapter = Bottleneck::new(config, layer, d_model, seed, device);
                    parameters += adapter.num_params();
                    site.adapters.push(Arc::clone(&about), adapter);
                }
                SiteMut::Invertible(site) => {
                    let Some(config) = config.bottleneck() else { return };
                    let Some(invertible) = config.invertible else { return };
                    let (activation, init) = (config.activation, config.init);
                    let d_model = site.d_model();
                    let adapter =
                        Invertible::new(invertible, activation, init, d_model, seed, device);
                    parameters += adapter.num_params();
                    site.adapters.push(Arc::clone(&about), adapter);
                }
                SiteMut::Embedding(site) => {
                    let AdapterConfig::Lora(config) = config else { return };
                    let adapter =
                        EmbeddingLora::new(config, plan.rank, plan.alpha, plan.dims, seed, device);
                    parameters += adapter.num_params();
                    site.adapters.push(Arc::clone(&about), adapter);
                }
                SiteMut::Prefix(site) => {
                    let Some(config) = config.prefix() else { return };
                    let adapter = PrefixTuning::new(config, site.dims(), seed, device);
                    parameters += adapter.num_params();
                    site.adapters.push(Arc::clone(&about), adapter);
                }
                SiteMut::Prompt(site) => {
                    let AdapterConfig::Prompt(config) = config else { return };
                    let adapter = Prompt::new(config, site.d_model(), seed, device);
                    parameters += adapter.num_params();
                    site.adapters.push(Arc::clone(&about), adapter);
                }
                SiteMut::Full(_) => {}
            }
        });
        if !self.full.is_empty() {
            let values = full::read(&host, &self.full);
            parameters += values.values().map(|it| it.data.num_elements()).sum::<usize>();
            let mut values = Some(values);
            host.for_each_site(&mut |_, site| {
                if let SiteMut::Full(full) = site
                    && let Some(values) = values.take()
                {
                    full.push(Arc::clone(&about), values);
                }
            });
        }
        let host = activate(host, &composition)?;
        let sites = self.sites.into_iter().map(|site| site.path).collect();
        let full = self.full.into_iter().collect();
        Ok((host, AttachReport { sites, full, parameters }))
    }
}

impl PlannedSite {
    /// The adapter of a linear layer; `None` of a method that has none there.
    fn linear(
        &self,
        config: &AdapterConfig,
        projections: Option<&Projections>,
        site: &LinearSite,
        seed: Seed,
        device: &Device,
    ) -> Option<LinearAdapter> {
        let Self { dims, rank, alpha, .. } = *self;
        Some(match config {
            AdapterConfig::Lora(config) => {
                LinearAdapter::Lora(Lora::new(config, rank, alpha, site, seed, device))
            }
            AdapterConfig::AdaLora(config) => {
                let kept = self.kept.as_deref();
                LinearAdapter::AdaLora(AdaLora::new(config, kept, dims, seed, device))
            }
            AdapterConfig::Ia3(_) => {
                LinearAdapter::Ia3(Ia3::new(dims, self.is_feedforward, device))
            }
            AdapterConfig::LoHa(config) => {
                LinearAdapter::LoHa(LoHa::new(config, rank, alpha, dims, seed, device))
            }
            AdapterConfig::LoKr(config) => {
                LinearAdapter::LoKr(LoKr::new(config, rank, alpha, dims, seed, device))
            }
            AdapterConfig::Vera(config) => {
                LinearAdapter::Vera(Vera::new(config, projections?, dims, device))
            }
            _ => return None,
        })
    }
}

/// Takes note of what is trained, before the first adapter comes.
fn note_trained<H: AdapterHost + Module>(host: &mut H) {
    if !adapter_names(host).is_empty() {
        return;
    }
    let trained = full::trained(host);
    host.for_each_site(&mut |_, site| {
        if let SiteMut::Full(full) = site {
            full.note_trained(|| trained.clone());
        }
    });
}

/// A site that a model offers.
#[derive(Clone, Debug)]
struct OfferedSite {
    path: String,
    name: String,
    dims: [usize; 2],
    after: Option<SubLayer>,
    is_table: bool,
}

/// The sites behind the sub-layers, and in the layers, that bottlenecks are to be in.
fn at_its_places(
    config: &BottleneckConfig,
    offered: Vec<OfferedSite>,
) -> Result<Vec<OfferedSite>, AdapterError> {
    let unmatched = |field, entry: String| AdapterError::Unmatched {
        field,
        entry,
        kind: SiteKind::Residual.name(),
        names: offered.iter().map(|site| site.path.clone()).collect(),
    };
    for (field, is_wanted, after) in [
        ("mh_adapter", config.after_attention, SubLayer::Attention),
        ("output_adapter", config.after_feedforward, SubLayer::FeedForward),
    ] {
        if is_wanted && !offered.iter().any(|site| site.after == Some(after)) {
            return Err(unmatched(field, "true".to_owned()));
        }
    }
    for site in &offered {
        config.check_width(site.dims[0], layer_number(&site.path))?;
    }
    for (field, layer) in config
        .leave_out
        .iter()
        .map(|layer| ("leave_out", layer))
        .chain(config.reduction_factors.keys().map(|layer| ("reduction_factor", layer)))
    {
        if !offered.iter().any(|site| layer_number(&site.path) == Some(*layer)) {
            return Err(unmatched(field, layer.to_string()));
        }
    }
    let is_in = |site: &OfferedSite| {
        let is_left_out =
            layer_number(&site.path).is_some_and(|layer| config.leave_out.contains(&layer));
        !is_left_out
            && match site.after {
                Some(SubLayer::Attention) => config.after_attention,
                Some(SubLayer::FeedForward) => config.after_feedforward,
                None => false,
            }
    };
    Ok(offered.into_iter().filter(is_in).collect())
}

/// The first part of a path that is a number.
pub(crate) fn layer_number(path: &str) -> Option<usize> {
    path.split('.').find_map(|part| part.parse().ok())
}

fn offered_sites<H: AdapterHost + Clone>(
    host: &H,
    kind: SiteKind,
    base: &BaseTensors,
) -> Vec<OfferedSite> {
    let mut offered = Vec::new();
    host.clone().for_each_site(&mut |path, site| {
        let (name, dims, after) = match (site, kind) {
            (SiteMut::Linear(site), SiteKind::Linear) => (base.module(path), site.dims(), None),
            (SiteMut::Residual(site), SiteKind::Residual) => {
                (path.to_owned(), [site.d_model(); 2], Some(site.after()))
            }
            (SiteMut::Invertible(site), SiteKind::Invertible) => {
                (path.to_owned(), [site.d_model(); 2], None)
            }
            (SiteMut::Embedding(site), SiteKind::Embedding) => {
                (base.module(path), site.dims(), None)
            }
            (SiteMut::Prefix(site), SiteKind::Prefix) => {
                let [n_layers, d_model, _] = site.dims();
                (path.to_owned(), [n_layers, d_model], None)
            }
            (SiteMut::Prompt(site), SiteKind::Prompt) => {
                (path.to_owned(), [site.d_model(); 2], None)
            }
            _ => return,
        };
        let is_table = kind == SiteKind::Embedding;
        offered.push(OfferedSite { path: path.to_owned(), name, dims, after, is_table });
    });
    offered
}

/// The sites of a kind of which a method takes all, and needs one.
fn the_sites<H: AdapterHost + Clone>(
    host: &H,
    kind: SiteKind,
    base: &BaseTensors,
    field: &'static str,
    entry: &str,
) -> Result<Vec<OfferedSite>, AdapterError> {
    let offered = offered_sites(host, kind, base);
    if offered.is_empty() {
        let (entry, kind, names) = (entry.to_owned(), kind.name(), Vec::new());
        return Err(AdapterError::Unmatched { field, entry, kind, names });
    }
    Ok(offered)
}

/// The rank and alpha of each module.
fn sizes(
    config: &AdapterConfig,
    names: &[&str],
    foreign: &ForeignNames,
) -> Result<(Vec<usize>, Vec<f64>), AdapterError> {
    let (ranks, rank, alphas, alpha, targets) = match config {
        AdapterConfig::Lora(it) => {
            (&it.rank_pattern, it.rank, &it.alpha_pattern, it.alpha, &it.targets)
        }
        AdapterConfig::LoHa(it) => {
            (&it.rank_pattern, it.rank, &it.alpha_pattern, it.alpha, &it.targets)
        }
        AdapterConfig::LoKr(it) => {
            (&it.rank_pattern, it.rank, &it.alpha_pattern, it.alpha, &it.targets)
        }
        _ => return Ok((vec![0; names.len()], vec![0.0; names.len()])),
    };
    let any = targets.allow_unmatched;
    Ok((
        by_pattern("rank_pattern", ranks, names, foreign, rank, any)?,
        by_pattern("alpha_pattern", alphas, names, foreign, alpha, any)?,
    ))
}

/// The parameters of the model itself that an adapter has in full.
fn full_paths(
    config: &AdapterConfig,
    sites: &[OfferedSite],
    base: &BaseTensors,
    foreign: &ForeignNames,
) -> Result<BTreeSet<String>, AdapterError> {
    let mut paths = BTreeSet::new();
    for saved in config.saved_modules() {
        let mut is_there = false;
        for (path, tensor) in &base.by_path {
            if is_saved(tensor.module(), saved, foreign) {
                is_there = true;
                paths.insert(path.clone());
            }
        }
        if !is_there {
            return Err(AdapterError::Unmatched {
                field: "modules_to_save",
                entry: saved.clone(),
                kind: "whole",
                names: module_names(base),
            });
        }
    }
    match config.bias_mode() {
        BiasMode::None => {}
        BiasMode::All => paths.extend(
            base.by_path
                .iter()
                .filter(|(_, tensor)| tensor.foreign.name.rsplit('.').next() == Some("bias"))
                .map(|(path, _)| path.clone()),
        ),
        BiasMode::Adapted => paths.extend(
            sites
                .iter()
                .map(|site| format!("{}.base.bias", site.path))
                .filter(|path| base.by_path.contains_key(path)),
        ),
    }
    if paths.is_empty() && matches!(config, AdapterConfig::BitFit(_)) {
        return Err(AdapterError::Nothing { what: "bias, and no module that is named" });
    }
    Ok(paths)
}

/// The modules that have tensors, each once.
fn module_names(base: &BaseTensors) -> Vec<String> {
    let names: BTreeSet<&str> = base.by_path.values().map(BaseTensor::module).collect();
    names.into_iter().map(str::to_owned).collect()
}

fn has_place_for_full<H: AdapterHost + Clone>(host: &H) -> bool {
    let mut has_place = false;
    host.clone().for_each_site(&mut |_, site| has_place |= matches!(site, SiteMut::Full(_)));
    has_place
}

/// A model without its adapters.
pub(crate) fn bare<H: AdapterHost + Clone>(host: &H) -> H {
    let mut bare = host.clone();
    bare.for_each_site(&mut |_, mut site| site.clear());
    bare
}

/// What the base consists of.
pub(crate) fn base_tensors<H: AdapterHost + Module>(host: &H) -> BaseTensors {
    BaseTensors::of(&bare(host), &host.foreign_names())
}
