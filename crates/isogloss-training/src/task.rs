//! What a run trains on: batches, and the loss of a model on them.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use isogloss_core::Seed;
use isogloss_transformer::{LossSum, LossValue, Objective};
use serde_json::Value;

use crate::{Batches, TrainingError};

/// The loss of one batch, before it is divided by anything.
#[derive(Debug)]
#[non_exhaustive]
pub struct TaskLoss {
    /// The sum over targets. `[1]`
    pub sum: Tensor<1>,
    /// How many targets there are.
    pub targets: usize,
}

impl TaskLoss {
    /// A sum over `targets` targets; with none, the batch is skipped.
    pub fn new(sum: Tensor<1>, targets: usize) -> Self {
        Self { sum, targets }
    }
}

/// A stream of losses: the unit of which a run's mixture is made.
///
/// A [`Trainer`](crate::Trainer) holds several, each with a weight, and every step takes all its
/// batches from one of them.
pub trait Task<M> {
    /// How the task is called in histories and errors.
    fn name(&self) -> &str;

    /// Draws the next batch and computes the loss of `model` on it.
    ///
    /// # Errors
    ///
    /// [`TrainingError::Batch`] where the batch cannot be made.
    fn next_loss(&mut self, model: &M, device: &Device) -> Result<TaskLoss, TrainingError>;

    /// Draws the next batch, computes the loss of `model` on it and hands it to `backward`, as a whole or
    /// in parts; see [`Objective::accumulate`].
    ///
    /// # Errors
    ///
    /// As [`next_loss`](Task::next_loss).
    fn accumulate(
        &mut self,
        model: &M,
        device: &Device,
        _seed: Seed,
        backward: &mut dyn FnMut(Tensor<1>),
    ) -> Result<LossValue, TrainingError> {
        let TaskLoss { sum, targets } = self.next_loss(model, device)?;
        Ok(LossSum::new(sum, targets).accumulate(backward))
    }

    /// Where the stream stands, and what it is a stream of.
    fn state(&self) -> Value;

    /// Goes to where [`state`](Task::state) was taken.
    ///
    /// # Errors
    ///
    /// A sentence that says how the state differs, where it is not of this stream.
    fn restore(&mut self, state: Value) -> Result<(), String>;
}

/// Batches from one place, an objective from another.
#[derive(Debug)]
pub struct ObjectiveTask<O, B> {
    name: String,
    objective: O,
    batches: B,
}

impl<O, B> ObjectiveTask<O, B> {
    /// Puts the two together under a name.
    pub fn new(name: impl Into<String>, objective: O, batches: B) -> Self {
        Self { name: name.into(), objective, batches }
    }
}

impl<O, B: Batches> ObjectiveTask<O, B> {
    fn next_batch(&mut self, device: &Device) -> Result<B::Batch, TrainingError> {
        let fault = |source| TrainingError::Batch { task: self.name.clone(), source };
        self.batches.next_batch(device).map_err(fault)
    }
}

impl<M, O, B> Task<M> for ObjectiveTask<O, B>
where
    M: Module,
    O: Objective<M>,
    B: Batches<Batch = O::Batch>,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn next_loss(&mut self, model: &M, device: &Device) -> Result<TaskLoss, TrainingError> {
        let batch = self.next_batch(device)?;
        let loss = self.objective.loss(model, &batch);
        Ok(TaskLoss::new(loss.sum, loss.count))
    }

    fn accumulate(
        &mut self,
        model: &M,
        device: &Device,
        seed: Seed,
        backward: &mut dyn FnMut(Tensor<1>),
    ) -> Result<LossValue, TrainingError> {
        let batch = self.next_batch(device)?;
        Ok(self.objective.accumulate(model, &batch, seed, backward))
    }

    fn state(&self) -> Value {
        self.batches.state()
    }

    fn restore(&mut self, state: Value) -> Result<(), String> {
        self.batches.restore(state)
    }
}
