//! Merges shared out by the languages' needs: those of the authors, and what they are good for.

use std::collections::BTreeMap;

use isogloss_core::LanguageTag;
use isogloss_tokenization::{
    Algorithm, FairnessReport, ParityConfig, SubwordTokenizer, TextEncoder, VocabularyConfig,
};
use serde::Deserialize;
use serde_json::Value;

use crate::lines::{LANGUAGES, TESTED, lines};

#[derive(Deserialize)]
struct Expected {
    languages: BTreeMap<String, LanguageTag>,
    pattern: String,
    merges: BTreeMap<String, Vec<String>>,
}

type Texts = BTreeMap<LanguageTag, Vec<&'static str>>;

fn expected() -> Expected {
    serde_json::from_str(include_str!("../fixtures/parity/expected.json")).unwrap()
}

/// The lines of the fixture: those that are counted, and those that stand for parallel ones.
fn texts(expected: &Expected) -> [Texts; 2] {
    let mut texts = [Texts::new(), Texts::new()];
    for (name, dir) in LANGUAGES {
        if let Some(language) = expected.languages.get(name) {
            let all: Vec<&str> = lines(dir).collect();
            let (parallel, counted) = all.split_at(TESTED);
            let counted = counted.iter().copied().filter(|line| !line.is_empty()).collect();
            texts[0].insert(language.clone(), counted);
            texts[1].insert(language.clone(), parallel.to_vec());
        }
    }
    texts
}

fn in_turn(texts: &Texts) -> impl Iterator<Item = (LanguageTag, &'static str)> {
    let of = |(language, lines): (&LanguageTag, &Vec<&'static str>)| {
        let language = language.clone();
        lines.clone().into_iter().map(move |line| (language.clone(), line))
    };
    texts.iter().flat_map(of)
}

fn json(tokenizer: &SubwordTokenizer) -> Value {
    serde_json::to_value(tokenizer.inner()).unwrap()
}

#[test]
fn merges_of_real_lines_are_those_of_the_authors() {
    let expected = expected();
    let [counted, parallel] = texts(&expected);
    assert_eq!(counted.len(), 8);
    // Longer than any piece, for the reference has no limit.
    let config = VocabularyConfig::new(Algorithm::ByteBpe, 256 + 5 + 400).with_max_piece_length(64);
    let plain = ParityConfig { window: 0, stops_with_first: true, ..ParityConfig::default() };
    for (variant, merges) in &expected.merges {
        let parity = match variant.as_str() {
            "base" => plain,
            "hybrid" => ParityConfig { global_merges: 150, ..plain },
            "window" => ParityConfig { window: 20, window_alpha: 1.0, ..plain },
            other => panic!("no variant {other}"),
        };
        let tokenizer =
            config.train_with_parity(in_turn(&counted), &parallel, &parity, &()).unwrap();
        let json = json(&tokenizer);
        let pattern = &json["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"];
        assert_eq!(pattern.as_str(), Some(expected.pattern.as_str()));
        let found: Vec<String> = json["model"]["merges"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pair| [0, 1].map(|at| pair[at].as_str().unwrap()).join(" "))
            .collect();
        assert_eq!(merges.len(), 400);
        assert_eq!(found[..400], merges[..], "{variant}");
    }
}

#[test]
fn a_vocabulary_by_parity_costs_the_worst_language_less() {
    let expected = expected();
    let [counted, parallel] = texts(&expected);
    for algorithm in [Algorithm::Bpe, Algorithm::ByteBpe] {
        let config = VocabularyConfig::new(algorithm, 4_000).with_byte_fallback();
        let all = counted.values().flatten();
        let plain = config.train(all, &()).unwrap();
        let parity = ParityConfig::default();
        let by_parity =
            config.train_with_parity(in_turn(&counted), &parallel, &parity, &()).unwrap();
        // What `parallel` stands for is the same content: its tokens are what is made even.
        let english: LanguageTag = "en".parse().unwrap();
        let pairs: BTreeMap<LanguageTag, [Vec<&str>; 2]> = parallel
            .iter()
            .filter(|(language, _)| **language != english)
            .map(|(language, own)| (language.clone(), [parallel[&english].clone(), own.clone()]))
            .collect();
        let [before, after] = [&plain, &by_parity].map(|tokenizer| {
            let report = FairnessReport::measure(tokenizer, &parallel).unwrap();
            report.with_premiums(tokenizer, &english, &pairs).unwrap()
        });
        let [worst_before, worst_after] =
            [&before, &after].map(|report| report.worst().unwrap().premium.unwrap());
        assert!(worst_after < worst_before, "{algorithm:?}: {worst_after} < {worst_before}");
        assert!(after.gini < before.gini, "{algorithm:?}: {:?} < {:?}", after.gini, before.gini);
        // The mean may rise, by no more than the languages that had most give.
        let [mean_before, mean_after] = [&before, &after].map(FairnessReport::mean_fertility);
        assert!(mean_after < 1.2 * mean_before, "{algorithm:?}: {mean_after}, {mean_before}");
        assert_eq!(
            by_parity.decode(&by_parity.encode("ẹ káàárọ̀ 𐤀").unwrap()).unwrap(),
            "ẹ káàárọ̀ 𐤀"
        );
    }
}

#[test]
fn faults_are_named() {
    let tag = |code: &str| code.parse::<LanguageTag>().unwrap();
    let texts = [(tag("en"), "the cat"), (tag("yo"), "ológbò náà")];
    let parallel = |languages: &[(&str, usize)]| -> BTreeMap<LanguageTag, Vec<&str>> {
        languages.iter().map(|(code, lines)| (tag(code), vec!["a b"; *lines])).collect()
    };
    let fault = |algorithm, size, parallel| {
        let config = VocabularyConfig::new(algorithm, size);
        let parity = ParityConfig::default();
        config.train_with_parity(texts.clone(), &parallel, &parity, &()).unwrap_err().to_string()
    };
    let both = || parallel(&[("en", 2), ("yo", 2)]);
    let found = fault(Algorithm::Unigram, 400, both());
    assert_eq!(found, "`algorithm` is Unigram, expected bpe or byte-bpe for parity-aware training");
    let found = fault(Algorithm::Bpe, 400, parallel(&[("en", 2), ("yo", 1)]));
    assert_eq!(found, "`parallel` is 1 texts of `yo-Latn`, expected 2, as of `en-Latn`");
    let found = fault(Algorithm::Bpe, 400, parallel(&[("en", 2)]));
    assert_eq!(
        found,
        "`parallel` is none of `yo-Latn`, expected the same content for each language"
    );
    let found = fault(Algorithm::Bpe, 400, parallel(&[("en", 2), ("yo", 2), ("zu", 2)]));
    assert!(found.contains("`texts` is none of `zu-Latn`"), "{found}");
    let found = fault(Algorithm::ByteBpe, 100, both());
    assert!(found.contains("`vocab_size`"), "{found}");
    let found = fault(Algorithm::Bpe, 400, parallel(&[("en", 0), ("yo", 0)]));
    assert_eq!(found, "`parallel` is 0 texts, expected at least one in each language");
    let found = fault(Algorithm::Bpe, 400, parallel(&[]));
    assert_eq!(found, "the texts hold no word, expected at least one");
}
