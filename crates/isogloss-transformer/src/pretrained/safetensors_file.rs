//! Files of safetensors, read a tensor at a time.
//!
//! Burn maps such a file into memory and copies from there, so that for a while a model is held twice.
//! Here each tensor is read into the place where it stays.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use burn::store::burn_pack::{Bytes, Error as PackError, Tensor as PackTensor};
use burn::tensor::{BoolStore, DType, TensorData};
use bytemuck::Pod;
use safetensors::Dtype;
use safetensors::tensor::Metadata;

use crate::CheckpointError;

/// Numbers that are widened at a time.
const BLOCK: usize = 1 << 20;

/// Where a tensor is.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    file: Arc<Mutex<File>>,
    at: u64,
    dtype: DType,
    shape: Vec<usize>,
}

impl Stored {
    /// The tensor, to be read when it is wanted; numbers in half precision are widened as they are read, so
    /// that they are never in memory in both widths.
    pub(super) fn tensor(self, name: String) -> PackTensor {
        let dtype = if self.is_half() { DType::F32 } else { self.dtype };
        let (shape, count) = (self.shape.clone(), self.shape.iter().product::<usize>());
        let read = move || {
            let bytes = if self.is_half() {
                self.widened(count).map(Bytes::from_elems)
            } else {
                let width = self.dtype.size();
                read_at(&self.file, self.at, count * width, width)
            };
            bytes.map_err(|error| PackError::IoError(error.to_string()))
        };
        PackTensor::deferred(name, dtype, shape, None, count * dtype.size(), read)
    }

    fn is_half(&self) -> bool {
        matches!(self.dtype, DType::F16 | DType::BF16)
    }

    fn widened(&self, count: usize) -> io::Result<Vec<f32>> {
        let mut numbers = Vec::with_capacity(count);
        while numbers.len() < count {
            let first = numbers.len();
            numbers.append(&mut self.numbers(first, BLOCK.min(count - first))?);
        }
        Ok(numbers)
    }

    /// Some of the rows of a matrix, in 32 bits.
    pub(super) fn rows(&self, first: usize, count: usize) -> io::Result<Vec<f32>> {
        let cols: usize = self.shape.iter().skip(1).product();
        self.numbers(first * cols, count * cols)
    }

    /// Some of its numbers, in 32 bits.
    fn numbers(&self, first: usize, count: usize) -> io::Result<Vec<f32>> {
        let width = self.dtype.size();
        let at = self.at + (first * width) as u64;
        let bytes = read_at(&self.file, at, count * width, width)?;
        let data = TensorData::from_bytes(bytes, [count], self.dtype);
        data.try_into_vec_as().map_err(io::Error::other)
    }
}

/// The tensors of a file, by their names; none of them has been read.
pub(super) fn open(path: &Path) -> Result<BTreeMap<String, Stored>, CheckpointError> {
    let read = |source| CheckpointError::Read { path: path.to_owned(), source };
    let damaged = |message: String| CheckpointError::Tensors { path: path.to_owned(), message };
    let mut file = File::open(path).map_err(read)?;
    let file_len = file.metadata().map_err(read)?.len();
    let mut header_len = [0; 8];
    file.read_exact(&mut header_len).map_err(read)?;
    let header_len = u64::from_le_bytes(header_len);
    if header_len > file_len.saturating_sub(8) {
        return Err(damaged(format!("its header says {header_len} bytes, of {file_len} in all")));
    }
    let mut header = vec![0; usize::try_from(header_len).unwrap_or_default()];
    file.read_exact(&mut header).map_err(read)?;
    let metadata: Metadata = serde_json::from_slice(&header)
        .map_err(|error| damaged(format!("its header is none of safetensors: {error}")))?;
    let start = 8 + header_len;
    let (found, expected) = (file_len - start, metadata.data_len() as u64);
    if found != expected {
        return Err(damaged(format!("{found} bytes of tensors, expected {expected}")));
    }
    let file = Arc::new(Mutex::new(file));
    let mut tensors = BTreeMap::new();
    for (name, info) in metadata.tensors() {
        let (begin, end) = info.data_offsets;
        let len = end.saturating_sub(begin);
        let Some(dtype) = dtype(info.dtype) else {
            return Err(damaged(format!(
                "`{name}` is of type {:?}, which Burn has not",
                info.dtype
            )));
        };
        let expected = info.shape.iter().try_fold(dtype.size(), |size, n| size.checked_mul(*n));
        if expected != Some(len) || end as u64 > found {
            return Err(damaged(format!("`{name}` has {len} bytes for shape {:?}", info.shape)));
        }
        let (file, at, shape) = (Arc::clone(&file), start + begin as u64, info.shape.clone());
        tensors.insert(name, Stored { file, at, dtype, shape });
    }
    Ok(tensors)
}

/// Reads `len` bytes, which are numbers of `width` bytes, a divisor of `len`.
fn read_at(file: &Mutex<File>, at: u64, len: usize, width: usize) -> io::Result<Bytes> {
    // A place in a file is no state that a panic could have spoiled.
    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
    file.seek(SeekFrom::Start(at))?;
    // Bytes that are aligned as their numbers have to be: others Burn would copy.
    match width {
        2 => numbers::<u16>(&mut file, len),
        4 => numbers::<u32>(&mut file, len),
        8 => numbers::<u64>(&mut file, len),
        _ => numbers::<u8>(&mut file, len),
    }
}

fn numbers<T: Pod + Send + Sync>(file: &mut File, len: usize) -> io::Result<Bytes> {
    let mut numbers = vec![T::zeroed(); len / size_of::<T>()];
    file.read_exact(bytemuck::cast_slice_mut(&mut numbers))?;
    Ok(Bytes::from_elems(numbers))
}

fn dtype(dtype: Dtype) -> Option<DType> {
    Some(match dtype {
        Dtype::F64 => DType::F64,
        Dtype::F32 => DType::F32,
        Dtype::F16 => DType::F16,
        Dtype::BF16 => DType::BF16,
        Dtype::I64 => DType::I64,
        Dtype::I32 => DType::I32,
        Dtype::I16 => DType::I16,
        Dtype::I8 => DType::I8,
        Dtype::U64 => DType::U64,
        Dtype::U32 => DType::U32,
        Dtype::U8 => DType::U8,
        Dtype::BOOL => DType::Bool(BoolStore::Native),
        _ => return None,
    })
}
