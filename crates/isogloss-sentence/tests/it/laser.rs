//! LASER: the vectors of an equivalent PyTorch module (`fixtures/laser`).

use std::fs;
use std::path::{Path, PathBuf};

use isogloss_sentence::{EncodeConfig, LaserEncoder, Prompt, SentenceModel, open_sentence_model};
use serde::Deserialize;

use crate::vectors::largest_difference;

#[derive(Deserialize)]
struct Expected {
    texts: Vec<String>,
    vectors: Vec<Vec<f32>>,
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/laser")
}

fn expected() -> Expected {
    let json = fs::read_to_string(fixture().join("expected.json")).unwrap();
    serde_json::from_str(&json).unwrap()
}

fn open() -> LaserEncoder {
    LaserEncoder::open(&fixture().join("model"), &crate::device()).unwrap()
}

#[test]
fn vectors_are_those_of_the_module_in_batches_of_any_size() {
    let (expected, laser) = (expected(), open());
    let texts: Vec<&str> = expected.texts.iter().map(String::as_str).collect();
    let vectors = expected.vectors.concat();
    for batch_tokens in [1, 90, 10_000] {
        let config = EncodeConfig::default().with_batch_tokens(batch_tokens).with_threads(2);
        let found = laser.encode(&texts, &config, &()).unwrap();
        let difference = largest_difference(&found.values, &vectors);
        assert!(difference < 1e-5, "{batch_tokens}: {difference}");
        assert_eq!((found.dim, laser.dim()), (10, 10));
    }
    let found = open_sentence_model(&fixture().join("model"), &crate::device()).unwrap();
    assert_eq!(found.dim(), 10);
}

#[test]
fn what_laser_does_not_have_is_refused() {
    let laser = open();
    let named = EncodeConfig::default().with_prompt(Prompt::Named("query".into()));
    let error = laser.encode(&["free"], &named, &()).unwrap_err().to_string();
    assert_eq!(error, "no prompt is called `query`; there are: none");
    let error = laser.encode(&["free"], &EncodeConfig::default().with_language(1), &());
    assert!(error.unwrap_err().to_string().contains("the model has no languages"));
}

#[test]
fn a_directory_that_is_not_lasers_is_named_by_what_it_lacks() {
    let dir = tempfile::tempdir().unwrap();
    let open = || LaserEncoder::open(dir.path(), &crate::device()).unwrap_err().to_string();
    assert!(open().contains("`*.pt` is 0 files, expected one file"), "{}", open());
    for name in ["tiny.pt", "tiny.spm", "tiny.cvocab"] {
        fs::copy(fixture().join("model").join(name), dir.path().join(name)).unwrap();
    }
    let dictionary = dir.path().join("tiny.cvocab");
    let text = fs::read_to_string(&dictionary).unwrap();
    fs::write(&dictionary, format!("{text}more 1\n")).unwrap();
    assert!(open().contains("expected at most"), "{}", open());
    let first = text.lines().next().unwrap();
    fs::write(&dictionary, format!("{text}{first}\n")).unwrap();
    assert!(open().contains("expected a piece that no line before has"), "{}", open());
    fs::write(&dictionary, "noc0unt\n").unwrap();
    assert!(open().contains("`line 1` is noc0unt, expected a piece and a count"), "{}", open());
    fs::copy(dir.path().join("tiny.pt"), dir.path().join("other.pt")).unwrap();
    assert!(open().contains("`*.pt` is 2 files"), "{}", open());
}
