//! Checkpoints: a directory for each, whole or not there.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Write};
use std::iter;
use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::ModuleOptimizer;
use burn::tensor::Tensor;
use isogloss_core::{WriteError, write_dir_atomically};
use isogloss_kernels::RowMoments;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::groups::Rule;
use crate::mixture::Window;
use crate::tables::Tables;
use crate::{LossRecord, StepHook, TrainingConfig, TrainingError};

pub(crate) const STATE_FILE: &str = "state.json";
pub(crate) const VERSION: u32 = 4;
const MODEL_FILE: &str = "model.bpk";
/// The moving average of the model.
const AVERAGE_FILE: &str = "average.bpk";
const OPTIMIZER_FILE: &str = "optimizer.bpk";
/// The moments of tables that are updated row by row.
const ROWS_FILE: &str = "rows.safetensors";
const PREFIX: &str = "step-";

/// Everything of a run but its tensors.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunState {
    pub(crate) version: u32,
    pub(crate) step: u64,
    pub(crate) config: TrainingConfig,
    pub(crate) tasks: Vec<TaskRecord>,
    /// Ids and paths of the trainable parameters, hashed: an optimizer's moments are found by id.
    pub(crate) parameters: String,
    pub(crate) history: Vec<StoredLoss>,
    /// The held-out batches, by name.
    pub(crate) held_out: Vec<String>,
    pub(crate) validation: Vec<StoredLoss>,
    /// How many times the moving average was brought up to date, where there is one.
    pub(crate) averaged: Option<u64>,
    /// The ids of matrices that are updated as a whole, whether rows of them are read or not.
    pub(crate) whole_tables: Vec<u64>,
}

/// A [`LossRecord`] whose number is kept bit by bit, which decimal digits in JSON are not.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredLoss {
    step: u64,
    task: String,
    loss_bits: u64,
    targets: u64,
}

impl From<&LossRecord> for StoredLoss {
    fn from(record: &LossRecord) -> Self {
        Self {
            step: record.step,
            task: record.task.clone(),
            loss_bits: record.loss.to_bits(),
            targets: record.targets,
        }
    }
}

impl From<StoredLoss> for LossRecord {
    fn from(stored: StoredLoss) -> Self {
        Self {
            step: stored.step,
            task: stored.task,
            loss: f64::from_bits(stored.loss_bits),
            targets: stored.targets,
        }
    }
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TaskRecord {
    pub(crate) name: String,
    pub(crate) share: f64,
    pub(crate) steps: u64,
    pub(crate) window: Window,
    pub(crate) state: Value,
}

/// What of a run is in files of their own.
pub(crate) struct Parts<'a, M> {
    pub(crate) model: &'a M,
    pub(crate) average: Option<&'a M>,
    pub(crate) optimizer: &'a ModuleOptimizer,
    pub(crate) tables: &'a Tables,
    pub(crate) hooks: &'a [Box<dyn StepHook<M>>],
}

pub(crate) fn write<M: Module>(
    dir: &Path,
    state: &RunState,
    parts: &Parts<'_, M>,
) -> Result<(), TrainingError> {
    let path = at_step(dir, state.step);
    if path.exists() {
        // Written when this step was reached before; equal runs write equal checkpoints.
        return Ok(());
    }
    write_dir_atomically(&path, |tmp| {
        let fail = |source| WriteError::new(&path, "write", source);
        // Burnpack, because it keeps parameter ids, by which the optimizer knows its moments.
        let average = parts.average.map(|average| (average, AVERAGE_FILE));
        for (model, file) in iter::once((parts.model, MODEL_FILE)).chain(average) {
            model.clone().save_file(tmp.join(file)).map_err(|e| fail(io::Error::other(e)))?;
        }
        let optimizer = parts.optimizer.save(tmp.join(OPTIMIZER_FILE));
        optimizer.map_err(|e| fail(io::Error::other(e)))?;
        write_tables(&tmp.join(ROWS_FILE), parts.tables).map_err(fail)?;
        for hook in parts.hooks {
            hook.save(tmp).map_err(|fault| fail(io::Error::other(fault)))?;
        }
        let json = serde_json::to_vec(state).map_err(|e| fail(e.into()))?;
        let mut file = File::create(tmp.join(STATE_FILE)).map_err(fail)?;
        file.write_all(&json).map_err(fail)
    })
    .map_err(TrainingError::Write)
}

/// The checkpoint of a step.
pub(crate) fn at_step(dir: &Path, step: u64) -> PathBuf {
    dir.join(format!("{PREFIX}{step:010}"))
}

/// Checkpoint directories under `dir` with their steps, oldest first.
fn all(dir: &Path) -> Result<Vec<(u64, PathBuf)>, TrainingError> {
    let read = |source| TrainingError::Read { path: dir.to_owned(), source };
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(read(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(read)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(step) = name.strip_prefix(PREFIX).and_then(|step| step.parse::<u64>().ok()) {
            found.push((step, path));
        }
    }
    found.sort();
    Ok(found)
}

pub(crate) fn newest(dir: &Path) -> Result<Option<PathBuf>, TrainingError> {
    Ok(all(dir)?.pop().map(|(_, path)| path))
}

/// Removes all checkpoints but the newest, and for each of those that of the step that was best by then: it is read with
/// it.
pub(crate) fn remove_old(
    dir: &Path,
    keep: usize,
    best_by: impl Fn(u64) -> Option<u64>,
) -> Result<(), TrainingError> {
    let all = all(dir)?;
    let (old, kept) = all.split_at(all.len().saturating_sub(keep));
    let best: Vec<u64> = kept.iter().filter_map(|&(step, _)| best_by(step)).collect();
    for (_, path) in old.iter().filter(|(step, _)| !best.contains(step)) {
        fs::remove_dir_all(path).map_err(|source| WriteError::new(path, "remove", source))?;
    }
    Ok(())
}

/// Reads a state and checks that it is of a run with this configuration and these tasks.
pub(crate) fn read_state(
    dir: &Path,
    config: &TrainingConfig,
    tasks: &[TaskRecord],
    held_out: &[String],
) -> Result<RunState, TrainingError> {
    let path = dir.join(STATE_FILE);
    let file =
        File::open(&path).map_err(|source| TrainingError::Read { path: path.clone(), source })?;
    let invalid = |fault: String| TrainingError::Checkpoint { path: path.clone(), fault };
    let value: Value = serde_json::from_reader(BufReader::new(file))
        .map_err(|error| invalid(format!("{error}, expected a run's state")))?;
    if value["version"] != VERSION {
        return Err(invalid(format!("`version` is {}, expected {VERSION}", value["version"])));
    }
    let other_run = |field: String, found: String, expected: String| TrainingError::OtherRun {
        path: path.clone(),
        field,
        found,
        expected,
    };
    // Both read from text once: reading is not exact to the last digit, and so never twice.
    let found = value["config"].clone();
    let expected: Value = serde_json::to_string(config)
        .and_then(|text| serde_json::from_str(&text))
        .map_err(|error| invalid(error.to_string()))?;
    let state: RunState = serde_json::from_value(value)
        .map_err(|error| invalid(format!("{error}, expected a run's state")))?;
    if let Some((field, found, expected)) = first_difference("config", &found, &expected) {
        return Err(other_run(field, found, expected));
    }
    let names = |tasks: &[TaskRecord]| -> Vec<String> {
        tasks.iter().map(|task| format!("{} ({:.4})", task.name, task.share)).collect()
    };
    let (found, expected) = (names(&state.tasks), names(tasks));
    if found != expected {
        return Err(other_run("tasks".into(), found.join(", "), expected.join(", ")));
    }
    if state.held_out != held_out {
        let (found, expected) = (state.held_out.join(", "), held_out.join(", "));
        return Err(other_run("validation".into(), found, expected));
    }
    Ok(state)
}

/// The first place where two values differ, with both.
fn first_difference(
    path: &str,
    found: &Value,
    expected: &Value,
) -> Option<(String, String, String)> {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            let keys =
                expected.keys().chain(found.keys().filter(|key| !expected.contains_key(*key)));
            keys.into_iter().find_map(|key| {
                let (found, expected) = (found.get(key), expected.get(key));
                let null = &Value::Null;
                first_difference(
                    &format!("{path}.{key}"),
                    found.unwrap_or(null),
                    expected.unwrap_or(null),
                )
            })
        }
        _ if found == expected => None,
        _ => Some((path.to_owned(), found.to_string(), expected.to_string())),
    }
}

pub(crate) fn read_model<M: Module>(dir: &Path, model: M) -> Result<M, TrainingError> {
    read_parameters(dir.join(MODEL_FILE), model)
}

pub(crate) fn read_average<M: Module>(dir: &Path, model: M) -> Result<M, TrainingError> {
    read_parameters(dir.join(AVERAGE_FILE), model)
}

fn read_parameters<M: Module>(path: PathBuf, model: M) -> Result<M, TrainingError> {
    model.try_load_file(&path).map_err(|error| TrainingError::Checkpoint {
        path,
        fault: format!("{error}, expected the parameters of this model"),
    })
}

pub(crate) fn read_optimizer(
    dir: &Path,
    optimizer: ModuleOptimizer,
) -> Result<ModuleOptimizer, TrainingError> {
    let path = dir.join(OPTIMIZER_FILE);
    optimizer.load(&path).map_err(|error| TrainingError::Checkpoint {
        path,
        fault: format!("{error}, expected an optimizer's state"),
    })
}

/// Writes `ID.time`, `ID.rows`, `ID.m` and `ID.v` of each table.
fn write_tables(path: &Path, tables: &Tables) -> io::Result<()> {
    let mut tensors = Vec::new();
    for (id, RowMoments { time, rows, m, v, .. }) in tables.moments() {
        let parts: [(&str, Dtype, Vec<u8>); 4] = [
            ("time", Dtype::I32, time.to_le_bytes().to_vec()),
            ("rows", Dtype::U32, rows.iter().flat_map(|row| row.to_le_bytes()).collect()),
            ("m", Dtype::F32, m.iter().flat_map(|number| number.to_le_bytes()).collect()),
            ("v", Dtype::F32, v.iter().flat_map(|number| number.to_le_bytes()).collect()),
        ];
        tensors.extend(parts.map(|(part, dtype, bytes)| (format!("{id}.{part}"), dtype, bytes)));
    }
    let views = tensors.iter().map(|(name, dtype, bytes)| {
        // Each has four bytes for a number.
        Ok((name, TensorView::new(*dtype, vec![bytes.len() / 4], bytes)?))
    });
    let views = views.collect::<Result<Vec<_>, SafeTensorError>>().map_err(io::Error::other)?;
    safetensors::serialize_to_file(views, None, path).map_err(io::Error::other)
}

pub(crate) fn read_tables<M: Module>(
    dir: &Path,
    model: &M,
    whole: Vec<u64>,
) -> Result<Tables, TrainingError> {
    let path = dir.join(ROWS_FILE);
    let bytes =
        fs::read(&path).map_err(|source| TrainingError::Read { path: path.clone(), source })?;
    let invalid = |fault: String| TrainingError::Checkpoint { path: path.clone(), fault };
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|error| invalid(format!("{error}, expected the moments of rows of tables")))?;
    let mut moments: BTreeMap<u64, RowMoments> = BTreeMap::new();
    for (name, tensor) in file.iter() {
        let unknown = || invalid(format!("tensor `{name}`, expected `ID.time|rows|m|v`"));
        let (id, part) = name.split_once('.').ok_or_else(unknown)?;
        let moments = moments.entry(id.parse().map_err(|_| unknown())?).or_default();
        let words = tensor.data().as_chunks::<4>().0;
        match (part, tensor.dtype(), words) {
            ("time", Dtype::I32, &[time]) => moments.time = i32::from_le_bytes(time),
            ("rows", Dtype::U32, rows) => {
                moments.rows = rows.iter().map(|&row| u32::from_le_bytes(row)).collect();
            }
            ("m", Dtype::F32, m) => moments.m = m.iter().map(|&n| f32::from_le_bytes(n)).collect(),
            ("v", Dtype::F32, v) => moments.v = v.iter().map(|&n| f32::from_le_bytes(n)).collect(),
            _ => return Err(unknown()),
        }
    }
    Tables::restored(model, whole, moments).map_err(|id| {
        invalid(format!("moments of parameter {id}, expected those of this model's tables"))
    })
}

/// Ids and paths of the parameters that are trained, now or later, as 16 hexadecimal digits.
pub(crate) fn parameter_fingerprint<M: Module>(model: &M, rules: &BTreeMap<u64, Rule>) -> String {
    let mut hash = Fingerprint { rules, path: Vec::new(), hash: 0xcbf2_9ce4_8422_2325 };
    model.visit(&mut hash);
    format!("{:016x}", hash.hash)
}

struct Fingerprint<'a> {
    rules: &'a BTreeMap<u64, Rule>,
    path: Vec<String>,
    hash: u64,
}

impl ModuleVisitor for Fingerprint<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !self.rules.contains_key(&param.id.val()) {
            return;
        }
        let line = format!("{} {}\n", param.id.val(), self.path.join("."));
        // FNV-1a, which stays what it is between releases of the standard library.
        self.hash = line
            .bytes()
            .fold(self.hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    }
}
