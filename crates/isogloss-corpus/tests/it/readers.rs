//! Files as they are found: line ends, marks, packings, faults.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use isogloss_core::LanguageTag;
use isogloss_corpus::{CorpusReadError, ReadOptions, open_jsonl, open_moses, open_text, open_tsv};
use proptest::prelude::*;

fn yoruba() -> LanguageTag {
    "yo".parse().unwrap()
}

fn file(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn texts(path: &Path, options: ReadOptions) -> Result<Vec<String>, CorpusReadError> {
    open_text(path, yoruba(), options)?.map(|text| text.map(|text| text.text)).collect()
}

#[test]
fn line_ends_marks_and_packings_make_no_difference() {
    let dir = tempfile::tempdir().unwrap();
    let plain = "Ẹ káàárọ̀\n\nṣé dáadáa ni?";
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(plain.as_bytes()).unwrap();
    let zstd = ruzstd::encoding::compress_to_vec(
        plain.as_bytes(),
        ruzstd::encoding::CompressionLevel::Fastest,
    );
    for (name, bytes) in [
        ("plain.txt", plain.as_bytes().to_vec()),
        ("crlf.txt", plain.replace('\n', "\r\n").into_bytes()),
        ("end.txt", format!("{plain}\n").into_bytes()),
        ("bom.txt", format!("\u{feff}{plain}").into_bytes()),
        ("packed.txt.gz", gzip.finish().unwrap()),
        ("packed.txt.zst", zstd),
    ] {
        let path = file(dir.path(), name, &bytes);
        let found = texts(&path, ReadOptions::default()).unwrap();
        assert_eq!(found, ["Ẹ káàárọ̀", "", "ṣé dáadáa ni?"], "{name}");
    }
}

#[test]
fn marks_are_composed_only_when_that_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), "nfd.txt", "e\u{323}\u{301}".as_bytes());
    assert_eq!(texts(&path, ReadOptions::default()).unwrap(), ["e\u{323}\u{301}"]);
    assert_eq!(texts(&path, ReadOptions::default().with_nfc()).unwrap(), ["\u{1eb9}\u{301}"]);
}

#[test]
fn faults_name_file_and_line() {
    let dir = tempfile::tempdir().unwrap();
    let bad = file(dir.path(), "bad.txt", b"good\nb\xffd\n");
    assert_eq!(
        texts(&bad, ReadOptions::default()).unwrap_err().to_string(),
        format!("{}, line 2: byte 2 is not UTF-8, expected UTF-8 text", bad.display()),
    );
    let columns = ["text", "label"];
    let open = |path: &Path| open_tsv(path, yoruba(), columns, ReadOptions::default());
    let ragged = file(dir.path(), "ragged.tsv", b"label\ttext\nx\ta \"b\" c\ny\n");
    let mut rows = open(&ragged).unwrap();
    let first = rows.next().unwrap().unwrap();
    assert_eq!((first.text.as_str(), first.label.as_str()), ("a \"b\" c", "x"));
    assert_eq!(
        rows.next().unwrap().unwrap_err().to_string(),
        format!("{}, line 3: 1 fields, expected 2", ragged.display()),
    );
    let header = file(dir.path(), "header.tsv", b"sentence\tlabel\n");
    assert_eq!(
        open(&header).unwrap_err().to_string(),
        format!(
            "{}, line 1: no column `text`, expected it among `sentence`, `label`",
            header.display()
        ),
    );
    let json = file(dir.path(), "a.jsonl", b"{\"text\": \"a\", \"n\": 1}\n{\"text\": 7}\n");
    let mut lines = open_jsonl(&json, yoruba(), "text", ReadOptions::default()).unwrap();
    assert_eq!(lines.next().unwrap().unwrap().text, "a");
    assert_eq!(
        lines.next().unwrap().unwrap_err().to_string(),
        format!("{}, line 2: `text` is 7, expected an object with text in `text`", json.display()),
    );
}

#[test]
fn parallel_files_of_unequal_length_are_refused_where_one_ends() {
    let dir = tempfile::tempdir().unwrap();
    let english = file(dir.path(), "a.en", b"one\ntwo\nthree\n");
    let yoruba_file = file(dir.path(), "a.yo", "ọ̀kan\nèjì\n".as_bytes());
    let paths = [english.as_path(), yoruba_file.as_path()];
    let languages = ["en".parse().unwrap(), yoruba()];
    let pairs: Vec<_> = open_moses(paths, languages, ReadOptions::default()).unwrap().collect();
    assert_eq!(pairs.len(), 3);
    assert_eq!(pairs[1].as_ref().unwrap().texts, ["two", "èjì"]);
    assert_eq!(
        pairs[2].as_ref().unwrap_err().to_string(),
        format!(
            "{} ends after line 2, and {} goes on: expected equally many lines",
            yoruba_file.display(),
            english.display()
        ),
    );
}

proptest! {
    #[test]
    fn no_bytes_break_a_reader(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let dir = tempfile::tempdir()?;
        let path = file(dir.path(), "any", &bytes);
        // A panic is the failure; either result is fine.
        let _ = texts(&path, ReadOptions::default());
        let columns = ["text", "label"];
        if let Ok(rows) = open_tsv(&path, yoruba(), columns, ReadOptions::default()) {
            let _ = rows.take(50).count();
        }
        if let Ok(lines) = open_jsonl(&path, yoruba(), "text", ReadOptions::default()) {
            let _ = lines.take(50).count();
        }
    }

    #[test]
    fn lines_come_back_as_they_were_written(
        lines in prop::collection::vec("[^\\r\\n\u{feff}]{0,30}", 1..20),
        ending in prop_oneof![Just("\n"), Just("\r\n")],
    ) {
        let dir = tempfile::tempdir()?;
        let written: String = lines.iter().flat_map(|line| [line.as_str(), ending]).collect();
        let path = file(dir.path(), "lines.txt", written.as_bytes());
        prop_assert_eq!(texts(&path, ReadOptions::default())?, lines);
    }
}
