//! The tasks of a run, each with its share of the steps.

use serde::{Deserialize, Serialize};

use crate::checkpoint::TaskRecord;
use crate::{LossRecord, Task, TrainingError};

/// Tasks with weights. Which one a step is of follows from these alone.
pub(crate) struct Mixture<M> {
    // Invariant: there is one.
    tasks: Vec<WeightedTask<M>>,
}

/// A task of a mixture.
pub(crate) struct WeightedTask<M> {
    pub(crate) task: Box<dyn Task<M>>,
    /// The share of steps, of all tasks together 1.
    share: f64,
    pub(crate) steps: u64,
    window: Window,
}

/// What a task's losses were since the history was last written.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Window {
    /// The bits of the sum, which decimal digits in JSON would not keep.
    sum_bits: u64,
    targets: u64,
}

impl<M> WeightedTask<M> {
    /// Notes the loss of a step for the history.
    pub(crate) fn note(&mut self, sum: f64, targets: u64) {
        let window = &mut self.window;
        window.sum_bits = (f64::from_bits(window.sum_bits) + sum).to_bits();
        window.targets += targets;
    }
}

impl<M> Mixture<M> {
    /// # Errors
    ///
    /// [`TrainingError::Nothing`] without a task, [`TrainingError::Config`] for a weight that is not above 0.
    pub(crate) fn try_new(tasks: Vec<(Box<dyn Task<M>>, f64)>) -> Result<Self, TrainingError> {
        if tasks.is_empty() {
            return Err(TrainingError::Nothing { what: "task" });
        }
        if let Some((_, weight)) = tasks.iter().find(|(_, w)| !(w.is_finite() && *w > 0.0)) {
            return Err(TrainingError::Config {
                field: "tasks.weight",
                found: weight.to_string(),
                expected: "a finite number above 0",
            });
        }
        let total: f64 = tasks.iter().map(|(_, weight)| weight).sum();
        let weighted = |(task, weight)| WeightedTask {
            task,
            share: weight / total,
            steps: 0,
            window: Window::default(),
        };
        Ok(Self { tasks: tasks.into_iter().map(weighted).collect() })
    }

    /// The task whose steps lag most behind its share at a step; the first of equals.
    pub(crate) fn furthest_behind(&mut self, step: u64) -> &mut WeightedTask<M> {
        let lag = |task: &WeightedTask<M>| task.share * step as f64 - task.steps as f64;
        let mut chosen = 0;
        for (index, task) in self.tasks.iter().enumerate() {
            // A tie up to rounding goes to the first, or shares such as 1/3 would drift.
            if lag(task) > lag(&self.tasks[chosen]) + 1e-9 {
                chosen = index;
            }
        }
        &mut self.tasks[chosen]
    }

    /// The mean losses since the last time, as records of a step.
    pub(crate) fn take_losses(&mut self, step: u64) -> Vec<LossRecord> {
        let take = |weighted: &mut WeightedTask<M>| {
            let Window { sum_bits, targets } = std::mem::take(&mut weighted.window);
            let task = weighted.task.name().to_owned();
            let loss = f64::from_bits(sum_bits) / targets as f64;
            (targets > 0).then_some(LossRecord { step, task, loss, targets })
        };
        self.tasks.iter_mut().filter_map(take).collect()
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.tasks.iter().map(|weighted| weighted.task.name()).collect()
    }

    /// What a checkpoint says of it.
    pub(crate) fn records(&self) -> Vec<TaskRecord> {
        let record = |weighted: &WeightedTask<M>| TaskRecord {
            name: weighted.task.name().to_owned(),
            share: weighted.share,
            steps: weighted.steps,
            window: weighted.window,
            state: weighted.task.state(),
        };
        self.tasks.iter().map(record).collect()
    }

    /// Goes to where records of the same tasks were taken.
    ///
    /// # Errors
    ///
    /// A sentence that names the task whose state is of another stream.
    pub(crate) fn restore(&mut self, records: Vec<TaskRecord>) -> Result<(), String> {
        for (weighted, record) in self.tasks.iter_mut().zip(records) {
            let name = record.name;
            let fault = |fault| format!("task `{name}`: {fault}");
            weighted.task.restore(record.state).map_err(fault)?;
            weighted.steps = record.steps;
            weighted.window = record.window;
        }
        Ok(())
    }
}
