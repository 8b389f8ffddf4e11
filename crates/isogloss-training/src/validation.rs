//! Losses on what a run does not learn from.

use burn::module::Module;
use burn::tensor::Device;
use serde_json::Value;

use crate::{LossRecord, Task, TrainingError};

/// Held-out batches of a task: always the first ones, with the same masks, so that losses at
/// different steps can be compared.
pub(crate) struct HeldOut<M> {
    task: Box<dyn Task<M>>,
    batches: usize,
    start: Value,
}

/// The model at the step at which its held-out loss was least.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Best<M> {
    /// The step, counted from 1.
    pub step: u64,
    /// The mean of the held-out losses of all validation tasks.
    pub loss: f64,
    /// The model after that step, on the training device.
    pub model: M,
}

impl<M: Module> HeldOut<M> {
    pub(crate) fn new(task: Box<dyn Task<M>>, batches: usize) -> Self {
        let start = task.state();
        Self { task, batches, start }
    }

    /// What a checkpoint says of it.
    pub(crate) fn name(&self) -> String {
        format!("{} ({} batches)", self.task.name(), self.batches)
    }

    /// The loss of a model that traces no gradients.
    pub(crate) fn measure(
        &mut self,
        step: u64,
        model: &M,
        device: &Device,
    ) -> Result<LossRecord, TrainingError> {
        self.task.restore(self.start.clone()).map_err(|found| TrainingError::Config {
            field: "validation",
            found,
            expected: "a task that can go back to where it began",
        })?;
        let (mut sum, mut targets) = (0.0, 0_u64);
        for _ in 0..self.batches {
            let loss = self.task.next_batch(device)?.loss(model);
            if loss.count > 0 {
                sum += f64::from(loss.sum.into_scalar::<f32>());
                targets += loss.count as u64;
            }
        }
        if targets == 0 {
            return Err(TrainingError::Config {
                field: "validation",
                found: format!("no target in {}", self.name()),
                expected: "batches with something to predict",
            });
        }
        let task = self.task.name().to_owned();
        Ok(LossRecord { step, task, loss: sum / targets as f64, targets })
    }
}

/// The step of the least mean loss, and that loss; the first of equals, and none that is not a
/// number.
pub(crate) fn best(records: &[LossRecord]) -> Option<(u64, f64)> {
    let means = records.chunk_by(|a, b| a.step == b.step).map(|same| {
        let mean = same.iter().map(|record| record.loss).sum::<f64>() / same.len() as f64;
        (same[0].step, mean)
    });
    means.filter(|(_, mean)| mean.is_finite()).min_by(|(_, a), (_, b)| a.total_cmp(b))
}
