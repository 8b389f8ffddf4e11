//! Fertility and premium, worked by hand.

use std::collections::BTreeMap;

use isogloss_core::LanguageTag;
use isogloss_tokenization::{EncodeError, FairnessGate, FairnessReport, SpecialIds, TextEncoder};

/// Every character is a token; `?` is unknown.
struct Characters;

impl TextEncoder for Characters {
    fn encode(&self, text: &str) -> Result<Vec<u32>, EncodeError> {
        let characters = text.chars().filter(|c| !c.is_whitespace());
        Ok(characters.map(|c| if c == '?' { 3 } else { 10 + u32::from(c) }).collect())
    }

    fn special_ids(&self) -> SpecialIds {
        SpecialIds { unk: Some(3), ..SpecialIds::default() }
    }

    fn vocab_size(&self) -> usize {
        0x11_0000
    }
}

fn tag(text: &str) -> LanguageTag {
    text.parse().unwrap()
}

#[test]
fn counts_are_those_of_the_text() {
    let texts = BTreeMap::from([(tag("en"), vec!["ab cde", "f?"]), (tag("yo"), vec!["abcdef"])]);
    let parallel = BTreeMap::from([(tag("yo"), [vec!["abc"], vec!["abcdef"]])]);
    let report = FairnessReport::measure(&Characters, &texts)
        .unwrap()
        .with_premiums(&Characters, &tag("en"), &parallel)
        .unwrap();
    let english = report.row(&tag("en")).unwrap();
    assert_eq!((english.tokens, english.words, english.characters), (7, 3, 7));
    assert!((english.fertility - 7.0 / 3.0).abs() < 1e-12);
    assert!((english.unknown_rate - 1.0 / 7.0).abs() < 1e-12);
    assert_eq!(english.premium, Some(1.0));
    assert_eq!(report.row(&tag("yo")).unwrap().premium, Some(2.0));
}

#[test]
fn faults_are_named() {
    let empty = BTreeMap::from([(tag("yo"), vec![" "])]);
    assert_eq!(
        FairnessReport::measure(&Characters, &empty).unwrap_err().to_string(),
        "`yo-Latn` has no text, expected at least one",
    );
    let texts = BTreeMap::from([(tag("yo"), vec!["a"])]);
    let ragged = BTreeMap::from([(tag("yo"), [vec!["a", "b"], vec!["c"]])]);
    let report = FairnessReport::measure(&Characters, &texts).unwrap();
    assert_eq!(
        report.with_premiums(&Characters, &tag("en"), &ragged).unwrap_err().to_string(),
        "`yo-Latn` has 1 parallel texts, expected 2",
    );
    // A language that would be compared to the reference and appear nowhere.
    let report = FairnessReport::measure(&Characters, &texts).unwrap();
    let other = BTreeMap::from([(tag("zu"), [vec!["a"], vec!["b"]])]);
    assert_eq!(
        report.with_premiums(&Characters, &tag("en"), &other).unwrap_err().to_string(),
        "`zu-Latn` has no text, expected at least one",
    );
}

#[test]
fn without_parallel_texts_there_is_no_premium() {
    let texts = BTreeMap::from([(tag("en"), vec!["ab"]), (tag("yo"), vec!["a"])]);
    let none = BTreeMap::<_, [Vec<&str>; 2]>::new();
    let report = FairnessReport::measure(&Characters, &texts).unwrap();
    let report = report.with_premiums(&Characters, &tag("en"), &none).unwrap();
    assert!(report.worst().is_none() && report.gini.is_none());
    assert!(report.to_string().ends_with("\nmean fertility 1.500\n"), "{report}");
}

/// Every character is a token, of an alphabet of a stated size; digits are bytes.
struct Alphabet(usize);

impl TextEncoder for Alphabet {
    fn encode(&self, text: &str) -> Result<Vec<u32>, EncodeError> {
        Ok(text.chars().filter(|c| !c.is_whitespace()).map(u32::from).collect())
    }

    fn special_ids(&self) -> SpecialIds {
        SpecialIds::default()
    }

    fn vocab_size(&self) -> usize {
        self.0
    }

    fn is_byte(&self, id: u32) -> bool {
        char::from_u32(id).is_some_and(|character| character.is_ascii_digit())
    }
}

#[test]
fn efficiency_is_that_of_the_scorer() {
    let text = ["a".repeat(50), "b".repeat(30), "c".repeat(15), "d".repeat(5)].concat();
    let texts = BTreeMap::from([(tag("en"), vec![text])]);
    // `tokenization-scorer`, order 2.5, with 4 and with 8 pieces.
    for (pieces, expected) in [(4, 0.695_717), (8, 0.463_811)] {
        let report = FairnessReport::measure(&Alphabet(pieces), &texts).unwrap();
        let found = report.rows[0].renyi_efficiency;
        assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
    }
}

#[test]
fn shares_and_overlaps_are_those_counted_by_hand() {
    let texts = BTreeMap::from([
        (tag("en"), vec!["ab ab"]),
        (tag("yo"), vec!["bc1 d"]),
        (tag("zu"), vec!["xy"]),
    ]);
    let report = FairnessReport::measure(&Alphabet(10), &texts).unwrap();
    let [english, yoruba, zulu] = &report.rows[..] else { panic!("{report:?}") };
    assert!((english.vocabulary_share - 0.2).abs() < 1e-12);
    assert!((yoruba.byte_rate - 0.25).abs() < 1e-12);
    assert!((yoruba.continued_words - 0.5).abs() < 1e-12);
    assert!((zulu.tokens_per_character - 1.0).abs() < 1e-12);
    // a, b against b, c, 1, d: one of five.
    assert!((report.overlap[0][1] - 0.2).abs() < 1e-12);
    assert_eq!((report.overlap[0][0], report.overlap[1][2]), (1.0, 0.0));
}

#[test]
fn the_worst_comes_first_and_gini_is_that_of_the_premiums() {
    let texts = BTreeMap::from([(tag("en"), vec!["ab"]), (tag("yo"), vec!["ab"])]);
    let parallel = BTreeMap::from([(tag("yo"), [vec!["ab"], vec!["abcdef"]])]);
    let report = FairnessReport::measure(&Alphabet(10), &texts)
        .unwrap()
        .with_premiums(&Alphabet(10), &tag("en"), &parallel)
        .unwrap();
    assert_eq!(report.worst().unwrap().premium, Some(3.0));
    // Of 1 and 3: half the mean difference, 1, over the mean, 2, and that over 2.
    assert!((report.gini.unwrap() - 0.25).abs() < 1e-12);
    let table = report.to_string();
    let rows: Vec<&str> = table.lines().collect();
    assert!(rows[1].starts_with("yo-Latn") && rows[1].contains("3.000"), "{table}");
    assert_eq!(rows[3], "worst premium 3.000 (yo-Latn), Gini 0.250, mean fertility 2.000");
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<FairnessReport>(&json).unwrap(), report);
}

#[test]
fn a_gate_names_every_language_that_fails_and_those_it_cannot_judge() {
    let texts =
        BTreeMap::from([(tag("en"), vec!["ab"]), (tag("km"), vec!["ab"]), (tag("yo"), vec!["a1"])]);
    let parallel = BTreeMap::from([(tag("yo"), [vec!["ab"], vec!["abcdef"]])]);
    let report = FairnessReport::measure(&Alphabet(10), &texts)
        .unwrap()
        .with_premiums(&Alphabet(10), &tag("en"), &parallel)
        .unwrap();
    let gate = FairnessGate {
        max_premium: Some(2.0),
        max_bytes: Some(0.4),
        max_fertility: Some(1.5),
        ..FairnessGate::default()
    };
    assert_eq!(
        gate.check(&report).unwrap_err().to_string(),
        "the vocabulary fails en-Latn (fertility 2.000, at most 1.5); km-Khmr (fertility 2.000, at \
         most 1.5); yo-Latn (premium 3.000, at most 2); yo-Latn (byte rate 0.500, at most 0.4); \
         yo-Latn (fertility 2.000, at most 1.5)",
    );
    let gate = FairnessGate { max_premium: Some(f64::NAN), ..FairnessGate::default() };
    assert!(gate.check(&report).is_err(), "a limit that is no number");
    let gate = FairnessGate { max_premium: Some(3.0), ..FairnessGate::default() };
    assert_eq!(gate.check(&report).unwrap(), [tag("km")]);
    assert!(FairnessGate::advised().check(&report).is_err());
}
