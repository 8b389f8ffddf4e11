//! Files of weights: safetensors or PyTorch, in one file or in shards.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use burn::store::burn_pack::Tensor as PackTensor;
use serde::Deserialize;

use super::pytorch_file;
use super::safetensors_file::{self, Stored};
use crate::{CheckpointError, TensorFault};

/// The names that transformers gives, the safer format first.
const FILES: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];

/// The tensors of a directory, by their names there; none of them has been read.
#[derive(Debug)]
pub(super) struct Weights {
    /// The file that is named in errors.
    pub(super) path: PathBuf,
    pub(super) tensors: BTreeMap<String, StoredTensor>,
}

/// A tensor in a file.
#[derive(Clone, Debug)]
pub(super) struct StoredTensor {
    pub(super) tensor: PackTensor,
    /// Where its rows can be read one after another: in safetensors.
    pub(super) stored: Option<Stored>,
}

/// What says which tensor is in which shard.
#[derive(Deserialize)]
struct ShardIndex {
    weight_map: BTreeMap<String, String>,
}

impl Weights {
    /// Opens a file, or what there is in a directory. The tensors of a `.pt` may be in a dictionary within
    /// it, `root`.
    pub(super) fn open(dir: &Path, root: Option<&str>) -> Result<Self, CheckpointError> {
        if dir.is_file() {
            return Ok(Self { path: dir.to_owned(), tensors: open_file(dir, root)? });
        }
        for name in FILES {
            let path = dir.join(name);
            if path.is_file() {
                let tensors = open_file(&path, root)?;
                return Ok(Self { path, tensors });
            }
            let path = dir.join(format!("{name}.index.json"));
            if path.is_file() {
                return Self::open_shards(dir, path);
            }
        }
        Err(CheckpointError::NoWeights { dir: dir.to_owned(), expected: FILES.join(" or ") })
    }

    fn open_shards(dir: &Path, path: PathBuf) -> Result<Self, CheckpointError> {
        let json = fs::read_to_string(&path)
            .map_err(|source| CheckpointError::Read { path: path.clone(), source })?;
        let index: ShardIndex = serde_json::from_str(&json).map_err(|source| {
            CheckpointError::Config { path: path.clone(), kind: "an index of shards", source }
        })?;
        let shards: BTreeSet<&String> = index.weight_map.values().collect();
        let (mut tensors, mut faults) = (BTreeMap::new(), Vec::new());
        for shard in shards {
            // A shard is a file of this directory: what leads elsewhere was not written by a friend.
            if Path::new(shard).file_name().is_none_or(|name| name != shard.as_str()) {
                let message = format!("`{shard}` is not the name of a file beside it");
                return Err(CheckpointError::Tensors { path, message });
            }
            for (name, tensor) in open_file(&dir.join(shard), None)? {
                if index.weight_map.get(&name) == Some(shard) {
                    tensors.insert(name, tensor);
                } else {
                    faults.push(TensorFault::Unexpected { name: format!("{name} in {shard}") });
                }
            }
        }
        let missing = index.weight_map.keys().filter(|name| !tensors.contains_key(*name));
        faults.extend(missing.map(|name| TensorFault::Missing { name: name.clone() }));
        if faults.is_empty() {
            Ok(Self { path, tensors })
        } else {
            Err(CheckpointError::Mismatch { path, faults })
        }
    }
}

fn open_file(
    path: &Path,
    root: Option<&str>,
) -> Result<BTreeMap<String, StoredTensor>, CheckpointError> {
    if path.extension().is_some_and(|extension| extension == "safetensors") {
        let tensors = safetensors_file::open(path)?.into_iter().map(|(name, stored)| {
            let tensor = stored.clone().tensor(name.clone());
            (name, StoredTensor { tensor, stored: Some(stored) })
        });
        return Ok(tensors.collect());
    }
    let tensors = pytorch_file::open(path, root)?.into_iter();
    Ok(tensors.map(|(name, tensor)| (name, StoredTensor { tensor, stored: None })).collect())
}
