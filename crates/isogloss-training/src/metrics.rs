//! A line for each step, written while a run goes on.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use isogloss_core::{WriteError, write_file_atomically};
use serde::Serialize;
use serde_json::Value;

use crate::{LossRecord, TrainingError};

/// JSON lines, one for each step and one for each held-out loss.
#[derive(Debug)]
pub(crate) struct MetricsLog {
    path: PathBuf,
    file: File,
}

/// A step as it is logged.
#[derive(Debug, Serialize)]
pub(crate) struct StepLine<'a> {
    pub(crate) step: u64,
    pub(crate) split: &'static str,
    pub(crate) task: &'a str,
    pub(crate) loss: f64,
    pub(crate) targets: u64,
    pub(crate) learning_rate: f64,
    pub(crate) gradient_norm: f64,
}

/// A held-out loss as it is logged.
#[derive(Debug, Serialize)]
struct HeldOutLine<'a> {
    step: u64,
    split: &'static str,
    task: &'a str,
    loss: f64,
    targets: u64,
}

impl MetricsLog {
    /// Goes on with a log after a step; what was written of later ones, which will be taken again, goes.
    pub(crate) fn open(path: &Path, step: u64) -> Result<Self, TrainingError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(TrainingError::Read { path: path.to_owned(), source }),
        };
        let is_before = |line: &&str| {
            // A line that was cut by a kill is of a later step.
            let line: Value = serde_json::from_str(line).unwrap_or_default();
            line["step"].as_u64().is_some_and(|of| of <= step)
        };
        let kept: String = text.lines().filter(is_before).flat_map(|line| [line, "\n"]).collect();
        write_file_atomically(path, |out| out.write_all(kept.as_bytes()))
            .map_err(TrainingError::Write)?;
        let file = OpenOptions::new().append(true).open(path);
        let file = file.map_err(|source| WriteError::new(path, "open", source))?;
        Ok(Self { path: path.to_owned(), file })
    }

    pub(crate) fn step(&mut self, line: &StepLine<'_>) -> Result<(), TrainingError> {
        self.line(line)
    }

    pub(crate) fn held_out(&mut self, record: &LossRecord) -> Result<(), TrainingError> {
        let LossRecord { step, task, loss, targets } = record;
        let (step, loss, targets) = (*step, *loss, *targets);
        self.line(&HeldOutLine { step, split: "dev", task, loss, targets })
    }

    fn line(&mut self, line: &impl Serialize) -> Result<(), TrainingError> {
        let fail = |source| WriteError::new(&self.path, "write", source);
        let mut json = serde_json::to_vec(line).map_err(|error| fail(error.into()))?;
        json.push(b'\n');
        Ok(self.file.write_all(&json).map_err(fail)?)
    }
}
