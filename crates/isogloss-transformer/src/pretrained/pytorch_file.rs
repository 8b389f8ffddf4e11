//! Files of PyTorch, by the reader that Burn has for them.
//!
//! Through Burn's store a tensor is held twice while it is read. Here the reader's bytes are moved to where
//! they stay.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use burn::store::burn_pack::{Bytes, Error as PackError, Tensor as PackTensor};
use burn::tensor::{BoolStore, DType, DataError, TensorData};
use pytorch_reader::{DType as Stored, PytorchReader, Tensor};

use crate::CheckpointError;

/// Bytes that are moved at a time.
const BLOCK: usize = 1 << 24;

/// The tensors of a file, by their names; none of them has been read. They may be in a dictionary within
/// it, `root`.
pub(super) fn open(
    path: &Path,
    root: Option<&str>,
) -> Result<BTreeMap<String, PackTensor>, CheckpointError> {
    let reader = match root {
        Some(root) => PytorchReader::with_top_level_key(path, root),
        None => PytorchReader::new(path),
    };
    let reader = reader.map_err(|error| CheckpointError::Tensors {
        path: path.to_owned(),
        message: error.to_string(),
    })?;
    Ok(reader.into_tensors().into_iter().map(|(name, tensor)| (name, deferred(tensor))).collect())
}

/// The tensor, to be read when it is wanted; real numbers come in 32 bits.
fn deferred(tensor: Tensor) -> PackTensor {
    let stored = dtype(tensor.dtype());
    let dtype = if stored.is_float() { DType::F32 } else { stored };
    let (name, shape) = (tensor.name.clone(), tensor.shape().to_vec());
    let len = tensor.num_elements() * dtype.size();
    let read = move || -> io::Result<Bytes> {
        let bytes = tensor.read()?;
        if stored.is_float() {
            moved(bytes, stored, BLOCK).map(Bytes::from_elems).map_err(io::Error::other)
        } else {
            Ok(Bytes::from_bytes_vec(bytes))
        }
    };
    let read = move || read().map_err(|error| PackError::IoError(error.to_string()));
    PackTensor::deferred(name, dtype, shape, None, len, read)
}

/// Moves what was read to where numbers may lie, block by block from the end, and gives back the memory of
/// each block.
///
/// The reader's bytes lie where no number has to, so that Burn would copy them as a whole and hold both.
/// Any width of numbers divides `block`.
fn moved(mut bytes: Vec<u8>, dtype: DType, block: usize) -> Result<Vec<f32>, DataError> {
    let mut numbers = vec![0.0; bytes.len() / dtype.size()];
    while !bytes.is_empty() {
        let block = bytes.split_off((bytes.len() - 1) / block * block);
        bytes.shrink_to_fit();
        let (first, count) = (bytes.len() / dtype.size(), block.len() / dtype.size());
        let block = TensorData::from_bytes_vec(block, [count], dtype).try_into_vec_as::<f32>()?;
        numbers[first..][..count].copy_from_slice(&block);
    }
    Ok(numbers)
}

fn dtype(stored: Stored) -> DType {
    match stored {
        Stored::F64 => DType::F64,
        Stored::F32 => DType::F32,
        Stored::F16 => DType::F16,
        Stored::BF16 => DType::BF16,
        Stored::I64 => DType::I64,
        Stored::I32 => DType::I32,
        Stored::I16 => DType::I16,
        Stored::I8 => DType::I8,
        Stored::U64 => DType::U64,
        Stored::U32 => DType::U32,
        Stored::U16 => DType::U16,
        Stored::U8 => DType::U8,
        Stored::Bool => DType::Bool(BoolStore::Native),
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::bf16;

    use super::*;

    #[test]
    fn numbers_that_are_moved_in_blocks_are_the_same() {
        let numbers: Vec<f32> = (0..11).map(|value| value as f32 - 5.5).collect();
        let single: Vec<u8> = numbers.iter().flat_map(|value| value.to_ne_bytes()).collect();
        let half: Vec<u8> =
            numbers.iter().flat_map(|&value| bf16::from_f32(value).to_ne_bytes()).collect();
        for block in [4, 8, 12, 44, 1 << 24] {
            assert_eq!(moved(single.clone(), DType::F32, block).unwrap(), numbers);
        }
        for block in [4, 20, 22, 24] {
            assert_eq!(moved(half.clone(), DType::BF16, block).unwrap(), numbers);
        }
        assert!(moved(Vec::new(), DType::F32, 4).unwrap().is_empty());
    }
}
