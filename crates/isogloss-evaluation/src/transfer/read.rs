//! Runs from a directory of files.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::run::check_at;
use crate::{EvaluationError, Run};

/// Reads the runs of all `*.json` files of a directory, in the order of the files' names. A file
/// holds one run or a list of runs.
///
/// # Errors
///
/// [`EvaluationError::Read`] for what cannot be read, [`EvaluationError::Run`] for a run that is at
/// fault, with its file and field, [`EvaluationError::DuplicateRun`] for a run that stands there
/// twice, [`EvaluationError::Empty`] where there are no runs.
pub fn read_runs(dir: &Path) -> Result<Vec<Run>, EvaluationError> {
    let read = |path: &Path| {
        let path = path.to_owned();
        move |source| EvaluationError::Read { path, source }
    };
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(read(dir))? {
        let path = entry.map_err(read(dir))?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    let (mut runs, mut places) = (Vec::new(), Vec::new());
    for file in files {
        let bytes = std::fs::read(&file).map_err(read(&file))?;
        let name = file.display();
        let value = serde_json::from_slice(&bytes).map_err(|error| EvaluationError::Run {
            place: name.to_string(),
            reason: error.to_string(),
        })?;
        let values = match value {
            Value::Array(values) => values,
            value => vec![value],
        };
        for (index, value) in values.into_iter().enumerate() {
            let place = format!("{name}, run {}", index + 1);
            runs.push(run(value, &place)?);
            places.push(place);
        }
    }
    if runs.is_empty() {
        return Err(EvaluationError::Empty { what: "directory of runs" });
    }
    check_at(&runs, &places)?;
    Ok(runs)
}

fn run(value: Value, place: &str) -> Result<Run, EvaluationError> {
    let object = value.as_object().cloned();
    serde_json::from_value(value).map_err(|error| {
        let field = object.as_ref().and_then(faulty_field);
        let reason = match field {
            Some(field) => format!("`{field}`: {error}"),
            // What is missing or unknown is named by the message.
            None => error.to_string(),
        };
        EvaluationError::Run { place: place.to_owned(), reason }
    })
}

/// The field that cannot be read: that with which a sound run becomes unreadable.
fn faulty_field(object: &Map<String, Value>) -> Option<&String> {
    let language: isogloss_core::LanguageTag = "en".parse().ok()?;
    let sound = Run::new(["task", "metric", "model"], language.clone(), language, 0, 0.0);
    let sound = serde_json::to_value(sound).ok()?.as_object()?.clone();
    object.iter().find_map(|(field, value)| {
        let mut tried = sound.clone();
        tried.insert(field.clone(), value.clone());
        serde_json::from_value::<Run>(Value::Object(tried)).is_err().then_some(field)
    })
}
