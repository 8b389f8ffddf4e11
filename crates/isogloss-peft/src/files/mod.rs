//! Adapters on disk, apart from the model they adapt, in the layouts of `peft` and `adapters`.

mod adapters_config;
mod fields;
mod fusion;
mod layout;
mod peft_config;
pub(crate) mod tensors;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Device, TensorData};
use isogloss_core::{Seed, WriteError, write_dir_atomically, write_file_atomically};
use serde::{Deserialize, Serialize};
use serde_json::Map;

use self::fields::Fields;
pub(crate) use self::fusion::{load_fusion, save_fusion};
use self::layout::{Layout, copies_of};
use self::peft_config::{Modules, Purpose};
use self::tensors::{Stored, serialized};
use crate::active::{adapter_names, train_only};
use crate::attach::{Plan, base_tensors};
use crate::full::{self, Value};
use crate::held::About;
use crate::linear::LinearAdapter;
use crate::names::{BaseTensor, BaseTensors, ForeignNames};
use crate::slot::{Slot, transposed};
use crate::targets::is_saved;
use crate::{AdapterConfig, AdapterError, AdapterHost, AttachReport, SiteMut};

const CONFIG_FILE: &str = "adapter_config.json";
const BASE_FILE: &str = "isogloss.json";

/// What goes with an adapter into its directory.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct AdapterCard {
    /// What the base is called, or where it is: `base_model_name_or_path`.
    pub base_model: Option<String>,
    /// The kind of task, as `peft` names them: `SEQ_CLS`, `TOKEN_CLS`, `QUESTION_ANS`,
    /// `FEATURE_EXTRACTION`, …
    pub task_type: Option<String>,
    /// The modules that `peft` trains as a whole for such a task though nobody names them; a model has
    /// one of them. Only where a configuration was read to begin an adapter.
    pub heads: Vec<String>,
    /// The model card, `README.md`: what the adapter is, the texts that it learned from, and under which
    /// terms.
    pub readme: String,
    /// Files that go with the adapter, such as the provenance of its texts: where each is, and its name
    /// in the directory.
    pub beside: Vec<(PathBuf, PathBuf)>,
    /// Fields of `adapter_config.json` of `peft` that say nothing of what is computed here. They are written
    /// back.
    pub other: Map<String, serde_json::Value>,
}

impl AdapterCard {
    /// A card of this text, for an adapter of this base.
    pub fn new(base_model: impl Into<String>, readme: impl Into<String>) -> Self {
        Self { base_model: Some(base_model.into()), readme: readme.into(), ..Self::default() }
    }

    /// Sets the kind of task.
    #[must_use]
    pub fn with_task_type(mut self, task_type: impl Into<String>) -> Self {
        self.task_type = Some(task_type.into());
        self
    }

    /// Adds a file under a name in the directory.
    #[must_use]
    pub fn with_file(mut self, file: impl Into<PathBuf>, name: impl Into<PathBuf>) -> Self {
        self.beside.push((file.into(), name.into()));
        self
    }
}

/// What stands in `isogloss.json`, beside what others write.
#[derive(Debug, Default, Deserialize, Serialize)]
struct BaseFile {
    /// The version of Isogloss that wrote it.
    isogloss: String,
    /// Every tensor of the base with its shape there, so that another base is refused.
    base: BTreeMap<String, Vec<usize>>,
    /// Whether the head that predicts tokens undid what an adapter made of the embeddings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inverse_at_head: Option<bool>,
    /// The adapters that it was combined of, as they were called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    made_of: Vec<String>,
}

/// An adapter that was read.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LoadedAdapter {
    /// What it is.
    pub config: AdapterConfig,
    /// What went with it.
    pub card: AdapterCard,
    /// Where it was attached.
    pub attached: AttachReport,
    /// The tensors of a head that went with it and that this model has not.
    pub left_out: Vec<String>,
}

impl AdapterConfig {
    /// Reads the configuration for a new adapter from an `adapter_config.json` of `peft` or of `adapters`,
    /// whole or with only the fields that are not as they are there by default.
    ///
    /// `path` is for errors.
    ///
    /// # Errors
    ///
    /// [`AdapterError::File`] with the field: of another type, out of its range, or not supported and yet
    /// other than nothing.
    pub fn from_json(text: &str, path: &Path) -> Result<(Self, AdapterCard), AdapterError> {
        let fields = Fields::new(path, text)?;
        if adapters_config::is_one(&fields) {
            let (config, card, _) = adapters_config::read(fields)?;
            return Ok((config, card));
        }
        peft_config::read(fields, Purpose::Begin)
    }
}

/// Writes an adapter, and nothing of its base, into `dir`, in the layout of the library that has its method:
/// of `peft`, and of `adapters` for bottlenecks, as safetensors. Besides, `README.md` is the card, and
/// `isogloss.json` says of what shape the base is.
///
/// It need not act. The directory appears as a whole or not at all.
///
/// # Errors
///
/// [`AdapterError::Unknown`] where the model has no adapter of that name, [`AdapterError::Write`].
pub fn save_adapter<H: AdapterHost + Module>(
    host: &H,
    name: &str,
    card: &AdapterCard,
    dir: &Path,
) -> Result<(), AdapterError> {
    let Some(about) = about(host, name) else {
        return Err(AdapterError::Unknown { name: name.to_owned(), known: adapter_names(host) });
    };
    let (base, config) = (base_tensors(host), &about.config);
    let layout = Layout::of(config, name);
    let parts = collect(host, name, &layout, config, &base)?;
    let model = &host.foreign_names().model;
    let shapes = base.by_path.values().map(|it| (it.foreign.name.clone(), it.file_shape()));
    let invertible = config.bottleneck().and_then(|config| config.invertible);
    let inverse_at_head = invertible.map(|it| it.inverse_at_head);
    let base_file = BaseFile {
        isogloss: env!("CARGO_PKG_VERSION").to_owned(),
        base: shapes.collect(),
        inverse_at_head,
        made_of: about.made_of.clone(),
    };
    write_dir_atomically(dir, |tmp| {
        let fail = |name: &Path| {
            let path = dir.join(name);
            move |source: io::Error| AdapterError::Write(WriteError::new(path, "write", source))
        };
        let json = |name: &str, text: serde_json::Result<String>| {
            let text = text.map_err(|error| fail(Path::new(name))(error.into()))?;
            write_file_atomically(&tmp.join(name), |file| writeln!(file, "{text}"))?;
            Ok::<_, AdapterError>(())
        };
        let tensors = |name: &str, tensors: &BTreeMap<String, TensorData>| {
            let bytes = serialized(tensors).map_err(fail(Path::new(name)))?;
            write_file_atomically(&tmp.join(name), |file| file.write_all(&bytes))?;
            Ok::<_, AdapterError>(())
        };
        let text = if layout.is_peft() {
            serde_json::to_string_pretty(&peft_config::write(config, card, &parts.modules))
        } else {
            let fields = adapters_config::write(config, card, name, parts.width, model);
            serde_json::to_string_pretty(&fields)
        };
        json(CONFIG_FILE, text)?;
        json(BASE_FILE, serde_json::to_string(&base_file))?;
        write_file_atomically(&tmp.join("README.md"), |file| write!(file, "{}", card.readme))?;
        for (from, name) in &card.beside {
            let to = tmp.join(name);
            fs::create_dir_all(to.parent().unwrap_or(tmp)).map_err(fail(name))?;
            fs::copy(from, &to)
                .map_err(|source| AdapterError::Read { path: from.clone(), source })?;
        }
        tensors(layout.file(), &parts.tensors)?;
        if !parts.head.is_empty() {
            let header = adapters_config::write_head(card, parts.width, model);
            json(layout::HEAD_CONFIG, serde_json::to_string_pretty(&header))?;
            tensors(layout::HEAD_FILES[0], &parts.head)?;
        }
        Ok(())
    })
}

/// Attaches the adapter in `dir` to a model of the base that it was made for, under a name, on top of
/// what acts already.
///
/// The directory is one of `peft` or of `adapters`, written here or there. Nothing is trained afterwards;
/// [`train_only`] changes that. A prefix that another head gives to the names of the encoder is no
/// difference.
///
/// # Errors
///
/// [`AdapterError::OtherBase`] with the first tensor that differs, where the model is of another
/// shape; [`AdapterError::File`] where tensors are missing, left over or of another shape, all of which it
/// names, and where a field is not supported; [`AdapterError::Read`]; and those of
/// [`attach`](crate::attach).
pub fn load_adapter<H: AdapterHost + Module>(
    host: H,
    name: &str,
    dir: &Path,
    device: &Device,
) -> Result<(H, LoadedAdapter), AdapterError> {
    let path = dir.join(CONFIG_FILE);
    let fields = Fields::new(&path, &read_text(&path)?)?;
    let base = base_tensors(&host);
    let foreign = host.foreign_names();
    let BaseFile { inverse_at_head, made_of, .. } = match read_base(dir)? {
        Some(file) => {
            check_base(dir, &file, &base, &foreign)?;
            file
        }
        None => BaseFile::default(),
    };
    let mut left_out = Vec::new();
    let (config, mut card, layout, mut stored, mut head) = if adapters_config::is_one(&fields) {
        let (mut config, card, header) = adapters_config::read(fields)?;
        let layout = Layout::Adapters { name: header.name };
        let stored = Stored::read(dir, &layout::ADAPTER_FILES, |it| layout.key(it, &foreign))?;
        if let AdapterConfig::Bottleneck(config) = &mut config {
            let has_embeddings = stored.names().any(|name| name.contains("invertible_adapters."));
            if header.is_task && !has_embeddings {
                config.invertible = None;
            }
            if let (Some(invertible), Some(is_undone)) = (&mut config.invertible, inverse_at_head) {
                invertible.inverse_at_head = is_undone;
            }
        }
        let head = read_head(dir, &layout, &foreign)?;
        let (config, head) = match head {
            None => (config, None),
            Some(mut head) => {
                let saved = layout::head_modules(&head, &base, &foreign, &mut left_out);
                head.forget_all(&left_out);
                (config.with_saved_modules(saved), Some(head))
            }
        };
        (config, card, layout, stored, head)
    } else {
        let (config, card) = peft_config::read(fields, Purpose::Load)?;
        let layout = Layout::of(&config, name);
        let mut stored = Stored::read(dir, &layout::PEFT_FILES, |it| layout.key(it, &foreign))?;
        let (config, absent) = without_absent(config, &base, &foreign);
        let is_absent = |name: &&String| {
            let plain = name.strip_prefix(layout.prefix()).unwrap_or(name);
            let module = plain.rsplit_once('.').map_or("", |(module, _)| module);
            absent.iter().any(|saved| is_saved(module, saved, &foreign))
        };
        left_out = stored.names().filter(is_absent).cloned().collect();
        stored.forget_all(&left_out);
        (config, card, layout, stored, None)
    };
    card.readme = fs::read_to_string(dir.join("README.md")).unwrap_or_default();
    // What others wrote may name what this model has not: the tensors are what is accounted for.
    let plan = Plan::new(&host, name, &config.clone().lenient())?;
    // The weights are replaced at once; the seed does not matter.
    let about = About { name: name.to_owned(), config: config.clone(), made_of };
    let (mut host, attached) = plan.carry_out(host, about, Seed::new(0), device)?;
    let mut projections = None;
    host.for_each_site(&mut |path, mut site| {
        let place = layout.place(&site, &base.module(path));
        if layout.is_peft()
            && let Some(slot) = prompt_slot(&mut site, name)
        {
            stored.fill(layout::PROMPT, slot);
            return;
        }
        let suffixes: Vec<String> = site.slots(name).into_iter().map(|(it, _)| it).collect();
        for copy in suffixes.iter().flat_map(|it| copies_of(&layout, (path, &site), it, &base)) {
            stored.forget(&layout.key(&copy, &foreign));
        }
        for (suffix, slot) in site.slots(name) {
            stored.fill(&layout.key(&format!("{place}.{suffix}"), &foreign), slot);
        }
        if let SiteMut::Linear(site) = site
            && let Some(LinearAdapter::Vera(vera)) = site.adapters.get_mut(name)
        {
            // Read once, and held once.
            let shared = projections.get_or_insert_with(|| {
                for (name, slot) in vera.shared() {
                    stored.fill(&format!("base_model.{name}"), slot);
                }
                vera.projections()
            });
            vera.share(shared);
        }
    });
    let mut values = BTreeMap::new();
    for path in &attached.full {
        let tensor = &base.by_path[path];
        let name = layout.key(&full_name(path, &layout, &config, &base, &attached.sites), &foreign);
        let from = head.as_mut().unwrap_or(&mut stored);
        if let Some(data) = from.take(&name, &tensor.file_shape()) {
            let data = if tensor.foreign.is_transposed { transposed(&data) } else { data };
            values.insert(path.clone(), Value { data: Arc::new(data), is_trained: false });
        }
    }
    stored.finish()?;
    head.map_or(Ok(()), Stored::finish)?;
    let host = full::write(host, &values);
    Ok((train_only(host, &[])?, LoadedAdapter { config, card, attached, left_out }))
}

fn read_text(path: &Path) -> Result<String, AdapterError> {
    fs::read_to_string(path).map_err(|source| AdapterError::Read { path: path.to_owned(), source })
}

fn read_head(
    dir: &Path,
    layout: &Layout,
    foreign: &ForeignNames,
) -> Result<Option<Stored>, AdapterError> {
    if layout::HEAD_FILES.iter().all(|name| !dir.join(name).exists()) {
        return Ok(None);
    }
    Stored::read(dir, &layout::HEAD_FILES, |name| layout.key(name, foreign)).map(Some)
}

fn about<H: AdapterHost + Clone>(host: &H, name: &str) -> Option<Arc<About>> {
    let mut found = None;
    host.clone().for_each_site(&mut |_, mut site| {
        if found.is_none() {
            found = site.abouts().into_iter().find(|about| about.name == name);
        }
    });
    found
}

/// An adapter as files have it.
#[derive(Default)]
struct Parts {
    tensors: BTreeMap<String, TensorData>,
    /// What is kept in a file of its own.
    head: BTreeMap<String, TensorData>,
    /// The modules that it is on.
    modules: Modules,
    /// Of hidden states, where it is on such.
    width: usize,
}

fn collect<H: AdapterHost + Module>(
    host: &H,
    name: &str,
    layout: &Layout,
    config: &AdapterConfig,
    base: &BaseTensors,
) -> Result<Parts, AdapterError> {
    let (mut parts, mut sites) = (Parts::default(), Vec::new());
    let (mut full_paths, mut stored) = (BTreeSet::new(), None);
    host.clone().for_each_site(&mut |path, mut site| {
        let module = base.module(path);
        let place = layout.place(&site, &module);
        let mut slots: Vec<(String, TensorData)> =
            site.slots(name).into_iter().map(|(suffix, slot)| (suffix, slot.read())).collect();
        if layout.is_peft()
            && let Some(data) = prompt_numbers(&mut site, name)
        {
            parts.tensors.insert(layout::PROMPT.to_owned(), data);
            slots.clear();
        }
        for (suffix, data) in slots {
            for copy in copies_of(layout, (path, &site), &suffix, base) {
                parts.tensors.insert(copy, data.clone());
            }
            parts.tensors.insert(format!("{place}.{suffix}"), data);
        }
        match site {
            SiteMut::Linear(site) => {
                let Some(adapter) = site.adapters.get_mut(name) else { return };
                if let LinearAdapter::Vera(vera) = adapter {
                    for (name, slot) in vera.shared() {
                        let name = format!("base_model.{name}");
                        parts.tensors.entry(name).or_insert_with(|| slot.read());
                    }
                }
                if let LinearAdapter::AdaLora(lora) = adapter {
                    let idle = lora.idle();
                    for (suffix, dim) in [("lora_A", 0), ("lora_E", 0), ("lora_B", 1)] {
                        if let Some(it) = parts.tensors.get_mut(&format!("{place}.{suffix}")) {
                            *it = without(it, dim, &idle);
                        }
                    }
                    parts.modules.kept.insert(module.clone(), lora.kept().to_vec());
                }
                if adapter.prepares() {
                    parts.modules.feedforward.push(module.clone());
                }
                parts.modules.all.push(module);
                sites.push(path.to_owned());
            }
            SiteMut::Embedding(site) if site.adapters.position(name).is_some() => {
                parts.modules.all.push(module);
                sites.push(path.to_owned());
            }
            SiteMut::Embedding(_) | SiteMut::Invertible(_) => {}
            SiteMut::Residual(site) => parts.width = site.d_model(),
            SiteMut::Prefix(site) => {
                parts.width = site.dims()[1];
                parts.modules.prefix = Some(site.dims());
            }
            SiteMut::Prompt(site) => parts.width = site.d_model(),
            SiteMut::Full(full) => {
                full_paths = full.paths(name);
                if !full.acts(name) {
                    stored = full.values(name).cloned();
                }
            }
        }
    });
    if let Some(path) = full_paths.iter().find(|path| !base.by_path.contains_key(*path)) {
        return Err(AdapterError::Moved { name: name.to_owned(), path: path.clone() });
    }
    let values = stored.unwrap_or_else(|| full::read(host, &full_paths));
    for (path, value) in values {
        let name = full_name(&path, layout, config, base, &sites);
        let data = TensorData::clone(&value.data);
        let data = if base.by_path[&path].foreign.is_transposed { transposed(&data) } else { data };
        let to = if layout.is_peft() { &mut parts.tensors } else { &mut parts.head };
        to.insert(name, data);
    }
    Ok(parts)
}

/// A matrix without some of its rows, or of its columns.
fn without(data: &TensorData, dim: usize, places: &[usize]) -> TensorData {
    let mut dims: [usize; 2] = data.shape().dims();
    let is_kept = |number: &usize| {
        let place = [number / dims[1], number % dims[1]][dim];
        !places.contains(&place)
    };
    let numbers: Vec<f32> = data.iter().collect();
    let kept = (0..numbers.len()).filter(is_kept).map(|number| numbers[number]);
    let kept: Vec<f32> = kept.collect();
    dims[dim] -= places.len();
    TensorData::new(kept, dims)
}

/// What a parameter that an adapter has in full is called in a file.
fn full_name(
    path: &str,
    layout: &Layout,
    config: &AdapterConfig,
    base: &BaseTensors,
    sites: &[String],
) -> String {
    let (tensor, foreign) = (&base.by_path[path], &base.given);
    let name = &tensor.foreign.name;
    if !layout.is_peft() {
        return name.clone();
    }
    let mut saved = config.saved_modules().iter();
    let is_saved = saved.any(|saved| is_saved(tensor.module(), saved, foreign));
    let site = path.strip_suffix(".base.bias");
    if let (false, Some(site)) = (is_saved, site)
        && sites.iter().any(|other| other == site)
    {
        return format!("{}{}.base_layer.bias", layout.prefix(), base.module(site));
    }
    format!("{}{name}", layout.prefix())
}

/// The parameter of a prefix or a prompt that `peft` has a tensor of.
fn prompt_slot<'a>(site: &'a mut SiteMut<'_>, name: &str) -> Option<Slot<'a>> {
    match site {
        SiteMut::Prefix(site) => site.adapters.get_mut(name)?.table(),
        SiteMut::Prompt(site) => Some(site.adapters.get_mut(name)?.slots().remove(0).1),
        _ => None,
    }
}

/// What `peft` keeps of a prefix or a prompt: what a network makes it, without the network.
fn prompt_numbers(site: &mut SiteMut<'_>, name: &str) -> Option<TensorData> {
    match site {
        SiteMut::Prefix(site) => {
            let values = site.adapters.get_mut(name)?.values();
            let dims = values.dims();
            let numbers: Vec<f32> = values.into_data().iter().collect();
            Some(TensorData::new(numbers, dims))
        }
        site => prompt_slot(site, name).map(|slot| slot.read()),
    }
}

/// Without the saved modules that the model has not, and these: a head for another task, and one of the two
/// that `peft` names where one is there.
fn without_absent(
    config: AdapterConfig,
    base: &BaseTensors,
    foreign: &ForeignNames,
) -> (AdapterConfig, Vec<String>) {
    let is_there =
        |saved: &String| base.by_path.values().any(|it| is_saved(it.module(), saved, foreign));
    let (there, absent): (Vec<String>, _) =
        config.saved_modules().iter().cloned().partition(is_there);
    (config.with_saved_modules(there), absent)
}

fn read_base(dir: &Path) -> Result<Option<BaseFile>, AdapterError> {
    let path = dir.join(BASE_FILE);
    if !path.exists() {
        return Ok(None);
    }
    let file = serde_json::from_str(&read_text(&path)?).map_err(|error| AdapterError::File {
        path: path.clone(),
        fault: format!("{error}, expected what is written here"),
    })?;
    Ok(Some(file))
}

/// Refuses a base of another shape, where the file says of what shape it was.
fn check_base(
    dir: &Path,
    file: &BaseFile,
    base: &BaseTensors,
    names: &ForeignNames,
) -> Result<(), AdapterError> {
    let found: BTreeMap<&str, &Vec<usize>> =
        file.base.iter().map(|(name, shape)| (names.plain(name), shape)).collect();
    // What only one of them has is a head, or under an adapter, whose tensors are accounted for.
    let differs = base.by_path.values().find_map(|tensor| {
        let (name, shape) = (&tensor.foreign.name, tensor.file_shape());
        let found = found.get(names.plain(name))?;
        (**found != shape).then(|| (name.clone(), format!("{found:?}"), format!("{shape:?}")))
    });
    match differs {
        Some((field, found, expected)) => {
            let path = dir.join(BASE_FILE);
            Err(AdapterError::OtherBase { path, field, found, expected })
        }
        None => Ok(()),
    }
}

impl BaseTensor {
    /// The shape in a file.
    fn file_shape(&self) -> Vec<usize> {
        let mut shape = self.shape.clone();
        if self.foreign.is_transposed {
            shape.reverse();
        }
        shape
    }
}
