//! Which adapters act, and which are trained.

use std::collections::{BTreeMap, BTreeSet};

use burn::module::Module;
use burn::tensor::Tensor;

use crate::attach::layer_number;
use crate::composition::Composition;
use crate::full;
use crate::fusion::fused_name;
use crate::{AdapterError, AdapterHost, SiteMut};

/// The adapters of a model, in the order of the sites, those of one site in that in which they were attached.
pub fn adapter_names<H: AdapterHost + Clone>(host: &H) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    host.clone().for_each_site(&mut |_, mut site| {
        for about in site.abouts() {
            if !names.contains(&about.name) {
                names.push(about.name.clone());
            }
        }
    });
    names
}

/// An adapter of that name is attached.
pub(crate) fn check_known<H: AdapterHost + Clone>(
    host: &H,
    name: &str,
) -> Result<(), AdapterError> {
    let known = adapter_names(host);
    if known.iter().any(|other| other == name) {
        return Ok(());
    }
    Err(AdapterError::Unknown { name: name.to_owned(), known })
}

/// What acts in a model.
pub fn active_adapters<H: AdapterHost + Clone>(host: &H) -> Composition {
    active(&mut host.clone())
}

pub(crate) fn active<H: AdapterHost>(host: &mut H) -> Composition {
    let mut found = None;
    host.for_each_site(&mut |_, mut site| {
        found.get_or_insert_with(|| site.active());
    });
    found.unwrap_or_default()
}

/// Lets other adapters act, of those that are attached. Nothing is read or made for it: it costs a walk
/// over the sites, and a copy of what adapters have in full.
///
/// # Errors
///
/// [`AdapterError::Unknown`] for a name that no adapter has, [`AdapterError::Composition`] for weights and
/// lengths out of their range, and for parameters in full that two of them have or that would differ by
/// rows.
pub fn activate<H: AdapterHost + Module>(
    mut host: H,
    composition: &Composition,
) -> Result<H, AdapterError> {
    composition.check()?;
    composition.names().into_iter().try_for_each(|name| check_known(&host, name))?;
    let wanted = Wanted::new(composition);
    let names = &wanted.in_full;
    let (mut fault, mut affected) = (None, BTreeSet::new());
    host.for_each_site(&mut |path, mut site| {
        if fault.is_none() {
            fault = wanted.fault_at(path, &mut site);
        }
        if let SiteMut::Full(full) = site {
            affected = full.affected(names);
        }
    });
    if let Some(fault) = fault {
        return Err(fault);
    }
    let now = full::read(&host, &affected);
    let (mut next, mut moved) = (BTreeMap::new(), None);
    host.for_each_site(&mut |_, site| {
        if let SiteMut::Full(full) = site {
            moved = full.moved(&now, names);
            if moved.is_none() {
                next = full.switch(names, &now);
            }
        }
    });
    if let Some((name, path)) = moved {
        return Err(AdapterError::Moved { name, path });
    }
    let mut host = full::write(host, &next);
    host.for_each_site(&mut |path, mut site| {
        site.activate(composition);
        if let SiteMut::Linear(site) = site
            && next.contains_key(&format!("{path}.base.weight"))
        {
            site.renew_norms();
        }
    });
    Ok(host)
}

/// A composition that is to act.
struct Wanted<'a> {
    composition: &'a Composition,
    /// Those by attention over them.
    fused: BTreeSet<&'a str>,
    /// Those that bring what they have in full: all others.
    in_full: BTreeSet<&'a str>,
}

impl<'a> Wanted<'a> {
    fn new(composition: &'a Composition) -> Self {
        let fused: BTreeSet<&str> =
            composition.fused().into_iter().flatten().map(String::as_str).collect();
        let in_full = composition.names().difference(&fused).copied().collect();
        Self { composition, fused, in_full }
    }

    /// Why it cannot act at a site.
    fn fault_at(&self, path: &str, site: &mut SiteMut<'_>) -> Option<AdapterError> {
        let composition = self.composition;
        let fault = |what: String, expected: &'static str| {
            Some(AdapterError::Composition { found: format!("{composition}: {what}"), expected })
        };
        let is_fused = site.abouts().iter().any(|about| self.fused.contains(&*about.name));
        match site {
            SiteMut::Residual(site) if is_fused => {
                let over = composition.fused().into_iter().map(fused_name).find(|name| {
                    let mut adapters = name.split(',');
                    let is_here = adapters.any(|it| site.adapters.position(it).is_some());
                    is_here && site.fusion(name).is_none()
                })?;
                let what = format!("there is no attention over {over} at `{path}`");
                fault(what, "some that was attached")
            }
            SiteMut::Linear(_)
            | SiteMut::Invertible(_)
            | SiteMut::Embedding(_)
            | SiteMut::Prefix(_)
            | SiteMut::Prompt(_)
                if is_fused =>
            {
                fault(format!("what is fused is on `{path}`, too"), "bottlenecks alone in fuse(…)")
            }
            SiteMut::Invertible(site) => {
                let averaged = averaged_names(composition);
                let name = averaged.iter().find(|it| site.adapters.position(it).is_some())?;
                let what = format!("`{name}` maps embeddings, and a mean cannot be undone");
                fault(what, "such an adapter outside of a mean")
            }
            SiteMut::Prefix(site) => {
                self.fault_before_tokens("prefix", &|it| site.adapters.position(it))
            }
            SiteMut::Prompt(site) => {
                let node = composition.resolve(&|name| site.adapters.position(name));
                if node.rows().iter().any(|adapters| site.is_mixed(adapters)) {
                    return fault("prompts of different places".to_owned(), "those of one place");
                }
                self.fault_before_tokens("prompt", &|it| site.adapters.position(it))
            }
            SiteMut::Full(full) => {
                if let Some((path, [a, b])) = full.conflict(&self.in_full) {
                    let what = format!("`{a}` and `{b}` both have `{path}` in full");
                    return fault(what, "adapters of which one has it");
                }
                let mixed = mixed_names(composition);
                let name = mixed.into_iter().find(|name| full.has(name))?;
                let what = format!("`{name}` has parameters of the model in full");
                fault(what, "such an adapter alone or in a stack")
            }
            SiteMut::Linear(site) => {
                let node = composition.resolve(&|name| site.adapters.position(name));
                if site.is_exact(&node) {
                    return None;
                }
                let what = format!(
                    "a mean at `{path}` of one that scales what the layer is given and one that scales what it gives"
                );
                fault(what, "such adapters in a stack, or a mean of one kind")
            }
            SiteMut::Residual(_) | SiteMut::Embedding(_) => None,
        }
    }
}

impl Wanted<'_> {
    /// What stands before the tokens of a row acts on all of them, and as it is.
    fn fault_before_tokens(
        &self,
        what: &str,
        position: &dyn Fn(&str) -> Option<usize>,
    ) -> Option<AdapterError> {
        let composition = self.composition;
        let fault = |what: String, expected: &'static str| {
            Some(AdapterError::Composition { found: format!("{composition}: {what}"), expected })
        };
        let averaged = averaged_names(composition);
        if let Some(name) = averaged.iter().find(|name| position(name).is_some()) {
            let what = format!("`{name}` is a {what}, and there is no mean of those");
            return fault(what, "such an adapter outside of a mean");
        }
        let mut names = composition.names().into_iter();
        let name = names.find(|name| position(name).is_some())?;
        let has_tokens = composition.routes()[1].is_some();
        let what = format!("`{name}` is a {what} of whole rows");
        if has_tokens {
            fault(what, "no split of tokens beside it")
        } else if composition.copies().is_some() {
            fault(what, "nothing in parallel beside it; rows(…) serves as well")
        } else {
            None
        }
    }
}

/// The adapters that act on some rows or tokens, or by a weight; without those that are fused, which do not
/// bring what they have in full.
fn mixed_names(composition: &Composition) -> BTreeSet<&str> {
    match composition {
        Composition::Adapter(_) | Composition::Fuse(_) => BTreeSet::new(),
        Composition::Stack(parts) => parts.iter().flat_map(mixed_names).collect(),
        other => {
            let fused: BTreeSet<&str> =
                other.fused().into_iter().flatten().map(String::as_str).collect();
            other.names().difference(&fused).copied().collect()
        }
    }
}

/// The adapters of which a mean is taken.
fn averaged_names(composition: &Composition) -> BTreeSet<&str> {
    match composition {
        Composition::Adapter(_) | Composition::Fuse(_) => BTreeSet::new(),
        Composition::Average(_) => composition.names(),
        Composition::Stack(parts) | Composition::Rows(parts) | Composition::Parallel(parts) => {
            parts.iter().flat_map(averaged_names).collect()
        }
        Composition::Split(parts) => {
            parts.iter().flat_map(|(part, _)| averaged_names(part)).collect()
        }
    }
}

/// Lets some adapters train, and freezes everything else.
///
/// # Errors
///
/// [`AdapterError::Unknown`] for a name that no adapter has, and [`AdapterError::Asleep`] for one that
/// does not act, and so could not learn.
pub fn train_only<H: AdapterHost + Module>(host: H, names: &[&str]) -> Result<H, AdapterError> {
    let acting = active_adapters(&host);
    let fused: Vec<String> = acting.fused().into_iter().map(fused_name).collect();
    let known: Vec<String> = adapter_names(&host).into_iter().chain(fused.clone()).collect();
    for name in names {
        if !known.iter().any(|other| other == name) {
            return Err(AdapterError::Unknown { name: (*name).to_owned(), known });
        }
        if !acting.names().contains(name) && !fused.iter().any(|it| it == name) {
            let active = acting.to_string();
            return Err(AdapterError::Asleep { name: (*name).to_owned(), active });
        }
    }
    let mut host = host.no_grad();
    let mut full_paths = BTreeSet::new();
    host.for_each_site(&mut |_, mut site| {
        if let SiteMut::Full(full) = &mut site {
            full.freeze_stored();
            let acting = names.iter().filter(|name| full.acts(name));
            full_paths.extend(acting.flat_map(|name| full.paths(name)));
        }
        for name in names {
            site.set_trained(name, true);
        }
    });
    Ok(full::train(host, &full_paths))
}

/// Lets no adapter act in the layers below that of a number, for faster inference, or for training that leaves
/// adapters robust to it: AdapterDrop. What is at no layer acts on.
///
/// [`activate`] brings them back.
///
/// # Source
///
/// Rücklé et al. (2021), "AdapterDrop", <https://arxiv.org/abs/2010.11918>.
#[must_use]
pub fn skip_layers<H: AdapterHost>(mut host: H, below: usize) -> H {
    host.for_each_site(&mut |path, mut site| {
        if layer_number(path).is_some_and(|layer| layer < below) {
            site.rest();
        }
    });
    host
}

/// How much an adapter matters: the largest difference that it makes to any number of an output, with the
/// others acting as they do, but for attention over it, which goes with it.
///
/// An adapter that was loaded and acts makes some; a fresh one makes none.
///
/// # Errors
///
/// [`AdapterError::Unknown`], and [`AdapterError::Asleep`] for one that does not act.
pub fn effect<H: AdapterHost + Module, const D: usize>(
    host: &H,
    name: &str,
    forward: impl Fn(&H) -> Tensor<D>,
) -> Result<f64, AdapterError> {
    check_known(host, name)?;
    let acting = active_adapters(host);
    if !acting.names().contains(name) {
        let active = acting.to_string();
        return Err(AdapterError::Asleep { name: name.to_owned(), active });
    }
    let without = activate(host.clone(), &acting.without(name))?;
    let difference = (forward(host) - forward(&without)).abs().max();
    Ok(f64::from(difference.into_scalar::<f32>()))
}
