//! [`LanguageTag`] worked by hand, and properties that hold for every input.

use isogloss_core::{LanguageTag, LanguageTagError};
use proptest::prelude::*;

#[test]
fn every_usual_spelling_names_one_language() {
    for (spellings, canonical) in [
        (&["swh", "sw", "swh_Latn", "sw-Latn", "SW"][..], "sw-Latn"),
        (&["yor_latn", "YO", "yo"], "yo-Latn"),
        (&["zh", "cmn", "zho_Hans", "zh-hans"], "zh-Hans"),
        (&["zh-hant-tw"], "zh-Hant-TW"),
        (&["arb_Arab", "ar"], "ar-Arab"),
        (&["amh_Ethi", "am"], "am-Ethi"),
        (&["es-419"], "es-Latn-419"),
        (&["sr"], "sr-Cyrl"),
        (&["sr-Latn"], "sr-Latn"),
    ] {
        for spelling in spellings {
            let tag: LanguageTag = spelling.parse().unwrap();
            assert_eq!(tag.as_str(), canonical, "{spelling}");
        }
    }
}

#[test]
fn a_bad_subtag_is_named_with_its_place() {
    let error = "es-419-Latn".parse::<LanguageTag>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "language tag `es-419-Latn`: subtag 3 is `Latn`, expected nothing after the region",
    );
}

#[test]
fn what_names_no_language_is_an_error() {
    assert_eq!("".parse::<LanguageTag>(), Err(LanguageTagError::Empty));
    for text in ["-", "yo-", "_yo", "yo--NG", "und", "mul", "und-Latn"] {
        assert!(text.parse::<LanguageTag>().is_err(), "{text:?}");
    }
}

#[test]
fn the_table_is_found_from_any_spelling() {
    let facts = "swh_Latn".parse::<LanguageTag>().unwrap().facts().unwrap();
    assert_eq!(
        (facts.name, facts.family, facts.joshi_class),
        ("Swahili", "Atlantic-Congo", Some(2))
    );
}

proptest! {
    #[test]
    fn parsing_never_panics(text in "\\PC*") {
        // A panic is the failure; either result is fine.
        let _ = text.parse::<LanguageTag>();
    }

    #[test]
    fn a_tag_survives_its_own_spelling(text in "(yo|SW|quz|zh|ar)([-_][A-Za-z]{4})?([-_][A-Za-z]{2})?") {
        let tag: LanguageTag = text.parse()?;
        prop_assert_eq!(tag.as_str().parse::<LanguageTag>()?, tag);
    }
}

#[test]
fn every_row_of_the_table_is_whole_and_keyed_by_a_canonical_code() {
    for row in include_str!("../../src/languages.tsv").lines().skip(1) {
        let cells: Vec<_> = row.split('\t').collect();
        let [language, name, family, class] = cells[..] else { panic!("{row}: not four cells") };
        let tag: LanguageTag = language.parse().unwrap();
        assert_eq!(tag.language(), language);
        let facts = tag.facts().unwrap();
        assert_eq!((facts.name, facts.family), (name, family));
        assert!(facts.joshi_class.is_some_and(|class| class <= 5), "{name}: {class}");
    }
}
