//! Where an adapter may sit, and how a model says so.

use crate::{LinearSite, ResidualSite};

/// A place in a model at which an adapter can be attached.
#[derive(Debug)]
pub enum SiteMut<'a> {
    /// A linear layer, for LoRA.
    Linear(&'a mut LinearSite),
    /// The end of a sub-layer, where its output meets the residual, for bottleneck adapters.
    Residual(&'a mut ResidualSite),
}

impl SiteMut<'_> {
    /// What kind of place it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Linear(_) => "linear",
            Self::Residual(_) => "residual",
        }
    }
}

/// A model that offers sites.
///
/// It uses [`LinearSite`] in place of a linear layer, and [`ResidualSite`] in place of the addition
/// and normalisation that close a sub-layer, and shows them here. Nothing else about it matters: this crate knows no
/// transformer.
pub trait AdapterHost {
    /// Shows every site once, always in the same order.
    ///
    /// The path is the module's own, as `layers.0.attention.query`: patterns are matched against
    /// it, and the parameters of an adapter are found under it.
    fn for_each_site(&mut self, visit: &mut dyn FnMut(&str, SiteMut<'_>));
}
