//! Word and character error rates, beside those of jiwer 4.0.

use isogloss_evaluation::{ErrorRate, ErrorUnit, EvaluationError};
use proptest::prelude::*;
use serde_json::{Value, json};

#[test]
fn edits_are_those_of_jiwer() {
    let fixture: Value =
        serde_json::from_str(include_str!("../fixtures/error_rate/parity.json")).unwrap();
    assert_eq!(fixture["versions"]["jiwer"], "4.0.0");
    let cases = fixture["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 400);
    for (unit, name, rate) in
        [(ErrorUnit::Words, "words", "wer"), (ErrorUnit::CodePoints, "code_points", "cer")]
    {
        for case in cases {
            let side = |side: &str| case[side].as_str().unwrap();
            let edits = unit.edits(side("reference"), side("hypothesis"));
            let found =
                json!([edits.substitutions, edits.deletions, edits.insertions, edits.reference]);
            assert_eq!(found, case[name], "{name}: {case}");
        }
        let sides = ["reference", "hypothesis"]
            .map(|side| cases.iter().map(|case| case[side].as_str().unwrap()).collect::<Vec<_>>());
        let errors = ErrorRate::try_new(unit, &sides[0], &sides[1]).unwrap();
        assert!((errors.rate().unwrap() - fixture[rate].as_f64().unwrap()).abs() < 1e-12);
    }
}

#[test]
fn long_utterances_weigh_more() {
    let references = ["the cat sat on the mat", "hello world"];
    let hypotheses = ["the cat sat on mat", "hello there big world"];
    let rate = |unit| ErrorRate::try_new(unit, &references, &hypotheses).unwrap().rate();
    assert_eq!(rate(ErrorUnit::Words), Some(0.375));
    assert!((rate(ErrorUnit::CodePoints).unwrap() - 0.424_242_424_2).abs() < 1e-10);
    assert_eq!(rate(ErrorUnit::GraphemeClusters), rate(ErrorUnit::CodePoints));
}

#[test]
fn a_letter_with_marks_is_one_grapheme_cluster() {
    // Five code points, three clusters: the tones are lost.
    let clusters = ErrorUnit::GraphemeClusters.edits("ẹ̀kọ́", "ẹkọ");
    assert_eq!((clusters.substitutions, clusters.errors(), clusters.reference), (2, 2, 3));
    let points = ErrorUnit::CodePoints.edits("ẹ̀kọ́", "ẹkọ");
    assert_eq!((points.deletions, points.errors(), points.reference), (2, 2, 5));
    assert_eq!(ErrorUnit::GraphemeClusters.edits("किताब", "").deletions, 3);
}

#[test]
fn an_empty_reference_has_no_rate_but_its_insertions_count() {
    let errors = ErrorRate::try_new(ErrorUnit::Words, &["", "a b"], &["x", "a b"]).unwrap();
    assert_eq!(errors.utterances[0].rate(), None);
    assert_eq!(errors.rate(), Some(0.5));
    assert_eq!(errors.items(), [[1.0, 0.0], [0.0, 2.0]]);
    assert_eq!(ErrorRate::try_new(ErrorUnit::Words, &[""], &["x"]).unwrap().rate(), None);
}

#[test]
fn what_is_missing_is_named() {
    let none: &[&str] = &[];
    let error = ErrorRate::try_new(ErrorUnit::Words, none, none).unwrap_err();
    assert!(matches!(error, EvaluationError::Empty { .. }));
    let error = ErrorRate::try_new(ErrorUnit::Words, &["a", "b"], &["a"]).unwrap_err();
    assert_eq!(error.to_string(), "hypotheses: 1, expected 2");
}

proptest! {
    #[test]
    fn edits_are_a_distance(a in "[ab]{0,12}", b in "[ab]{0,12}", c in "[ab]{0,12}") {
        let edits = |a: &str, b: &str| ErrorUnit::CodePoints.edits(a, b);
        let there = edits(&a, &b);
        prop_assert_eq!(edits(&a, &a).errors(), 0);
        prop_assert_eq!(there.errors() == 0, a == b);
        prop_assert_eq!(there.errors(), edits(&b, &a).errors());
        prop_assert!(edits(&a, &c).errors() <= there.errors() + edits(&b, &c).errors());
        // What is kept and what is not makes up both texts.
        prop_assert_eq!(a.len() + there.insertions, b.len() + there.deletions);
        prop_assert!(there.substitutions + there.deletions <= a.len());
    }
}
