//! Archives of arrays, `.npz`.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use zip::ZipArchive;

use super::npy::NpyArray;
use crate::EvaluationError;

/// An archive of arrays.
pub(super) struct Npz<R> {
    path: PathBuf,
    // Put before the names of arrays in errors: the archive within an archive.
    within: String,
    archive: ZipArchive<R>,
}

impl Npz<BufReader<File>> {
    pub(super) fn open(path: &Path) -> Result<Self, EvaluationError> {
        let file = open(path)?;
        Self::new(path, String::new(), BufReader::new(file))
    }
}

impl<R: Read + Seek> Npz<R> {
    pub(super) fn new(path: &Path, within: String, reader: R) -> Result<Self, EvaluationError> {
        let path = path.to_owned();
        match ZipArchive::new(reader) {
            Ok(archive) => Ok(Self { path, within, archive }),
            Err(error) => {
                let member = if within.is_empty() { "archive".to_owned() } else { within };
                Err(EvaluationError::Archive { path, member, fault: error.to_string() })
            }
        }
    }

    /// Does something with an array.
    pub(super) fn with_array<T>(
        &mut self,
        name: &str,
        work: impl FnOnce(NpyArray<&mut dyn Read>) -> Result<T, String>,
    ) -> Result<T, EvaluationError> {
        let done = self
            .archive
            .by_name(&format!("{name}.npy"))
            .map_err(|error| error.to_string())
            .and_then(|mut member| {
                let reader: &mut dyn Read = &mut member;
                work(NpyArray::open(reader)?)
            });
        done.map_err(|fault| self.fault(name, fault))
    }

    /// An array of whole numbers, 0 or more.
    pub(super) fn indices(&mut self, name: &str) -> Result<Vec<usize>, EvaluationError> {
        fn read(array: NpyArray<&mut dyn Read>) -> Result<Vec<usize>, String> {
            array.indices()
        }
        self.with_array(name, read)
    }

    /// An array of texts.
    pub(super) fn texts(&mut self, name: &str) -> Result<Vec<String>, EvaluationError> {
        fn read(array: NpyArray<&mut dyn Read>) -> Result<Vec<String>, String> {
            array.texts()
        }
        self.with_array(name, read)
    }

    /// What is wrong with an array.
    pub(super) fn fault(&self, name: &str, fault: String) -> EvaluationError {
        let member = if self.within.is_empty() {
            format!("{name}.npy")
        } else {
            format!("{}/{name}.npy", self.within)
        };
        EvaluationError::Archive { path: self.path.clone(), member, fault }
    }
}

/// Opens a file.
pub(super) fn open(path: &Path) -> Result<File, EvaluationError> {
    File::open(path).map_err(|source| EvaluationError::Read { path: path.to_owned(), source })
}
