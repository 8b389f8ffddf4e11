//! From a model to a directory.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::module::Module;
use burn::store::burn_pack::Tensor as PackTensor;
use burn::store::{
    BurnToPyTorchAdapter, FloatCastAdapter, ModuleAdapter, ModuleContext, ModuleSnapshot,
    SafetensorsStore,
};
use burn::tensor::DType;
use isogloss_core::{write_dir_atomically, write_file_atomically};
use serde_json::{Map, Value};

use super::private::HeadNames;
use super::{Pretrained, PretrainedModel, TensorNames};
use crate::CheckpointError;
use crate::checkpoint::account_for;

/// The type of number in a file.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum WeightType {
    /// 32 bits.
    #[default]
    F32,
    /// IEEE half precision, 16 bits: the file is half as large. Numbers beyond 65,504 are lost.
    F16,
    /// The upper half of the 32 bits.
    BF16,
}

impl WeightType {
    const fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::F16 => DType::F16,
            Self::BF16 => DType::BF16,
        }
    }

    const fn torch_name(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::F16 => "float16",
            Self::BF16 => "bfloat16",
        }
    }
}

/// What is written beside the model.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SaveOptions {
    /// The model card, `README.md`: what the model is, what it was made from, and under which terms.
    pub card: String,
    /// The type of its weights. Default 32 bits.
    pub weight_type: WeightType,
    /// Files that go with the model, such as its tokenizer's: where each is, and its name in the
    /// directory.
    pub beside: Vec<(PathBuf, PathBuf)>,
}

impl SaveOptions {
    /// A directory with this model card.
    pub fn new(card: impl Into<String>) -> Self {
        Self { card: card.into(), weight_type: WeightType::F32, beside: Vec::new() }
    }

    /// Sets the type of the weights.
    #[must_use]
    pub fn with_weight_type(self, weight_type: WeightType) -> Self {
        Self { weight_type, ..self }
    }

    /// Adds a file under a name in the directory.
    #[must_use]
    pub fn with_file(mut self, file: impl Into<PathBuf>, name: impl Into<PathBuf>) -> Self {
        self.beside.push((file.into(), name.into()));
        self
    }
}

/// What a directory is to hold.
pub(super) struct Layout {
    json: Map<String, Value>,
    /// Each tensor's name in the file by that in the module.
    names: BTreeMap<String, String>,
}

pub(super) fn layout<M: PretrainedModel>(
    pretrained: &Pretrained<M>,
) -> Result<Layout, CheckpointError> {
    let family = pretrained.family;
    let config = pretrained.model.checkpoint_config();
    let inexpressible = |field| {
        let model_type = family.model_type();
        CheckpointError::Inexpressible { model_type, field }
    };
    let mut json = pretrained.json.clone();
    family.write_encoder(M::encoder_config(&config), &mut json).map_err(inexpressible)?;
    let mut names = HeadNames::default();
    M::write_config(family, &config, &mut names, &mut json).map_err(inexpressible)?;
    // A class that the file named may be one of several that hold this model.
    let known = M::class_endings(family).iter();
    let mut known = known.map(|ending| format!("{}{ending}", family.class()));
    let named = json.get("architectures").and_then(|value| value.get(0)).and_then(Value::as_str);
    if !known.clone().any(|class| named == Some(&class)) {
        json.insert("architectures".to_owned(), known.next().into_iter().collect());
    }
    let ending =
        json["architectures"][0].as_str().and_then(|class| class.strip_prefix(family.class()));
    let prefix = if ending == Some("Model") { "" } else { family.prefix() };
    let names = names.0.list.into_iter().map(|name| {
        let prefix = if name.is_encoders { prefix } else { "" };
        (name.ours, format!("{prefix}{}", name.theirs))
    });
    Ok(Layout { json, names: names.collect() })
}

pub(super) fn save<M: PretrainedModel>(
    pretrained: &Pretrained<M>,
    dir: &Path,
    options: &SaveOptions,
) -> Result<(), CheckpointError> {
    let Layout { mut json, names } = layout(pretrained)?;
    let model = &pretrained.model;
    account_for(model, names.keys(), dir)?;
    json.insert("torch_dtype".to_owned(), options.weight_type.torch_name().into());
    json.remove("dtype");
    write_dir_atomically(dir, |dir| {
        for (from, name) in &options.beside {
            let to = dir.join(name);
            let write =
                |source| CheckpointError::Copy { from: from.clone(), to: to.clone(), source };
            fs::create_dir_all(to.parent().unwrap_or(dir)).map_err(write)?;
            fs::copy(from, &to).map_err(write)?;
        }
        let text =
            serde_json::to_string_pretty(&json).map_err(|source| CheckpointError::Config {
                path: dir.join("config.json"),
                kind: pretrained.family.model_type(),
                source,
            })?;
        write_file_atomically(&dir.join("config.json"), |file| writeln!(file, "{text}"))?;
        write_file_atomically(&dir.join("README.md"), |file| write!(file, "{}", options.card))?;
        write_tensors(model, &dir.join("model.safetensors"), names, options.weight_type)
    })
}

fn write_tensors<M: Module>(
    model: &M,
    path: &Path,
    names: BTreeMap<String, String>,
    weight_type: WeightType,
) -> Result<(), CheckpointError> {
    let adapter = Rename(Arc::new(names))
        .chain(BurnToPyTorchAdapter)
        .chain(FloatCastAdapter::to(weight_type.dtype()));
    let mut store =
        SafetensorsStore::from_file(path).with_to_adapter(adapter).metadata("format", "pt");
    model.save_into(&mut store).map_err(|error| CheckpointError::Tensors {
        path: path.to_owned(),
        message: error.to_string(),
    })
}

/// Writes the tensors of a module to a file of safetensors as PyTorch would have them.
///
/// # Errors
///
/// [`CheckpointError`], with the file.
pub fn save_renamed<M: Module>(
    module: &M,
    path: &Path,
    names: &TensorNames,
) -> Result<(), CheckpointError> {
    let names = names.list.iter().map(|name| (name.ours.clone(), name.theirs.clone()));
    write_tensors(module, path, names.collect(), WeightType::F32)
}

/// Gives tensors their names in the file.
#[derive(Clone)]
struct Rename(Arc<BTreeMap<String, String>>);

impl ModuleAdapter for Rename {
    fn adapt(&self, mut tensor: PackTensor, _: ModuleContext<'_>) -> PackTensor {
        if let Some(name) = self.0.get(&tensor.name) {
            tensor.name.clone_from(name);
        }
        tensor
    }

    fn clone_box(&self) -> Box<dyn ModuleAdapter> {
        Box::new(self.clone())
    }
}
