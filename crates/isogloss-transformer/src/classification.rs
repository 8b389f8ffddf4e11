//! Classification of whole sequences.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear};
use burn::tensor::{Device, Int, Tensor, TensorData, activation};
use isogloss_core::Seed;
use isogloss_kernels::dropout;
use serde::{Deserialize, Serialize};

use crate::batch::to_i32;
use crate::initialization::Initialization;
use crate::{
    BatchError, ClassificationObjective, ConfigFault, DeviceBatch, Encoder, EncoderBatch,
    EncoderConfig, EncoderConfigError, HasEncoder, HiddenStates, LossSum, Objective, Pooling,
    SequenceInput,
};

/// The shape of a [`SequenceClassifier`].
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ClassifierConfig {
    /// The encoder under the head.
    pub encoder: EncoderConfig,
    /// How many classes there are; for [regression](crate::RegressionObjective), how many outputs.
    pub n_classes: usize,
    /// How hidden states become the vector that is classified. Default the first token, as XLM-R.
    pub pooling: Pooling,
    /// What stands between that vector and the scores. Default that of XLM-R.
    pub head: HeadShape,
    /// Dropout in the head. Default that of the encoder.
    pub dropout: f64,
}

/// What stands between a pooled vector and the scores of classes.
///
/// # Source
///
/// The heads of RoBERTa, BERT, DistilBERT and XLM in transformers.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum HeadShape {
    /// `output(drop(tanh(dense(drop(h)))))`: RoBERTa and XLM-R.
    #[default]
    DropTanh,
    /// `output(drop(tanh(dense(h))))`: BERT, whose pooler is the dense layer.
    Tanh,
    /// `output(drop(relu(dense(h))))`: DistilBERT.
    Relu,
    /// `output(drop(h))`: XLM.
    Linear,
}

impl ClassifierConfig {
    /// A classifier into `n_classes` classes.
    pub const fn new(encoder: EncoderConfig, n_classes: usize) -> Self {
        let (dropout, head) = (encoder.dropout, HeadShape::DropTanh);
        Self { encoder, n_classes, pooling: Pooling::Cls, head, dropout }
    }

    /// Sets the pooling.
    #[must_use]
    pub fn with_pooling(self, pooling: Pooling) -> Self {
        Self { pooling, ..self }
    }

    /// Sets the shape of the head.
    #[must_use]
    pub fn with_head(self, head: HeadShape) -> Self {
        Self { head, ..self }
    }

    /// Sets the dropout in the head.
    #[must_use]
    pub fn with_dropout(self, dropout: f64) -> Self {
        Self { dropout, ..self }
    }

    /// Builds encoder and head with fresh weights; see [`EncoderConfig::try_init`].
    ///
    /// # Errors
    ///
    /// [`EncoderConfigError`], naming each field that is out of its range.
    pub fn try_init(
        &self,
        device: &Device,
        seed: Seed,
    ) -> Result<SequenceClassifier, EncoderConfigError> {
        self.try_check()?;
        let init = Initialization::seeded(self.encoder.initializer_std, seed, device);
        Ok(SequenceClassifier::new(self, &init))
    }

    /// Checks every field.
    pub(crate) fn try_check(&self) -> Result<(), EncoderConfigError> {
        check_head(self.encoder.faults(), [self.n_classes, 1], self.dropout)
    }
}

/// Checks what encoders with a head have in common: how many classes, and how many at least.
pub(crate) fn check_head(
    mut faults: Vec<ConfigFault>,
    [n_classes, at_least]: [usize; 2],
    dropout: f64,
) -> Result<(), EncoderConfigError> {
    let (holds, expected) = (n_classes >= at_least, format!("at least {at_least}"));
    ConfigFault::check(&mut faults, holds, "n_classes", n_classes, expected);
    check_dropout(faults, dropout)
}

/// Checks the dropout of a head, and gives all faults.
pub(crate) fn check_dropout(
    mut faults: Vec<ConfigFault>,
    dropout: f64,
) -> Result<(), EncoderConfigError> {
    let holds = (0.0..1.0).contains(&dropout);
    let expected = "at least 0 and less than 1";
    ConfigFault::check(&mut faults, holds, "head dropout", dropout, expected);
    if faults.is_empty() { Ok(()) } else { Err(EncoderConfigError { faults }) }
}

/// Turns a pooled vector into scores of classes, in one of the ways of [`HeadShape`].
#[derive(Module, Debug)]
pub struct ClassificationHead {
    pub(crate) dense: Option<Linear>,
    pub(crate) output: Linear,
    dropout: Dropout,
    #[module(skip)]
    shape: HeadShape,
}

impl ClassificationHead {
    pub(crate) fn new(config: &ClassifierConfig, init: &Initialization<'_>) -> Self {
        let d_model = config.encoder.d_model;
        let has_dense = config.head != HeadShape::Linear;
        Self {
            dense: has_dense.then(|| init.linear("head.dense", [d_model, d_model])),
            output: init.linear("head.output", [d_model, config.n_classes]),
            dropout: DropoutConfig::new(config.dropout).init(),
            shape: config.head,
        }
    }

    /// # Shapes
    ///
    /// - `pooled`: `[batch, d_model]`
    /// - returns: `[batch, n_classes]`, unnormalised
    pub fn forward(&self, pooled: Tensor<2>) -> Tensor<2> {
        let dense = |x| match &self.dense {
            Some(dense) => dense.forward(x),
            None => x,
        };
        let hidden = match self.shape {
            HeadShape::DropTanh => dense(dropout(pooled, &self.dropout)).tanh(),
            HeadShape::Tanh => dense(pooled).tanh(),
            HeadShape::Relu => activation::relu(dense(pooled)),
            HeadShape::Linear => pooled,
        };
        self.output.forward(dropout(hidden, &self.dropout))
    }
}

/// An encoder with a head that tells classes apart, or gives numbers.
#[derive(Module, Debug)]
pub struct SequenceClassifier {
    pub(crate) encoder: Encoder,
    pub(crate) head: ClassificationHead,
    n_classes: usize,
    #[module(skip)]
    pooling: Pooling,
}

impl SequenceClassifier {
    /// Puts a fresh head on an encoder that was trained before.
    ///
    /// # Errors
    ///
    /// [`EncoderConfigError`], where there is no class.
    pub fn try_from_encoder(
        encoder: Encoder,
        n_classes: usize,
        pooling: Pooling,
        seed: Seed,
        device: &Device,
    ) -> Result<Self, EncoderConfigError> {
        let config = encoder.config().clone();
        let init = Initialization::seeded(config.initializer_std, seed, device);
        let config = ClassifierConfig::new(config, n_classes).with_pooling(pooling);
        config.try_check()?;
        Ok(Self::with_head(encoder, &config, &init))
    }

    pub(crate) fn new(config: &ClassifierConfig, init: &Initialization<'_>) -> Self {
        Self::with_head(Encoder::new(&config.encoder, init), config, init)
    }

    pub(crate) fn with_head(
        encoder: Encoder,
        config: &ClassifierConfig,
        init: &Initialization<'_>,
    ) -> Self {
        let head = ClassificationHead::new(config, init);
        Self { encoder, head, n_classes: config.n_classes, pooling: config.pooling }
    }

    /// The shape of this classifier.
    pub fn config(&self) -> ClassifierConfig {
        ClassifierConfig::new(self.encoder.config().clone(), self.n_classes)
            .with_pooling(self.pooling)
            .with_head(self.head.shape)
            .with_dropout(self.head.dropout.prob)
    }

    /// Takes the head off.
    pub fn into_encoder(self) -> Encoder {
        self.encoder
    }

    /// The scores of the classes.
    ///
    /// # Shapes
    ///
    /// - returns: `[batch, n_classes]`, unnormalised
    pub fn forward(&self, batch: &DeviceBatch) -> Tensor<2> {
        self.head.forward(self.encoder.embed(batch, self.pooling, None))
    }

    /// The scores of hidden states that are there already. `[batch, n_classes]`
    pub(crate) fn logits_of(&self, hidden: HiddenStates, batch: &DeviceBatch) -> Tensor<2> {
        self.head.forward(self.pooling.forward(hidden, batch))
    }

    /// The most probable class of each row, on the host.
    pub fn predict(&self, batch: &DeviceBatch) -> Vec<usize> {
        let classes = self.forward(batch).argmax(1).into_data();
        classes.iter::<i64>().map(|class| usize::try_from(class).unwrap_or_default()).collect()
    }

    /// The probability of each class in each row. `[batch, n_classes]`
    pub fn probabilities(&self, batch: &DeviceBatch) -> Tensor<2> {
        activation::softmax(self.forward(batch), 1)
    }
}

impl HasEncoder for SequenceClassifier {
    fn encoder(&self) -> &Encoder {
        &self.encoder
    }
}

/// Sequences with their classes, on a device.
#[derive(Clone, Debug)]
pub struct ClassificationBatch {
    // Invariant: one class for each row, below the number of classes.
    input: DeviceBatch,
    classes: Tensor<1, Int>,
}

impl ClassificationBatch {
    /// Checks rows and classes, pads the rows and moves both to a device.
    ///
    /// # Errors
    ///
    /// [`BatchError`], with the row and the token.
    pub fn try_new(
        config: &ClassifierConfig,
        rows: &[SequenceInput],
        classes: &[u32],
        device: &Device,
    ) -> Result<Self, BatchError> {
        let batch = EncoderBatch::try_new(&config.encoder, rows)?;
        let (found, expected) = (classes.len(), rows.len());
        if found != expected {
            return Err(BatchError::Rows { what: "classes", found, expected });
        }
        let n_classes = config.n_classes;
        if n_classes < 2 {
            return Err(BatchError::Classes { n_classes });
        }
        if let Some(sequence) = classes.iter().position(|&class| class as usize >= n_classes) {
            let found = classes[sequence];
            return Err(BatchError::Class { sequence, found, n_classes });
        }
        let classes: Vec<i32> = classes.iter().copied().map(to_i32).collect();
        Ok(Self {
            input: batch.to_device(device),
            classes: Tensor::from_data(TensorData::new(classes, [expected]), device),
        })
    }

    /// The sequences.
    pub fn input(&self) -> &DeviceBatch {
        &self.input
    }
}

impl Objective<SequenceClassifier> for ClassificationObjective {
    type Batch = ClassificationBatch;

    fn loss(&self, model: &SequenceClassifier, batch: &ClassificationBatch) -> LossSum {
        self.of_logits(model.forward(&batch.input), batch.classes.clone())
    }
}
