//! What a run trains on: batches, and the loss of a model on them.

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use isogloss_core::Seed;
use isogloss_transformer::{LossSum, LossValue, Objective};
use serde_json::Value;

use crate::{Batches, TrainingError};

/// A batch that was drawn, with what it is for: the loss of a model on it, not computed yet.
///
/// It is computed on a thread of the device that the batch is on, so that several devices work at the same time.
pub trait DrawnBatch<M>: Send {
    /// The loss of `model`; a batch without a target is skipped.
    fn loss(&self, model: &M) -> LossSum;

    /// Computes the loss of `model` and hands it to `backward`, as a whole or in parts; see
    /// [`Objective::accumulate`].
    fn accumulate(&self, model: &M, _seed: Seed, backward: &mut dyn FnMut(Tensor<1>)) -> LossValue {
        self.loss(model).accumulate(backward)
    }
}

/// A stream of batches with their losses: the unit of which a run's mixture is made.
///
/// A [`Trainer`](crate::Trainer) holds several, each with a weight, and every step takes all its
/// batches from one of them.
pub trait Task<M> {
    /// How the task is called in histories and errors.
    fn name(&self) -> &str;

    /// Draws the next batch, onto `device`.
    ///
    /// # Errors
    ///
    /// [`TrainingError::Batch`] where the batch cannot be made.
    fn next_batch(&mut self, device: &Device) -> Result<Box<dyn DrawnBatch<M>>, TrainingError>;

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
    objective: Arc<O>,
    batches: B,
}

impl<O, B> ObjectiveTask<O, B> {
    /// Puts the two together under a name.
    pub fn new(name: impl Into<String>, objective: O, batches: B) -> Self {
        Self { name: name.into(), objective: Arc::new(objective), batches }
    }
}

struct Drawn<O, B> {
    objective: Arc<O>,
    batch: B,
}

impl<M, O> DrawnBatch<M> for Drawn<O, O::Batch>
where
    O: Objective<M> + Send + Sync,
    O::Batch: Send,
{
    fn loss(&self, model: &M) -> LossSum {
        self.objective.loss(model, &self.batch)
    }

    fn accumulate(&self, model: &M, seed: Seed, backward: &mut dyn FnMut(Tensor<1>)) -> LossValue {
        self.objective.accumulate(model, &self.batch, seed, backward)
    }
}

impl<M, O, B> Task<M> for ObjectiveTask<O, B>
where
    M: Module,
    O: Objective<M> + Send + Sync + 'static,
    O::Batch: Send + 'static,
    B: Batches<Batch = O::Batch>,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn next_batch(&mut self, device: &Device) -> Result<Box<dyn DrawnBatch<M>>, TrainingError> {
        let fault = |source| TrainingError::Batch { task: self.name.clone(), source };
        let batch = self.batches.next_batch(device).map_err(fault)?;
        Ok(Box::new(Drawn { objective: Arc::clone(&self.objective), batch }))
    }

    fn state(&self) -> Value {
        self.batches.state()
    }

    fn restore(&mut self, state: Value) -> Result<(), String> {
        self.batches.restore(state)
    }
}
