//! Adapters on disk, apart from the model they adapt.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use burn::module::Module;
use burn::store::{ModuleSnapshot, ModuleStore, SafetensorsStore};
use burn::tensor::Device;
use isogloss_core::{Seed, WriteError, write_dir_atomically, write_file_atomically};
use serde::{Deserialize, Serialize};

use crate::attach::{base_shapes, shapes};
use crate::{AdapterConfig, AdapterError, AdapterHost, AttachReport, attach};

const CONFIG_FILE: &str = "adapter_config.json";
const TENSOR_FILE: &str = "adapter.safetensors";

/// What stands in `adapter_config.json`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct AdapterFile {
    /// The version of Isogloss that wrote it.
    isogloss: String,
    adapter: AdapterConfig,
    sites: Vec<String>,
    /// Every tensor of the base with its shape, so that another base is refused.
    base: BTreeMap<String, Vec<usize>>,
}

/// Writes the adapters of a model, and nothing of its base, into `dir`.
///
/// `adapter_config.json` says what they are, where they sit and what base they were made for;
/// `adapter.safetensors` holds their tensors under the paths they have in the model. The directory
/// appears as a whole or not at all.
///
/// # Errors
///
/// [`AdapterError::Nothing`] where the model has no adapter, [`AdapterError::Write`].
pub fn save_adapter<H: AdapterHost + Module>(
    host: &H,
    config: &AdapterConfig,
    dir: &Path,
) -> Result<(), AdapterError> {
    let base = base_shapes(host);
    let names: Vec<String> =
        shapes(host).into_keys().filter(|name| !base.contains_key(name)).collect();
    if names.is_empty() {
        return Err(AdapterError::Nothing { what: "adapter" });
    }
    let sites = occupied_sites(host);
    let file = AdapterFile {
        isogloss: env!("CARGO_PKG_VERSION").to_owned(),
        adapter: config.clone(),
        sites,
        base,
    };
    write_dir_atomically(dir, |tmp| {
        let fail = |name: &str| {
            let path = dir.join(name);
            move |source: io::Error| AdapterError::Write(WriteError::new(path, "write", source))
        };
        let json = serde_json::to_vec_pretty(&file).map_err(|e| fail(CONFIG_FILE)(e.into()))?;
        write_file_atomically(&tmp.join(CONFIG_FILE), |out| out.write_all(&json))?;
        let mut store =
            SafetensorsStore::from_file(tmp.join(TENSOR_FILE)).with_regex(exactly(&names));
        host.save_into(&mut store).map_err(|e| fail(TENSOR_FILE)(io::Error::other(e.to_string())))
    })
}

/// Attaches the adapters in `dir` to a model of the base that they were made for.
///
/// The base ends frozen, as after [`attach`].
///
/// # Errors
///
/// [`AdapterError::OtherBase`] with the first tensor that differs, where the model is of another
/// shape; [`AdapterError::File`] where a tensor is missing, left over or of another shape;
/// [`AdapterError::Read`]; and those of [`attach`].
pub fn load_adapter<H: AdapterHost + Module>(
    host: H,
    dir: &Path,
    device: &Device,
) -> Result<(H, AttachReport), AdapterError> {
    let path = dir.join(CONFIG_FILE);
    let json =
        fs::read(&path).map_err(|source| AdapterError::Read { path: path.clone(), source })?;
    let file: AdapterFile = serde_json::from_slice(&json).map_err(|error| AdapterError::File {
        path: path.clone(),
        fault: format!("{error}, expected an adapter"),
    })?;
    let base = base_shapes(&host);
    if let Some((field, found, expected)) = first_difference(&file.base, &base) {
        return Err(AdapterError::OtherBase { path, field, found, expected });
    }
    // The weights are replaced at once; the seed does not matter.
    let (mut host, report) = attach(host, &file.adapter, Seed::new(0), device)?;
    if report.sites != file.sites {
        let (found, expected) = (file.sites.join(", "), report.sites.join(", "));
        return Err(AdapterError::OtherBase { path, field: "sites".to_owned(), found, expected });
    }
    let path = dir.join(TENSOR_FILE);
    let fault = |fault: String| AdapterError::File { path: path.clone(), fault };
    let mut expected = shapes(&host);
    expected.retain(|name, _| !base.contains_key(name));
    let mut store = SafetensorsStore::from_file(&path).allow_partial(true);
    // Burn changes a module before it finds a tensor missing, and takes no notice of one that is
    // left over; so the lists are compared first.
    let tensors = store.get_all_tensors().map_err(|error| fault(error.to_string()))?;
    let found: BTreeMap<String, Vec<usize>> =
        tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shape.to_vec())).collect();
    if let Some((name, found, expected)) = first_difference(&found, &expected) {
        return Err(fault(format!("tensor `{name}` is {found}, expected {expected}")));
    }
    host.load_from(&mut store).map_err(|error| fault(error.to_string()))?;
    Ok((host, report))
}

/// The sites that have an adapter.
fn occupied_sites<H: AdapterHost + Clone>(host: &H) -> Vec<String> {
    let mut sites = Vec::new();
    host.clone().for_each_site(&mut |path, site| {
        let occupied = match site {
            crate::SiteMut::Linear(site) => site.lora().is_some(),
            crate::SiteMut::Residual(site) => site.adapter().is_some(),
        };
        if occupied {
            sites.push(path.to_owned());
        }
    });
    sites
}

/// A pattern that matches these names and no other.
fn exactly(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| regex::escape(name)).collect();
    format!("^(?:{})$", names.join("|"))
}

/// The first name that stands in one list only, or with different shapes in both.
fn first_difference(
    found: &BTreeMap<String, Vec<usize>>,
    expected: &BTreeMap<String, Vec<usize>>,
) -> Option<(String, String, String)> {
    let shape = |shape: Option<&Vec<usize>>| {
        shape.map_or_else(|| "absent".to_owned(), |shape| format!("{shape:?}"))
    };
    let mut names: Vec<&String> = expected.keys().chain(found.keys()).collect();
    names.sort();
    let name = names.into_iter().find(|name| expected.get(*name) != found.get(*name))?;
    Some((name.clone(), shape(found.get(name)), shape(expected.get(name))))
}
