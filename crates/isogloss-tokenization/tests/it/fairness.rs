//! Fertility and premium, worked by hand.

use std::collections::BTreeMap;

use isogloss_core::LanguageTag;
use isogloss_tokenization::{EncodeError, FairnessReport, SpecialIds, TextEncoder};

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
}
