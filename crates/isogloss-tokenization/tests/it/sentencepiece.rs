//! The ids of the `sentencepiece` library, from its own files.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use isogloss_tokenization::{
    IdLayout, SentencePieceModel, TextEncoder, TokenizerFileError, Vocabulary,
};
use proptest::prelude::*;
use serde::Deserialize;
use unicode_normalization::UnicodeNormalization as _;

use crate::lines::{self, FORMS, LANGUAGES, digest, lines};

/// What `generate.py` wrote.
#[derive(Deserialize)]
struct Expected {
    lines: usize,
    hard: Vec<String>,
    models: BTreeMap<String, ExpectedModel>,
}

#[derive(Deserialize)]
struct ExpectedModel {
    pieces: usize,
    hard: Vec<Vec<u32>>,
    hard_decoded: Vec<String>,
    /// By form of the text, then by language.
    digests: BTreeMap<String, BTreeMap<String, String>>,
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sentencepiece").join(name)
}

fn expected() -> Expected {
    serde_json::from_slice(&fs::read(fixture("expected.json")).unwrap()).unwrap()
}

fn model_bytes(name: &str) -> Vec<u8> {
    let packed = fs::read(fixture(&format!("{name}.model.gz"))).unwrap();
    let mut bytes = Vec::new();
    GzDecoder::new(&packed[..]).read_to_end(&mut bytes).unwrap();
    bytes
}

fn write_model(name: &str, dir: &Path) -> PathBuf {
    let path = dir.join("sentencepiece.bpe.model");
    fs::write(&path, model_bytes(name)).unwrap();
    path
}

fn model(name: &str) -> SentencePieceModel {
    let dir = tempfile::tempdir().unwrap();
    SentencePieceModel::from_file(&write_model(name, dir.path())).unwrap()
}

#[test]
fn real_lines_in_thirty_languages_have_the_ids_of_the_reference() {
    let expected = expected();
    assert!(LANGUAGES.len() >= 30);
    assert!(expected.lines >= 5_000);
    assert_eq!(expected.lines, lines::TESTED * LANGUAGES.len());
    for (name, expected) in &expected.models {
        let model = model(name);
        assert_eq!(model.vocab_size(), expected.pieces, "{name}");
        for (form, digests) in &expected.digests {
            let change = FORMS.iter().find(|(name, _)| name == form).unwrap().1;
            for (language, dir) in LANGUAGES {
                let texts: Vec<String> = lines(dir).take(lines::TESTED).map(change).collect();
                assert_eq!(texts.len(), lines::TESTED, "{language}");
                let ids = model.encode_batch(&texts).unwrap();
                assert_eq!(digest(&ids), digests[language], "{name}, {form}, {language}");
            }
        }
    }
}

#[test]
fn what_real_lines_rarely_hold_has_the_ids_of_the_reference() {
    let expected = expected();
    for (name, of_model) in &expected.models {
        let model = model(name);
        for ((text, ids), decoded) in
            expected.hard.iter().zip(&of_model.hard).zip(&of_model.hard_decoded)
        {
            let found = model.encode(text).unwrap();
            let pieces = model.pieces(text);
            assert_eq!(&found, ids, "{name} {text:?}: {pieces:?}");
            // A piece for each id; what has no id of its own is unknown.
            let unknown = model.special_ids().unk.unwrap();
            let of_pieces = pieces.iter().map(|piece| model.id(piece).unwrap_or(unknown));
            assert_eq!(&of_pieces.collect::<Vec<_>>(), ids, "{name} {text:?}: {pieces:?}");
            assert_eq!(&model.decode(&found), decoded, "{name} {text:?}");
        }
    }
}

#[test]
fn decomposed_letters_keep_every_mark() {
    let model = model("unigram");
    // `tokenizers` reads the same rules and gives ẹ, ọ and e without the tone.
    for text in ["ẹ\u{301}", "o\u{323}\u{300}", "i\u{328}\u{301}"] {
        let normalised: String = model.normalize(text).nfd().collect();
        for mark in text.nfd().filter(|character| !character.is_alphabetic()) {
            assert!(normalised.contains(mark), "{text:?} became {normalised:?}");
        }
    }
}

#[test]
fn the_layout_of_xlm_r_raises_ids_by_one() {
    let dir = tempfile::tempdir().unwrap();
    write_model("unigram", dir.path());
    let raw = model("unigram");
    let config = br#"{"tokenizer_class": "XLMRobertaTokenizer"}"#;
    fs::write(dir.path().join("tokenizer_config.json"), config).unwrap();
    let vocabulary = Vocabulary::open(dir.path()).unwrap();
    let Vocabulary::SentencePiece(model) = &vocabulary else { panic!("{vocabulary:?}") };
    assert_eq!(model.layout(), IdLayout::Fairseq);
    assert_eq!(vocabulary.vocab_size(), raw.vocab_size() + 2);
    let special = vocabulary.special_ids();
    assert_eq!([special.bos, special.pad, special.eos, special.unk], [0, 1, 2, 3].map(Some));
    assert_eq!(special.mask, u32::try_from(raw.vocab_size() + 1).ok());
    let text = "Ẹ káàárọ̀ o, 𓀀!";
    let raised: Vec<u32> =
        raw.encode(text).unwrap().into_iter().map(|id| if id == 0 { 3 } else { id + 1 }).collect();
    assert!(raised.contains(&3), "{raised:?}");
    assert_eq!(vocabulary.encode(text).unwrap(), raised);
    let framed: Vec<u32> = [0].into_iter().chain(raised.iter().copied()).chain([2]).collect();
    assert_eq!(vocabulary.encode_framed(text).unwrap(), framed);
    for id in 4..40 {
        assert_eq!(vocabulary.token(id), raw.token(id - 1).map(str::to_owned));
        assert_eq!(model.score(id), raw.score(id - 1));
    }
}

#[test]
fn a_saved_directory_holds_the_file_and_opens_again() {
    let text = "Ẹ káàárọ̀ o, 𓀀!";
    for (name, layout) in [("unigram", IdLayout::Fairseq), ("bpe", IdLayout::Raw)] {
        let dir = tempfile::tempdir().unwrap();
        let model = model(name).with_layout(layout);
        model.save_dir(dir.path()).unwrap();
        let opened = Vocabulary::open(dir.path()).unwrap();
        assert_eq!(opened.encode_framed(text).unwrap(), {
            let vocabulary = Vocabulary::SentencePiece(Box::new(model.clone()));
            vocabulary.encode_framed(text).unwrap()
        });
        let file = match layout {
            IdLayout::Fairseq => "sentencepiece.bpe.model",
            _ => "spiece.model",
        };
        assert!(fs::read(dir.path().join(file)).unwrap() == model_bytes(name), "{name}");

        // Of a class that numbers pieces otherwise nothing is made up.
        let config = dir.path().join("tokenizer_config.json");
        fs::write(&config, r#"{"tokenizer_class": "CamembertTokenizer"}"#).unwrap();
        let fault = Vocabulary::open(dir.path()).unwrap_err().to_string();
        assert!(fault.contains("its class is CamembertTokenizer, expected"), "{fault}");
        if layout == IdLayout::Raw {
            let text = r#"{"tokenizer_class": "T5Tokenizer", "pad_token": "<none>"}"#;
            fs::write(&config, text).unwrap();
            let fault = Vocabulary::open(dir.path()).unwrap_err().to_string();
            assert!(fault.ends_with("no piece `<none>`, which the configuration names"), "{fault}");
            fs::write(&config, text.replace("<none>", "</s>")).unwrap();
            let special = Vocabulary::open(dir.path()).unwrap().special_ids();
            assert_eq!(special.pad, special.eos);
        }
        // What would be opened in its place is not passed over.
        fs::write(dir.path().join("tokenizer.json"), "{}").unwrap();
        let fault = model.save_dir(dir.path()).unwrap_err().to_string();
        assert!(fault.contains("tokenizer.json is there"), "{fault}");
    }
}

#[test]
fn a_file_that_is_no_model_is_named_with_its_fault() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.model");
    let message = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        SentencePieceModel::from_file(&path).unwrap_err().to_string()
    };
    let says =
        |fault: &str| format!("cannot read {} as a SentencePiece model: {fault}", path.display());
    assert_eq!(message(b""), says("a model without pieces"));
    assert_eq!(message(b"\x0f"), says("a field of wire type 7: no SentencePiece model"));
    let bytes = model_bytes("options");
    assert_eq!(
        message(&bytes[..bytes.len() / 2]),
        says("a model that ends in the middle of a field"),
    );
    let missing = SentencePieceModel::from_file(&dir.path().join("none.model")).unwrap_err();
    assert!(matches!(missing, TokenizerFileError::Read { .. }));
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(
        Vocabulary::open(empty.path()).unwrap_err().to_string(),
        format!(
            "{}: neither `tokenizer.json` nor a `.model` of SentencePiece, expected one",
            empty.path().display(),
        ),
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_damaged_model_is_refused_or_encodes(
        places in proptest::collection::vec((0.0..1.0_f64, any::<u8>()), 1..8),
        text in "\\PC{0,20}",
    ) {
        DAMAGED.with(|(bytes, dir)| -> Result<(), TestCaseError> {
            let mut bytes = bytes.clone();
            for (place, byte) in places {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a place in the file"
                )]
                let place = (place * bytes.len() as f64) as usize;
                bytes[place] = byte;
            }
            let path = dir.path().join("damaged.model");
            fs::write(&path, bytes)?;
            if let Ok(model) = SentencePieceModel::from_file(&path) {
                let ids = model.encode(&text).map_err(|e| TestCaseError::fail(e.to_string()))?;
                model.decode(&ids);
            }
            Ok(())
        })?;
    }
}

thread_local! {
    static DAMAGED: (Vec<u8>, tempfile::TempDir) =
        (model_bytes("options"), tempfile::tempdir().unwrap());
}
