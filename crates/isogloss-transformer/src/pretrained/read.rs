//! From a directory to a model.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::module::{Module, ModuleMapper, Param};
use burn::store::{
    ApplyError, FloatCastAdapter, ModuleAdapter, ModuleSnapshot, PyTorchToBurnAdapter,
};
use burn::tensor::{DType, Device, Tensor, TensorData};
use isogloss_kernels::{Quantization, QuantizedMatrix};
use serde_json::{Map, Value};

use super::fields::Fields;
use super::names::{Name, TensorNames};
use super::private::{HeadFields, HeadNames};
use super::weights::{StoredTensor, Weights};
use super::{Family, Pretrained, PretrainedModel, read_family};
use crate::checkpoint::shapes;
use crate::{CheckpointError, Encoder, EncoderConfigError, TensorFault};

/// Tensors that old files have and no model needs: numbers that were counted up.
const BUFFERS: [&str; 2] = ["position_ids", "token_type_ids"];

/// With what the names of the heads' tensors begin, in any family.
const HEADS: [&str; 11] = [
    "pooler.",
    "lm_head.",
    "cls.",
    "vocab_transform.",
    "vocab_layer_norm.",
    "vocab_projector.",
    "pred_layer.",
    "classifier.",
    "pre_classifier.",
    "sequence_summary.",
    "qa_outputs.",
];

/// Other names of the bias of a head that predicts tokens.
const ALIASES: [(&str, &str); 2] = [
    ("lm_head.decoder.bias", "lm_head.bias"),
    ("cls.predictions.decoder.bias", "cls.predictions.bias"),
];

/// The last matrices of heads, which a tied model has once.
const DECODERS: [&str; 4] = [
    "lm_head.decoder.weight",
    "cls.predictions.decoder.weight",
    "vocab_projector.weight",
    "pred_layer.proj.weight",
];

pub(super) fn open<M: PretrainedModel>(
    dir: &Path,
    device: &Device,
    quantization: Option<Quantization>,
) -> Result<Pretrained<M>, CheckpointError> {
    let path = dir.join("config.json");
    let json = read_json(&path)?;
    let (family, encoder) = read_family(&path, &json)?;
    let Weights { path: weights, tensors } = Weights::open(dir, None)?;
    let mut tensors = by_plain_name(family, tensors);

    let values = |source| CheckpointError::Values { path: path.clone(), source };
    let mut faults = Vec::new();
    let mut fields = HeadFields(Fields::new(&json, &mut faults));
    let has = |name: &str| tensors.contains_key(name);
    let config = M::read_config(family, encoder, &mut fields, &has);
    if !faults.is_empty() {
        return Err(values(EncoderConfigError { faults }));
    }
    let blank = M::try_blank(&config, device).map_err(values)?;
    let mut names = HeadNames::default();
    M::write_config(family, &config, &mut names, &mut Map::new()).map_err(|field| {
        CheckpointError::Inexpressible { model_type: family.model_type(), field }
    })?;
    let (renamed, mut faults) = rename(&blank, &names.0.list, &mut tensors);
    let mut left_out = Vec::new();
    for (plain, (name, _)) in tensors {
        if DECODERS.contains(&plain.as_str())
            && names.0.list.iter().any(|name| is_bias_of(name, &plain))
        {
            // The second name of the embedding in a tied model.
        } else if HEADS.iter().any(|head| plain.starts_with(head)) {
            left_out.push(name);
        } else {
            faults.push(TensorFault::Unexpected { name });
        }
    }
    let (mut model, mut renamed) = (blank, renamed);
    if let (Some(format), true) = (quantization, faults.is_empty()) {
        round(model.encoder_mut(), &mut renamed, format, device, &weights)?;
    }
    let model = apply(model, renamed, faults, &weights)?;
    let mut model = if M::encoder_config(&config).fixed_positions { fixed(model) } else { model };
    model.encoder_mut().family = Some(family);
    Ok(Pretrained { model, family, json, left_out })
}

pub(super) fn read_json(path: &Path) -> Result<Map<String, Value>, CheckpointError> {
    let json = fs::read_to_string(path)
        .map_err(|source| CheckpointError::Read { path: path.to_owned(), source })?;
    serde_json::from_str(&json).map_err(|source| CheckpointError::Config {
        path: path.to_owned(),
        kind: "a model of transformers",
        source,
    })
}

/// A tensor with its name in the file.
type Found = (String, StoredTensor);

/// The tensors by their names without the prefix of the encoder, old names made new.
fn by_plain_name(
    family: Family,
    tensors: BTreeMap<String, StoredTensor>,
) -> BTreeMap<String, Found> {
    let mut found = BTreeMap::new();
    for (name, tensor) in tensors {
        let mut plain = name.strip_prefix(family.prefix()).unwrap_or(&name).to_owned();
        if BUFFERS.iter().any(|buffer| plain.rsplit('.').next() == Some(buffer)) {
            continue;
        }
        for (old, new) in [(".gamma", ".weight"), (".beta", ".bias")] {
            if let Some(stem) = plain.strip_suffix(old) {
                plain = format!("{stem}{new}");
            }
        }
        if let Some((_, bias)) = ALIASES.into_iter().find(|(alias, _)| *alias == plain) {
            // The other name, where both are there, is of the same numbers.
            found.entry(bias.to_owned()).or_insert((name, tensor));
        } else {
            found.insert(plain, (name, tensor));
        }
    }
    found
}

/// Takes the tensors of the module out of those of a file, under their names in the module; says which
/// are missing or do not fit.
fn rename<M: Module>(
    model: &M,
    names: &[Name],
    tensors: &mut BTreeMap<String, Found>,
) -> (Vec<StoredTensor>, Vec<TensorFault>) {
    let shapes = shapes(model);
    let (mut faults, mut renamed) = (Vec::new(), Vec::new());
    for name in names {
        let Some((theirs, mut found)) = tensors.remove(&name.theirs) else {
            faults.push(TensorFault::Missing { name: name.theirs.clone() });
            continue;
        };
        let mut expected = shapes.get(&name.ours).cloned().unwrap_or_default();
        if name.is_transposed {
            expected.reverse();
        }
        let tensor = &mut found.tensor;
        let shape = tensor.shape.to_vec();
        if shape != expected {
            faults.push(TensorFault::Shape { name: theirs, expected, found: shape });
        } else if !matches!(tensor.dtype, DType::F32 | DType::F16 | DType::BF16 | DType::F64) {
            let (expected, found) = ("a floating-point type".to_owned(), tensor.dtype);
            faults.push(TensorFault::DType { name: theirs, expected, found: format!("{found:?}") });
        } else {
            tensor.name.clone_from(&name.ours);
            renamed.push(found);
        }
    }
    (renamed, faults)
}

/// Gives the encoder those of its weights that are to be rounded, and takes them out of the list.
fn round(
    encoder: &mut Encoder,
    renamed: &mut Vec<StoredTensor>,
    format: Quantization,
    device: &Device,
    path: &Path,
) -> Result<(), CheckpointError> {
    let small = encoder.quantized_weights(format);
    // In a model with a head, paths begin with that of its encoder.
    let plain = |name: &str| name.strip_prefix("encoder.").unwrap_or(name).to_owned();
    let (wanted, rest): (Vec<_>, _) =
        renamed.drain(..).partition(|found| small.contains_key(&plain(&found.tensor.name)));
    *renamed = rest;
    let mut matrices = BTreeMap::new();
    for found in wanted {
        let name = plain(&found.tensor.name);
        let format = small[&name];
        let matrix =
            rounded(found, format, device).map_err(|message| CheckpointError::Mismatch {
                path: path.to_owned(),
                faults: vec![TensorFault::Unreadable { name: name.clone(), message }],
            })?;
        matrices.insert(name, matrix);
    }
    encoder.take_quantized(matrices);
    Ok(())
}

/// Reads a matrix and rounds it, block by block where the file allows.
fn rounded(
    found: StoredTensor,
    format: Quantization,
    device: &Device,
) -> Result<QuantizedMatrix, String> {
    let StoredTensor { tensor, stored } = found;
    let [rows, cols] = [tensor.shape[0], tensor.shape[1]];
    let step = QuantizedMatrix::rows_at_once(cols);
    if let Some(stored) = stored {
        let blocks = (0..rows).step_by(step);
        let blocks = blocks.map(|first| stored.rows(first, step.min(rows - first)));
        return QuantizedMatrix::try_from_blocks(cols, blocks, format, device)
            .map_err(|error| error.to_string());
    }
    let dtype = tensor.dtype;
    let bytes = tensor.into_bytes().map_err(|error| error.to_string())?;
    let blocks = bytes.chunks(step * cols * dtype.size()).map(|block| {
        let count = block.len() / dtype.size();
        TensorData::from_bytes_vec(block.to_vec(), [count], dtype).try_into_vec_as()
    });
    QuantizedMatrix::try_from_blocks(cols, blocks, format, device)
        .map_err(|error| error.to_string())
}

/// Gives the module its tensors, if nothing is wrong with them.
fn apply<M: Module>(
    mut model: M,
    renamed: Vec<StoredTensor>,
    mut faults: Vec<TensorFault>,
    path: &Path,
) -> Result<M, CheckpointError> {
    if faults.is_empty() {
        let adapter = PyTorchToBurnAdapter.chain(FloatCastAdapter::to(DType::F32));
        let tensors = renamed.into_iter().map(|found| found.tensor).collect();
        let result = model.apply(tensors, None, Some(Box::new(adapter)), false);
        faults.extend(result.errors.into_iter().map(fault));
        faults.extend(result.missing.into_iter().map(|(name, _)| TensorFault::Missing { name }));
    }
    if faults.is_empty() {
        Ok(model)
    } else {
        Err(CheckpointError::Mismatch { path: path.to_owned(), faults })
    }
}

/// The shapes of the tensors of a file, or of the file in a directory, as [`load_renamed`] finds them; none
/// is read.
///
/// # Errors
///
/// [`CheckpointError`], with the file.
pub fn tensor_shapes(
    path: &Path,
    root: Option<&str>,
) -> Result<BTreeMap<String, Vec<usize>>, CheckpointError> {
    let tensors = Weights::open(path, root)?.tensors.into_iter();
    Ok(tensors.map(|(name, found)| (name, found.tensor.shape.to_vec())).collect())
}

/// Gives a module the tensors of a file, or of the file in a directory, that PyTorch wrote: safetensors,
/// `.bin` or `.pt`. Numbers in half precision are widened.
///
/// `root` names the dictionary that the tensors of a `.pt` are in, if they are not the whole of it.
///
/// # Errors
///
/// [`CheckpointError`], with the file; one error names every tensor that is missing, unexpected or of
/// another shape, by its name in the file.
pub fn load_renamed<M: Module>(
    module: M,
    path: &Path,
    root: Option<&str>,
    names: &TensorNames,
) -> Result<M, CheckpointError> {
    let Weights { path, tensors } = Weights::open(path, root)?;
    let found = tensors.into_iter().map(|(name, tensor)| (name.clone(), (name, tensor)));
    let mut found: BTreeMap<String, Found> = found.collect();
    let (renamed, mut faults) = rename(&module, &names.list, &mut found);
    faults.extend(found.into_keys().map(|name| TensorFault::Unexpected { name }));
    apply(module, renamed, faults, &path)
}

/// Whether the name is that of the bias beside a head's last matrix.
fn is_bias_of(name: &Name, decoder: &str) -> bool {
    let head = decoder.split('.').next().unwrap_or_default();
    name.ours == "head.bias" && name.theirs.starts_with(head)
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

/// Keeps the table of positions from being trained.
fn fixed<M: Module>(model: M) -> M {
    struct Freeze {
        path: Vec<String>,
    }
    impl ModuleMapper for Freeze {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.to_owned());
        }

        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }

        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            if self.path.join(".").ends_with("embeddings.position.weight") {
                param.set_require_grad(false)
            } else {
                param
            }
        }
    }
    model.map(&mut Freeze { path: Vec::new() })
}
