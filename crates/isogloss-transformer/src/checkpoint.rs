//! Models on disk: a directory with `config.json` and `model.safetensors`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param};
use burn::store::{ModuleSnapshot, ModuleStore, SafetensorsStore};
use burn::tensor::{DType, Device, Tensor};
use isogloss_core::{write_dir_atomically, write_file_atomically};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::initialization::Initialization;
use crate::{
    CheckpointError, ClassifierConfig, Encoder, EncoderConfig, EncoderConfigError, HasEncoder,
    MaskedLanguageModel, MlmConfig, QuestionAnswerer, QuestionAnsweringConfig, ReplacedTokenConfig,
    ReplacedTokenModel, SequenceClassifier, TensorFault, TokenClassifier, TokenClassifierConfig,
};

/// A model that [`save_checkpoint`] and [`load_checkpoint`] know how to keep.
pub trait Checkpoint: Module + HasEncoder {
    /// What stands in `config.json`.
    type Config: Serialize + DeserializeOwned;

    /// How `config.json` names this kind of model.
    const KIND: &'static str;

    /// The shape of this model.
    fn checkpoint_config(&self) -> Self::Config;

    /// A model of that shape whose weights are about to be replaced.
    ///
    /// # Errors
    ///
    /// [`EncoderConfigError`], naming each field that is out of its range.
    fn try_blank(config: &Self::Config, device: &Device) -> Result<Self, EncoderConfigError>;
}

/// The content of `config.json`.
#[derive(Deserialize, Serialize)]
struct ConfigFile<C> {
    model: String,
    config: C,
}

/// Writes `config.json` and `model.safetensors` into `dir`, which appears as a whole or not at all
/// and replaces what stood there.
///
/// # Errors
///
/// [`CheckpointError`], with the file. A model with adapters attached is refused: they are saved by
/// `isogloss-peft`, apart from the model they adapt.
pub fn save_checkpoint<M: Checkpoint>(dir: &Path, model: &M) -> Result<(), CheckpointError> {
    let config = model.checkpoint_config();
    let values = |source| CheckpointError::Values { path: dir.to_owned(), source };
    // The blank model's tensors are never materialised: only their paths are read.
    let device = model.devices().into_iter().next().unwrap_or_default();
    let known = shapes(&M::try_blank(&config, &device).map_err(values)?);
    account_for(model, known.keys(), dir)?;
    write_dir_atomically(dir, |dir| {
        let path = dir.join("config.json");
        let file = ConfigFile { model: M::KIND.to_owned(), config };
        let json = serde_json::to_string_pretty(&file).map_err(|source| {
            CheckpointError::Config { path: path.clone(), kind: M::KIND, source }
        })?;
        write_file_atomically(&path, |file| writeln!(file, "{json}"))?;
        let path = dir.join("model.safetensors");
        model
            .save_into(&mut SafetensorsStore::from_file(&path))
            .map_err(|error| CheckpointError::Tensors { path, message: error.to_string() })
    })
}

/// Reads what [`save_checkpoint`] wrote. Every weight has the bits it was saved with.
///
/// # Errors
///
/// [`CheckpointError`], with the file; one error names every tensor that is missing, unexpected, or
/// of another shape or type.
pub fn load_checkpoint<M: Checkpoint>(dir: &Path, device: &Device) -> Result<M, CheckpointError> {
    let path = dir.join("config.json");
    let json = fs::read_to_string(&path)
        .map_err(|source| CheckpointError::Read { path: path.clone(), source })?;
    let not_ours = |source| CheckpointError::Config { path: path.clone(), kind: M::KIND, source };
    let file: ConfigFile<serde_json::Value> = serde_json::from_str(&json).map_err(not_ours)?;
    if file.model != M::KIND {
        let (found, expected) = (file.model, M::KIND.to_owned());
        return Err(CheckpointError::Kind { path, found, expected });
    }
    let config: M::Config = serde_json::from_value(file.config).map_err(not_ours)?;
    let mut model = M::try_blank(&config, device)
        .map_err(|source| CheckpointError::Values { path: path.clone(), source })?;
    let path = dir.join("model.safetensors");
    load_tensors(&mut model, &path, &mut SafetensorsStore::from_file(&path))?;
    Ok(model)
}

/// Replaces every tensor of `model` by the one that `store` has under its name.
///
/// Burn changes a module before it finds out that a tensor is missing, and takes no notice of one
/// that is left over; so the two lists are compared first.
fn load_tensors<M: Module>(
    model: &mut M,
    path: &Path,
    store: &mut SafetensorsStore,
) -> Result<(), CheckpointError> {
    let unreadable = |message: String| CheckpointError::Tensors { path: path.to_owned(), message };
    let expected = shapes(model);
    let tensors = store.get_all_tensors().map_err(|error| unreadable(error.to_string()))?;
    let mut found = BTreeMap::new();
    for (name, tensor) in tensors {
        found.insert(name.clone(), (tensor.shape.to_vec(), tensor.dtype));
    }
    let faults = differences(&expected, &found);
    if !faults.is_empty() {
        return Err(CheckpointError::Mismatch { path: path.to_owned(), faults });
    }
    model.load_from(store).map_err(|error| unreadable(error.to_string()))?;
    Ok(())
}

/// Sees that the tensors of a model that is to be saved in `dir` are those with these names, and its own.
pub(crate) fn account_for<'a, M: Module + HasEncoder>(
    model: &M,
    names: impl Iterator<Item = &'a String>,
    dir: &Path,
) -> Result<(), CheckpointError> {
    let path = dir.to_owned();
    let mut found = shapes(model);
    let lacking: Vec<_> = names.filter(|name| found.remove(*name).is_none()).cloned().collect();
    if !lacking.is_empty() {
        return Err(CheckpointError::Lacking { path, names: lacking });
    }
    let names: Vec<_> = found.into_keys().collect();
    if !names.is_empty() {
        return Err(CheckpointError::AdapterAttached { path, names });
    }
    let adapters = model.encoder().full.acting();
    if adapters.is_empty() { Ok(()) } else { Err(CheckpointError::AdapterActs { path, adapters }) }
}

/// What differs between a model's tensors and a file's, in the order of names.
pub(crate) fn differences(
    expected: &BTreeMap<String, Vec<usize>>,
    found: &BTreeMap<String, (Vec<usize>, DType)>,
) -> Vec<TensorFault> {
    let mut faults = Vec::new();
    for (name, shape) in expected {
        let name = name.clone();
        match found.get(&name) {
            None => faults.push(TensorFault::Missing { name }),
            Some((found, _)) if found != shape => {
                let (expected, found) = (shape.clone(), found.clone());
                faults.push(TensorFault::Shape { name, expected, found });
            }
            Some((_, DType::F32)) => {}
            Some((_, dtype)) => {
                let (expected, found) = (format!("{:?}", DType::F32), format!("{dtype:?}"));
                faults.push(TensorFault::DType { name, expected, found });
            }
        }
    }
    let unexpected = found.keys().filter(|name| !expected.contains_key(*name));
    faults.extend(unexpected.map(|name| TensorFault::Unexpected { name: name.clone() }));
    faults
}

/// The path and shape of every tensor of a module, without initialising any.
pub(crate) fn shapes<M: Module>(module: &M) -> BTreeMap<String, Vec<usize>> {
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
    let mut visitor = Shapes::default();
    module.visit(&mut visitor);
    visitor.shapes
}

impl Checkpoint for Encoder {
    type Config = EncoderConfig;

    const KIND: &'static str = "encoder";

    fn checkpoint_config(&self) -> EncoderConfig {
        self.config().clone()
    }

    fn try_blank(config: &EncoderConfig, device: &Device) -> Result<Self, EncoderConfigError> {
        config.try_check()?;
        Ok(Self::new(config, &Initialization::blank(device)))
    }
}

impl Checkpoint for MaskedLanguageModel {
    type Config = MlmConfig;

    const KIND: &'static str = "masked-language-model";

    fn checkpoint_config(&self) -> MlmConfig {
        self.config()
    }

    fn try_blank(config: &MlmConfig, device: &Device) -> Result<Self, EncoderConfigError> {
        config.try_check()?;
        Ok(Self::new(config, &Initialization::blank(device)))
    }
}

impl Checkpoint for SequenceClassifier {
    type Config = ClassifierConfig;

    const KIND: &'static str = "sequence-classifier";

    fn checkpoint_config(&self) -> ClassifierConfig {
        self.config()
    }

    fn try_blank(config: &ClassifierConfig, device: &Device) -> Result<Self, EncoderConfigError> {
        config.try_check()?;
        Ok(Self::new(config, &Initialization::blank(device)))
    }
}

impl Checkpoint for TokenClassifier {
    type Config = TokenClassifierConfig;

    const KIND: &'static str = "token-classifier";

    fn checkpoint_config(&self) -> TokenClassifierConfig {
        self.config()
    }

    fn try_blank(
        config: &TokenClassifierConfig,
        device: &Device,
    ) -> Result<Self, EncoderConfigError> {
        config.try_check()?;
        Ok(Self::new(config, &Initialization::blank(device)))
    }
}

impl Checkpoint for QuestionAnswerer {
    type Config = QuestionAnsweringConfig;

    const KIND: &'static str = "question-answerer";

    fn checkpoint_config(&self) -> QuestionAnsweringConfig {
        self.config()
    }

    fn try_blank(
        config: &QuestionAnsweringConfig,
        device: &Device,
    ) -> Result<Self, EncoderConfigError> {
        config.try_check()?;
        Ok(Self::new(config, &Initialization::blank(device)))
    }
}

impl Checkpoint for ReplacedTokenModel {
    type Config = ReplacedTokenConfig;

    const KIND: &'static str = "replaced-token-model";

    fn checkpoint_config(&self) -> ReplacedTokenConfig {
        self.config()
    }

    fn try_blank(
        config: &ReplacedTokenConfig,
        device: &Device,
    ) -> Result<Self, EncoderConfigError> {
        config.try_check()?;
        Ok(Self::new(config, &Initialization::blank(device)))
    }
}
