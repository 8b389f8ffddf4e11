//! Checkpoints of XLM-R, as transformers writes them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::module::Param;
use burn::store::{
    ApplyError, FloatCastAdapter, ModuleAdapter, ModuleSnapshot, ModuleStore, PyTorchToBurnAdapter,
    SafetensorsStore, bridge,
};
use burn::tensor::{DType, Device, Tensor};
use serde::Deserialize;

use crate::{
    Checkpoint, CheckpointError, ConfigFault, EncoderConfig, EncoderConfigError,
    MaskedLanguageModel, TensorFault,
};

/// The fields of `config.json` on which the outputs depend. None has a default: the default values
/// of transformers are not those of the released models. Other fields are of no consequence here.
#[derive(Deserialize)]
struct XlmRobertaFile {
    model_type: String,
    hidden_act: String,
    position_embedding_type: Option<String>,
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    max_position_embeddings: usize,
    type_vocab_size: usize,
    hidden_dropout_prob: f64,
    attention_probs_dropout_prob: f64,
    layer_norm_eps: f64,
    initializer_range: f64,
    pad_token_id: u32,
}

/// The kind of model, in messages.
const KIND: &str = "xlm-roberta";

/// The suffix of the table that [`MaskedLanguageModel`] has no place for.
const TOKEN_TYPES: &str = "embeddings.token_type_embeddings.weight";

impl XlmRobertaFile {
    /// The shape of the tables as they are in the file, unused positions included.
    fn try_config(&self) -> Result<EncoderConfig, EncoderConfigError> {
        let mut faults = Vec::new();
        let positions = self.position_embedding_type.as_deref().unwrap_or("absolute");
        let unused = self.pad_token_id as usize + 1;
        for (field, found, expected) in [
            ("model_type", self.model_type.as_str(), KIND),
            ("hidden_act", &self.hidden_act, "gelu"),
            ("position_embedding_type", positions, "absolute"),
        ] {
            ConfigFault::check(&mut faults, found == expected, field, found, expected);
        }
        let types = self.type_vocab_size;
        ConfigFault::check(&mut faults, types == 1, "type_vocab_size", types, "1");
        let (field, found) = ("max_position_embeddings", self.max_position_embeddings);
        let expected = format!("more than {unused}, the rows before the first token's");
        ConfigFault::check(&mut faults, found > unused, field, found, expected);
        if !faults.is_empty() {
            return Err(EncoderConfigError { faults });
        }
        Ok(EncoderConfig::new(self.vocab_size)
            .with_d_model(self.hidden_size)
            .with_n_layers(self.num_hidden_layers)
            .with_n_heads(self.num_attention_heads)
            .with_d_ff(self.intermediate_size)
            .with_max_positions(self.max_position_embeddings)
            .with_dropout(self.hidden_dropout_prob)
            .with_attention_dropout(self.attention_probs_dropout_prob)
            .with_layer_norm_eps(self.layer_norm_eps)
            .with_initializer_std(self.initializer_range)
            .with_pad_id(self.pad_token_id))
    }
}

/// Reads `config.json` and `model.safetensors` of an `XLMRobertaForMaskedLM`.
///
/// Two things are folded, without a change to any output: position 0 here is the first token's row,
/// which is row `pad_token_id + 1` there; and the one token type, which is added to every token
/// there, is added to every row of the position table here. Tensors in half precision are widened.
///
/// # Errors
///
/// [`CheckpointError`], with the file; one error names every tensor that is missing, unexpected or
/// of another shape, by its name in the model.
///
/// # Source
///
/// Conneau et al. (2020), <https://arxiv.org/abs/1911.02116>; names as of transformers 4.57,
/// `models/xlm_roberta/modeling_xlm_roberta.py`.
pub fn load_xlm_roberta(
    dir: &Path,
    device: &Device,
) -> Result<MaskedLanguageModel, CheckpointError> {
    let path = dir.join("config.json");
    let json = fs::read_to_string(&path)
        .map_err(|source| CheckpointError::Read { path: path.clone(), source })?;
    let file: XlmRobertaFile = serde_json::from_str(&json)
        .map_err(|source| CheckpointError::Config { path: path.clone(), kind: KIND, source })?;
    let values = |source| CheckpointError::Values { path: path.clone(), source };
    let config = file.try_config().map_err(values)?;
    let mut model = MaskedLanguageModel::try_blank(&config, device).map_err(values)?;

    let path = dir.join("model.safetensors");
    let unreadable = |message: String| CheckpointError::Tensors { path: path.clone(), message };
    let mut store = SafetensorsStore::from_file(&path);
    let source = store.get_all_tensors().map_err(|error| unreadable(error.to_string()))?;
    let mut token_type = None;
    // Keyed by the new name, so that an alias of a tied tensor does not appear twice.
    let mut tensors = BTreeMap::new();
    for (name, tensor) in source {
        if name.ends_with(TOKEN_TYPES) {
            let data = bridge::to_data(tensor).map_err(|error| unreadable(error.to_string()))?;
            token_type = Some(data.convert::<f32>());
        } else if let Some(name) = renamed(name) {
            let mut tensor = tensor.clone();
            tensor.name.clone_from(&name);
            tensors.insert(name, tensor);
        }
    }
    let adapter = PyTorchToBurnAdapter.chain(FloatCastAdapter::to(DType::F32));
    let tensors = tensors.into_values().collect();
    let result = model.apply(tensors, None, Some(Box::new(adapter)), false);
    let mut faults: Vec<_> = result.errors.into_iter().map(fault).collect();
    let missing = result.missing.into_iter().map(|(name, _)| TensorFault::Missing { name });
    faults.extend(missing);
    faults.extend(result.unused.into_iter().map(|name| TensorFault::Unexpected { name }));
    let expected = vec![1, config.d_model];
    match &token_type {
        None => faults.push(TensorFault::Missing { name: TOKEN_TYPES.to_owned() }),
        Some(data) if data.shape().to_vec() != expected => {
            let (name, found) = (TOKEN_TYPES.to_owned(), data.shape().to_vec());
            faults.push(TensorFault::Shape { name, expected, found });
        }
        Some(_) => {}
    }
    let (true, Some(token_type)) = (faults.is_empty(), token_type) else {
        return Err(CheckpointError::Mismatch { path, faults });
    };

    let unused = config.pad_id as usize + 1;
    let max_positions = config.max_positions - unused;
    let token_type = Tensor::<2>::from_data(token_type, device);
    let table = model.encoder.embeddings.position.weight.val().inner();
    let table = table.narrow(0, unused, max_positions).to_device(device) + token_type.inner();
    let table = Tensor::from_data(table.into_data(), device);
    model.encoder.embeddings.position.weight = Param::from_tensor(table);
    model.encoder.set_max_positions(max_positions);
    Ok(model)
}

/// The name in the model of a tensor of the file; `None` for what a model can do without.
fn renamed(name: &str) -> Option<String> {
    let ignored = ["lm_head.decoder.weight", "position_ids", "token_type_ids"];
    if ignored.iter().any(|suffix| name.ends_with(suffix)) || name.contains("pooler.") {
        return None;
    }
    if let Some(rest) = name.strip_prefix("lm_head.") {
        // The bias has two names in transformers, of which a file holds one or both.
        let rest = if rest == "decoder.bias" { "bias" } else { rest };
        return Some(format!("head.{}", rest.replace("layer_norm.", "norm.")));
    }
    let name = name.strip_prefix("roberta.").unwrap_or(name);
    let mut name = name.replace("encoder.layer.", "layers.");
    for (theirs, ours) in [
        (".attention.self.query.", ".attention.query.base."),
        (".attention.self.key.", ".attention.key.base."),
        (".attention.self.value.", ".attention.value.base."),
        (".attention.output.dense.", ".attention.output.base."),
        (".attention.output.LayerNorm.", ".attention_norm."),
        (".intermediate.dense.", ".up.base."),
        (".output.dense.", ".down.base."),
        (".output.LayerNorm.", ".output_norm."),
        ("embeddings.word_embeddings.", "embeddings.word."),
        ("embeddings.position_embeddings.", "embeddings.position."),
        ("embeddings.LayerNorm.", "embeddings.norm."),
    ] {
        name = name.replace(theirs, ours);
    }
    Some(format!("encoder.{name}"))
}

fn fault(error: ApplyError) -> TensorFault {
    match error {
        ApplyError::ShapeMismatch { path, expected, found } => {
            TensorFault::Shape { name: path, expected: expected.to_vec(), found: found.to_vec() }
        }
        ApplyError::DTypeMismatch { path, expected, found } => TensorFault::DType {
            name: path,
            expected: format!("{expected:?}"),
            found: format!("{found:?}"),
        },
        ApplyError::AdapterError { path, message } | ApplyError::LoadError { path, message } => {
            TensorFault::Unreadable { name: path, message }
        }
    }
}
