//! Files of tensors: safetensors, and what PyTorch pickles.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use burn::tensor::{DType, TensorData};
use pytorch_reader::{DType as Pickled, PytorchReader};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::AdapterError;
use crate::slot::Slot;

/// The tensors of files, each of which is taken once.
#[derive(Debug)]
pub(crate) struct Stored {
    /// The file that is named in errors.
    path: PathBuf,
    left: BTreeMap<String, TensorData>,
    faults: Vec<String>,
}

impl Stored {
    /// Reads the first of these files that is there, under names that `rename` makes of those in it.
    pub(crate) fn read(
        dir: &Path,
        files: &[&str],
        rename: impl Fn(&str) -> String,
    ) -> Result<Self, AdapterError> {
        let paths: Vec<PathBuf> = files.iter().map(|name| dir.join(name)).collect();
        let path = paths.iter().find(|path| path.exists()).unwrap_or(&paths[0]).clone();
        let tensors = if path.extension().is_some_and(|it| it == "safetensors") {
            safetensors(&path)?
        } else {
            pickled(&path)?
        };
        let left = tensors.into_iter().map(|(name, data)| (rename(&name), data)).collect();
        Ok(Self { path, left, faults: Vec::new() })
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        self.left.keys()
    }

    pub(crate) fn take(&mut self, name: &str, shape: &[usize]) -> Option<TensorData> {
        match self.left.remove(name) {
            Some(data) if data.shape()[..] == *shape => Some(data),
            Some(data) => {
                let found = data.shape().to_vec();
                self.faults.push(format!("`{name}` is {found:?}, expected {shape:?}"));
                None
            }
            None => {
                self.faults.push(format!("`{name}` is absent, expected {shape:?}"));
                None
            }
        }
    }

    pub(crate) fn fill(&mut self, name: &str, mut slot: Slot<'_>) {
        if let Some(data) = self.take(name, &slot.file_shape()) {
            slot.write(&data);
        }
    }

    /// Takes no notice of a tensor.
    pub(crate) fn forget(&mut self, name: &str) {
        self.left.remove(name);
    }

    /// The same of several.
    pub(crate) fn forget_all(&mut self, names: &[String]) {
        for name in names {
            self.forget(name);
        }
    }

    /// Nothing is missing, nothing is left.
    pub(crate) fn finish(mut self) -> Result<(), AdapterError> {
        self.faults
            .extend(self.left.keys().map(|name| format!("`{name}` has no place in the model")));
        if self.faults.is_empty() {
            return Ok(());
        }
        Err(AdapterError::File { path: self.path, fault: self.faults.join("; ") })
    }
}

fn safetensors(path: &Path) -> Result<Vec<(String, TensorData)>, AdapterError> {
    let bytes =
        fs::read(path).map_err(|source| AdapterError::Read { path: path.to_owned(), source })?;
    let fault = |fault: String| AdapterError::File { path: path.to_owned(), fault };
    let file = SafeTensors::deserialize(&bytes).map_err(|error| fault(error.to_string()))?;
    let tensors = file.iter().map(|(name, view)| {
        let dtype = match view.dtype() {
            Dtype::F64 => DType::F64,
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            other => return Err(fault(format!("`{name}` is of type {other:?}, expected floats"))),
        };
        Ok((name.to_owned(), widened(view.data().to_vec(), view.shape().to_vec(), dtype)))
    });
    tensors.collect()
}

/// Read without running what it says: a pickle is a program.
fn pickled(path: &Path) -> Result<Vec<(String, TensorData)>, AdapterError> {
    let fault = |fault: String| AdapterError::File { path: path.to_owned(), fault };
    let file = PytorchReader::new(path).map_err(|error| fault(error.to_string()))?;
    let tensors = file.into_tensors().into_iter().map(|(name, tensor)| {
        let dtype = match tensor.dtype() {
            Pickled::F64 => DType::F64,
            Pickled::F32 => DType::F32,
            Pickled::F16 => DType::F16,
            Pickled::BF16 => DType::BF16,
            other => return Err(fault(format!("`{name}` is of type {other:?}, expected floats"))),
        };
        let shape = tensor.shape().to_vec();
        let bytes = tensor.read().map_err(|error| fault(error.to_string()))?;
        Ok((name, widened(bytes, shape, dtype)))
    });
    tensors.collect()
}

/// In 32 bits.
fn widened(bytes: Vec<u8>, shape: Vec<usize>, dtype: DType) -> TensorData {
    let data = TensorData::from_bytes_vec(bytes, shape.clone(), dtype);
    TensorData::new(data.iter::<f32>().collect::<Vec<_>>(), shape)
}

/// A file of safetensors, as PyTorch takes it.
pub(crate) fn serialized(tensors: &BTreeMap<String, TensorData>) -> io::Result<Vec<u8>> {
    let bytes: Vec<(&String, Vec<u8>, Vec<usize>)> = tensors
        .iter()
        .map(|(name, data)| {
            let bytes = data.iter::<f32>().flat_map(f32::to_le_bytes).collect();
            (name, bytes, data.shape().to_vec())
        })
        .collect();
    let views = bytes.iter().map(|(name, bytes, shape)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(io::Error::other)?;
        Ok(((*name).clone(), view))
    });
    let views = views.collect::<io::Result<Vec<_>>>()?;
    let format = [("format".to_owned(), "pt".to_owned())].into_iter().collect();
    safetensors::serialize(views, Some(format)).map_err(io::Error::other)
}
