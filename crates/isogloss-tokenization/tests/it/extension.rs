//! A vocabulary that learns a language.

use isogloss_testing::GREETINGS;
use isogloss_tokenization::{
    Algorithm, ExtendError, ExtensionConfig, NormalForm, Normalization, SubwordTokenizer,
    TextEncoder, VocabularyConfig,
};

const ENGLISH: [&str; 4] = [
    "the cat sat on the mat and the cat saw the hat that the bat had on the mat",
    "good morning to the cat and good evening to the bat",
    "she sells sea shells on the sea shore, and the shells she sells are sea shells",
    "no one saw the one that sat on the cat",
];
const KHMER: [&str; 3] = ["សួស្តីពិភពលោក សួស្តី", "ភាសាខ្មែរ ភាសា ពិភពលោក", "សួស្តីភាសាខ្មែរ"];
const HAUSA: [&str; 3] =
    ["ina kwana, ina gajiya", "sannu da zuwa, sannu da aiki", "na gode, na gode da aiki"];
const ALL: [Algorithm; 4] =
    [Algorithm::Unigram, Algorithm::Bpe, Algorithm::ByteBpe, Algorithm::WordPiece];

fn old(algorithm: Algorithm) -> SubwordTokenizer {
    let size = if algorithm == Algorithm::WordPiece { 800 } else { 420 };
    let config = VocabularyConfig::new(algorithm, size).with_byte_fallback();
    config.with_special_tokens(["eng_Latn"]).train(ENGLISH, &()).unwrap()
}

#[test]
fn old_ids_stay_and_kept_text_has_the_same_ids() {
    for algorithm in ALL {
        let old = old(algorithm);
        let texts: Vec<&str> = KHMER.into_iter().chain(HAUSA).collect();
        let extension = old.extend(texts.repeat(3), ENGLISH, &ExtensionConfig::new(60)).unwrap();
        let new = &extension.tokenizer;
        assert!(extension.tokens.len() > 20, "{algorithm:?}");
        for id in 0..u32::try_from(old.vocab_size()).unwrap() {
            assert_eq!(old.token(id), new.token(id), "{algorithm:?}");
        }
        assert_eq!(old.special_ids(), new.special_ids());
        let first = u32::try_from(old.vocab_size()).unwrap();
        for (id, token) in (first..).zip(&extension.tokens) {
            assert_eq!((token.id, new.id(&token.token)), (id, Some(id)), "{algorithm:?}");
        }
        assert_eq!(new.vocab_size(), old.vocab_size() + extension.tokens.len());
        for text in ENGLISH {
            assert_eq!(old.encode(text).unwrap(), new.encode(text).unwrap(), "{algorithm:?}");
        }
        let mut lengths = [0, 0];
        for text in texts {
            let ids = [&old, new].map(|v| v.encode(text).unwrap());
            assert_eq!(new.decode(&ids[1]).unwrap(), text, "{algorithm:?}");
            lengths = [lengths[0] + ids[0].len(), lengths[1] + ids[1].len()];
        }
        assert!(lengths[1] * 2 < lengths[0], "{algorithm:?}: {lengths:?}");
        for (language, text) in GREETINGS {
            assert_eq!(new.decode(&new.encode(text).unwrap()).unwrap(), text, "{language}");
        }
    }
}

#[test]
fn a_piece_that_would_change_kept_text_is_left_out_and_named() {
    for algorithm in ALL {
        let old = old(algorithm);
        // `tha` and `oth` are frequent in the new text, and stand in the text that is kept.
        let new_text = ["zothathath zothath"; 5];
        let kept = ["zothathath"];
        let free = old.extend(new_text, [""; 0], &ExtensionConfig::new(8)).unwrap();
        assert_ne!(old.encode(kept[0]).unwrap(), free.tokenizer.encode(kept[0]).unwrap());
        match old.extend(new_text, kept, &ExtensionConfig::new(8)) {
            Ok(extension) => {
                assert!(!extension.left_out.is_empty(), "{algorithm:?}");
                let new = extension.tokenizer;
                assert_eq!(old.encode(kept[0]).unwrap(), new.encode(kept[0]).unwrap());
            }
            Err(ExtendError::Nothing { left_out }) => assert!(!left_out.is_empty()),
            Err(error) => panic!("{algorithm:?}: {error}"),
        }
    }
}

#[test]
fn the_next_best_takes_the_place_of_what_is_left_out() {
    for algorithm in ALL {
        let old = old(algorithm);
        // The most frequent pairs are those of the kept half.
        let (kept, own) = HAUSA.split_at(1);
        let texts = [kept.repeat(6), own.repeat(3)].concat();
        let kept = kept.iter().chain(&ENGLISH);
        let extension = old.extend(texts, kept.clone(), &ExtensionConfig::new(8)).unwrap();
        assert!(!extension.left_out.is_empty(), "{algorithm:?}");
        assert_eq!(extension.tokens.len(), 8, "{algorithm:?}: {:?}", extension.tokens);
        let tokens = |tokenizer: &SubwordTokenizer, text| tokenizer.encode(text).unwrap();
        for text in kept {
            assert_eq!(tokens(&old, text), tokens(&extension.tokenizer, text), "{algorithm:?}");
        }
        for text in own {
            let [before, after] = [&old, &extension.tokenizer].map(|v| tokens(v, text).len());
            assert!(after < before, "{algorithm:?}: {after} tokens, before {before}");
        }
    }
}

#[test]
fn each_new_piece_knows_what_stood_for_it() {
    for algorithm in ALL {
        let old = old(algorithm);
        let extension = old.extend(HAUSA.repeat(3), ENGLISH, &ExtensionConfig::new(20)).unwrap();
        for token in &extension.tokens {
            assert!(!token.old_ids.is_empty(), "{algorithm:?} {token:?}");
            assert!(token.old_ids.iter().all(|id| (*id as usize) < old.vocab_size()));
            let spelled = old.decode(&token.old_ids).unwrap();
            let surface = extension.tokenizer.decode(&[token.id]).unwrap();
            assert_eq!(spelled.trim(), surface.trim(), "{algorithm:?} {token:?}");
        }
    }
}

#[test]
fn an_extension_survives_its_file_and_extends_again() {
    for algorithm in ALL {
        let dir = tempfile::tempdir().unwrap();
        let once =
            old(algorithm).extend(HAUSA.repeat(3), ENGLISH, &ExtensionConfig::new(20)).unwrap();
        let path = dir.path().join("tokenizer.json");
        once.tokenizer.save(&path).unwrap();
        let loaded = SubwordTokenizer::from_file(&path).unwrap();
        for text in HAUSA {
            let [a, b] = [&once.tokenizer, &loaded].map(|v| v.encode(text).unwrap());
            assert_eq!(a, b, "{algorithm:?}");
        }
        let kept = ENGLISH.into_iter().chain(HAUSA);
        let twice = loaded.extend(KHMER.repeat(3), kept, &ExtensionConfig::new(40)).unwrap();
        for text in HAUSA.into_iter().chain(ENGLISH) {
            let [a, b] = [&loaded, &twice.tokenizer].map(|v| v.encode(text).unwrap());
            assert_eq!(a, b, "{algorithm:?}");
        }
        let library = twice.tokenizer.inner().encode(KHMER[0], false).unwrap();
        assert_eq!(library.get_ids(), twice.tokenizer.encode(KHMER[0]).unwrap());
    }
}

#[test]
fn nothing_to_learn_is_said() {
    let old = old(Algorithm::Unigram);
    let config = ExtensionConfig::new(10);
    assert_eq!(
        old.extend([" "], [""; 0], &config).unwrap_err().to_string(),
        "the texts hold no word, expected at least one",
    );
    // What the vocabulary has is nothing new.
    assert_eq!(
        old.extend(["a"], [""; 0], &config).unwrap_err().to_string(),
        "nothing to add: the texts hold no piece that the vocabulary lacks",
    );
    for (config, field) in [
        (ExtensionConfig::new(0), "tokens"),
        (ExtensionConfig { max_piece_length: 0, ..config }, "max_piece_length"),
    ] {
        assert_eq!(
            old.extend(["a"], [""; 0], &config).unwrap_err().to_string(),
            format!("`{field}` is 0, expected at least 1"),
        );
    }
    let all = ExtensionConfig { tokens: usize::MAX, ..config };
    assert!(!old.extend(KHMER, [""; 0], &all).unwrap().tokens.is_empty());
}

#[test]
fn a_symbol_is_cut_out_before_text_is_changed() {
    // `①` is 1 in form KC, and a symbol that stands for itself.
    let normalization = Normalization { form: Some(NormalForm::Nfkc), ..Normalization::default() };
    let config = VocabularyConfig::new(Algorithm::Bpe, 420)
        .with_byte_fallback()
        .with_normalization(normalization)
        .with_user_defined_symbols(["①"]);
    let old = config.train(ENGLISH, &()).unwrap();
    let kept = ["the①sells", "a①the"];
    let new = ["the1sells a1the sellsthe"; 20];
    let extension = old.extend(new, kept, &ExtensionConfig::new(20)).unwrap();
    for text in kept {
        let ids = [&old, &extension.tokenizer].map(|v| v.encode(text).unwrap());
        assert_eq!(ids[0], ids[1], "{text}");
        assert!(ids[0].contains(&old.id("①").unwrap()), "{text}");
    }
}

#[test]
fn a_model_that_drops_what_it_does_not_know_extends() {
    let file = r#"{"version": "1.0", "added_tokens": [], "model": {"type": "BPE",
        "vocab": {"a": 0, "b": 1}, "merges": []}}"#;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokenizer.json");
    std::fs::write(&path, file).unwrap();
    let old = SubwordTokenizer::from_file(&path).unwrap();
    assert_eq!(old.encode("ሰa").unwrap(), [0]);
    let extension = old.extend(["ሰa"; 3], [""; 0], &ExtensionConfig::new(4)).unwrap();
    assert!(extension.tokens.iter().any(|token| token.token == "ሰ"), "{:?}", extension.tokens);
}
