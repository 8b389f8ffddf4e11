//! `adapter_config.json` of the `adapters` library, for bottleneck adapters.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::AdapterCard;
use super::fields::Fields;
use crate::config::{BottleneckResidual, Scaling};
use crate::names::ForeignModel;
use crate::{
    Activation, AdapterConfig, AdapterError, BottleneckConfig, BottleneckInit, InvertibleConfig,
    MixAndMatchConfig, PhmConfig, PrefixConfig, PrefixProjection, PromptConfig, PromptInit,
    PromptPlace,
};

/// What else the library writes.
#[derive(Debug)]
pub(super) struct Header {
    /// The name that the tensors carry.
    pub(super) name: String,
    /// Whether it is a task's, which early versions took for one that maps embeddings though it did not.
    pub(super) is_task: bool,
}

/// Fields of layers that are products of small ones, which say nothing where there are none.
const HARMLESS: [(&str, &str); 17] = [
    ("attention_type", "*"),
    ("cross_prefix", "*"),
    ("encoder_prefix", "*"),
    ("prompt_init_text", "*"),
    ("shared_gating", "*"),
    ("factorized_phm_W", "*"),
    ("factorized_phm_rule", "*"),
    ("hypercomplex_nonlinearity", "*"),
    ("init_weights_seed", "*"),
    ("learn_phm", "*"),
    ("phm_bias", "*"),
    ("phm_c_init", "*"),
    ("phm_dim", "*"),
    ("phm_init_range", "*"),
    ("phm_rank", "*"),
    ("shared_W_phm", "*"),
    ("shared_phm_rule", "*"),
];

/// Whether a configuration is one of that library, with its header or without.
pub(super) fn is_one(fields: &Fields) -> bool {
    ["config", "architecture", "output_adapter", "mh_adapter"].iter().any(|it| fields.has(it))
}

pub(super) fn read(
    mut header: Fields,
) -> Result<(AdapterConfig, AdapterCard, Header), AdapterError> {
    let mut card = AdapterCard::default();
    let mut name = String::new();
    let (mut is_undone, mut is_task, mut is_early) = (true, false, false);
    let mut fields = match header.take("config") {
        None => header,
        Some(Value::Object(config)) => {
            name = header.text("name")?.unwrap_or_default();
            let class = header.text("model_class")?.unwrap_or_default();
            let version = header.text("version")?.unwrap_or_default();
            // Under a head of transformers that library maps embeddings and does not map them back.
            is_undone = !(version.starts_with("adapters.") && class.ends_with("ForMaskedLM"));
            is_early = version.is_empty();
            is_task = header.text("type")?.as_deref() == Some("text_task");
            card.base_model = header.text("model_name")?.filter(|name| !name.is_empty());
            let inner = header.inner(config);
            card.other = header.all();
            inner
        }
        Some(other) => return Err(header.error("config", other, "an object")),
    };
    let config = match fields.take("configs") {
        Some(parts) => mix_and_match(&mut fields, &parts, is_undone)?,
        None => part(&mut fields, is_undone, is_early)?,
    };
    fields.rest(&HARMLESS)?;
    config.check()?;
    Ok((config, card, Header { name, is_task }))
}

/// A method by itself.
fn part(
    fields: &mut Fields,
    is_undone: bool,
    is_early: bool,
) -> Result<AdapterConfig, AdapterError> {
    match fields.text("architecture")?.as_deref() {
        None | Some("bottleneck") => {
            bottleneck(fields, is_undone, is_early).map(AdapterConfig::Bottleneck)
        }
        Some("prefix_tuning") => prefix(fields).map(AdapterConfig::Prefix),
        Some("prompt_tuning") => prompt(fields).map(AdapterConfig::Prompt),
        Some(other) => {
            let expected = "bottleneck, prefix_tuning, prompt_tuning, or a union of the first two";
            Err(fields.error("architecture", format!("`{other}`"), expected))
        }
    }
}

/// A prefix and a bottleneck, in any order.
fn mix_and_match(
    fields: &mut Fields,
    parts: &Value,
    is_undone: bool,
) -> Result<AdapterConfig, AdapterError> {
    let expected = "a prefix and a bottleneck";
    let unsupported = |fields: &Fields| fields.error("configs", "of other methods", expected);
    fields.text("architecture")?;
    let (mut prefix, mut bottleneck) = (None, None);
    for config in parts.as_array().ok_or_else(|| unsupported(fields))? {
        let Value::Object(config) = config else { return Err(unsupported(fields)) };
        let mut inner = fields.inner(config.clone());
        match part(&mut inner, is_undone, false)? {
            AdapterConfig::Prefix(config) if prefix.is_none() => prefix = Some(config),
            AdapterConfig::Bottleneck(config) if bottleneck.is_none() => bottleneck = Some(config),
            _ => return Err(unsupported(fields)),
        }
        inner.rest(&HARMLESS)?;
    }
    match (prefix, bottleneck) {
        (Some(prefix), Some(bottleneck)) => {
            Ok(AdapterConfig::MixAndMatch(MixAndMatchConfig::new(prefix, bottleneck)))
        }
        _ => Err(unsupported(fields)),
    }
}

fn prefix(fields: &mut Fields) -> Result<PrefixConfig, AdapterError> {
    let activation = fields.text("non_linearity")?.unwrap_or_else(|| "tanh".to_owned());
    let activation = activation_of(fields, &activation)?;
    let width = fields.count("bottleneck_size", 512)?;
    let is_flat = fields.flag("flat")?;
    Ok(PrefixConfig {
        projection: (!is_flat).then_some(PrefixProjection { width, activation }),
        dropout: fields.number("dropout", 0.0)?,
        leave_out: fields.counts("leave_out")?.unwrap_or_default(),
        ..PrefixConfig::without_positions(fields.count("prefix_length", 30)?)
    })
}

fn prompt(fields: &mut Fields) -> Result<PromptConfig, AdapterError> {
    let place = match fields.text("combine")?.as_deref() {
        None | Some("prefix") => PromptPlace::Embeddings,
        Some("prefix_after_bos") => PromptPlace::AfterFirst,
        Some(other) => {
            let expected = "prefix or prefix_after_bos";
            return Err(fields.error("combine", format!("`{other}`"), expected));
        }
    };
    if let Some(init) = fields.text("prompt_init")?
        && init != "random_uniform"
    {
        let expected = "random_uniform: set_prompt lets a prompt begin with the vectors of words";
        return Err(fields.error("prompt_init", format!("`{init}`"), expected));
    }
    let bound = fields.number("random_uniform_scale", 0.5)?;
    let config = PromptConfig::before_embeddings(fields.count("prompt_length", 10)?);
    Ok(PromptConfig { place, init: PromptInit::Uniform(bound), ..config })
}

/// Layers of small products, if there are such.
fn phm(fields: &mut Fields) -> Result<Option<PhmConfig>, AdapterError> {
    if !fields.flag("phm_layer")? {
        return Ok(None);
    }
    for (field, is_supported, expected) in [
        // What all layers share is not in the file, and so not what it was where it is read.
        ("shared_phm_rule", false, "false: the library does not keep what layers share"),
        ("shared_W_phm", false, "false: the library does not keep what layers share"),
        ("factorized_phm_rule", false, "false"),
        ("factorized_phm_W", true, "true"),
        ("learn_phm", true, "true"),
        ("phm_bias", true, "true"),
    ] {
        // Absent, it is as that library has it.
        let default =
            matches!(field, "shared_phm_rule" | "factorized_phm_W" | "learn_phm" | "phm_bias");
        let found = match fields.take(field) {
            None => default,
            Some(Value::Bool(found)) => found,
            Some(other) => return Err(fields.error(field, other, "true or false")),
        };
        if found != is_supported {
            return Err(fields.error(field, found, expected));
        }
    }
    let default = PhmConfig::default();
    Ok(Some(PhmConfig {
        dim: fields.count("phm_dim", default.dim)?,
        rank: fields.count("phm_rank", default.rank)?,
    }))
}

fn activation_of(fields: &Fields, name: &str) -> Result<Activation, AdapterError> {
    activation(name).ok_or_else(|| {
        let expected = "relu, gelu, gelu_new, swish, silu, tanh or leakyrelu";
        fields.error("non_linearity", format!("`{name}`"), expected)
    })
}

fn bottleneck(
    fields: &mut Fields,
    is_undone: bool,
    is_early: bool,
) -> Result<BottleneckConfig, AdapterError> {
    let default = BottleneckConfig::pfeiffer();
    let flag = |fields: &mut Fields, name: &str, default: bool| match fields.take(name) {
        None => Ok(default),
        Some(Value::Bool(flag)) => Ok(flag),
        Some(other) => Err(fields.error(name, other, "true or false")),
    };
    let (reduction_factor, reduction_factors) = match fields.take("reduction_factor") {
        None => (default.reduction_factor, BTreeMap::new()),
        Some(Value::Object(by_layer)) => by_layers(fields, &by_layer)?,
        Some(value) => match value.as_f64() {
            Some(factor) => (factor, BTreeMap::new()),
            None => {
                return Err(fields.error("reduction_factor", value, "a number, or one by layer"));
            }
        },
    };
    let activation = match fields.text("non_linearity")?.as_deref() {
        None => default.activation,
        // What the exact function was called before that library had a version.
        Some("gelu_orig") => Activation::Gelu,
        Some("gelu") if is_early => Activation::GeluTanh,
        Some(name) => activation_of(fields, name)?,
    };
    let scaling = match fields.take("scaling") {
        None => Scaling::Fixed(1.0),
        Some(Value::String(name)) if name == "learned" => Scaling::Learned,
        Some(Value::String(name)) if name == "channel" => Scaling::Channels,
        Some(value) => match value.as_f64() {
            Some(scaling) => Scaling::Fixed(scaling),
            None => return Err(fields.error("scaling", value, "a number, learned or channel")),
        },
    };
    let init = match fields.text("init_weights")?.as_deref() {
        None | Some("bert") => BottleneckInit::Bert,
        Some("mam_adapter") => BottleneckInit::Mam,
        Some("houlsby") => BottleneckInit::Houlsby,
        Some(other) => {
            let expected = "bert, mam_adapter or houlsby";
            return Err(fields.error("init_weights", format!("`{other}`"), expected));
        }
    };
    let residual = match fields.take("residual_before_ln") {
        None | Some(Value::Bool(true)) => BottleneckResidual::SubLayer,
        Some(Value::Bool(false)) => BottleneckResidual::Normalized,
        Some(Value::String(name)) if name == "post_add" => BottleneckResidual::Sum,
        Some(other) => {
            return Err(fields.error("residual_before_ln", other, "true, false or post_add"));
        }
    };
    let factor = fields.number("inv_adapter_reduction_factor", 2.0)?;
    let kind = fields.text("inv_adapter")?;
    let (kind, narrowing) = match fields.take("invertible_adapter") {
        // As early versions wrote it.
        Some(Value::Object(early)) => (
            early.get("block_type").and_then(Value::as_str).map(str::to_owned),
            early.get("reduction_factor").and_then(Value::as_f64).unwrap_or(factor),
        ),
        _ => (kind, factor),
    };
    let invertible = match kind.as_deref() {
        Some("nice") => {
            Some(InvertibleConfig { reduction_factor: narrowing, inverse_at_head: is_undone })
        }
        None => None,
        Some(other) => {
            let expected = "nice: the other kind is broken where it comes from";
            return Err(fields.error("inv_adapter", format!("`{other}`"), expected));
        }
    };
    let phm = phm(fields)?;
    Ok(BottleneckConfig {
        phm,
        after_attention: flag(fields, "mh_adapter", false)?,
        after_feedforward: flag(fields, "output_adapter", true)?,
        reduction_factor,
        reduction_factors,
        activation,
        dropout: fields.number("dropout", 0.0)?,
        scaling,
        init,
        parallel: fields.flag("is_parallel")?,
        model_norm_before: fields.flag("original_ln_before")?,
        model_norm_after: flag(fields, "original_ln_after", true)?,
        norm_before: fields.flag("ln_before")?,
        norm_after: fields.flag("ln_after")?,
        residual,
        residual_before_norm: fields.flag("adapter_residual_before_ln")?,
        leave_out: fields.counts("leave_out")?.unwrap_or_default(),
        invertible,
        ..default
    })
}

fn by_layers(
    fields: &Fields,
    by_layer: &Map<String, Value>,
) -> Result<(f64, BTreeMap<usize, f64>), AdapterError> {
    let expected = "numbers by layer, and `default`";
    let (mut default, mut factors) = (None, BTreeMap::new());
    for (layer, factor) in by_layer {
        let factor =
            factor.as_f64().ok_or_else(|| fields.error("reduction_factor", factor, expected))?;
        match layer.parse::<usize>() {
            Ok(layer) => drop(factors.insert(layer, factor)),
            Err(_) if layer == "default" => default = Some(factor),
            Err(_) => return Err(fields.error("reduction_factor", format!("`{layer}`"), expected)),
        }
    }
    match default {
        Some(default) => Ok((default, factors)),
        None => Err(fields.error("reduction_factor", "without a default", expected)),
    }
}

fn activation(name: &str) -> Option<Activation> {
    Some(match name.to_lowercase().as_str() {
        "relu" => Activation::Relu,
        "gelu" => Activation::Gelu,
        "gelu_new" => Activation::GeluTanh,
        "swish" | "silu" => Activation::Silu,
        "tanh" => Activation::Tanh,
        "leakyrelu" => Activation::LeakyRelu,
        _ => return None,
    })
}

const fn activation_name(activation: Activation) -> &'static str {
    match activation {
        Activation::Relu => "relu",
        Activation::Gelu => "gelu",
        Activation::GeluTanh => "gelu_new",
        Activation::Silu => "swish",
        Activation::Tanh => "tanh",
        Activation::LeakyRelu => "leakyrelu",
    }
}

/// The configuration as the library reads it.
pub(super) fn write(
    config: &AdapterConfig,
    card: &AdapterCard,
    name: &str,
    d_model: usize,
    model: &ForeignModel,
) -> Map<String, Value> {
    let inner = match config {
        AdapterConfig::Prefix(prefix) => write_prefix(prefix),
        AdapterConfig::Prompt(prompt) => json!({
            "architecture": "prompt_tuning",
            "combine": match prompt.place {
                PromptPlace::AfterFirst => "prefix_after_bos",
                PromptPlace::Embeddings | PromptPlace::Words => "prefix",
            },
            "init_weights_seed": null,
            "prompt_init": "random_uniform",
            "prompt_init_text": null,
            "prompt_length": prompt.length,
        }),
        AdapterConfig::MixAndMatch(both) => json!({
            "architecture": "union",
            "configs": [write_prefix(&both.prefix), write_bottleneck(&both.bottleneck)],
        }),
        other => other.bottleneck().map(write_bottleneck).unwrap_or_default(),
    };
    let mut fields = Map::new();
    fields.insert("config".to_owned(), inner);
    fields.insert("hidden_size".to_owned(), d_model.into());
    fields.insert("model_class".to_owned(), model.class.clone().into());
    fields.insert("model_name".to_owned(), card.base_model.clone().unwrap_or_default().into());
    fields.insert("model_type".to_owned(), model.kind.clone().into());
    fields.insert("name".to_owned(), name.into());
    fields.insert("version".to_owned(), VERSION.into());
    fields
}

fn write_prefix(config: &PrefixConfig) -> Value {
    let projection = config.projection;
    json!({
        "architecture": "prefix_tuning",
        "bottleneck_size": projection.map_or(512, |it| it.width),
        "cross_prefix": true,
        "dropout": config.dropout,
        "encoder_prefix": true,
        "flat": projection.is_none(),
        "init_weights_seed": null,
        "leave_out": config.leave_out,
        "non_linearity": activation_name(projection.map_or(Activation::Tanh, |it| it.activation)),
        "prefix_length": config.length,
        "shared_gating": true,
        "use_gating": false,
    })
}

fn write_bottleneck(config: &BottleneckConfig) -> Value {
    let reduction_factor = if config.reduction_factors.is_empty() {
        json!(config.reduction_factor)
    } else {
        let mut by_layer: Map<String, Value> = config
            .reduction_factors
            .iter()
            .map(|(layer, factor)| (layer.to_string(), json!(factor)))
            .collect();
        by_layer.insert("default".to_owned(), json!(config.reduction_factor));
        Value::Object(by_layer)
    };
    json!({
        "adapter_residual_before_ln": config.residual_before_norm,
        "cross_adapter": false,
        "dropout": config.dropout,
        "factorized_phm_W": true,
        "factorized_phm_rule": false,
        "hypercomplex_nonlinearity": "glorot-uniform",
        // What a fresh adapter begins with says nothing of one that is trained.
        "init_weights": match config.init {
            BottleneckInit::Identity | BottleneckInit::Bert => "bert",
            BottleneckInit::Mam => "mam_adapter",
            BottleneckInit::Houlsby => "houlsby",
        },
        "init_weights_seed": null,
        "inv_adapter": config.invertible.map(|_| "nice"),
        "inv_adapter_reduction_factor": config.invertible.map(|it| it.reduction_factor),
        "is_parallel": config.parallel,
        "learn_phm": true,
        "leave_out": config.leave_out,
        "ln_after": config.norm_after,
        "ln_before": config.norm_before,
        "mh_adapter": config.after_attention,
        "non_linearity": activation_name(config.activation),
        "original_ln_after": config.model_norm_after,
        "original_ln_before": config.model_norm_before,
        "output_adapter": config.after_feedforward,
        "phm_bias": true,
        "phm_c_init": "normal",
        "phm_dim": config.phm.unwrap_or_default().dim,
        "phm_init_range": 0.0001,
        "phm_layer": config.phm.is_some(),
        "phm_rank": config.phm.unwrap_or_default().rank,
        "reduction_factor": reduction_factor,
        "residual_before_ln": match config.residual {
            BottleneckResidual::SubLayer => json!(true),
            BottleneckResidual::Normalized => json!(false),
            BottleneckResidual::Sum => json!("post_add"),
        },
        "scaling": match config.scaling {
            Scaling::Fixed(scaling) => json!(scaling),
            Scaling::Learned => json!("learned"),
            Scaling::Channels => json!("channel"),
        },
        "shared_W_phm": false,
        "shared_phm_rule": config.phm.is_none(),
        "stochastic_depth": 0.0,
        "use_gating": false,
    })
}

/// The header of the head that goes with an adapter.
pub(super) fn write_head(card: &AdapterCard, d_model: usize, model: &ForeignModel) -> Value {
    json!({
        "config": null,
        "hidden_size": d_model,
        "model_class": model.class,
        "model_name": card.base_model.clone().unwrap_or_default(),
        "model_type": model.kind,
        "name": null,
        "version": VERSION,
    })
}

/// Whose rules are followed. What was trained here saw its embeddings mapped back at the head.
pub(super) const VERSION: &str = "adapters.1.3.0";
