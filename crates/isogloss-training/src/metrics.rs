//! A line for each step, written while a run goes on.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use isogloss_core::{WriteError, write_file_atomically};
use serde::Serialize;
use serde_json::Value;

use crate::{LossRecord, TrainingError};

/// What a step came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct StepRecord {
    /// The mean loss of its batches.
    #[serde(flatten)]
    pub loss: LossRecord,
    /// The learning rate, which parameters may have multiples of.
    pub learning_rate: f64,
    /// The L2 norm of all gradients together, before it was clipped.
    pub gradient_norm: f64,
}

/// Somebody who looks at the numbers of a run while it goes on, such as a dashboard.
pub trait Watch {
    /// A step was taken.
    ///
    /// # Errors
    ///
    /// What ends the run, such as a full disk.
    fn step(&mut self, record: &StepRecord) -> Result<(), TrainingError>;

    /// A held-out loss was measured.
    ///
    /// # Errors
    ///
    /// As [`step`](Watch::step).
    fn held_out(&mut self, record: &LossRecord) -> Result<(), TrainingError>;
}

/// JSON lines, one for each step and one for each held-out loss.
#[derive(Debug)]
pub(crate) struct MetricsLog {
    path: PathBuf,
    file: File,
}

#[derive(Debug, Serialize)]
struct Line<'a, R> {
    #[serde(flatten)]
    record: &'a R,
    split: &'static str,
}

impl MetricsLog {
    /// Goes on with a log after a step; what was written of later ones, which will be taken again, goes.
    pub(crate) fn open(path: &Path, step: u64) -> Result<Self, TrainingError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(TrainingError::Read { path: path.to_owned(), source }),
        };
        // A kill may have cut the last line amid a character.
        let text = String::from_utf8_lossy(&bytes);
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

    fn line<R: Serialize>(&mut self, record: &R, split: &'static str) -> Result<(), TrainingError> {
        let fail = |source| WriteError::new(&self.path, "write", source);
        let mut json =
            serde_json::to_vec(&Line { record, split }).map_err(|error| fail(error.into()))?;
        json.push(b'\n');
        Ok(self.file.write_all(&json).map_err(fail)?)
    }
}

impl Watch for MetricsLog {
    fn step(&mut self, record: &StepRecord) -> Result<(), TrainingError> {
        self.line(record, "train")
    }

    fn held_out(&mut self, record: &LossRecord) -> Result<(), TrainingError> {
        self.line(record, "dev")
    }
}
