//! `adapter_config.json` of `peft`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value, json};

use super::AdapterCard;
use super::fields::{Fields, Ordered};
use crate::{
    AdaLoraConfig, AdapterConfig, AdapterError, BiasMode, BitFitConfig, Ia3Config, LoHaConfig,
    LoKrConfig, LoraConfig, LoraInit, ModuleNames, PrefixConfig, PromptConfig, Targets, VeraConfig,
};

/// What a configuration is read for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Purpose {
    /// To begin a new adapter.
    Begin,
    /// To read one that was trained, whose numbers are in a file.
    Load,
}

/// Fields that say nothing of what is computed, with the values that they may have; `*` is any.
const HARMLESS: [(&str, &str); 20] = [
    ("auto_mapping", "*"),
    ("inference_mode", "*"),
    ("megatron_core", "*"),
    ("peft_version", "*"),
    ("qalora_group_size", "*"),
    ("revision", "*"),
    ("init_weights", "true"),
    ("init_ia3_weights", "true"),
    ("projection_prng_key", "*"),
    // Of prefixes and prompts: the model says it, and files of tensors hold it.
    ("num_attention_heads", "*"),
    ("num_layers", "*"),
    ("num_transformer_submodules", "1"),
    ("token_dim", "*"),
    ("tokenizer_kwargs", "*"),
    ("tokenizer_name_or_path", "*"),
    ("prompt_tuning_init_text", "*"),
    ("encoder_dropout", "*"),
    ("encoder_hidden_size", "*"),
    ("encoder_num_layers", "*"),
    ("encoder_reparameterization_type", "*"),
];

pub(super) fn read(
    mut fields: Fields,
    purpose: Purpose,
) -> Result<(AdapterConfig, AdapterCard), AdapterError> {
    let method = fields.text("peft_type")?.unwrap_or_default();
    let mut card = AdapterCard {
        base_model: fields.text("base_model_name_or_path")?,
        task_type: fields.text("task_type")?,
        ..AdapterCard::default()
    };
    let mut saved = fields.texts("modules_to_save")?.map(|(names, _)| names).unwrap_or_default();
    if purpose == Purpose::Begin {
        // As `peft` adds them; a model has the one or the other.
        let heads: &[&str] = match card.task_type.as_deref() {
            Some("SEQ_CLS" | "TOKEN_CLS") => &["classifier", "score"],
            Some("QUESTION_ANS") => &["qa_outputs"],
            _ => &[],
        };
        card.heads = heads.iter().map(|head| (*head).to_owned()).collect();
    }
    // With prompts `peft` says some twice.
    let mut seen = BTreeSet::new();
    saved.retain(|name| seen.insert(name.clone()));
    let config = match method.as_str() {
        "LORA" => AdapterConfig::Lora(lora(&mut fields, purpose, saved)?),
        "ADALORA" => AdapterConfig::AdaLora(adalora(&mut fields, purpose, saved)?),
        "IA3" => {
            let targets = targets(&mut fields, purpose)?;
            let feedforward = fields.texts("feedforward_modules")?;
            let feedforward = names_of(feedforward, false).map_or_else(
                || Targets::list(Vec::<String>::new()),
                |modules| Targets { modules, ..Targets::all() },
            );
            AdapterConfig::Ia3(Ia3Config { targets, feedforward, saved_modules: saved })
        }
        "LOHA" => {
            let rank = fields.count("r", 8)?;
            AdapterConfig::LoHa(LoHaConfig {
                rank,
                alpha: fields.number("alpha", 8.0)?,
                rank_dropout: fields.number("rank_dropout", 0.0)?,
                module_dropout: fields.number("module_dropout", 0.0)?,
                rank_pattern: fields.ranks()?,
                alpha_pattern: fields.alphas()?,
                targets: targets(&mut fields, purpose)?,
                saved_modules: saved,
            })
        }
        "LOKR" => AdapterConfig::LoKr(lokr(&mut fields, purpose, saved)?),
        "VERA" => {
            if fields.take("save_projection") == Some(Value::Bool(false))
                && purpose == Purpose::Load
            {
                let expected = "true: the random matrices of another library cannot be drawn here";
                return Err(fields.error("save_projection", "false", expected));
            }
            AdapterConfig::Vera(VeraConfig {
                rank: fields.count("r", 256)?,
                d_initial: fields.number("d_initial", 0.1)?,
                dropout: fields.number("vera_dropout", 0.0)?,
                bias: bias(&mut fields, "vera_only")?,
                targets: targets(&mut fields, purpose)?,
                saved_modules: saved,
            })
        }
        "PREFIX_TUNING" => AdapterConfig::Prefix(prefix(&mut fields, purpose, saved)?),
        "PROMPT_TUNING" => AdapterConfig::Prompt(prompt(&mut fields, purpose, saved)?),
        // Its network is not kept: what is there is a prompt.
        "P_TUNING" if purpose == Purpose::Load => {
            AdapterConfig::Prompt(prompt(&mut fields, purpose, saved)?)
        }
        "P_TUNING" => {
            let expected = "PROMPT_TUNING: its network is not trained here";
            return Err(fields.error("peft_type", "`P_TUNING`", expected));
        }
        "BITFIT" => {
            let biases = match fields.text("bias")?.as_deref() {
                None | Some("all") => true,
                Some("none") => false,
                Some(other) => {
                    return Err(fields.error("bias", format!("`{other}`"), "all or none"));
                }
            };
            AdapterConfig::BitFit(BitFitConfig { biases, saved_modules: saved })
        }
        other => {
            let supported =
                "LORA, ADALORA, IA3, LOHA, LOKR, VERA, PREFIX_TUNING, PROMPT_TUNING or BITFIT";
            return Err(fields.error("peft_type", format!("`{other}`"), supported));
        }
    };
    if purpose == Purpose::Load {
        // What it began with says nothing of what it has become.
        fields.take("init_weights");
    }
    card.other = fields.rest(&HARMLESS)?;
    config.check()?;
    Ok((config, card))
}

fn lora(
    fields: &mut Fields,
    purpose: Purpose,
    saved: Vec<String>,
) -> Result<LoraConfig, AdapterError> {
    let init = match (fields.take("init_lora_weights"), purpose) {
        (Some(Value::String(name)), _) if name == "gaussian" => LoraInit::Gaussian,
        // What is not there to begin with leaves the model as it is, so that the numbers of the file are all
        // there is.
        (None | Some(Value::Bool(true)), _) | (Some(Value::Bool(false)), Purpose::Load) => {
            LoraInit::Kaiming
        }
        (Some(Value::String(name)), Purpose::Load) if ["eva", "orthogonal"].contains(&&*name) => {
            LoraInit::Kaiming
        }
        (Some(other), _) => {
            let expected = match purpose {
                Purpose::Begin => "true or \"gaussian\"",
                Purpose::Load => {
                    "true, false, \"gaussian\", \"eva\" or \"orthogonal\": others change the model \
                     under the adapter (convert it with `peft` to a plain LoRA)"
                }
            };
            return Err(fields.error("init_lora_weights", other, expected));
        }
    };
    Ok(LoraConfig {
        rank: fields.count("r", 8)?,
        alpha: fields.number("lora_alpha", 8.0)?,
        dropout: fields.number("lora_dropout", 0.0)?,
        rs_lora: fields.flag("use_rslora")?,
        dora: fields.flag("use_dora")?,
        b_bias: fields.flag("lora_bias")?,
        init,
        rank_pattern: fields.ranks()?,
        alpha_pattern: fields.alphas()?,
        bias: bias(fields, "lora_only")?,
        targets: targets(fields, purpose)?,
        saved_modules: saved,
    })
}

fn lokr(
    fields: &mut Fields,
    purpose: Purpose,
    saved: Vec<String>,
) -> Result<LoKrConfig, AdapterError> {
    let factor = match fields.take("decompose_factor") {
        None => None,
        Some(value) if value.as_i64() == Some(-1) => None,
        Some(value) => Some(fields.as_count("decompose_factor", &value)?),
    };
    Ok(LoKrConfig {
        rank: fields.count("r", 8)?,
        alpha: fields.number("alpha", 8.0)?,
        decompose_both: fields.flag("decompose_both")?,
        decompose_factor: factor,
        rank_dropout: fields.number("rank_dropout", 0.0)?,
        rank_dropout_scale: fields.flag("rank_dropout_scale")?,
        module_dropout: fields.number("module_dropout", 0.0)?,
        rank_pattern: fields.ranks()?,
        alpha_pattern: fields.alphas()?,
        targets: targets(fields, purpose)?,
        saved_modules: saved,
    })
}

fn adalora(
    fields: &mut Fields,
    purpose: Purpose,
    saved: Vec<String>,
) -> Result<AdaLoraConfig, AdapterError> {
    let default = AdaLoraConfig::default();
    let steps = |fields: &mut Fields, name: &str, default: u64| {
        let default = usize::try_from(default).unwrap_or(usize::MAX);
        fields.count(name, default).map(|count| count as u64)
    };
    let total = match fields.take("total_step") {
        Some(total) => Some(fields.as_count("total_step", &total)? as u64),
        None => None,
    };
    // The name of the singular values, and which of them are left.
    let mut kept = BTreeMap::new();
    for (name, of) in fields.flags_by_name("rank_pattern")? {
        kept.insert(name.strip_suffix(".lora_E").unwrap_or(&name).to_owned(), of);
    }
    // Only those of LoRA itself use them.
    fields.take("r");
    fields.alphas()?;
    match (fields.take("init_lora_weights"), purpose) {
        (None | Some(Value::Bool(true)), _) | (_, Purpose::Load) => {}
        (Some(other), _) => return Err(fields.error("init_lora_weights", other, "true")),
    }
    Ok(AdaLoraConfig {
        initial_rank: fields.count("init_r", default.initial_rank)?,
        target_rank: fields.count("target_r", default.target_rank)?,
        alpha: fields.number("lora_alpha", default.alpha)?,
        dropout: fields.number("lora_dropout", 0.0)?,
        initial_steps: steps(fields, "tinit", 0)?,
        final_steps: steps(fields, "tfinal", 0)?,
        interval: steps(fields, "deltaT", 1)?,
        betas: [fields.number("beta1", 0.85)?, fields.number("beta2", 0.85)?],
        orthogonal_weight: fields.number("orth_reg_weight", 0.5)?,
        total_steps: total,
        kept,
        bias: bias(fields, "lora_only")?,
        targets: targets(fields, purpose)?,
        saved_modules: saved,
    })
}

fn prefix(
    fields: &mut Fields,
    purpose: Purpose,
    saved: Vec<String>,
) -> Result<PrefixConfig, AdapterError> {
    let mut config = PrefixConfig::new(virtual_tokens(fields)?).with_saved_modules(saved);
    let is_projected = fields.flag("prefix_projection")?;
    match (fields.take("init_weights"), purpose) {
        (None, _) | (_, Purpose::Load) => {}
        (Some(Value::String(name)), _) if name == "zero" => config.init_std = 0.0,
        (Some(other), _) => return Err(fields.error("init_weights", other, "null or \"zero\"")),
    }
    // One that was trained is kept as the network made it.
    if is_projected && purpose == Purpose::Begin {
        let width = fields.take("encoder_hidden_size").or_else(|| fields.take("token_dim"));
        let Some(width) = width else {
            return Err(fields.error("encoder_hidden_size", "absent", "the width of the network"));
        };
        config = config.with_projection(fields.as_count("encoder_hidden_size", &width)?);
    }
    Ok(config)
}

fn prompt(
    fields: &mut Fields,
    purpose: Purpose,
    saved: Vec<String>,
) -> Result<PromptConfig, AdapterError> {
    let config = PromptConfig::new(virtual_tokens(fields)?).with_saved_modules(saved);
    match (fields.text("prompt_tuning_init")?.as_deref(), purpose) {
        (None | Some("RANDOM"), _) | (_, Purpose::Load) => Ok(config),
        (Some(other), Purpose::Begin) => {
            let expected = "RANDOM: set_prompt lets a prompt begin with the vectors of words";
            Err(fields.error("prompt_tuning_init", format!("`{other}`"), expected))
        }
    }
}

fn virtual_tokens(fields: &mut Fields) -> Result<usize, AdapterError> {
    match fields.take("num_virtual_tokens") {
        Some(count) => fields.as_count("num_virtual_tokens", &count),
        None => Err(fields.error("num_virtual_tokens", "absent", "the length of the prompt")),
    }
}

fn bias(fields: &mut Fields, adapted: &str) -> Result<BiasMode, AdapterError> {
    match fields.text("bias")?.as_deref() {
        None | Some("none") => Ok(BiasMode::None),
        Some("all") => Ok(BiasMode::All),
        Some(other) if other == adapted => Ok(BiasMode::Adapted),
        Some(other) => {
            Err(fields.error("bias", format!("`{other}`"), &format!("none, all or {adapted}")))
        }
    }
}

fn targets(fields: &mut Fields, purpose: Purpose) -> Result<Targets, AdapterError> {
    let modules = fields.texts("target_modules")?;
    let Some(modules) = names_of(modules, true) else {
        if purpose == Purpose::Load {
            return Err(fields.error("target_modules", "absent", "the names of the modules"));
        }
        return Ok(crate::config::query_and_value());
    };
    let exclude = fields.texts("exclude_modules")?;
    let patterns = fields.texts("layers_pattern")?;
    Ok(Targets {
        modules,
        exclude: names_of(exclude, false),
        layers: fields.counts("layers_to_transform")?,
        layers_pattern: patterns.map(|(patterns, _)| patterns).unwrap_or_default(),
        allow_unmatched: false,
    })
}

fn names_of(found: Option<(Vec<String>, bool)>, may_be_all: bool) -> Option<ModuleNames> {
    let (mut names, is_list) = found?;
    Some(if is_list {
        ModuleNames::List(names)
    } else {
        let name = names.pop().unwrap_or_default();
        if may_be_all && name.eq_ignore_ascii_case("all-linear") {
            ModuleNames::All
        } else {
            ModuleNames::Pattern(name)
        }
    })
}

/// Writes which modules are meant. What cannot be said there as it was said here is said module by module.
fn write_places(config: &AdapterConfig, targets: &Targets, modules: &Modules, fields: &mut Value) {
    let (knows_exclude, knows_layers) = match config {
        AdapterConfig::Vera(_) => (false, true),
        AdapterConfig::Ia3(_) => (true, false),
        _ => (true, true),
    };
    let says_all = match &targets.modules {
        ModuleNames::List(_) => {
            (knows_exclude || targets.exclude.is_none())
                && (knows_layers || targets.layers.is_none())
        }
        ModuleNames::Pattern(_) => targets.exclude.is_none() && targets.layers.is_none(),
        ModuleNames::All => false,
    };
    let feedforward = match config {
        AdapterConfig::Ia3(ia3) => Some(&ia3.feedforward),
        _ => None,
    };
    let is_plain = |it: &&Targets| {
        matches!(it.modules, ModuleNames::List(_))
            && it.exclude.is_none()
            && it.layers.is_none()
            && matches!(targets.modules, ModuleNames::List(_))
    };
    let says_all = says_all && feedforward.is_none_or(|it| is_plain(&it));
    let sorted = |names: &[String]| {
        let mut names = names.to_vec();
        names.sort();
        json!(names)
    };
    let names = |names: &ModuleNames| match names {
        ModuleNames::List(names) => sorted(names),
        ModuleNames::Pattern(pattern) => json!(pattern),
        ModuleNames::All => Value::Null,
    };
    let exclude = targets.exclude.as_ref().filter(|_| says_all);
    let layers = targets.layers.as_ref().filter(|_| says_all);
    fields["target_modules"] =
        if says_all { names(&targets.modules) } else { sorted(&modules.all) };
    if let Some(feedforward) = feedforward {
        fields["feedforward_modules"] =
            if says_all { names(&feedforward.modules) } else { sorted(&modules.feedforward) };
    }
    if knows_exclude {
        fields["exclude_modules"] = exclude.map_or(Value::Null, names);
    }
    if knows_layers {
        let patterns = &targets.layers_pattern;
        let is_said = layers.is_some() && !patterns.is_empty();
        fields["layers_to_transform"] = json!(layers);
        fields["layers_pattern"] = if is_said { json!(patterns) } else { Value::Null };
    }
}

/// The modules that an adapter is on.
#[derive(Debug, Default)]
pub(super) struct Modules {
    pub(super) all: Vec<String>,
    /// Those of them whose inputs are scaled.
    pub(super) feedforward: Vec<String>,
    /// Which ranks of them are left, where that was learned.
    pub(super) kept: BTreeMap<String, Vec<bool>>,
    /// The layers, the width and the heads that a prefix is for.
    pub(super) prefix: Option<[usize; 3]>,
}

/// The configuration as `peft` reads it, of an adapter whose modules have these names.
pub(super) fn write(
    config: &AdapterConfig,
    card: &AdapterCard,
    modules: &Modules,
) -> BTreeMap<String, Field> {
    let mut fields = match config {
        AdapterConfig::Lora(lora) => json!({
            "peft_type": "LORA",
            "r": lora.rank,
            "lora_alpha": number(lora.alpha),
            "lora_dropout": lora.dropout,
            "bias": bias_name(lora.bias, "lora_only"),
            "use_rslora": lora.rs_lora,
            "use_dora": lora.dora,
            "lora_bias": lora.b_bias,
            "init_lora_weights": match lora.init {
                LoraInit::Kaiming => Value::Bool(true),
                LoraInit::Gaussian => "gaussian".into(),
            },
            "fan_in_fan_out": false,
        }),
        AdapterConfig::AdaLora(lora) => write_adalora(lora, &modules.kept),
        AdapterConfig::Ia3(_) => json!({
            "peft_type": "IA3",
            "fan_in_fan_out": false,
            "init_ia3_weights": true,
        }),
        AdapterConfig::LoHa(loha) => json!({
            "peft_type": "LOHA",
            "r": loha.rank,
            "alpha": number(loha.alpha),
            "rank_dropout": loha.rank_dropout,
            "module_dropout": loha.module_dropout,
            "init_weights": true,
            "use_effective_conv2d": false,
        }),
        AdapterConfig::LoKr(lokr) => json!({
            "peft_type": "LOKR",
            "r": lokr.rank,
            "alpha": number(lokr.alpha),
            "decompose_both": lokr.decompose_both,
            "decompose_factor": lokr.decompose_factor.map_or(json!(-1), Into::into),
            "rank_dropout": lokr.rank_dropout,
            "rank_dropout_scale": lokr.rank_dropout_scale,
            "module_dropout": lokr.module_dropout,
            "init_weights": true,
            "use_effective_conv2d": false,
        }),
        AdapterConfig::Vera(vera) => json!({
            "peft_type": "VERA",
            "r": vera.rank,
            "d_initial": vera.d_initial,
            "vera_dropout": vera.dropout,
            "bias": bias_name(vera.bias, "vera_only"),
            "save_projection": true,
            "projection_prng_key": 0,
            "fan_in_fan_out": false,
            "init_weights": true,
        }),
        AdapterConfig::BitFit(config) => json!({
            "peft_type": "BITFIT",
            "bias": if config.biases { "all" } else { "none" },
        }),
        AdapterConfig::Prefix(prefix) => write_prefix(prefix, modules.prefix),
        AdapterConfig::Prompt(prompt) => json!({
            "peft_type": "PROMPT_TUNING",
            "num_virtual_tokens": prompt.length,
            "num_transformer_submodules": 1,
            "prompt_tuning_init": "RANDOM",
        }),
        AdapterConfig::Bottleneck(_) | AdapterConfig::MixAndMatch(_) => json!({}),
    };
    if let Some(targets) = config.targets() {
        write_places(config, targets, modules, &mut fields);
    }
    fields["modules_to_save"] = match config.saved_modules() {
        [] => Value::Null,
        saved => json!(saved),
    };
    fields["base_model_name_or_path"] = json!(card.base_model);
    fields["task_type"] = json!(card.task_type);
    fields["inference_mode"] = Value::Bool(true);
    let Value::Object(mut fields) = fields else { return BTreeMap::new() };
    for (field, value) in &card.other {
        fields.entry(field).or_insert_with(|| value.clone());
    }
    // The version whose rules are followed here.
    fields.entry("peft_version").or_insert_with(|| "0.21.2".into());
    let mut fields: BTreeMap<String, Field> =
        fields.into_iter().map(|(field, value)| (field, Field::Value(value))).collect();
    let (ranks, alphas) = match config {
        AdapterConfig::Lora(it) => (&it.rank_pattern, &it.alpha_pattern),
        AdapterConfig::LoHa(it) => (&it.rank_pattern, &it.alpha_pattern),
        AdapterConfig::LoKr(it) => (&it.rank_pattern, &it.alpha_pattern),
        _ => return fields,
    };
    let ranks = ranks.iter().map(|(key, rank)| (key.clone(), json!(rank)));
    let alphas = alphas.iter().map(|(key, alpha)| (key.clone(), number(*alpha)));
    fields.insert("rank_pattern".to_owned(), Field::Ordered(Ordered(ranks.collect())));
    fields.insert("alpha_pattern".to_owned(), Field::Ordered(Ordered(alphas.collect())));
    fields
}

fn write_adalora(lora: &AdaLoraConfig, kept: &BTreeMap<String, Vec<bool>>) -> Value {
    let is_whole = kept.values().flatten().all(|kept| *kept);
    let pattern = kept.iter().map(|(name, kept)| (format!("{name}.lora_E"), kept));
    let pattern: BTreeMap<String, _> = pattern.collect();
    json!({
        "peft_type": "ADALORA",
        // What LoRA itself has there is not read.
        "r": 8,
        "alpha_pattern": {},
        "init_r": lora.initial_rank,
        "target_r": lora.target_rank,
        "lora_alpha": number(lora.alpha),
        "lora_dropout": lora.dropout,
        "tinit": lora.initial_steps,
        "tfinal": lora.final_steps,
        "deltaT": lora.interval,
        "beta1": lora.betas[0],
        "beta2": lora.betas[1],
        "orth_reg_weight": lora.orthogonal_weight,
        // It is not read without one.
        "total_step": lora.total_steps.unwrap_or(lora.initial_steps + lora.final_steps + 1),
        "rank_pattern": if is_whole { Value::Null } else { json!(pattern) },
        "bias": bias_name(lora.bias, "lora_only"),
        "fan_in_fan_out": false,
        "init_lora_weights": true,
    })
}

fn write_prefix(prefix: &PrefixConfig, dims: Option<[usize; 3]>) -> Value {
    let [n_layers, d_model, n_heads] = dims.unwrap_or_default();
    json!({
        "peft_type": "PREFIX_TUNING",
        "num_virtual_tokens": prefix.length,
        "num_layers": n_layers,
        "token_dim": d_model,
        "num_attention_heads": n_heads,
        "num_transformer_submodules": 1,
        // What is kept is what the network made.
        "prefix_projection": false,
        "encoder_hidden_size": d_model,
        "init_weights": null,
    })
}

const fn bias_name(mode: BiasMode, adapted: &'static str) -> &'static str {
    match mode {
        BiasMode::None => "none",
        BiasMode::All => "all",
        BiasMode::Adapted => adapted,
    }
}

/// The value of a field.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Field {
    Value(Value),
    Ordered(Ordered),
}

/// A whole number without a point, as `peft` writes it.
fn number(value: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "whole and small, which is checked")]
    if value.fract() == 0.0 && value.abs() < 1e9 { json!(value as i64) } else { json!(value) }
}
