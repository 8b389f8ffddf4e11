//! What a run leaves, and how it is asked to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use crate::validation::Best;

/// The mean loss of a task over some steps.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LossRecord {
    /// The last of the steps, counted from 1.
    pub step: u64,
    /// The task.
    pub task: String,
    /// The loss for each target, in nats for cross-entropies.
    pub loss: f64,
    /// Over how many targets.
    pub targets: u64,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// All steps were taken.
    Finished,
    /// The held-out loss had not become less for as long as [`patience`](crate::TrainingConfig::patience) says.
    Converged,
    /// Somebody asked it to stop; it can be resumed if it has a place for checkpoints.
    Interrupted,
}

/// What a run leaves.
#[derive(Debug)]
#[non_exhaustive]
pub struct TrainedRun<M> {
    /// The model after the last step, on the training device.
    pub model: M,
    /// The moving average of its parameters, where there is one; what held-out losses are of.
    pub averaged: Option<M>,
    /// Whether it got to the end.
    pub outcome: Outcome,
    /// Steps taken, those before a resumption included.
    pub steps: u64,
    /// Mean losses, in the order of the steps.
    pub history: Vec<LossRecord>,
    /// Held-out losses, in the order of the steps; see [`Trainer::with_validation`](crate::Trainer::with_validation).
    pub validation: Vec<LossRecord>,
    /// The model at the step of the least of them.
    pub best: Option<Best<M>>,
}

/// A request to stop after the current step, from a signal handler or another thread.
#[derive(Clone, Debug, Default)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// A flag that nobody has raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the run to stop.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
