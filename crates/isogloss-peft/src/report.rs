//! What adapters a model has.

use std::collections::BTreeMap;
use std::fmt;

use burn::module::Module;

use crate::active::active_adapters;
use crate::{AdapterConfig, AdapterHost, Composition, SiteMut};

/// The adapters of a model: what is attached where, and whether it acts. It prints as a table.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AdapterReport {
    /// In the order of the sites, those of one site in that in which they were attached.
    pub adapters: Vec<AttachedAdapter>,
    /// What acts.
    pub active: Composition,
}

/// An adapter of a model.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AttachedAdapter {
    /// Its name.
    pub name: String,
    /// What it is.
    pub config: AdapterConfig,
    /// The adapters that it was [combined](crate::combine) of, and what those were combined of, in order of
    /// their names at that time. It is kept in the adapter's directory.
    pub made_of: Vec<String>,
    /// Whether it acts.
    pub is_active: bool,
    /// Its parts.
    pub sites: Vec<AttachedSite>,
    /// The parameters of the model that it has in full, with their numbers.
    pub full: BTreeMap<String, usize>,
}

/// A part of an adapter.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AttachedSite {
    /// Where it is.
    pub path: String,
    /// The numbers that it consists of.
    pub parameters: usize,
    /// The norm of its update: of what it adds to the matrix of a linear layer, or of the second layer
    /// of a bottleneck. 0 where it changes nothing.
    pub norm: f64,
}

impl AttachedAdapter {
    /// The numbers that it consists of.
    pub fn parameters(&self) -> usize {
        let sites: usize = self.sites.iter().map(|site| site.parameters).sum();
        sites + self.full.values().sum::<usize>()
    }

    /// The norm of all its updates together.
    pub fn norm(&self) -> f64 {
        self.sites.iter().map(|site| site.norm.powi(2)).fold(0.0, |sum, it| sum + it).sqrt()
    }
}

/// What adapters a model has.
pub fn adapters<H: AdapterHost + Module>(host: &H) -> AdapterReport {
    let active = active_adapters(host);
    let mut found: Vec<AttachedAdapter> = Vec::new();
    host.clone().for_each_site(&mut |path, mut site| {
        for about in site.abouts() {
            let at = found.iter().position(|it| it.name == about.name).unwrap_or_else(|| {
                found.push(AttachedAdapter {
                    name: about.name.clone(),
                    config: about.config.clone(),
                    made_of: about.made_of.clone(),
                    is_active: active.names().contains(about.name.as_str()),
                    sites: Vec::new(),
                    full: BTreeMap::new(),
                });
                found.len() - 1
            });
            if let Some((parameters, norm)) = site.size_and_norm(&about.name) {
                found[at].sites.push(AttachedSite { path: path.to_owned(), parameters, norm });
            }
            if let SiteMut::Full(full) = &site {
                let values = full.values(&about.name).into_iter().flatten();
                found[at].full =
                    values.map(|(path, it)| (path.clone(), it.data.num_elements())).collect();
            }
        }
    });
    AdapterReport { adapters: found, active }
}

impl fmt::Display for AdapterReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "active: {}", self.active)?;
        let width =
            self.adapters.iter().map(|adapter| adapter.name.len()).max().unwrap_or(0).max(7);
        writeln!(
            f,
            "{:width$}  {:10}  {:6}  {:>5}  {:>10}  {:>12}  where",
            "adapter", "method", "active", "sites", "parameters", "‖update‖",
        )?;
        for adapter in &self.adapters {
            let is_active = if adapter.is_active { "yes" } else { "no" };
            let kind = match adapter.config {
                AdapterConfig::Bottleneck(_) | AdapterConfig::MixAndMatch(_) => {
                    "ends of sub-layers"
                }
                AdapterConfig::Prefix(_) | AdapterConfig::Prompt(_) => "before the tokens",
                _ => "modules",
            };
            let first = adapter.sites.first().map_or("", |site| &*site.path);
            let full = match adapter.full.len() {
                0 => String::new(),
                n => format!("{n} parameters in full"),
            };
            let made_of = match &*adapter.made_of {
                [] => String::new(),
                names => format!("made of {}", names.join(" and ")),
            };
            let parts = [if first.is_empty() { "" } else { kind }, first, &*full, &*made_of];
            let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            writeln!(
                f,
                "{:width$}  {:10}  {:6}  {:>5}  {:>10}  {:>12.6}  {}",
                adapter.name,
                adapter.config.method(),
                is_active,
                adapter.sites.len(),
                adapter.parameters(),
                adapter.norm(),
                parts.join(", "),
            )?;
        }
        Ok(())
    }
}
