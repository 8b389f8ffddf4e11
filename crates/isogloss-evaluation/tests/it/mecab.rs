//! Words by a dictionary of MeCab, against MeCab.

use std::fs;
use std::path::Path;

use isogloss_evaluation::{BleuTokenizer, PieceTokenizer};
use serde::Deserialize;
use tempfile::TempDir;
use zip::ZipArchive;

#[derive(Deserialize)]
struct Expected {
    texts: Vec<(String, Vec<String>)>,
}

#[expect(clippy::unwrap_used, reason = "a helper of a test fails as a test does")]
fn dictionary() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/mecab/dictionary.zip");
    ZipArchive::new(fs::File::open(file).unwrap()).unwrap().extract(dir.path()).unwrap();
    dir
}

#[test]
fn words_are_those_of_mecab() {
    let dir = dictionary();
    let tokenizer = BleuTokenizer::Pieces(PieceTokenizer::mecab(dir.path()).unwrap());
    // Not IPADIC, so not by its name.
    assert_eq!(tokenizer.to_string(), "mecab");
    let text = include_str!("../fixtures/mecab/expected.json");
    let expected: Expected = serde_json::from_str(text).unwrap();
    assert!(expected.texts.len() > 300);
    for (text, words) in &expected.texts {
        assert_eq!(tokenizer.tokens(text).unwrap(), *words, "{text:?}");
    }
}

#[test]
fn what_is_no_dictionary_is_named() {
    let spoilt = |name: &str, spoil: fn(&mut Vec<u8>)| {
        let dir = dictionary();
        let path = dir.path().join(name);
        let mut bytes = fs::read(&path).unwrap();
        spoil(&mut bytes);
        fs::write(&path, bytes).unwrap();
        let error = PieceTokenizer::mecab(dir.path()).unwrap_err().to_string();
        error.strip_prefix(&format!("{}: ", path.display())).map(str::to_owned).unwrap_or(error)
    };
    for (name, spoil, expected) in [
        (
            "sys.dic",
            (|bytes| bytes.push(0)) as fn(&mut Vec<u8>),
            "is no dictionary that MeCab compiled, expected its size in the head",
        ),
        ("sys.dic", |bytes| bytes[4] = 101, "is of version 101, expected 102, of MeCab 0.996"),
        (
            "sys.dic",
            |bytes| bytes[40..46].copy_from_slice(b"EUC-JP"),
            "is in EUC-JP, expected utf-8",
        ),
        ("sys.dic", |bytes| bytes[12] += 1, "has 18 entries, expected 19 by its head"),
        (
            "sys.dic",
            |bytes| bytes[16] = 4,
            "is for [4, 4] contexts, expected [3, 4] as in matrix.bin",
        ),
        // The first entry behind the tree.
        (
            "sys.dic",
            |bytes| {
                let entry = 72 + u32::from_le_bytes([bytes[24], bytes[25], bytes[26], 0]) as usize;
                bytes[entry] = 4;
            },
            "`\"` has the contexts 4 and 1, expected them in matrix.bin",
        ),
        // Its first byte leads back to the root.
        (
            "sys.dic",
            |bytes| {
                let root = [bytes[72], bytes[73], bytes[74], bytes[75]];
                let first = (0..256)
                    .map(|byte| u32::from_le_bytes(root) as usize + 1 + byte)
                    .find(|place| bytes[76 + place * 8..][..4] == root);
                let place = 72 + first.unwrap_or_default() * 8;
                bytes[place..place + 4].copy_from_slice(&root);
            },
            "the tree of words leads in circles",
        ),
        ("unk.dic", |bytes| bytes.truncate(20), "20 bytes are left for the head, expected 40"),
        ("matrix.bin", |bytes| bytes.truncate(10), "6 bytes are left for costs, expected 24"),
        ("matrix.bin", |bytes| bytes.push(1), "has 1 bytes more than its head says"),
        ("char.bin", |bytes| bytes[0] = 60, "60 categories, expected at most 18"),
        (
            "char.bin",
            |bytes| bytes.truncate(100),
            "0 bytes are left for the name of a category, expected 32",
        ),
        (
            "char.bin",
            |bytes| bytes[4] = b'#',
            "`#EFAULT` is no name of a category, expected letters",
        ),
        ("char.bin", |bytes| bytes[4] = b'B', "has no category DEFAULT"),
    ] {
        let found = spoilt(name, spoil);
        assert_eq!(found, expected, "{name}");
    }
    let error = PieceTokenizer::mecab("no-such-directory").unwrap_err().to_string();
    assert!(error.contains("matrix.bin cannot be read"), "{error}");
    // A category without a way through its text.
    let dir = dictionary();
    let path = dir.path().join("char.bin");
    let mut bytes = fs::read(&path).unwrap();
    let place = bytes.windows(6).position(|window| window == b"UNUSED").unwrap();
    bytes[place] = b'V';
    fs::write(&path, bytes).unwrap();
    let error = PieceTokenizer::mecab(dir.path()).unwrap_err().to_string();
    assert!(error.ends_with("unk.dic: has no entry for the category VNUSED"), "{error}");
}
