//! Training, encoding, files.

use isogloss_core::Seed;
use isogloss_corpus::{CorpusWriter, Manifest, SampledTexts, Split};
use isogloss_governance::{Policy, Purpose, Terms};
use isogloss_sampling::{
    ExponentConfig, LanguageSizes, LanguageWeighting, MixtureStream, SizeUnit, StoppingRule,
    TextSource,
};
use isogloss_testing::GREETINGS;
use isogloss_tokenization::{
    Algorithm, EncodedWord, NormalForm, Normalization, SubwordTokenizer, TextEncoder,
    TokenizerFileError, Vocabulary, VocabularyConfig, encode_words,
};
use proptest::prelude::*;

fn texts() -> Vec<String> {
    let english = "the cat sat on the mat and the cat saw the hat that the bat had on the mat";
    let mut texts: Vec<String> = GREETINGS.iter().map(|(_, text)| (*text).to_owned()).collect();
    texts.extend(std::iter::repeat_n(english.to_owned(), 5));
    texts
}

const ALL: [Algorithm; 4] =
    [Algorithm::Unigram, Algorithm::Bpe, Algorithm::ByteBpe, Algorithm::WordPiece];

fn config(algorithm: Algorithm) -> VocabularyConfig {
    match algorithm {
        // The bytes alone are 256 pieces, and as many again where words go on.
        Algorithm::ByteBpe => VocabularyConfig::new(algorithm, 400),
        Algorithm::WordPiece => VocabularyConfig::new(algorithm, 700).with_byte_fallback(),
        _ => VocabularyConfig::new(algorithm, 260).with_character_coverage(1.0),
    }
}

fn train(algorithm: Algorithm) -> SubwordTokenizer {
    config(algorithm).train(texts(), &()).unwrap()
}

#[test]
fn every_script_survives_a_round_trip() {
    for algorithm in ALL {
        let vocabulary = train(algorithm);
        let unk = vocabulary.special_ids().unk.unwrap();
        for (language, text) in GREETINGS {
            let ids = vocabulary.encode(text).unwrap();
            assert!(!ids.contains(&unk), "{algorithm:?} {language}");
            assert_eq!(vocabulary.decode(&ids).unwrap(), text, "{algorithm:?} {language}");
        }
    }
}

#[test]
fn parts_of_a_text_stand_where_they_are_said_to_stand() {
    for algorithm in ALL {
        let vocabulary = Vocabulary::Subword(Box::new(train(algorithm)));
        // How many parts words without spaces fall into.
        let mut inner = 0;
        for text in GREETINGS.iter().map(|(_, text)| *text).chain(HARD) {
            let parts = vocabulary.encode_parts(text).unwrap();
            let words = encode_words(&vocabulary, text).unwrap();
            let ids = |parts: &[EncodedWord]| -> Vec<u32> {
                parts.iter().flat_map(|part| part.ids.clone()).collect()
            };
            assert_eq!(ids(&parts), ids(&words), "{algorithm:?} {text}");
            // They are all of the text but the spaces, in its order.
            let mut at = 0;
            for part in &parts {
                assert!(text[at..part.place.start].trim().is_empty(), "{algorithm:?} {text}");
                assert!(!part.place.is_empty() && !text[part.place.clone()].contains(' '));
                at = part.place.end;
            }
            assert_eq!(at, text.len(), "{algorithm:?} {text}");
            inner += parts.len() - words.len();
        }
        assert!(inner > 40, "{algorithm:?} {inner}");
    }
    // A vocabulary that lowers case spells nothing of a word with a capital, which stays whole.
    let lower = Normalization { lowercase: true, ..Normalization::default() };
    let config = config(Algorithm::Unigram).with_normalization(lower);
    let vocabulary = Vocabulary::Subword(Box::new(config.train(texts(), &()).unwrap()));
    let parts = vocabulary.encode_parts("ABCXYZ xyz").unwrap();
    assert_eq!(parts[0].place, 0..6);
    assert_eq!(parts.last().unwrap().place.end, 10);
}

/// Tones of Yoruba composed and decomposed, Ge'ez with its own word space, Khmer and Burmese without
/// spaces, N'Ko from the right with tones, Persian with its joiner, Adlam, a family that is one sign.
const HARD: [&str; 9] = [
    "Ọ̀rúnmìlà tí ń bẹ l’Ọ́yọ̀ọ́",
    "O\u{323}\u{300}ru\u{301}nmi\u{300}la\u{300}",
    "ሰላም፡ለኩልክሙ፡።",
    "សួស្តីពិភពលោក",
    "မင်္ဂလာပါကမ္ဘာ",
    "ߒߞߏ ߞߊ߲ߜߍ߫ ߟߋ߬ ߦߋ߫",
    "می\u{200c}خواهم بروم",
    "𞤀𞤣𞤤𞤢𞤥 𞤆𞤵𞤤𞤢𞤪",
    "👩\u{200d}👩\u{200d}👧 ## p'unchay, 12 x",
];

#[test]
fn no_script_that_was_never_seen_is_unknown_and_none_loses_a_mark() {
    for algorithm in ALL {
        let config = match algorithm {
            Algorithm::Unigram | Algorithm::Bpe => VocabularyConfig::new(algorithm, 400),
            other => config(other),
        };
        let vocabulary =
            config.with_byte_fallback().train(["plain text, plain words"], &()).unwrap();
        let unk = vocabulary.special_ids().unk.unwrap();
        for text in HARD.into_iter().chain(GREETINGS.map(|(_, text)| text)) {
            let ids = vocabulary.encode(text).unwrap();
            assert!(!ids.contains(&unk), "{algorithm:?} {text}");
            assert_eq!(vocabulary.decode(&ids).unwrap(), text, "{algorithm:?}");
        }
    }
}

#[test]
fn text_is_changed_only_where_that_is_asked_for() {
    let composed = Normalization { form: Some(NormalForm::Nfc), ..Normalization::default() };
    let plain = Normalization { lowercase: true, strip_accents: true, ..composed };
    for algorithm in ALL {
        for (normalization, expected) in [
            (Normalization::default(), "O\u{323}\u{300}ru\u{301}"),
            (composed, "Ọ̀rú"),
            (plain, "oru"),
        ] {
            let vocabulary = VocabularyConfig::new(algorithm, 800)
                .with_byte_fallback()
                .with_normalization(normalization)
                .train(texts(), &())
                .unwrap();
            let ids = vocabulary.encode("O\u{323}\u{300}ru\u{301}").unwrap();
            assert_eq!(vocabulary.decode(&ids).unwrap(), expected, "{algorithm:?}");
            let library = vocabulary.inner().encode("O\u{323}\u{300}ru\u{301}", false).unwrap();
            assert_eq!(library.get_ids(), ids);
        }
    }
}

#[test]
fn the_same_texts_give_the_same_bytes_in_any_order() {
    for algorithm in ALL {
        let dir = tempfile::tempdir().unwrap();
        let paths = ["a.json", "b.json"].map(|name| dir.path().join(name));
        train(algorithm).save(&paths[0]).unwrap();
        let mut reversed = texts();
        reversed.reverse();
        config(algorithm).train(reversed, &()).unwrap().save(&paths[1]).unwrap();
        let [a, b] = paths.map(|path| std::fs::read(path).unwrap());
        assert!(a == b, "{algorithm:?}");
    }
}

/// The texts of a manifest as they are drawn by an exponent.
fn sampled(manifest: &Manifest, alpha: f64) -> SampledTexts {
    let policy = Policy::on("2026-11-25".parse().unwrap());
    let (indices, _) = manifest.index_texts(Some(Split::Train), Purpose::Train, policy).unwrap();
    let sizes = indices.iter().map(|index| (index.language().clone(), index.text_count()));
    let sizes = LanguageSizes::try_new(SizeUnit::Sentences, sizes).unwrap();
    let distribution = ExponentConfig::new().with_alpha(alpha).distribution(&sizes).unwrap();
    let stream = MixtureStream::try_new(&distribution, &indices, Seed::new(1)).unwrap();
    SampledTexts::try_new(indices, stream, StoppingRule::Budget(300)).unwrap()
}

#[test]
fn a_vocabulary_trains_from_a_sampled_stream_and_is_fairer_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut corpus = CorpusWriter::new(dir.path());
    let english: Vec<String> =
        (0..290).map(|n| format!("the cat number {n} sat on the mat with the hat")).collect();
    let terms = Terms::new("CC0-1.0");
    corpus.text("en", "en".parse().unwrap(), &english, &terms, Split::Train).unwrap();
    let yoruba = ["ẹ káàárọ̀ o, ẹ káàbọ̀", "ilé ẹ̀kọ́ wà ní ìlú"];
    corpus.text("yo", "yo".parse().unwrap(), &yoruba, &terms, Split::Train).unwrap();
    let manifest = Manifest::open(&corpus.finish().unwrap()).unwrap();
    for algorithm in [Algorithm::Unigram, Algorithm::Bpe] {
        let config = VocabularyConfig::new(algorithm, 90).with_character_coverage(1.0);
        let train = |alpha| config.train_sampled(&mut sampled(&manifest, alpha), &()).unwrap();
        let collected: Vec<String> =
            sampled(&manifest, 0.3).map(|text| text.unwrap().text).collect();
        let [even, by_size] = [0.3, 1.0].map(train);
        let from_memory = config.train(collected, &()).unwrap();
        let cost = |vocabulary: &SubwordTokenizer| -> usize {
            yoruba.iter().map(|text| vocabulary.encode(text).unwrap().len()).sum()
        };
        assert_eq!(even.inner().get_vocab(true), from_memory.inner().get_vocab(true));
        assert!(cost(&even) < cost(&by_size), "{algorithm:?}");
    }
}

#[test]
fn the_layout_is_that_of_xlm_r_and_frequent_words_are_whole() {
    for algorithm in ALL {
        let config = config(algorithm).with_special_tokens(["yor_Latn", "<eng>"]).with_sentinels(2);
        let vocabulary = config.train(texts(), &()).unwrap();
        let special = vocabulary.special_ids();
        let first = [special.bos, special.pad, special.eos, special.unk];
        assert_eq!(first, [0, 1, 2, 3].map(Some));
        let size = u32::try_from(vocabulary.vocab_size()).unwrap();
        assert_eq!(special.mask, Some(size - 1), "{algorithm:?}");
        let further = ["yor_Latn", "<eng>", "<extra_id_0>", "<extra_id_1>"];
        for (id, token) in (size - 5..).zip(further) {
            assert_eq!(vocabulary.id(token), Some(id), "{algorithm:?}");
            // It has an id, and text that spells it is text.
            assert!(!vocabulary.encode(token).unwrap().contains(&id), "{algorithm:?} {token}");
        }
        assert!(vocabulary.vocab_size() <= config.vocab_size);
        let text =
            if matches!(algorithm, Algorithm::Unigram | Algorithm::Bpe) { "the" } else { " the" };
        let the = vocabulary.encode(text).unwrap();
        assert_eq!(the.len(), 1, "{algorithm:?}");
        let framed = vocabulary.inner().encode((text, text), true).unwrap();
        assert_eq!(framed.get_ids(), [0, the[0], 2, 2, the[0], 2]);
        assert_eq!(vocabulary.encode_framed(text).unwrap(), [0, the[0], 2]);
    }
}

#[test]
fn a_symbol_of_the_user_is_one_piece_wherever_it_stands() {
    for algorithm in ALL {
        let config = VocabularyConfig::new(algorithm, 800).with_byte_fallback();
        let vocabulary =
            config.with_user_defined_symbols(["<sep>", "@"]).train(texts(), &()).unwrap();
        let [sep, at] = ["<sep>", "@"].map(|symbol| vocabulary.id(symbol).unwrap());
        for text in ["the<sep>cat", "<sep>", "a@b@", "the @ cat", "<se p>", "@<sep>@"] {
            let ids = vocabulary.encode(text).unwrap();
            let count = |id| ids.iter().filter(|found| **found == id).count();
            assert_eq!(count(sep), text.matches("<sep>").count(), "{algorithm:?} {text}");
            assert_eq!(count(at), text.matches('@').count(), "{algorithm:?} {text}");
            let library = vocabulary.inner().encode(text, false).unwrap();
            assert_eq!(library.get_ids(), ids, "{algorithm:?} {text}");
        }
    }
}

#[test]
fn a_batch_is_encoded_as_its_texts_are() {
    for algorithm in ALL {
        let vocabulary = train(algorithm);
        let texts: Vec<String> =
            (0..300).map(|n| format!("{} {n}", HARD[n % HARD.len()])).collect();
        let batch = vocabulary.encode_batch(&texts).unwrap();
        for (text, ids) in texts.iter().zip(batch) {
            assert_eq!(vocabulary.encode(text).unwrap(), ids);
        }
    }
}

#[test]
fn a_saved_vocabulary_is_the_same_when_loaded() {
    for algorithm in ALL {
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
fn our_ids_are_those_of_the_library() {
    let others = ["  the\tcat \n", "", " ", "zzz the", "a▁b ▁ ▁▁the", "the  ##  cat\n\n"];
    for algorithm in ALL {
        let vocabulary = train(algorithm);
        for text in texts().iter().map(String::as_str).chain(HARD).chain(others) {
            let library = vocabulary.inner().encode(text, false).unwrap();
            assert_eq!(
                vocabulary.encode(text).unwrap(),
                library.get_ids(),
                "{algorithm:?} {text:?}"
            );
        }
    }
}

#[test]
fn a_byte_that_a_text_spells_is_text() {
    for algorithm in [Algorithm::Unigram, Algorithm::Bpe] {
        let config = VocabularyConfig::new(algorithm, 600).with_byte_fallback();
        let vocabulary = config.train(["plain text, plain words"], &()).unwrap();
        let byte = vocabulary.id("<0x41>").unwrap();
        assert!(vocabulary.is_byte(byte));
        assert!(!vocabulary.encode("a<0x41>a").unwrap().contains(&byte), "{algorithm:?}");
    }
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
    let with = |token: &str| VocabularyConfig::new(Algorithm::Bpe, 99).with_special_tokens([token]);
    assert_eq!(
        message(with("yor")),
        "`special_tokens` is `yor`, expected one that is no word, such as `<yor>` or `yor_Latn`",
    );
    assert_eq!(message(with("<s>")), "`special_tokens` is `<s>`, expected each token once");
    assert_eq!(
        message(VocabularyConfig::new(Algorithm::WordPiece, 99)),
        "`byte_fallback` is false, expected true for wordpiece: an unseen character would make its \
         word unknown",
    );
    assert!(
        message(VocabularyConfig::new(Algorithm::ByteBpe, 99))
            .starts_with("`vocab_size` is 99, expected at least 261"),
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
        SHARED.with(|vocabularies| -> Result<(), TestCaseError> {
            for vocabulary in vocabularies {
                let special = vocabulary.special_ids();
                let ids = vocabulary.encode(&text).map_err(|e| TestCaseError::fail(e.to_string()))?;
                prop_assert!(
                    ids.iter().all(|id| Some(*id) == special.unk || special.all().all(|s| s != *id))
                );
                vocabulary.decode(&ids).map_err(|e| TestCaseError::fail(e.to_string()))?;
            }
            Ok(())
        })?;
    }
}

thread_local! {
    static SHARED: [SubwordTokenizer; 4] = ALL.map(train);
}
