//! Whatever model a directory holds.

use std::path::Path;

use burn::tensor::{Device, Tensor};
use isogloss_kernels::Quantization;
use isogloss_peft::{
    AdapterCard, AdapterError, AdapterHost, AdapterReport, LoadedAdapter, adapters, load_adapter,
    load_fusion, save_adapter,
};
use serde_json::Value;

use super::read::{self, read_json};
use super::{Family, Pretrained, PretrainedModel, SaveOptions, read_family};
use crate::{
    CheckpointError, DeviceBatch, Encoder, HasEncoder, MaskedLanguageModel, QuestionAnswerer,
    SequenceClassifier, TokenClassifier,
};

/// The model of a directory, with the head that its `architectures` names.
///
/// # Examples
///
/// ```no_run
/// use std::path::Path;
///
/// use burn::tensor::Device;
/// use isogloss_transformer::{AnyPretrained, HasEncoder};
///
/// let model = AnyPretrained::open(Path::new("xlm-roberta-base"), &Device::flex())?;
/// println!("{:?} of {} layers", model.head(), model.encoder().config().n_layers);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum AnyPretrained {
    /// An encoder without a head.
    Encoder(Box<Pretrained<Encoder>>),
    /// An encoder that predicts tokens.
    MaskedLanguageModel(Box<Pretrained<MaskedLanguageModel>>),
    /// An encoder that classifies sequences.
    SequenceClassifier(Box<Pretrained<SequenceClassifier>>),
    /// An encoder that classifies tokens.
    TokenClassifier(Box<Pretrained<TokenClassifier>>),
    /// An encoder that finds answers.
    QuestionAnswerer(Box<Pretrained<QuestionAnswerer>>),
}

/// Which head a model has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum PretrainedHead {
    /// None.
    None,
    /// One that predicts tokens.
    Tokens,
    /// One that classifies sequences.
    Sequences,
    /// One that classifies tokens.
    TokenClasses,
    /// One that finds where answers begin and end.
    Spans,
}

/// What a model says of a batch.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PretrainedOutput {
    /// The hidden states of the last layer. `[batch, seq, d_model]`
    pub hidden: Tensor<3>,
    /// What the pooler makes of the first token. `[batch, d_model]`; `None` in a model without one.
    pub pooled: Option<Tensor<2>>,
    /// The scores of the head; `None` in a model without one.
    pub logits: Option<Logits>,
    /// The scores of whether the second sentence follows the first, and whether not, for a model that
    /// tells. `[batch, 2]`
    pub next_sentence: Option<Tensor<2>>,
}

/// The scores of a head, unnormalised.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Logits {
    /// Of each token: those of the vocabulary, or of classes. `[batch, seq, n]`
    Tokens(Tensor<3>),
    /// Of each sequence. `[batch, n_classes]`
    Sequences(Tensor<2>),
    /// Of each token, as the first of an answer and as the last. `[batch, seq, 2]`
    Spans(Tensor<3>),
}

impl AnyPretrained {
    /// Opens a directory as [`Pretrained::open`] does. One that names no architecture is opened as an
    /// encoder.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`]; [`Unsupported`](CheckpointError::Unsupported) lists the architectures that
    /// are known.
    pub fn open(dir: &Path, device: &Device) -> Result<Self, CheckpointError> {
        Self::open_with(dir, device, None)
    }

    /// Opens a directory as [`Pretrained::open_quantized`] does, and as [`open`](Self::open) otherwise.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_quantized(
        dir: &Path,
        format: Quantization,
        device: &Device,
    ) -> Result<Self, CheckpointError> {
        Self::open_with(dir, device, Some(format))
    }

    fn open_with(
        dir: &Path,
        device: &Device,
        quantization: Option<Quantization>,
    ) -> Result<Self, CheckpointError> {
        let path = dir.join("config.json");
        let json = read_json(&path)?;
        let (family, _) = read_family(&path, &json)?;
        let named =
            json.get("architectures").and_then(|value| value.get(0)).and_then(Value::as_str);
        let Some(class) = named else {
            return read::open::<Encoder>(dir, device, quantization).map(Self::from);
        };
        let is_of = |endings: &[&str]| {
            endings.iter().any(|ending| format!("{}{ending}", family.class()) == class)
        };
        if is_of(Encoder::class_endings(family)) {
            read::open::<Encoder>(dir, device, quantization).map(Self::from)
        } else if is_of(MaskedLanguageModel::class_endings(family)) {
            read::open::<MaskedLanguageModel>(dir, device, quantization).map(Self::from)
        } else if is_of(SequenceClassifier::class_endings(family)) {
            read::open::<SequenceClassifier>(dir, device, quantization).map(Self::from)
        } else if is_of(TokenClassifier::class_endings(family)) {
            read::open::<TokenClassifier>(dir, device, quantization).map(Self::from)
        } else if is_of(QuestionAnswerer::class_endings(family)) {
            read::open::<QuestionAnswerer>(dir, device, quantization).map(Self::from)
        } else {
            Err(CheckpointError::Unsupported {
                path,
                field: "architectures",
                found: class.to_owned(),
                supported: supported(family),
            })
        }
    }

    /// Puts an adapter on it that was made here or elsewhere, on top of those that are there, as
    /// [`load_adapter`] does.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn with_adapter(
        self,
        name: &str,
        dir: &Path,
        device: &Device,
    ) -> Result<(Self, LoadedAdapter), AdapterError> {
        match self {
            Self::Encoder(pretrained) => adapted(*pretrained, name, dir, device),
            Self::MaskedLanguageModel(pretrained) => adapted(*pretrained, name, dir, device),
            Self::SequenceClassifier(pretrained) => adapted(*pretrained, name, dir, device),
            Self::TokenClassifier(pretrained) => adapted(*pretrained, name, dir, device),
            Self::QuestionAnswerer(pretrained) => adapted(*pretrained, name, dir, device),
        }
    }

    /// Puts attention over bottlenecks that are there, of these names in its order, as [`load_fusion`] does.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn with_fusion(
        self,
        names: &[&str],
        dir: &Path,
        device: &Device,
    ) -> Result<Self, AdapterError> {
        Ok(match self {
            Self::Encoder(pretrained) => fused(*pretrained, names, dir, device)?,
            Self::MaskedLanguageModel(pretrained) => fused(*pretrained, names, dir, device)?,
            Self::SequenceClassifier(pretrained) => fused(*pretrained, names, dir, device)?,
            Self::TokenClassifier(pretrained) => fused(*pretrained, names, dir, device)?,
            Self::QuestionAnswerer(pretrained) => fused(*pretrained, names, dir, device)?,
        })
    }

    /// Writes one of its adapters as [`save_adapter`] does.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn save_adapter(
        &self,
        name: &str,
        card: &AdapterCard,
        dir: &Path,
    ) -> Result<(), AdapterError> {
        match self {
            Self::Encoder(pretrained) => save_adapter(pretrained.model(), name, card, dir),
            Self::MaskedLanguageModel(pretrained) => {
                save_adapter(pretrained.model(), name, card, dir)
            }
            Self::SequenceClassifier(pretrained) => {
                save_adapter(pretrained.model(), name, card, dir)
            }
            Self::TokenClassifier(pretrained) => save_adapter(pretrained.model(), name, card, dir),
            Self::QuestionAnswerer(pretrained) => save_adapter(pretrained.model(), name, card, dir),
        }
    }

    /// What adapters it has.
    pub fn adapters(&self) -> AdapterReport {
        match self {
            Self::Encoder(pretrained) => adapters(pretrained.model()),
            Self::MaskedLanguageModel(pretrained) => adapters(pretrained.model()),
            Self::SequenceClassifier(pretrained) => adapters(pretrained.model()),
            Self::TokenClassifier(pretrained) => adapters(pretrained.model()),
            Self::QuestionAnswerer(pretrained) => adapters(pretrained.model()),
        }
    }

    /// Its family.
    pub fn family(&self) -> Family {
        match self {
            Self::Encoder(pretrained) => pretrained.family(),
            Self::MaskedLanguageModel(pretrained) => pretrained.family(),
            Self::SequenceClassifier(pretrained) => pretrained.family(),
            Self::TokenClassifier(pretrained) => pretrained.family(),
            Self::QuestionAnswerer(pretrained) => pretrained.family(),
        }
    }

    /// Its head.
    pub fn head(&self) -> PretrainedHead {
        match self {
            Self::Encoder(_) => PretrainedHead::None,
            Self::MaskedLanguageModel(_) => PretrainedHead::Tokens,
            Self::SequenceClassifier(_) => PretrainedHead::Sequences,
            Self::TokenClassifier(_) => PretrainedHead::TokenClasses,
            Self::QuestionAnswerer(_) => PretrainedHead::Spans,
        }
    }

    /// Everything that the model says of a batch, at padding, too.
    pub fn forward(&self, batch: &DeviceBatch) -> PretrainedOutput {
        let read = self.encoder().read(batch);
        let pooled = self.encoder().pooler().map(|pooler| pooler.forward(read.clone()));
        let hidden = read.tokens();
        let (mut logits, mut next_sentence) = (None, None);
        match self {
            Self::Encoder(_) => {}
            Self::MaskedLanguageModel(pretrained) => {
                logits = Some(Logits::Tokens(pretrained.model().logits_of_all(hidden.clone())));
                let head = pretrained.model().next_sentence.as_ref();
                next_sentence = head.zip(pooled.clone()).map(|(head, pooled)| head.forward(pooled));
            }
            Self::SequenceClassifier(pretrained) => {
                let scores = pretrained.model().logits_of(read, batch);
                logits = Some(Logits::Sequences(scores));
            }
            Self::TokenClassifier(pretrained) => {
                logits = Some(Logits::Tokens(pretrained.model().logits_of_all(hidden.clone())));
            }
            Self::QuestionAnswerer(pretrained) => {
                logits = Some(Logits::Spans(pretrained.model().logits_of(hidden.clone())));
            }
        }
        PretrainedOutput { hidden, pooled, logits, next_sentence }
    }

    /// The tensors of the file that the model has no place for.
    pub fn left_out(&self) -> &[String] {
        match self {
            Self::Encoder(pretrained) => pretrained.left_out(),
            Self::MaskedLanguageModel(pretrained) => pretrained.left_out(),
            Self::SequenceClassifier(pretrained) => pretrained.left_out(),
            Self::TokenClassifier(pretrained) => pretrained.left_out(),
            Self::QuestionAnswerer(pretrained) => pretrained.left_out(),
        }
    }

    /// Writes a directory as [`Pretrained::save`] does.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn save(&self, dir: &Path, options: &SaveOptions) -> Result<(), CheckpointError> {
        match self {
            Self::Encoder(pretrained) => pretrained.save(dir, options),
            Self::MaskedLanguageModel(pretrained) => pretrained.save(dir, options),
            Self::SequenceClassifier(pretrained) => pretrained.save(dir, options),
            Self::TokenClassifier(pretrained) => pretrained.save(dir, options),
            Self::QuestionAnswerer(pretrained) => pretrained.save(dir, options),
        }
    }
}

impl HasEncoder for AnyPretrained {
    fn encoder(&self) -> &Encoder {
        match self {
            Self::Encoder(pretrained) => pretrained.model(),
            Self::MaskedLanguageModel(pretrained) => pretrained.model().encoder(),
            Self::SequenceClassifier(pretrained) => pretrained.model().encoder(),
            Self::TokenClassifier(pretrained) => pretrained.model().encoder(),
            Self::QuestionAnswerer(pretrained) => pretrained.model().encoder(),
        }
    }
}

fn adapted<M>(
    pretrained: Pretrained<M>,
    name: &str,
    dir: &Path,
    device: &Device,
) -> Result<(AnyPretrained, LoadedAdapter), AdapterError>
where
    M: PretrainedModel + AdapterHost,
    AnyPretrained: From<Pretrained<M>>,
{
    let (model, loaded) = load_adapter(pretrained.model().clone(), name, dir, device)?;
    Ok((pretrained.with_model(model).into(), loaded))
}

fn fused<M>(
    pretrained: Pretrained<M>,
    names: &[&str],
    dir: &Path,
    device: &Device,
) -> Result<AnyPretrained, AdapterError>
where
    M: PretrainedModel + AdapterHost,
    AnyPretrained: From<Pretrained<M>>,
{
    let model = load_fusion(pretrained.model().clone(), names, dir, device)?;
    Ok(pretrained.with_model(model).into())
}

macro_rules! from_pretrained {
    ($($model:ident),+) => {$(
        impl From<Pretrained<$model>> for AnyPretrained {
            fn from(pretrained: Pretrained<$model>) -> Self {
                Self::$model(Box::new(pretrained))
            }
        }
    )+};
}

from_pretrained!(
    Encoder,
    MaskedLanguageModel,
    SequenceClassifier,
    TokenClassifier,
    QuestionAnswerer
);

/// The classes of a family that are known here.
fn supported(family: Family) -> String {
    let endings = [
        Encoder::class_endings(family),
        MaskedLanguageModel::class_endings(family),
        SequenceClassifier::class_endings(family),
        TokenClassifier::class_endings(family),
        QuestionAnswerer::class_endings(family),
    ];
    let classes = endings.concat().into_iter().map(|ending| format!("{}{ending}", family.class()));
    classes.collect::<Vec<_>>().join(", ")
}
