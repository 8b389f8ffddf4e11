//! Models that others have trained, in directories as transformers writes and reads them.

mod any;
mod family;
mod fields;
mod foreign;
mod heads;
mod models;
mod names;
mod pytorch_file;
mod read;
mod safetensors_file;
mod weights;
mod write;

pub use any::{AnyPretrained, Logits, PretrainedHead, PretrainedOutput};
pub use family::Family;
pub(crate) use foreign::foreign_names;
pub use foreign::head_modules;
pub use names::{TensorNames, TensorPart};
pub use read::{load_renamed, tensor_shapes};
pub use write::{SaveOptions, WeightType, save_renamed};

use std::path::Path;

use burn::tensor::Device;
use isogloss_kernels::Quantization;
use serde_json::{Map, Value};

use crate::{Checkpoint, CheckpointError, Encoder, EncoderConfig, EncoderConfigError};
use fields::Fields;

/// A model that is kept in a directory of transformers: `config.json` and `model.safetensors`.
///
/// Implemented for [`Encoder`](crate::Encoder), [`MaskedLanguageModel`](crate::MaskedLanguageModel),
/// [`SequenceClassifier`](crate::SequenceClassifier), [`TokenClassifier`](crate::TokenClassifier) and
/// [`QuestionAnswerer`](crate::QuestionAnswerer).
pub trait PretrainedModel: Checkpoint + private::Sealed {
    /// What the name of the model's class in transformers ends with, the usual one first.
    #[doc(hidden)]
    fn class_endings(family: Family) -> &'static [&'static str];

    /// The shape of the model, from the encoder's, the fields of its head, and the names of the tensors
    /// that the file has, without the prefix of the encoder.
    #[doc(hidden)]
    fn read_config(
        family: Family,
        encoder: EncoderConfig,
        fields: &mut private::HeadFields<'_>,
        has: &dyn Fn(&str) -> bool,
    ) -> Self::Config;

    /// The encoder's part of the shape.
    #[doc(hidden)]
    fn encoder_config(config: &Self::Config) -> &EncoderConfig;

    /// The encoder in the model.
    #[doc(hidden)]
    fn encoder_mut(&mut self) -> &mut Encoder;

    /// The names of all tensors, and the fields of the head.
    #[doc(hidden)]
    fn write_config(
        family: Family,
        config: &Self::Config,
        names: &mut private::HeadNames,
        json: &mut Map<String, Value>,
    ) -> Result<(), &'static str>;
}

/// What only this crate fills in.
mod private {
    use super::{Fields, TensorNames};

    pub trait Sealed {}
    impl Sealed for crate::Encoder {}
    impl Sealed for crate::MaskedLanguageModel {}
    impl Sealed for crate::SequenceClassifier {}
    impl Sealed for crate::TokenClassifier {}
    impl Sealed for crate::QuestionAnswerer {}

    #[derive(Debug)]
    pub struct HeadFields<'a>(pub(super) Fields<'a>);

    #[derive(Debug, Default)]
    pub struct HeadNames(pub(super) TensorNames);
}

/// A model with what else its directory says.
///
/// # Examples
///
/// ```no_run
/// use std::path::Path;
///
/// use burn::tensor::Device;
/// use isogloss_transformer::{MaskedLanguageModel, Pretrained, SaveOptions};
///
/// let device = Device::flex();
/// let xlmr = Pretrained::<MaskedLanguageModel>::open(Path::new("xlm-roberta-base"), &device)?;
/// println!("{:?}, left out: {:?}", xlmr.family(), xlmr.left_out());
/// xlmr.save(Path::new("copy"), &SaveOptions::new("---\nlicense: mit\n---\n# A copy of XLM-R\n"))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Pretrained<M> {
    model: M,
    family: Family,
    // Fields that the model does not say are kept as they were.
    json: Map<String, Value>,
    left_out: Vec<String>,
}

impl<M: PretrainedModel> Pretrained<M> {
    /// Opens a directory: `config.json` with `model.safetensors` or `pytorch_model.bin`, in one file or in
    /// shards with an index. Weights in half precision are widened.
    ///
    /// A tensor may have the prefix of its encoder (`roberta.`, `bert.`, …) or lack it; the last matrix
    /// of a tied head may be there or not. A head that `M` has no place for is
    /// [left out](Self::left_out); what no model of the family has is an error, as is what `M` has
    /// and the file has not.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`], with the file; one error names every tensor that is missing, unexpected or
    /// of another shape, by its name in the file, and another every field of `config.json` that is not
    /// supported.
    pub fn open(dir: &Path, device: &Device) -> Result<Self, CheckpointError> {
        read::open(dir, device, None)
    }

    /// Opens a directory as [`open`](Self::open) does, with the weights of the encoder rounded, as
    /// [`Encoder::quantized`](crate::Encoder::quantized) rounds them.
    ///
    /// From safetensors they are rounded as they are read, block by block, so that a model is never in
    /// memory in 32 bits.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_quantized(
        dir: &Path,
        format: Quantization,
        device: &Device,
    ) -> Result<Self, CheckpointError> {
        read::open(dir, device, Some(format))
    }

    /// Takes a model for one of a family, so that it can be [saved](Self::save).
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Inexpressible`], with the field of its shape that the family does not have.
    pub fn new(mut model: M, family: Family) -> Result<Self, CheckpointError> {
        model.encoder_mut().family = Some(family);
        let this = Self { model, family, json: Map::new(), left_out: Vec::new() };
        write::layout(&this)?;
        Ok(this)
    }

    /// Writes a directory that transformers opens: `config.json`, `model.safetensors` and a model card,
    /// `README.md`. It appears as a whole or not at all and replaces what stood there.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`]: [`Inexpressible`](CheckpointError::Inexpressible) where the model has become
    /// one that its family does not have, [`AdapterAttached`](CheckpointError::AdapterAttached) and
    /// [`AdapterActs`](CheckpointError::AdapterActs) where adapters are to be merged first.
    pub fn save(&self, dir: &Path, options: &SaveOptions) -> Result<(), CheckpointError> {
        write::save(self, dir, options)
    }
}

impl<M> Pretrained<M> {
    /// The model.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// Takes the model out.
    pub fn into_model(self) -> M {
        self.model
    }

    /// Puts another model in the place of this one, such as one that was trained further.
    #[must_use]
    pub fn with_model<N>(self, model: N) -> Pretrained<N> {
        Pretrained { model, family: self.family, json: self.json, left_out: self.left_out }
    }

    /// Its family.
    pub fn family(&self) -> Family {
        self.family
    }

    /// The tensors of the file, by their names there, that belong to heads which the model does not
    /// have.
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// The names of its classes, as `id2label` has them, in their order; empty where it has none.
    pub fn labels(&self) -> Vec<String> {
        let Some(Value::Object(labels)) = self.json.get("id2label") else { return Vec::new() };
        let mut labels: Vec<(usize, String)> = labels
            .iter()
            .filter_map(|(id, label)| Some((id.parse().ok()?, label.as_str()?.to_owned())))
            .collect();
        labels.sort();
        labels.into_iter().map(|(_, label)| label).collect()
    }
}

impl Family {
    /// The family and the shape of the encoder that a `config.json` of transformers describes, for a fresh model.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`], with the file; one error names every field that is not supported.
    pub fn read_shape(path: &Path) -> Result<(Self, EncoderConfig), CheckpointError> {
        read_family(path, &read::read_json(path)?)
    }
}

/// Reads `config.json` as far as it says which family, and the shape of its encoder.
fn read_family(
    path: &Path,
    json: &Map<String, Value>,
) -> Result<(Family, EncoderConfig), CheckpointError> {
    let found = json.get("model_type").and_then(Value::as_str).unwrap_or("absent");
    let family = Family::from_model_type(found).ok_or_else(|| CheckpointError::Unsupported {
        path: path.to_owned(),
        field: "model_type",
        found: found.to_owned(),
        supported: Family::ALL.map(Family::model_type).join(", "),
    })?;
    let mut faults = Vec::new();
    let config = family.encoder_config(&mut Fields::new(json, &mut faults));
    if !faults.is_empty() {
        let source = EncoderConfigError { faults };
        return Err(CheckpointError::Values { path: path.to_owned(), source });
    }
    Ok((family, config))
}
