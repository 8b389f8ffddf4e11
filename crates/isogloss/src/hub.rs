//! Models by their names on the Hugging Face Hub.

use std::env;
use std::path::{Path, PathBuf};

use hf_hub::HFClientSync;
use thiserror::Error;

/// Why a name did not become a directory.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HubError {
    /// It is neither a directory nor the name of a model.
    #[error("`{name}` is no directory, and no model's name, which has the form `owner/model`")]
    Name {
        /// What was given.
        name: String,
    },

    /// The model is not in the cache, and nothing may be fetched.
    #[error("`{name}` is not in the cache, and HF_HUB_OFFLINE forbids to fetch it")]
    Offline {
        /// The model.
        name: String,
        /// What was looked for.
        source: Box<hf_hub::HFError>,
    },

    /// The model could not be fetched.
    #[error("`{name}` cannot be fetched")]
    Fetch {
        /// The model.
        name: String,
        /// What the client said.
        source: Box<hf_hub::HFError>,
    },
}

/// What a model's directory needs here: its weights in one of two formats, its configuration, its
/// tokenizer, and what makes sentence vectors of it.
const WANTED: [&str; 7] =
    ["*.json", "*.safetensors", "*.model", "*.txt", "README.md", "*_Pooling/*", "*_Dense/*"];
/// What others need: the same weights for other programs.
const UNWANTED: [&str; 3] = ["onnx/*", "openvino/*", "*.msgpack"];

/// The directory of a model: the one that is named, if there is one; else the newest snapshot of that
/// model, which is fetched into the cache that all programs share.
///
/// The cache is `$HF_HUB_CACHE`, else `$HF_HOME/hub`, else `~/.cache/huggingface/hub`. Where
/// `HF_HUB_OFFLINE` is set to anything but `0`, `false` or `no`, nothing is fetched. A model that has no
/// `.safetensors` is fetched with its `pytorch_model*.bin`.
///
/// # Errors
///
/// [`HubError`], with the name.
///
/// # Examples
///
/// ```no_run
/// use burn::tensor::Device;
/// use isogloss::sentence::SentenceEncoder;
///
/// let dir = isogloss::model_directory("intfloat/multilingual-e5-small")?;
/// let e5 = SentenceEncoder::open(&dir, &Device::flex())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn model_directory(name: &str) -> Result<PathBuf, HubError> {
    let offline = env::var("HF_HUB_OFFLINE").is_ok_and(|value| is_on(&value));
    directory(name, None, offline)
}

fn is_on(value: &str) -> bool {
    !matches!(value.trim().to_lowercase().as_str(), "" | "0" | "false" | "no" | "off")
}

/// The same, with a cache of its own if one is given.
fn directory(name: &str, cache: Option<&Path>, offline: bool) -> Result<PathBuf, HubError> {
    if Path::new(name).is_dir() {
        return Ok(PathBuf::from(name));
    }
    let parts: Vec<&str> = name.split('/').collect();
    let [owner, model] = parts[..] else {
        return Err(HubError::Name { name: name.to_owned() });
    };
    if owner.is_empty() || model.is_empty() || owner.starts_with('.') {
        return Err(HubError::Name { name: name.to_owned() });
    }
    let fetch = |source| HubError::Fetch { name: name.to_owned(), source: Box::new(source) };
    let mut builder = hf_hub::HFClient::builder();
    if let Some(cache) = cache {
        builder = builder.cache_dir(cache);
    }
    let client = builder.build().and_then(HFClientSync::from_inner).map_err(fetch)?;
    let repository = client.model(owner, model);
    let snapshot = |wanted: &[&str]| {
        repository
            .snapshot_download()
            .allow_patterns(wanted.iter().map(ToString::to_string).collect())
            .ignore_patterns(UNWANTED.map(str::to_owned).to_vec())
            .local_files_only(offline)
            .send()
    };
    if offline {
        return snapshot(&WANTED).map_err(|source| HubError::Offline {
            name: name.to_owned(),
            source: Box::new(source),
        });
    }
    let dir = snapshot(&WANTED).map_err(fetch)?;
    let has_weights = dir.read_dir().is_ok_and(|mut entries| {
        entries.any(|entry| {
            entry.is_ok_and(|entry| entry.path().extension().is_some_and(|e| e == "safetensors"))
        })
    });
    if has_weights { Ok(dir) } else { snapshot(&["pytorch_model*"]).map_err(fetch) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_directory_is_itself() {
        let dir = tempfile::tempdir().unwrap();
        let name = dir.path().to_str().unwrap();
        assert_eq!(directory(name, None, true).unwrap(), dir.path());
        for name in ["nowhere", "a/b/c", "/x", "x/", "../x"] {
            let error = directory(name, Some(dir.path()), true).unwrap_err();
            assert!(matches!(error, HubError::Name { .. }), "{name}: {error}");
        }
    }

    #[test]
    fn offline_the_cache_is_all_there_is() {
        let cache = tempfile::tempdir().unwrap();
        let model = cache.path().join("models--some--model");
        let snapshot = model.join("snapshots/0123456789012345678901234567890123456789");
        fs::create_dir_all(&snapshot).unwrap();
        fs::create_dir_all(model.join("refs")).unwrap();
        fs::write(model.join("refs/main"), "0123456789012345678901234567890123456789").unwrap();
        let found = directory("some/model", Some(cache.path()), true).unwrap();
        assert_eq!(found, snapshot);
        let error = directory("some/other", Some(cache.path()), true).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`some/other` is not in the cache, and HF_HUB_OFFLINE forbids to fetch it"
        );
    }

    #[test]
    fn offline_is_what_python_takes_for_it() {
        for (value, expected) in
            [("1", true), ("TRUE", true), ("yes", true), ("0", false), ("", false)]
        {
            assert_eq!(is_on(value), expected, "{value}");
        }
    }
}
