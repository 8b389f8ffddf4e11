//! TMX: variants of a language, and what is no memory.

use std::fs;

use isogloss_corpus::{CorpusReadError, Pair, ReadOptions, open_tmx};

fn read(bytes: &[u8], tags: [&str; 2]) -> Vec<Result<Pair, CorpusReadError>> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tmx");
    fs::write(&path, bytes).unwrap();
    let languages = tags.map(|tag| tag.parse().unwrap());
    open_tmx(&path, languages, ReadOptions::default()).unwrap().collect()
}

fn fault(bytes: &[u8]) -> String {
    let error = read(bytes, ["en", "yo"]).pop().unwrap().unwrap_err().to_string();
    error.rsplit_once("a.tmx, ").unwrap().1.to_owned()
}

const VARIANTS: &str = "<tmx><body><tu>
<tuv xml:lang='en-US'><seg>color</seg></tuv>
<tuv xml:lang='en-GB'><seg>colour</seg></tuv>
<tuv xml:lang='yo'><seg>àwọ̀</seg></tuv>
</tu></body></tmx>";

#[test]
fn two_variants_of_a_language_are_not_run_together() {
    let texts = |tags| read(VARIANTS.as_bytes(), tags).pop().unwrap().unwrap().texts;
    assert_eq!(texts(["en", "yo"]), ["color", "àwọ̀"]);
    // The very variant that was asked for comes before the first.
    assert_eq!(texts(["en-GB", "yo"]), ["colour", "àwọ̀"]);
    assert_eq!(texts(["en-US", "en-GB"]), ["color", "colour"]);
}

#[test]
fn what_is_no_memory_is_a_fault_and_not_an_empty_one() {
    for other in ["", "hello\nworld\n", "<html><body/></html>"] {
        let fault = fault(other.as_bytes());
        assert!(fault.ends_with("expected a TMX document"), "{other}: {fault}");
    }
    assert!(read(b"<tmx><body/></tmx>", ["en", "yo"]).is_empty());
    assert!(read(b"<tmx/>", ["en", "yo"]).is_empty());
    assert!(fault(b"<tmx>\n<body>\n\xff</body></tmx>").starts_with("line 3: "));
    assert!(fault(b"<tmx>\n<tu><tuv xml:lang=en></tuv></tu></tmx>").starts_with("line 2: "));
}
