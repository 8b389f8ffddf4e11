//! Directories of sentence-transformers.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use burn::nn::LinearConfig;
use burn::tensor::Device;
use isogloss_core::{WriteError, write_file_atomically};
use isogloss_tokenization::{TextEncoder as _, Vocabulary};
use isogloss_transformer::{
    Activation, CheckpointError, Encoder, Pooling, Pretrained, SaveOptions, TensorNames,
    TensorPart, load_renamed, save_renamed,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::{Dense, SentenceEncoder, SentenceError, SentenceModel as _, Stage};

/// The names that the settings of a model have had; each kind of model once had its own.
const SETTINGS: [&str; 7] = [
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
];
const MODULES: &str = "modules.json";
const PROMPTS: &str = "config_sentence_transformers.json";
const POOLING: &str = "1_Pooling";
const MODULE: &str = "sentence_transformers.models.";

/// The activations of a dense layer, by the last part of their names.
const ACTIVATIONS: [(&str, Option<Activation>); 5] = [
    ("activation.Tanh", Some(Activation::Tanh)),
    ("activation.ReLU", Some(Activation::Relu)),
    ("activation.GELU", Some(Activation::Gelu)),
    ("activation.SiLU", Some(Activation::Silu)),
    ("linear.Identity", None),
];

/// The ways of pooling, as they are switched on.
const POOLINGS: [(&str, Pooling); 4] = [
    ("pooling_mode_cls_token", Pooling::Cls),
    ("pooling_mode_max_tokens", Pooling::Max),
    ("pooling_mode_mean_tokens", Pooling::Mean),
    ("pooling_mode_mean_sqrt_len_tokens", Pooling::MeanSqrtLen),
];

#[derive(Deserialize)]
struct ModuleEntry {
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Default, Deserialize)]
struct Settings {
    max_seq_length: Option<usize>,
    #[serde(default)]
    do_lower_case: bool,
}

#[derive(Default, Deserialize)]
struct Prompts {
    #[serde(default)]
    prompts: BTreeMap<String, String>,
    default_prompt_name: Option<String>,
}

#[derive(Deserialize)]
struct DenseSettings {
    in_features: usize,
    out_features: usize,
    #[serde(default = "yes")]
    bias: bool,
    activation_function: String,
}

fn yes() -> bool {
    true
}

pub(crate) fn open(
    dir: &Path,
    open_model: impl FnOnce(&Path) -> Result<Pretrained<Encoder>, CheckpointError>,
    device: &Device,
) -> Result<SentenceEncoder, SentenceError> {
    let modules: Option<Vec<ModuleEntry>> = read(&dir.join(MODULES))?;
    // Before there were paths, the first module was in a directory of its own.
    let root = modules.as_ref().and_then(|modules| modules.first());
    let root = root.map_or(dir.to_owned(), |module| dir.join(&module.path));
    let model = open_model(&root)?;
    let vocabulary = Vocabulary::open(&root)?;
    let mut this = fit(model, vocabulary, dir, device)?;
    let mut settings = None;
    for name in SETTINGS {
        settings = settings.or(read::<Settings>(&root.join(name))?);
    }
    let settings = settings.unwrap_or_default();
    let limit = max_tokens(&root, this.encoder().config().max_positions)?;
    this.max_tokens = settings.max_seq_length.unwrap_or(limit).min(limit);
    this.lower_case = settings.do_lower_case;
    let path = dir.join(PROMPTS);
    let Prompts { prompts, default_prompt_name } = read(&path)?.unwrap_or_default();
    if let Some(name) = default_prompt_name.as_ref().filter(|name| !prompts.contains_key(*name)) {
        let expected = prompts.keys().cloned().collect::<Vec<_>>().join(", ");
        return Err(field(path, "default_prompt_name", name, expected));
    }
    this.prompts = prompts;
    this.default_prompt = default_prompt_name;
    if let Some(modules) = modules {
        read_modules(&mut this, dir, &modules)?;
    }
    Ok(this)
}

/// Puts a model and a tokenizer together, if they fit.
pub(crate) fn fit(
    model: Pretrained<Encoder>,
    vocabulary: Vocabulary,
    path: &Path,
    device: &Device,
) -> Result<SentenceEncoder, SentenceError> {
    let config = model.model().config();
    let (tokens, rows) = (vocabulary.vocab_size(), config.vocab_size);
    if tokens > rows {
        return Err(SentenceError::Vocabulary { path: path.to_owned(), tokens, rows });
    }
    // What fills short rows is for the tokenizer to say.
    let pad_id = vocabulary.special_ids().pad.unwrap_or(config.pad_id);
    let max_tokens = config.max_positions;
    let encoder = model.model().clone().with_pad_id(pad_id);
    let encoder =
        encoder.map_err(|source| SentenceError::Padding { path: path.to_owned(), source })?;
    Ok(SentenceEncoder {
        model: model.with_model(encoder),
        poolings: vec![Pooling::Mean],
        pools_prompt: true,
        stages: Vec::new(),
        vocabulary,
        max_tokens,
        lower_case: false,
        prompts: BTreeMap::new(),
        default_prompt: None,
        device: device.clone(),
    })
}

/// The most tokens, as the tokenizer and the model have it.
fn max_tokens(dir: &Path, positions: usize) -> Result<usize, SentenceError> {
    let config: Option<Map<String, Value>> = read(&dir.join("tokenizer_config.json"))?;
    // A tokenizer without a limit says 10³⁰.
    let limit = config.and_then(|config| config.get("model_max_length")?.as_u64());
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).filter(|&limit| limit > 0);
    Ok(limit.unwrap_or(positions).min(positions))
}

fn read_modules(
    this: &mut SentenceEncoder,
    dir: &Path,
    modules: &[ModuleEntry],
) -> Result<(), SentenceError> {
    let mut pooled = false;
    for (index, module) in modules.iter().enumerate() {
        let path = dir.join(&module.path);
        // The class alone counts: packages move.
        match module.kind.rsplit('.').next().unwrap_or_default() {
            "Transformer" if index == 0 => {}
            "Pooling" if index == 1 => {
                read_pooling(this, &path.join("config.json"))?;
                pooled = true;
            }
            "Dense" if pooled => {
                let width = this.dim();
                this.stages.push(Stage::Dense(Box::new(read_dense(&path, width, &this.device)?)));
            }
            "Normalize" if pooled => this.stages.push(Stage::Normalize),
            _ => {
                let expected = "Transformer, then Pooling, then any of Dense and Normalize";
                let name = format!("{index}.type");
                return Err(field(dir.join(MODULES), &name, &module.kind, expected));
            }
        }
    }
    if pooled { Ok(()) } else { Err(field(dir.join(MODULES), "1.type", "absent", "Pooling")) }
}

fn read_pooling(this: &mut SentenceEncoder, path: &Path) -> Result<(), SentenceError> {
    let config: Map<String, Value> = require(path)?;
    let width = this.encoder().config().d_model;
    let given = config.get("word_embedding_dimension").and_then(Value::as_u64);
    if given.is_some_and(|given| given != width as u64) {
        let found = given.unwrap_or_default().to_string();
        return Err(field(path, "word_embedding_dimension", &found, width.to_string()));
    }
    let is_on = |name: &str| config.get(name).and_then(Value::as_bool) == Some(true);
    let unknown = config.keys().find(|name| {
        name.starts_with("pooling_mode_")
            && is_on(name)
            && POOLINGS.iter().all(|(known, _)| known != name)
    });
    if let Some(name) = unknown {
        let known = POOLINGS.map(|(name, _)| name).join(", ");
        return Err(field(path, name, "true", format!("false; known are {known}")));
    }
    let mut poolings = POOLINGS.iter().filter(|(name, _)| is_on(name)).map(|(_, pooling)| *pooling);
    this.poolings = poolings.by_ref().collect();
    if this.poolings.is_empty() {
        return Err(field(
            path,
            "pooling_mode_mean_tokens",
            "false",
            "one way of pooling to be true",
        ));
    }
    this.pools_prompt = config.get("include_prompt").and_then(Value::as_bool).unwrap_or(true);
    Ok(())
}

fn read_dense(dir: &Path, width: usize, device: &Device) -> Result<Dense, SentenceError> {
    let path = dir.join("config.json");
    let settings: DenseSettings = require(&path)?;
    if settings.in_features != width {
        let found = settings.in_features.to_string();
        return Err(field(path, "in_features", &found, format!("{width}, the width before it")));
    }
    let name = &settings.activation_function;
    let Some((_, activation)) = ACTIVATIONS.into_iter().find(|(known, _)| name.ends_with(known))
    else {
        let known = ACTIVATIONS.map(|(name, _)| name).join(", ");
        return Err(field(path, "activation_function", name, known));
    };
    let linear = LinearConfig::new(settings.in_features, settings.out_features);
    let linear = linear.with_bias(settings.bias).init(device);
    let dense = Dense { linear, activation };
    Ok(load_renamed(dense, dir, None, &dense_names(settings.bias))?)
}

fn dense_names(bias: bool) -> TensorNames {
    let mut names = TensorNames::default();
    names.push(TensorPart::Matrix, "linear", "linear.weight");
    if bias {
        names.push(TensorPart::Bias, "linear", "linear.bias");
    }
    names
}

pub(crate) fn save(this: &SentenceEncoder, dir: &Path, card: &str) -> Result<(), SentenceError> {
    let parts = tempfile::tempdir().map_err(|source| WriteError::new(dir, "create", source))?;
    let parts = parts.path();
    this.vocabulary.save_dir(parts)?;
    let mut modules = vec![module(0, "", "Transformer"), module(1, POOLING, "Pooling")];
    let mut pooling = Map::new();
    pooling.insert("word_embedding_dimension".into(), this.encoder().config().d_model.into());
    for (name, known) in POOLINGS {
        pooling.insert(name.into(), this.poolings.contains(&known).into());
    }
    pooling.insert("include_prompt".into(), this.pools_prompt.into());
    write(&parts.join(POOLING).join("config.json"), &Value::Object(pooling))?;
    for (index, stage) in (2..).zip(&this.stages) {
        match stage {
            Stage::Dense(dense) => {
                let name = format!("{index}_Dense");
                modules.push(module(index, &name, "Dense"));
                save_dense(dense, &parts.join(name))?;
            }
            Stage::Normalize => {
                modules.push(module(index, &format!("{index}_Normalize"), "Normalize"));
            }
        }
    }
    write(&parts.join(MODULES), &Value::Array(modules))?;
    let settings = json!({"max_seq_length": this.max_tokens, "do_lower_case": this.lower_case});
    write(&parts.join(SETTINGS[0]), &settings)?;
    let prompts = json!({
        "prompts": this.prompts,
        "default_prompt_name": this.default_prompt,
        "similarity_fn_name": "cosine",
    });
    write(&parts.join(PROMPTS), &prompts)?;
    let mut options = SaveOptions::new(card);
    for file in files(parts)? {
        let name = file.strip_prefix(parts).unwrap_or(&file).to_owned();
        options = options.with_file(&file, name);
    }
    Ok(this.model.save(dir, &options)?)
}

fn module(index: usize, path: &str, kind: &str) -> Value {
    json!({"idx": index, "name": index.to_string(), "path": path, "type": format!("{MODULE}{kind}")})
}

fn save_dense(dense: &Dense, dir: &Path) -> Result<(), SentenceError> {
    let activation = ACTIVATIONS.into_iter().find(|(_, known)| *known == dense.activation);
    let [in_features, out_features] = dense.dims();
    let bias = dense.linear.bias.is_some();
    let settings = json!({
        "in_features": in_features,
        "out_features": out_features,
        "bias": bias,
        "activation_function":
            format!("torch.nn.modules.{}", activation.map_or("linear.Identity", |(name, _)| name)),
    });
    write(&dir.join("config.json"), &settings)?;
    Ok(save_renamed(dense, &dir.join("model.safetensors"), &dense_names(bias))?)
}

/// All files under a directory.
fn files(dir: &Path) -> Result<Vec<PathBuf>, SentenceError> {
    let fail = |source| SentenceError::Read { path: dir.to_owned(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.is_dir() { found.extend(files(&path)?) } else { found.push(path) }
    }
    Ok(found)
}

fn write(path: &Path, value: &Value) -> Result<(), SentenceError> {
    Ok(write_file_atomically(path, |file| writeln!(file, "{value:#}"))?)
}

/// A file of JSON; `None` where there is none.
fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, SentenceError> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| SentenceError::Json { path: path.to_owned(), source }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SentenceError::Read { path: path.to_owned(), source }),
    }
}

fn require<T: DeserializeOwned>(path: &Path) -> Result<T, SentenceError> {
    read(path)?.ok_or_else(|| SentenceError::Read {
        path: path.to_owned(),
        source: ErrorKind::NotFound.into(),
    })
}

fn field(
    path: impl Into<PathBuf>,
    field: &str,
    found: &str,
    expected: impl Into<String>,
) -> SentenceError {
    SentenceError::Field {
        path: path.into(),
        field: field.to_owned(),
        found: found.to_owned(),
        expected: expected.into(),
    }
}
