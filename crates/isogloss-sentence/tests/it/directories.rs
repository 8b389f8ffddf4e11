//! Directories: written, read again, and not as they should be.

use std::fs;
use std::path::Path;

use isogloss_sentence::{EncodeConfig, SentenceEncoder, SentenceError, SentenceModel};
use isogloss_tokenization::Vocabulary;
use isogloss_transformer::{Encoder, Pooling, Pretrained};
use tempfile::TempDir;

use crate::vectors::{dir, expected, largest_difference, open, texts};

fn copy_of(name: &str) -> TempDir {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let to = to.join(entry.file_name());
            if entry.path().is_dir() {
                copy(&entry.path(), &to);
            } else {
                fs::copy(entry.path(), to).unwrap();
            }
        }
    }
    let out = tempfile::tempdir().unwrap();
    copy(&dir(name), out.path());
    out
}

fn replace(dir: &Path, file: &str, from: &str, to: &str) {
    let path = dir.join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

fn error_of(dir: &Path) -> String {
    SentenceEncoder::open(dir, &crate::device()).unwrap_err().to_string()
}

#[test]
fn what_is_written_gives_the_same_vectors() {
    for name in ["e5", "labse", "distil", "plain"] {
        let out = tempfile::tempdir().unwrap();
        let out = out.path().join("copy");
        open(name).save(&out, "# A copy\n").unwrap();
        let copy = SentenceEncoder::open(&out, &crate::device()).unwrap();
        let found = copy.encode(&texts(), &EncodeConfig::default(), &()).unwrap();
        let difference = largest_difference(&found.values, &expected(name, "default"));
        assert!(difference < 1e-5, "{name}: {difference}");
        assert_eq!(copy.prompts(), open(name).prompts(), "{name}");
        assert_eq!(fs::read_to_string(out.join("README.md")).unwrap(), "# A copy\n");
    }
}

#[test]
fn a_model_and_a_tokenizer_are_put_together_if_they_fit() {
    let device = crate::device();
    let vocabulary = || Vocabulary::open(&dir("plain")).unwrap();
    let model = Pretrained::<Encoder>::open(&dir("plain"), &device).unwrap();
    let joined = SentenceEncoder::try_new(model, vocabulary(), Pooling::Mean, &device).unwrap();
    // The limit of the tokenizer is in its directory, which was not asked.
    assert_eq!((joined.max_tokens(), open("plain").max_tokens()), (Some(34), Some(24)));
    let joined = joined.with_max_tokens(24).unwrap();
    let found = joined.encode(&texts(), &EncodeConfig::default(), &()).unwrap();
    assert!(largest_difference(&found.values, &expected("plain", "default")) < 1e-5);
    assert!(open("plain").with_max_tokens(35).is_err());
}

#[test]
fn a_tokenizer_with_more_tokens_than_rows_is_refused() {
    let copy = copy_of("e5");
    let path = copy.path().join("tokenizer.json");
    let mut json: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let pieces = json["model"]["vocab"].as_array_mut().unwrap();
    let tokens = pieces.len();
    pieces.extend((0..20).map(|i| serde_json::json!([format!("zz{i}"), -9.0])));
    fs::write(&path, json.to_string()).unwrap();
    let error = error_of(copy.path());
    let expected = format!("{} tokens, expected at most 96, the rows", tokens + 20);
    assert!(error.contains(&expected), "{error}");
}

#[test]
fn a_padding_id_that_moves_positions_is_refused() {
    let copy = copy_of("plain");
    replace(
        copy.path(),
        "tokenizer_config.json",
        "\"pad_token\": \"<pad>\"",
        "\"pad_token\": \"<s>\"",
    );
    replace(copy.path(), "special_tokens_map.json", "<pad>", "<s>");
    let error = SentenceEncoder::open(copy.path(), &crate::device()).unwrap_err();
    assert!(matches!(error, SentenceError::Padding { .. }), "{error}");
}

#[test]
fn what_is_not_supported_is_named_with_its_file() {
    let copy = copy_of("labse");
    replace(copy.path(), "modules.json", "models.Dense", "models.LSTM");
    let error = error_of(copy.path());
    assert!(
        error.contains("modules.json: `2.type` is sentence_transformers.models.LSTM"),
        "{error}"
    );
    assert!(error.contains("any of Dense and Normalize"), "{error}");

    let copy = copy_of("labse");
    replace(copy.path(), "2_Dense/config.json", "activation.Tanh", "activation.Hardtanh");
    assert!(error_of(copy.path()).contains("`activation_function` is torch.nn"));

    let copy = copy_of("e5");
    let pooling = "1_Pooling/config.json";
    replace(
        copy.path(),
        pooling,
        "\"pooling_mode_lasttoken\": false",
        "\"pooling_mode_lasttoken\": true",
    );
    let error = error_of(copy.path());
    assert!(
        error.contains("`pooling_mode_lasttoken` is true, expected false; known are"),
        "{error}"
    );
    replace(
        copy.path(),
        pooling,
        "\"word_embedding_dimension\": 8",
        "\"word_embedding_dimension\": 9",
    );
    assert!(error_of(copy.path()).contains("`word_embedding_dimension` is 9, expected 8"));
    fs::write(copy.path().join(pooling), "{").unwrap();
    assert!(error_of(copy.path()).contains("is not as sentence-transformers writes it"));
    fs::remove_file(copy.path().join(pooling)).unwrap();
    assert!(error_of(copy.path()).contains("cannot read"));

    let copy = copy_of("e5");
    fs::remove_file(copy.path().join("tokenizer.json")).unwrap();
    assert!(SentenceEncoder::open(copy.path(), &crate::device()).is_err());
}
