//! Gettext PO: what is a pair, what is counted, what is a fault.

use std::fs;

use isogloss_corpus::{CorpusReadError, PoReader, ReadOptions, open_po};

fn read(text: &str, options: ReadOptions) -> (Vec<Result<[String; 2], CorpusReadError>>, PoReader) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("yo.po");
    fs::write(&path, text).unwrap();
    let languages = ["en", "yo"].map(|tag| tag.parse().unwrap());
    let mut reader = open_po(&path, languages, options).unwrap();
    let pairs = reader.by_ref().map(|pair| pair.map(|pair| pair.texts)).collect();
    (pairs, reader)
}

fn pairs(text: &str) -> Vec<[String; 2]> {
    read(text, ReadOptions::default()).0.into_iter().map(Result::unwrap).collect()
}

fn fault(text: &str) -> String {
    let (mut found, _) = read(text, ReadOptions::default());
    let error = found.pop().unwrap().unwrap_err().to_string();
    error.rsplit_once("yo.po, ").unwrap().1.to_owned()
}

#[test]
fn a_flag_of_an_obsolete_message_is_not_that_of_the_next() {
    let text =
        "#, fuzzy\n#~ msgid \"old\"\n#~ msgstr \"àtijọ́\"\n\nmsgid \"new\"\nmsgstr \"tuntun\"\n";
    assert_eq!(pairs(text), [["new", "tuntun"]]);
}

#[test]
fn messages_that_are_no_pairs_are_counted_by_kind() {
    let text = "msgid \"\"\nmsgstr \"Language: yo\\n\"\n\n#, c-format, fuzzy\nmsgid \"a\"\nmsgstr \"x\"\n\nmsgid \"b\"\nmsgstr \"\"\n\nmsgid \"c\"\nmsgstr \"z\"\n\n#~ msgid \"d\"\n#~ msgstr \"\"\n#~ \"w\"\n#~ msgid_plural \"ds\"\n";
    let (pairs, reader) = read(text, ReadOptions::default());
    assert_eq!(pairs.len(), 1);
    let counts = reader.skipped();
    assert_eq!((counts.header, counts.fuzzy, counts.untranslated), (1, 1, 1));
    assert_eq!((counts.obsolete, counts.total()), (1, 4));
}

#[test]
fn escapes_are_those_of_c() {
    let text = r#"msgid "\a\b\f\n\r\t\v\\\"\'\?"
msgstr "\101\x42\0z"
"#;
    assert_eq!(pairs(text), [["\u{7}\u{8}\u{c}\n\r\t\u{b}\\\"'?", "AB\0z"]]);
    // Bytes of a letter, one by one, as C has them.
    assert_eq!(pairs("msgid \"e\"\nmsgstr \"\\303\\251\"\n"), [["e", "é"]]);
    assert!(fault("msgid \"a\"\nmsgstr \"\\q\"\n").starts_with("line 2: `msgstr \"\\q\"`"));
    assert!(fault("msgid \"a\"\nmsgstr \"\\303\"\n").starts_with("line 2: "));
}

#[test]
fn marks_are_composed_across_the_lines_of_a_string() {
    let text = "msgid \"e\"\nmsgstr \"e\"\n\"\u{301}\"\n";
    let (found, _) = read(text, ReadOptions::default().with_nfc());
    assert_eq!(found[0].as_ref().unwrap()[1], "é");
    assert_eq!(pairs(text), [["e", "e\u{301}"]]);
}

#[test]
fn a_message_in_pieces_is_a_fault() {
    assert_eq!(
        fault("msgid \"a\"\n"),
        "line 1: the end of the file, expected the `msgstr` of the `msgid` above",
    );
    assert_eq!(
        fault("msgstr \"a\"\n"),
        "line 1: `msgstr \"a\"`, expected the `msgid` of this message first",
    );
    assert_eq!(fault("\"a\"\n"), "line 1: `\"a\"`, expected a keyword before the first string");
    assert_eq!(
        fault("msgid \"a\"\nmsgstr \"b\"\nmsgstr \"c\"\n"),
        "line 3: `msgstr \"c\"`, expected one `msgstr` for each `msgid`",
    );
    assert_eq!(
        fault("msgid \"a\"\nmsgid \"b\"\n"),
        "line 2: `msgid \"b\"`, expected the `msgstr` of the `msgid` above",
    );
}
