//! The names of transformers, for adapters.

use isogloss_peft::ForeignNames;
use serde_json::Map;

use super::private::HeadNames;
use super::{Family, PretrainedModel, TensorNames};
use crate::Encoder;

/// What transformers calls the tensors of a model of one of its families.
pub(crate) fn foreign_names<M: PretrainedModel>(model: &M) -> ForeignNames {
    let mut foreign = ForeignNames::default();
    let (Some(names), Some(family)) = (tensor_names(model), model.encoder().family) else {
        return foreign;
    };
    for name in names.list {
        foreign.insert(name.ours, name.theirs, name.is_transposed);
    }
    let (path, prefix) =
        if is_bare::<M>(family) { ("", "") } else { ("encoder.", family.prefix()) };
    // Where the library of adapters keeps bottlenecks.
    let [layer, after_attention, after_feedforward] = match family {
        Family::Bert | Family::XlmRoberta | Family::XlmRobertaXl => {
            ["encoder.layer", "attention.output", "output"]
        }
        Family::DistilBert => ["transformer.layer", "attention_adapters", "output_adapters"],
        // It has no such model: the names are made as those of the others.
        Family::Xlm => ["layers", "attention_adapters", "output_adapters"],
    };
    for index in 0..model.encoder().config().n_layers {
        for (site, module) in
            [("attention_adapter", after_attention), ("adapter", after_feedforward)]
        {
            let path = format!("{path}layers.{index}.{site}");
            foreign.insert_module(path, format!("{prefix}{layer}.{index}.{module}"));
        }
    }
    let attention = match family {
        Family::Bert | Family::XlmRoberta | Family::XlmRobertaXl => "attention.self",
        Family::DistilBert | Family::Xlm => "attention",
    };
    for index in 0..model.encoder().config().n_layers {
        let module = format!("{prefix}{layer}.{index}.{attention}");
        foreign.insert_module(format!("{path}prefix.{index}"), module);
    }
    foreign.insert_module(format!("{path}prefix"), format!("{prefix}prefix_tuning"));
    foreign.insert_module(format!("{path}embeddings.prompt"), format!("{prefix}prompt_tuning"));
    let words = if family == Family::Xlm { "embeddings" } else { "embeddings.word_embeddings" };
    foreign.insert_module(format!("{path}embeddings.word_adapter"), format!("{prefix}{words}"));
    foreign
        .insert_module(format!("{path}embeddings.adapter"), format!("{prefix}invertible_adapters"));
    let class = M::class_endings(family).first().map(|end| format!("{}{end}", family.class()));
    foreign.with_prefix(family.prefix()).with_model(class.unwrap_or_default(), family.model_type())
}

/// The names of the modules that a model has beside its encoder, as transformers gives them: what an adapter
/// for a task trains as a whole. None for an encoder alone, and for a model of no family.
pub fn head_modules<M: PretrainedModel>(model: &M) -> Vec<String> {
    let mut modules: Vec<String> = Vec::new();
    if model.encoder().family.is_none_or(is_bare::<M>) {
        return modules;
    }
    for name in tensor_names(model).unwrap_or_default().list {
        if name.ours.starts_with("encoder.") {
            continue;
        }
        // One that transformers keeps with the encoder is named as a whole.
        let module = if name.is_encoders {
            name.theirs.rsplit_once('.').map_or("", |(module, _)| module)
        } else {
            name.theirs.split('.').next().unwrap_or_default()
        };
        if !modules.iter().any(|other| other == module) {
            modules.push(module.to_owned());
        }
    }
    modules
}

/// All names, whole; `None` for a model of no family.
fn tensor_names<M: PretrainedModel>(model: &M) -> Option<TensorNames> {
    let family = model.encoder().family?;
    let mut names = HeadNames::default();
    M::write_config(family, &model.checkpoint_config(), &mut names, &mut Map::new()).ok()?;
    for name in &mut names.0.list {
        if name.is_encoders && !is_bare::<M>(family) {
            name.theirs.insert_str(0, family.prefix());
        }
    }
    Some(names.0)
}

/// Whether it is an encoder without a head.
fn is_bare<M: PretrainedModel>(family: Family) -> bool {
    M::class_endings(family) == Encoder::class_endings(family)
}
