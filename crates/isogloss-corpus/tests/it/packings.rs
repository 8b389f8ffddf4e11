//! Files that were packed: in several pieces, cut off, or damaged.

use std::fs;
use std::io::Write;
use std::path::Path;

use isogloss_corpus::{CorpusReadError, ReadOptions, open_text};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

fn zstd(text: &str) -> Vec<u8> {
    compress_to_vec(text.as_bytes(), CompressionLevel::Fastest)
}

fn gzip(text: &str) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    gzip.finish().unwrap()
}

fn texts(dir: &Path, bytes: &[u8]) -> Result<Vec<String>, CorpusReadError> {
    let path = dir.join("packed");
    fs::write(&path, bytes).unwrap();
    let reader = open_text(&path, "yo".parse().unwrap(), ReadOptions::default())?;
    reader.map(|text| text.map(|text| text.text)).collect()
}

#[test]
fn a_file_packed_in_several_pieces_is_read_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    for pack in [gzip, zstd] {
        let pieces = [pack("one\ntw"), pack(""), pack("o\nthree\n")].concat();
        assert_eq!(texts(dir.path(), &pieces).unwrap(), ["one", "two", "three"]);
    }
    // What is to be skipped stands where a frame may: magic number, length, that many bytes.
    let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
    let pieces = [skipped.clone(), zstd("one\n"), skipped.clone(), zstd("two\n"), skipped].concat();
    assert_eq!(texts(dir.path(), &pieces).unwrap(), ["one", "two"]);
}

#[test]
fn a_packed_file_that_is_cut_off_or_damaged_is_a_fault() {
    let dir = tempfile::tempdir().unwrap();
    let text = "Ẹ káàárọ̀, ṣé dáadáa ni?\n".repeat(50);
    for pack in [gzip, zstd] {
        let whole = pack(&text);
        assert_eq!(texts(dir.path(), &whole).unwrap().len(), 50);
        for kept in [whole.len() - 1, whole.len() / 2, 7] {
            let error = texts(dir.path(), &whole[..kept]).unwrap_err();
            assert!(matches!(error, CorpusReadError::Io { .. }), "{kept}: {error}");
        }
        // The sum at the end no longer fits.
        let mut damaged = whole.clone();
        let last = damaged.len() - 1;
        damaged[if whole.starts_with(&[0x1f]) { last - 4 } else { last }] ^= 0x55;
        assert!(texts(dir.path(), &damaged).is_err());
        // What follows a piece is another piece.
        assert!(texts(dir.path(), &[&whole[..], b"garbage"].concat()).is_err());
    }
}
