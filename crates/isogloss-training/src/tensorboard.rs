//! Event files of TensorBoard.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use isogloss_core::WriteError;
use prost::Message;

use crate::{LossRecord, StepRecord, TrainingError, Watch};

/// What TensorBoard reads, as far as it is written here: the messages of `event.proto` and `summary.proto`.
#[derive(Clone, PartialEq, Message)]
struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    // One of these three.
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
    #[prost(message, optional, tag = "7")]
    session_log: Option<SessionLog>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Scalar>,
}

#[derive(Clone, PartialEq, Message)]
struct Scalar {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

#[derive(Clone, PartialEq, Message)]
struct SessionLog {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// A session begins: what was shown of its step and later ones is not shown any more.
const START: i32 = 1;

/// An event file in a directory of those of a run.
#[derive(Debug)]
pub(crate) struct EventFile {
    path: PathBuf,
    file: File,
}

impl EventFile {
    /// Begins another file. What earlier ones have of steps behind `step`, which will be taken again, is not shown
    /// any more.
    pub(crate) fn open(dir: &Path, step: u64) -> Result<Self, TrainingError> {
        fs::create_dir_all(dir).map_err(|source| WriteError::new(dir, "create", source))?;
        let seconds = now().as_secs();
        let process = std::process::id();
        let (path, file) = (0..)
            .find_map(|count: u32| {
                let name = format!("events.out.tfevents.{seconds}.isogloss.{process}.{count}");
                let path = dir.join(name);
                match OpenOptions::new().append(true).create_new(true).open(&path) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => None,
                    opened => Some((path, opened)),
                }
            })
            .unwrap_or_else(|| (dir.to_owned(), Err(io::ErrorKind::AlreadyExists.into())));
        let file = file.map_err(|source| WriteError::new(&path, "create", source))?;
        let mut this = Self { path, file };
        let version = Some("brain.Event:2".to_owned());
        let session = Some(SessionLog { status: START });
        let next = signed(step) + 1;
        this.write(&Event {
            wall_time: now().as_secs_f64(),
            file_version: version,
            ..Event::default()
        })?;
        this.write(&Event {
            wall_time: now().as_secs_f64(),
            step: next,
            session_log: session,
            ..Event::default()
        })?;
        Ok(this)
    }

    fn scalars(&mut self, step: u64, scalars: &[(&str, f64)]) -> Result<(), TrainingError> {
        #[expect(clippy::cast_possible_truncation, reason = "the format has 32 bits")]
        let scalar = |&(tag, value): &(&str, f64)| Scalar {
            tag: tag.to_owned(),
            simple_value: Some(value as f32),
        };
        let summary = Some(Summary { value: scalars.iter().map(scalar).collect() });
        self.write(&Event {
            wall_time: now().as_secs_f64(),
            step: signed(step),
            summary,
            ..Event::default()
        })
    }

    fn write(&mut self, event: &Event) -> Result<(), TrainingError> {
        let written = self.file.write_all(&record(event));
        Ok(written.map_err(|source| WriteError::new(&self.path, "write", source))?)
    }
}

impl Watch for EventFile {
    fn step(&mut self, record: &StepRecord) -> Result<(), TrainingError> {
        let loss = format!("loss/train/{}", record.loss.task);
        let scalars = [
            (loss.as_str(), record.loss.loss),
            ("learning_rate", record.learning_rate),
            ("gradient_norm", record.gradient_norm),
        ];
        self.scalars(record.loss.step, &scalars)
    }

    fn held_out(&mut self, record: &LossRecord) -> Result<(), TrainingError> {
        let loss = format!("loss/dev/{}", record.task);
        self.scalars(record.step, &[(loss.as_str(), record.loss)])
    }
}

/// An event as it stands in a file: its length, a sum that checks the length, itself, and a sum that checks it.
fn record(event: &Event) -> Vec<u8> {
    let data = event.encode_to_vec();
    let length = (data.len() as u64).to_le_bytes();
    let check = |bytes: &[u8]| {
        // As TFRecord files mask it: a sum over data that hold sums would be weak.
        crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
    };
    [&length[..], &check(&length), &data, &check(&data)].concat()
}

/// Since 1970.
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn signed(step: u64) -> i64 {
    i64::try_from(step).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The file that `tests/fixtures/tensorboard/generate.py` had TensorBoard's own writer make.
    #[test]
    fn records_have_the_bytes_of_tensorboards_own() {
        let expected = include_bytes!("../tests/fixtures/tensorboard/events");
        let event = |wall_time, step| Event { wall_time, step, ..Event::default() };
        let scalar = |tag: &str, value| Scalar { tag: tag.to_owned(), simple_value: Some(value) };
        let summary = |value| Some(Summary { value });
        let events = [
            Event { file_version: Some("brain.Event:2".to_owned()), ..event(1_700_000_000.25, 0) },
            Event { session_log: Some(SessionLog { status: START }), ..event(1_700_000_000.5, 7) },
            Event {
                summary: summary(vec![
                    scalar("loss/train/mlm yor", 9.057_099),
                    scalar("learning_rate", 0.0),
                    scalar("gradient_norm", 1.5),
                ]),
                ..event(1_700_000_001.0, 8)
            },
            Event {
                summary: summary(vec![scalar("loss/dev/Ọ̀yọ́", 300.0)]),
                ..event(1_700_000_002.0, 1 << 40)
            },
        ];
        let found: Vec<u8> = events.iter().flat_map(record).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn files_of_one_second_have_names_of_their_own_and_say_from_where_they_go_on() {
        let dir = tempfile::tempdir().unwrap();
        let (first, mut second) =
            (EventFile::open(dir.path(), 0).unwrap(), EventFile::open(dir.path(), 5).unwrap());
        assert_ne!(first.path, second.path);
        second.scalars(6, &[("loss", 2.0)]).unwrap();
        let bytes = fs::read(&second.path).unwrap();
        let (mut rest, mut events) = (bytes.as_slice(), Vec::new());
        while let Some((length, after)) = rest.split_first_chunk::<8>() {
            let length = usize::try_from(u64::from_le_bytes(*length)).unwrap();
            events.push(Event::decode(&after[4..4 + length]).unwrap());
            rest = &after[length + 8..];
        }
        let steps: Vec<i64> = events.iter().map(|event| event.step).collect();
        assert_eq!(steps, [0, 6, 6]);
        assert_eq!(events[1].session_log, Some(SessionLog { status: START }));
        assert_eq!(events[2].summary.as_ref().unwrap().value[0].simple_value, Some(2.0));
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let error = EventFile::open(&file.join("below"), 0).unwrap_err().to_string();
        assert!(error.contains("below"), "{error}");
    }
}
