//! TMX, gettext PO and CoNLL-U, in samples of our own.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use isogloss_core::LanguageTag;
use isogloss_corpus::{ReadOptions, open_conllu, open_jsonl, open_po, open_text, open_tmx};
use proptest::prelude::*;

fn languages() -> [LanguageTag; 2] {
    ["en", "yo"].map(|tag| tag.parse().unwrap())
}

fn file(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_catalogue_gives_its_translated_messages() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(
        dir.path(),
        "yo.po",
        "msgid \"\"\nmsgstr \"Language: yo\\n\"\n\n#: menu.c:1\nmsgctxt \"menu\"\nmsgid \"Open \"\n\"file\"\nmsgstr \"\"\n\"Ṣí \"\n\"fáìlì\"\n\n#, fuzzy\nmsgid \"Close\"\nmsgstr \"Ṣí\"\n\nmsgid \"Save\"\nmsgstr \"\"\n\nmsgid \"one \\\"day\\\"\"\nmsgid_plural \"%d days\"\nmsgstr[0] \"ọjọ́ kan\"\nmsgstr[1] \"ọjọ́ %d\"\n#~ msgid \"Old\"\n#~ msgstr \"Àtijọ́\"\n",
    );
    let mut reader = open_po(&path, languages(), ReadOptions::default()).unwrap();
    let pairs: Vec<_> = reader.by_ref().map(|pair| pair.unwrap().texts).collect();
    assert_eq!(pairs, [["Open file", "Ṣí fáìlì"], ["one \"day\"", "ọjọ́ kan"]]);
    assert_eq!(reader.skipped().total(), 4);
    let broken = file(dir.path(), "broken.po", "msgid \"a\"\nmessage \"b\"\n");
    let error = open_po(&broken, languages(), ReadOptions::default()).unwrap().next();
    assert_eq!(
        error.unwrap().unwrap_err().to_string(),
        format!(
            "{}, line 2: `message \"b\"`, expected `msgid`, `msgstr`, `msgctxt` or `msgid_plural`",
            broken.display()
        ),
    );
}

#[test]
fn a_memory_gives_the_units_that_have_both_languages() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(
        dir.path(),
        "a.tmx",
        "<?xml version=\"1.0\"?>\n<tmx version=\"1.4\"><header/><body>\n<tu><tuv xml:lang=\"en-US\"><seg>salt &amp; <ph>{1}</ph>pepper</seg></tuv><tuv xml:lang=\"yo\"><seg>iyọ̀ &amp; ata</seg></tuv></tu>\n<tu><tuv xml:lang=\"en\"><seg>only English</seg></tuv></tu>\n<tu><tuv xml:lang=\"yor\"><seg>omi</seg></tuv><tuv xml:lang=\"fr\"><seg>eau</seg></tuv><tuv xml:lang=\"en\"><seg>water</seg></tuv></tu>\n</body></tmx>\n",
    );
    let mut reader = open_tmx(&path, languages(), ReadOptions::default()).unwrap();
    let pairs: Vec<_> = reader.by_ref().map(|pair| pair.unwrap().texts).collect();
    assert_eq!(pairs, [["salt & pepper", "iyọ̀ & ata"], ["water", "omi"]]);
    assert_eq!(reader.skipped(), 1);
    let broken = file(dir.path(), "broken.tmx", "<tmx><body>\n<tu></body>\n");
    let error = open_tmx(&broken, languages(), ReadOptions::default())
        .unwrap()
        .next()
        .unwrap()
        .unwrap_err()
        .to_string();
    assert!(error.starts_with(&format!("{}, line 2: ", broken.display())), "{error}");
}

#[test]
fn annotated_sentences_keep_words_and_leave_out_spans() {
    let dir = tempfile::tempdir().unwrap();
    let row = |id: &str, form: &str, head: &str| {
        format!("{id}\t{form}\t{form}\tNOUN\t_\t_\t{head}\tdep\t_\t_\n")
    };
    let text = format!(
        "# sent_id = 1\n# text = Ilé náà\n{}{}{}\n\n{}",
        row("1-2", "Ilénáà", "_"),
        row("1", "Ilé", "0"),
        row("2", "náà", "1"),
        row("1", "_", "0"),
    );
    let path = file(dir.path(), "a.conllu", &text);
    let yoruba: LanguageTag = "yo".parse().unwrap();
    let open = |path: &Path| open_conllu(path, yoruba.clone(), ReadOptions::default()).unwrap();
    let sentences: Vec<_> = open(&path).map(|sentence| sentence.unwrap()).collect();
    assert_eq!(sentences.len(), 2);
    assert_eq!(sentences[0].text.as_deref(), Some("Ilé náà"));
    let words: Vec<_> = sentences[0].words.iter().map(|w| (w.form.as_str(), w.head)).collect();
    assert_eq!(words, [("Ilé", Some(0)), ("náà", Some(1))]);
    assert_eq!(sentences[1].words[0].form, "_");

    let message = |text: &str| {
        let path = file(dir.path(), "bad.conllu", text);
        let error = open(&path).next().unwrap().unwrap_err().to_string();
        error.strip_prefix(&format!("{}, ", path.display())).unwrap().to_owned()
    };
    assert_eq!(message("1\tIlé\n"), "line 1: 2 fields, expected 10");
    assert_eq!(
        message(&row("2", "Ilé", "0")),
        "line 1: `2`, expected the number of the word in its sentence",
    );
    assert_eq!(
        message(&row("1", "Ilé", "root")),
        "line 1: `root`, expected the number of a word, 0, or `_`",
    );
}

#[test]
fn a_memory_may_be_packed_and_must_be_whole() {
    let dir = tempfile::tempdir().unwrap();
    let unit = "<tu>\r\n<tuv xml:lang=\"en\"><seg>e\u{301} <hi>big</hi></seg></tuv>\r\n<tuv xml:lang=\"yo\"><seg><![CDATA[ńlá]]></seg></tuv></tu>";
    let whole = format!("\u{feff}<tmx><body>{unit}</body></tmx>\r\n");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(whole.as_bytes()).unwrap();
    let path = dir.path().join("a.tmx.gz");
    fs::write(&path, gzip.finish().unwrap()).unwrap();
    let texts = |options| open_tmx(&path, languages(), options).unwrap().next().unwrap().unwrap();
    assert_eq!(texts(ReadOptions::default()).texts, ["e\u{301} big", "ńlá"]);
    assert_eq!(texts(ReadOptions::default().with_nfc()).texts, ["é big", "ńlá"]);

    let cut = file(dir.path(), "cut.tmx", &format!("<tmx><body>{unit}"));
    let mut reader = open_tmx(&cut, languages(), ReadOptions::default()).unwrap();
    assert!(reader.next().unwrap().is_ok());
    assert_eq!(
        reader.next().unwrap().unwrap_err().to_string(),
        format!(
            "{}, line 3: the end of the file inside an element, expected a TMX document",
            cut.display()
        ),
    );
    assert!(reader.next().is_none());
}

#[test]
fn a_message_without_translation_line_is_a_fault() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), "yo.po", "msgid \"a\"\nmsgid \"b\"\n");
    let error = open_po(&path, languages(), ReadOptions::default()).unwrap().next();
    assert_eq!(
        error.unwrap().unwrap_err().to_string(),
        format!(
            "{}, line 2: `msgid \"b\"`, expected the `msgstr` of the `msgid` above",
            path.display()
        ),
    );
}

proptest! {
    #[test]
    fn no_bytes_break_a_format(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("any");
        let [english, _] = languages();
        let options = ReadOptions::default();
        // The bytes as they are, and behind the marks of the packings.
        for start in [&[][..], &[0x1f, 0x8b, 8, 0], &[0x28, 0xb5, 0x2f, 0xfd]] {
            fs::write(&path, [start, &bytes].concat())?;
            // A panic, or no end, is the failure; either result is fine.
            let _ = open_po(&path, languages(), options).map(Iterator::count);
            let _ = open_tmx(&path, languages(), options).map(Iterator::count);
            let _ = open_conllu(&path, english.clone(), options).map(Iterator::count);
            let _ = open_text(&path, english.clone(), options).map(Iterator::count);
        }
    }


    #[test]
    fn no_text_breaks_a_reader(text in "(\\PC|\n|\t|msgid |msgstr |\"|<tu>|</tu>|<seg>|#){0,40}") {
        let dir = tempfile::tempdir()?;
        let path = file(dir.path(), "any", &text);
        // A panic is the failure; either result is fine.
        let _ = open_po(&path, languages(), ReadOptions::default())?.take(99).count();
        let _ = open_tmx(&path, languages(), ReadOptions::default())?.take(99).count();
        let [english, _] = languages();
        let _ = open_conllu(&path, english, ReadOptions::default())?.take(99).count();
    }
}

#[test]
fn marks_written_as_escapes_are_composed_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), "a.jsonl", "{\"text\": \"e\\u0301\"}\n");
    let read = |options| {
        let mut texts = open_jsonl(&path, "yo".parse().unwrap(), "text", options).unwrap();
        texts.next().unwrap().unwrap().text
    };
    assert_eq!(read(ReadOptions::default()), "e\u{301}");
    assert_eq!(read(ReadOptions::default().with_nfc()), "\u{e9}");
}
