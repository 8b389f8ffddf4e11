//! Regression: numbers instead of classes.

use burn::tensor::{Device, Tensor, TensorData};

use crate::{
    BatchError, ClassifierConfig, DeviceBatch, EncoderBatch, LossSum, Objective,
    SequenceClassifier, SequenceInput,
};

/// Sequences with the numbers that are to be predicted of them, on a device.
#[derive(Clone, Debug)]
pub struct RegressionBatch {
    // Invariant: one row of targets for each sequence, as wide as the model has outputs.
    input: DeviceBatch,
    targets: Tensor<2>,
}

impl RegressionBatch {
    /// Checks rows and targets, pads the rows and moves both to a device. Each row has as many targets as
    /// the model has classes, which here are outputs.
    ///
    /// # Errors
    ///
    /// [`BatchError`], with the row and the token; a target that is not finite is named.
    pub fn try_new(
        config: &ClassifierConfig,
        rows: &[SequenceInput],
        targets: &[&[f32]],
        device: &Device,
    ) -> Result<Self, BatchError> {
        let batch = EncoderBatch::try_new(&config.encoder, rows)?;
        let (found, expected) = (targets.len(), rows.len());
        if found != expected {
            return Err(BatchError::Rows { what: "targets", found, expected });
        }
        let expected = config.n_classes;
        for (sequence, targets) in targets.iter().enumerate() {
            let found = targets.len();
            if found != expected {
                return Err(BatchError::Length { sequence, what: "targets", found, expected });
            }
            if let Some(output) = targets.iter().position(|target| !target.is_finite()) {
                let found = targets[output].to_string();
                return Err(BatchError::NotFinite { sequence, output, found });
            }
        }
        let values = TensorData::new(targets.concat(), [targets.len(), expected]);
        Ok(Self { input: batch.to_device(device), targets: Tensor::from_data(values, device) })
    }

    /// The sequences.
    pub fn input(&self) -> &DeviceBatch {
        &self.input
    }

    /// What is to be predicted. `[batch, outputs]`
    pub fn targets(&self) -> Tensor<2> {
        self.targets.clone()
    }
}

/// Regression, as an [`Objective`] of a classifier whose scores are the numbers themselves.
///
/// ```text
/// L = Σᵢ ‖zᵢ - tᵢ‖² / outputs
/// ```
///
/// The count is the number of rows, so the mean is PyTorch's `MSELoss`.
///
/// # Examples
///
/// ```
/// use burn::tensor::Device;
/// use isogloss_core::Seed;
/// use isogloss_transformer::{
///     ClassifierConfig, EncoderConfig, Objective, RegressionBatch, RegressionObjective, SequenceInput,
/// };
///
/// let device = Device::flex();
/// let encoder = EncoderConfig::new(10).with_d_model(8).with_n_layers(1).with_n_heads(2);
/// // One output: how alike two sentences are, from 0 to 5.
/// let config = ClassifierConfig::new(encoder, 1);
/// let model = config.try_init(&device, Seed::new(1))?;
/// let row = SequenceInput::new(vec![0, 5, 2, 2, 6, 2]);
/// let batch = RegressionBatch::try_new(&config, &[row], &[&[4.5]], &device)?;
/// let loss: f32 = RegressionObjective.loss(&model, &batch).mean().into_scalar();
/// assert!(loss > 10.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct RegressionObjective;

impl Objective<SequenceClassifier> for RegressionObjective {
    type Batch = RegressionBatch;

    fn loss(&self, model: &SequenceClassifier, batch: &RegressionBatch) -> LossSum {
        let [rows, outputs] = batch.targets.dims();
        let difference = model.forward(&batch.input) - batch.targets.clone();
        LossSum::new(difference.square().sum() / outputs as f64, rows)
    }
}
