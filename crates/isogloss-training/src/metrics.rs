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

/// What is logged of a step, or of a held-out loss, which has neither rate nor norm.
#[derive(Debug, Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    record: &'a LossRecord,
    split: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    learning_rate: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gradient_norm: Option<f64>,
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

    /// Logs a step, with its gradient's norm before it was clipped.
    pub(crate) fn step(
        &mut self,
        record: &LossRecord,
        learning_rate: f64,
        gradient_norm: f64,
    ) -> Result<(), TrainingError> {
        let (learning_rate, gradient_norm) = (Some(learning_rate), Some(gradient_norm));
        self.line(&Line { record, split: "train", learning_rate, gradient_norm })
    }

    pub(crate) fn held_out(&mut self, record: &LossRecord) -> Result<(), TrainingError> {
        self.line(&Line { record, split: "dev", learning_rate: None, gradient_norm: None })
    }

    fn line(&mut self, line: &Line<'_>) -> Result<(), TrainingError> {
        let fail = |source| WriteError::new(&self.path, "write", source);
        let mut json = serde_json::to_vec(line).map_err(|error| fail(error.into()))?;
        json.push(b'\n');
        Ok(self.file.write_all(&json).map_err(fail)?)
    }
}
