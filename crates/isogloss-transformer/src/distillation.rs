//! Distillation: a student gives a sentence and its translations the vector that a teacher gives it.

use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::{
    BatchError, DeviceBatch, Encoder, EncoderBatch, EncoderConfig, HasEncoder, LossSum, Objective,
    Pooling, SequenceInput, l2_normalize,
};

/// How a student's vectors are made.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DistillationConfig {
    /// How hidden states become a vector. Default the mean.
    pub pooling: Pooling,
    /// Whether the student's vectors are scaled to length 1, as the teacher's then should be. Default
    /// false.
    pub normalize: bool,
}

impl DistillationConfig {
    /// Sets the pooling.
    #[must_use]
    pub const fn with_pooling(self, pooling: Pooling) -> Self {
        Self { pooling, ..self }
    }

    /// Sets whether vectors are scaled to length 1.
    #[must_use]
    pub const fn with_normalize(self, normalize: bool) -> Self {
        Self { normalize, ..self }
    }
}

/// Pairs of translations with the vectors of their teacher, on a device.
#[derive(Clone, Debug)]
pub struct DistillationBatch {
    // Invariant: as many rows each, and the vectors as wide as the student's.
    sides: [DeviceBatch; 2],
    teacher: Tensor<2>,
}

impl DistillationBatch {
    /// Checks both sides, pads them and moves them to a device. Each source has a vector of the teacher,
    /// as wide as the student's hidden states.
    ///
    /// # Errors
    ///
    /// [`BatchError`], with the row and the token, or where the parts differ in length.
    pub fn try_new(
        config: &EncoderConfig,
        [sources, translations]: [&[SequenceInput]; 2],
        teacher: &[&[f32]],
        device: &Device,
    ) -> Result<Self, BatchError> {
        let expected = sources.len();
        for (what, found) in
            [("translations", translations.len()), ("vectors of the teacher", teacher.len())]
        {
            if found != expected {
                return Err(BatchError::Rows { what, found, expected });
            }
        }
        let expected = config.d_model;
        let narrow = |vector: &&[f32]| vector.len() != expected;
        if let Some(sequence) = teacher.iter().position(narrow) {
            let (what, found) = ("numbers of the teacher", teacher[sequence].len());
            return Err(BatchError::Length { sequence, what, found, expected });
        }
        let side =
            |rows| Ok::<_, BatchError>(EncoderBatch::try_new(config, rows)?.to_device(device));
        let values = TensorData::new(teacher.concat(), [teacher.len(), expected]);
        Ok(Self {
            sides: [side(sources)?, side(translations)?],
            teacher: Tensor::from_data(values, device),
        })
    }

    /// The teacher's vectors. `[batch, d_model]`
    pub fn teacher(&self) -> Tensor<2> {
        self.teacher.clone()
    }

    /// Sources and translations.
    pub fn sides(&self) -> &[DeviceBatch; 2] {
        &self.sides
    }
}

/// Distillation of sentence vectors, as an [`Objective`] of any model with an encoder.
///
/// ```text
/// L = mean ‖student(source) - teacher(source)‖² / d + mean ‖student(translation) - teacher(source)‖² / d
/// ```
///
/// So a model of one language learns others from translations alone. The count is the number of pairs.
///
/// # Source
///
/// Reimers and Gurevych (2020), "Making Monolingual Sentence Embeddings Multilingual using Knowledge
/// Distillation", section 2, <https://arxiv.org/abs/2004.09813>.
///
/// # Examples
///
/// ```
/// use burn::tensor::Device;
/// use isogloss_core::Seed;
/// use isogloss_transformer::{
///     DistillationBatch, DistillationConfig, DistillationObjective, EncoderConfig, Objective,
///     SequenceInput,
/// };
///
/// let device = Device::flex();
/// let config = EncoderConfig::new(10).with_d_model(4).with_n_layers(1).with_n_heads(2);
/// let student = config.try_init(&device, Seed::new(1))?;
/// let [english, yoruba] = [[0, 5, 2], [0, 7, 2]].map(|ids| [SequenceInput::new(ids.to_vec())]);
/// let teacher: [&[f32]; 1] = [&[0.5, -0.5, 0.5, -0.5]];
/// let batch = DistillationBatch::try_new(&config, [&english, &yoruba], &teacher, &device)?;
/// let objective = DistillationObjective::new(DistillationConfig::default());
/// let loss: f32 = objective.loss(&student, &batch).mean().into_scalar();
/// assert!(loss > 0.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct DistillationObjective {
    config: DistillationConfig,
}

impl DistillationObjective {
    /// An objective for vectors that are made in this way.
    pub const fn new(config: DistillationConfig) -> Self {
        Self { config }
    }

    /// The student's vectors. `[batch, d_model]`
    pub fn embed(&self, student: &Encoder, batch: &DeviceBatch) -> Tensor<2> {
        let vectors = student.embed(batch, self.config.pooling, None);
        if self.config.normalize { l2_normalize(vectors) } else { vectors }
    }
}

impl<M: HasEncoder> Objective<M> for DistillationObjective {
    type Batch = DistillationBatch;

    fn loss(&self, model: &M, batch: &DistillationBatch) -> LossSum {
        let [rows, d_model] = batch.teacher.dims();
        let [sources, translations] = batch.sides.each_ref().map(|side| {
            let difference = self.embed(model.encoder(), side) - batch.teacher.clone();
            difference.square().sum()
        });
        LossSum::new((sources + translations) / d_model as f64, rows)
    }
}
