//! What tensors are called in the files of the two libraries.

use std::collections::BTreeSet;

use super::tensors::Stored;
use crate::names::{BaseTensors, ForeignNames};
use crate::{AdapterConfig, SiteMut};

/// What `peft` calls the numbers of a prefix or a prompt.
pub(super) const PROMPT: &str = "prompt_embeddings";

/// The files of tensors, the safer format first.
pub(super) const PEFT_FILES: [&str; 2] = ["adapter_model.safetensors", "adapter_model.bin"];
pub(super) const ADAPTER_FILES: [&str; 2] = ["adapter.safetensors", "pytorch_adapter.bin"];
pub(super) const HEAD_FILES: [&str; 2] = ["model_head.safetensors", "pytorch_model_head.bin"];
pub(super) const HEAD_CONFIG: &str = "head_config.json";

/// Names that early versions of `adapters` gave, and what they have become.
const EARLY: [(&str, &str); 5] = [
    ("attention_text_task_adapters", "adapters"),
    ("attention_text_lang_adapters", "adapters"),
    ("layer_text_task_adapters", "adapters"),
    ("layer_text_lang_adapters", "adapters"),
    ("invertible_lang_adapters", "invertible_adapters"),
];

/// Whose layout it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Layout {
    Peft {
        /// Whether it is of a prefix or a prompt, under which the model is no part of another.
        is_prompt: bool,
    },
    /// With the name that is in those of the tensors.
    Adapters { name: String },
}

impl Layout {
    /// That of the library that has the method.
    pub(super) fn of(config: &AdapterConfig, name: &str) -> Self {
        if config.is_of_adapters() {
            return Self::Adapters { name: name.to_owned() };
        }
        let is_prompt = matches!(config, AdapterConfig::Prefix(_) | AdapterConfig::Prompt(_));
        Self::Peft { is_prompt }
    }

    pub(super) const fn is_peft(&self) -> bool {
        matches!(self, Self::Peft { .. })
    }

    /// With what the names of tensors of the model begin.
    pub(super) const fn prefix(&self) -> &'static str {
        match self {
            Self::Peft { is_prompt: false } => "base_model.model.",
            Self::Peft { is_prompt: true } => "base_model.",
            Self::Adapters { .. } => "",
        }
    }

    /// The file that is written.
    pub(super) const fn file(&self) -> &'static str {
        match self {
            Self::Peft { .. } => PEFT_FILES[0],
            Self::Adapters { .. } => ADAPTER_FILES[0],
        }
    }

    /// What stands before the name of a parameter of an adapter at a site.
    pub(super) fn place(&self, site: &SiteMut<'_>, module: &str) -> String {
        match (self, site) {
            (Self::Peft { .. }, _) => format!("{}{module}", self.prefix()),
            (Self::Adapters { name }, SiteMut::Invertible(_)) => format!("{module}.{name}"),
            (Self::Adapters { name }, SiteMut::Prefix(_)) => {
                format!("{module}.prefix_tunings.{name}.self_prefix")
            }
            (Self::Adapters { name }, SiteMut::Prompt(_)) => {
                format!("{module}.prompt_tunings.{name}")
            }
            (Self::Adapters { name }, _) => format!("{module}.adapters.{name}"),
        }
    }

    /// The name by which a tensor is looked for: without the prefix that a head gives the encoder, in the
    /// words of today.
    pub(super) fn key(&self, name: &str, names: &ForeignNames) -> String {
        match self {
            Self::Peft { .. } => match name.strip_prefix(self.prefix()) {
                Some(rest) => format!("{}{}", self.prefix(), names.plain(rest)),
                None => name.to_owned(),
            },
            Self::Adapters { .. } => {
                let today = |name: String, (early, now): (&str, &str)| name.replace(early, now);
                EARLY.into_iter().fold(names.plain(name).to_owned(), today)
            }
        }
    }
}

/// The names under which `adapters` writes a parameter once more.
pub(super) fn copies_of(
    layout: &Layout,
    (path, site): (&str, &SiteMut<'_>),
    suffix: &str,
    base: &BaseTensors,
) -> Vec<String> {
    let Layout::Adapters { name } = layout else { return Vec::new() };
    match site {
        SiteMut::Residual(_) => {
            let rest = suffix.strip_prefix("adapter_norm_before.");
            let place = layout.place(site, &base.module(path));
            rest.map(|rest| format!("{place}.adapter_down.0.{rest}")).into_iter().collect()
        }
        // Each layer has the whole of it.
        SiteMut::Prefix(site) => {
            let copy = |layer: usize| {
                let module = base.module(&format!("{path}.{layer}"));
                format!("{module}.prefix_tuning.pool.prefix_tunings.{name}.self_prefix.{suffix}")
            };
            (0..site.dims()[0]).map(copy).collect()
        }
        _ => Vec::new(),
    }
}

/// The modules of a head that the model has, too; what it has not is left out.
pub(super) fn head_modules(
    head: &Stored,
    base: &BaseTensors,
    names: &ForeignNames,
    left_out: &mut Vec<String>,
) -> Vec<String> {
    let mut modules = BTreeSet::new();
    for name in head.names() {
        let mut tensors = base.by_path.values();
        match tensors.find(|tensor| names.plain(&tensor.foreign.name) == name) {
            Some(tensor) => drop(modules.insert(tensor.module().to_owned())),
            None => left_out.push(name.clone()),
        }
    }
    modules.into_iter().collect()
}
