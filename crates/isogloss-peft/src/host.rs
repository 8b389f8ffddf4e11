//! Where an adapter may sit, and how a model says so.

use std::sync::Arc;

use burn::module::Module;

use crate::held::{About, Held};
use crate::slot::Slot;
use crate::{
    Composition, EmbeddingSite, ForeignNames, FullParameters, InvertibleSite, LinearSite,
    PrefixSite, PromptSite, ResidualSite,
};

/// A place in a model at which adapters can be attached.
#[derive(Debug)]
#[non_exhaustive]
pub enum SiteMut<'a> {
    /// A linear layer.
    Linear(&'a mut LinearSite),
    /// The end of a sub-layer, where its output meets the residual, for bottleneck adapters.
    Residual(&'a mut ResidualSite),
    /// A table of embeddings, for LoRA.
    Embedding(&'a mut EmbeddingSite),
    /// The output of the embeddings, for invertible adapters.
    Invertible(&'a mut InvertibleSite),
    /// The keys and values of all layers, for prefixes.
    Prefix(&'a mut PrefixSite),
    /// The beginning of a row, for prompts.
    Prompt(&'a mut PromptSite),
    /// Where it is kept what adapters have instead of parameters of the model itself: heads, biases.
    Full(&'a mut FullParameters),
}

/// What a site holds, or what is there in full.
macro_rules! held {
    ($site:expr, $held:ident => $result:expr, $full:ident => $otherwise:expr) => {
        match $site {
            Self::Linear(site) => {
                let $held = &mut site.adapters;
                $result
            }
            Self::Residual(site) => {
                let $held = &mut site.adapters;
                $result
            }
            Self::Invertible(site) => {
                let $held = &mut site.adapters;
                $result
            }
            Self::Embedding(site) => {
                let $held = &mut site.adapters;
                $result
            }
            Self::Prefix(site) => {
                let $held = &mut site.adapters;
                $result
            }
            Self::Prompt(site) => {
                let $held = &mut site.adapters;
                $result
            }
            Self::Full($full) => $otherwise,
        }
    };
}

impl SiteMut<'_> {
    /// What is known of its adapters.
    pub(crate) fn abouts(&mut self) -> Vec<Arc<About>> {
        held!(self, held => held.about().to_vec(), full => full.abouts().cloned().collect())
    }

    pub(crate) fn activate(&mut self, composition: &Composition) {
        held!(self, held => held.activate(composition), full => full.activate(composition));
    }

    /// Lets nothing act here, whatever is said to act.
    pub(crate) fn rest(&mut self) {
        held!(self, held => held.rest(), _full => {});
    }

    /// What acts.
    pub(crate) fn active(&mut self) -> Composition {
        held!(self, held => held.active().clone(), full => full.active().clone())
    }

    pub(crate) fn remove(&mut self, name: &str) {
        if let Self::Residual(site) = self {
            site.remove_fusions_of(name);
        }
        held!(self, held => drop(held.remove(name)), full => full.remove(name));
    }

    /// Drops all adapters.
    pub(crate) fn clear(&mut self) {
        match self {
            Self::Residual(site) => site.clear(),
            site => held!(site, held => *held = Held::new(), full => full.clear()),
        }
    }

    /// Takes or leaves gradients to an adapter, or to attention over some, other than to what it has in full.
    pub(crate) fn set_trained(&mut self, name: &str, is_trained: bool) {
        if let Self::Residual(site) = self {
            site.set_fusion_trained(name, is_trained);
        }
        held!(self, held => held.set_trained(name, is_trained), _full => {});
    }

    /// The parameters of an adapter, with their names in files behind that of the module.
    pub(crate) fn slots(&mut self, name: &str) -> Vec<(String, Slot<'_>)> {
        held!(
            self,
            held => match held.get_mut(name) {
                Some(adapter) => adapter.slots(),
                None => Vec::new(),
            },
            _full => Vec::new()
        )
    }

    /// How many numbers an adapter has here, and the norm of its update.
    pub(crate) fn size_and_norm(&mut self, name: &str) -> Option<(usize, f64)> {
        if let Self::Linear(site) = self {
            let adapter = site.adapters.adapter(site.adapters.position(name)?);
            return Some((adapter.num_params(), adapter.update_norm(site)));
        }
        macro_rules! of {
            ($site:expr) => {{
                let adapter = $site.adapters.adapter($site.adapters.position(name)?);
                Some((adapter.num_params(), adapter.update_norm()))
            }};
        }
        match self {
            Self::Residual(site) => of!(site),
            Self::Invertible(site) => of!(site),
            Self::Embedding(site) => of!(site),
            Self::Prefix(site) => of!(site),
            Self::Prompt(site) => of!(site),
            // The first is above.
            Self::Linear(_) | Self::Full(_) => None,
        }
    }
}

/// A model that offers sites.
///
/// It uses [`LinearSite`] in place of a linear layer, and [`ResidualSite`] in place of the addition
/// and normalisation that close a sub-layer, and shows them here. Nothing else about it matters: this crate
/// knows no transformer. Where all sites are fields, [`adapter_sites!`](crate::adapter_sites) writes this.
pub trait AdapterHost {
    /// Shows every site once, always in the same order.
    ///
    /// The path is the module's own, as `layers.0.attention.query`.
    fn for_each_site(&mut self, visit: &mut dyn FnMut(&str, SiteMut<'_>));

    /// What another library calls the tensors of this model, for configurations and files that are of it.
    /// Default: none, so that they are in the names of this model.
    fn foreign_names(&self) -> ForeignNames {
        ForeignNames::default()
    }
}

/// Shows fields of a model as its sites: one line, and the model takes adapters.
///
/// # Examples
///
/// ```
/// use burn::module::Module;
/// use isogloss_peft::{FullParameters, LinearSite, adapter_sites};
///
/// #[derive(Module, Debug)]
/// struct Mlp {
///     up: LinearSite,
///     down: LinearSite,
///     #[module(skip)]
///     full: FullParameters,
/// }
///
/// adapter_sites!(Mlp { Linear: up, down; Full: full });
/// ```
#[macro_export]
macro_rules! adapter_sites {
    ($model:ident { $($kind:ident: $($field:ident),+);+ $(;)? }) => {
        impl $crate::AdapterHost for $model {
            fn for_each_site(&mut self, visit: &mut dyn FnMut(&str, $crate::SiteMut<'_>)) {
                $($(visit(stringify!($field), $crate::SiteMut::$kind(&mut self.$field));)+)+
            }
        }
    };
}
