//! Training, encoding, files.

use isogloss_testing::GREETINGS;
use isogloss_tokenization::{
    Algorithm, SubwordTokenizer, TextEncoder, TokenizerFileError, VocabularyConfig,
};
use proptest::prelude::*;

fn texts() -> Vec<String> {
    let english = "the cat sat on the mat and the cat saw the hat that the bat had on the mat";
    let mut texts: Vec<String> = GREETINGS.iter().map(|(_, text)| (*text).to_owned()).collect();
    texts.extend(std::iter::repeat_n(english.to_owned(), 5));
    texts
}

fn train(algorithm: Algorithm) -> SubwordTokenizer {
    let config = VocabularyConfig::new(algorithm, 260);
    let coverage = if algorithm == Algorithm::Unigram { 1.0 } else { 0.9995 };
    config.with_character_coverage(coverage).train(texts(), &()).unwrap()
}

#[test]
fn every_script_survives_a_round_trip() {
    for algorithm in [Algorithm::Unigram, Algorithm::Bpe] {
        let vocabulary = train(algorithm);
        let unk = vocabulary.special_ids().unk;
        for (language, text) in GREETINGS {
            let ids = vocabulary.encode(text).unwrap();
            assert!(!ids.contains(&unk), "{algorithm:?} {language}");
            assert_eq!(vocabulary.decode(&ids).unwrap(), text, "{algorithm:?} {language}");
        }
    }
}

#[test]
fn the_same_texts_give_the_same_bytes_in_any_order() {
    for algorithm in [Algorithm::Unigram, Algorithm::Bpe] {
        let dir = tempfile::tempdir().unwrap();
        let paths = ["a.json", "b.json"].map(|name| dir.path().join(name));
        train(algorithm).save(&paths[0]).unwrap();
        let mut reversed = texts();
        reversed.reverse();
        let config = VocabularyConfig::new(algorithm, 260);
        let coverage = if algorithm == Algorithm::Unigram { 1.0 } else { 0.9995 };
        let again = config.with_character_coverage(coverage).train(reversed, &()).unwrap();
        again.save(&paths[1]).unwrap();
        let [a, b] = paths.map(|path| std::fs::read(path).unwrap());
        assert!(a == b, "{algorithm:?}");
    }
}

#[test]
fn the_layout_is_that_of_xlm_r_and_frequent_words_are_whole() {
    for algorithm in [Algorithm::Unigram, Algorithm::Bpe] {
        let vocabulary = train(algorithm);
        let special = vocabulary.special_ids();
        assert_eq!((special.bos, special.pad, special.eos, special.unk), (0, 1, 2, 3));
        assert_eq!(special.mask as usize, vocabulary.vocab_size() - 1);
        assert!(vocabulary.vocab_size() <= 260);
        let the = vocabulary.encode("the").unwrap();
        assert_eq!(the, [vocabulary.id("▁the").unwrap()], "{algorithm:?}");
        let framed = vocabulary.inner().encode(("the", "the"), true).unwrap();
        assert_eq!(framed.get_ids(), [0, the[0], 2, 2, the[0], 2]);
    }
}

#[test]
fn a_saved_vocabulary_is_the_same_when_loaded() {
    for algorithm in [Algorithm::Unigram, Algorithm::Bpe] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokenizer.json");
        let vocabulary = train(algorithm);
        vocabulary.save(&path).unwrap();
        let loaded = SubwordTokenizer::from_file(&path).unwrap();
        for (_, text) in GREETINGS {
            assert_eq!(vocabulary.encode(text).unwrap(), loaded.encode(text).unwrap());
        }
        assert_eq!(vocabulary.special_ids(), loaded.special_ids());
    }
}

#[test]
fn our_ids_are_those_of_the_library_on_ordinary_text() {
    let vocabulary = train(Algorithm::Unigram);
    for text in texts().iter().map(String::as_str).chain(["  the\tcat \n", "", " ", "zzz the"]) {
        let library = vocabulary.inner().encode(text, false).unwrap();
        assert_eq!(vocabulary.encode(text).unwrap(), library.get_ids(), "{text:?}");
    }
}

#[test]
fn with_byte_fallback_no_text_is_unknown() {
    let config = VocabularyConfig::new(Algorithm::Unigram, 600).with_byte_fallback();
    let vocabulary = config.train(["plain text, plain words"], &()).unwrap();
    for (_, text) in GREETINGS {
        let ids = vocabulary.encode(text).unwrap();
        assert!(!ids.contains(&vocabulary.special_ids().unk), "{text}");
        assert_eq!(vocabulary.decode(&ids).unwrap(), text);
    }
    let byte = vocabulary.id("<0x41>").unwrap();
    assert!(!vocabulary.encode("a<0x41>a").unwrap().contains(&byte));
}

#[test]
fn faults_are_named() {
    let message = |config: VocabularyConfig| config.train(texts(), &()).unwrap_err().to_string();
    assert!(
        message(VocabularyConfig::new(Algorithm::Unigram, 20))
            .starts_with("`vocab_size` is enough for 15 pieces, expected at least the "),
    );
    assert_eq!(
        message(VocabularyConfig::new(Algorithm::Unigram, 99).with_character_coverage(2.0)),
        "`character_coverage` is 2, expected from 0.9 to 1",
    );
    let nothing = VocabularyConfig::new(Algorithm::Bpe, 99).train(["  "], &()).unwrap_err();
    assert_eq!(nothing.to_string(), "the texts hold no word, expected at least one");
    let missing = SubwordTokenizer::from_file("no/such.json".as_ref()).unwrap_err();
    assert!(matches!(missing, TokenizerFileError::Read { .. }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_text_breaks_encoding_or_spells_a_special_token(text in "(\\PC|<s>|</s>|<mask>|<pad>| ){0,20}") {
        let vocabulary = SHARED.with(Clone::clone);
        let special = vocabulary.special_ids();
        let ids = vocabulary.encode(&text)?;
        prop_assert!(ids.iter().all(|id| *id == special.unk || !special.all().contains(id)));
        vocabulary.decode(&ids)?;
    }
}

thread_local! {
    static SHARED: SubwordTokenizer = train(Algorithm::Unigram);
}
