//! Exact match and F1 of answers, beside the definitions of SQuAD and MLQA in Python.

use isogloss_evaluation::{AnswerNormalization, EvaluationError};
use proptest::prelude::*;
use serde_json::Value;

#[expect(clippy::unwrap_used, reason = "a helper states what it expects, too")]
fn of_language(tag: &str) -> AnswerNormalization {
    AnswerNormalization::of_language(&tag.parse().unwrap()).unwrap()
}

#[test]
fn scores_are_those_of_the_definitions_in_python() {
    let fixture: Value =
        serde_json::from_str(include_str!("../fixtures/answers/parity.json")).unwrap();
    let cases = fixture["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 480);
    for case in cases {
        let normalization = match case["kind"].as_str().unwrap() {
            "squad" => AnswerNormalization::Squad,
            tag => of_language(tag),
        };
        let answer = case["answer"].as_str().unwrap();
        assert_eq!(normalization.normalize(answer), case["normal"].as_str().unwrap(), "{case}");
        let right: Vec<&str> =
            case["right"].as_array().unwrap().iter().map(|right| right.as_str().unwrap()).collect();
        let scores = normalization.score(&[Some(answer)], &[right]).unwrap();
        assert_eq!(scores.exact_match.first().copied(), case["exact_match"].as_f64(), "{case}");
        assert!((scores.f1[0] - case["f1"].as_f64().unwrap()).abs() < 1e-12, "{case}");
    }
}

#[test]
fn each_language_has_its_articles() {
    for (tag, answer, expected) in [
        ("es", "Los niños y la «casa»", "niños y casa"),
        ("de", "Der Hund des Mannes", "hund mannes"),
        ("ar", "الكتاب والقلم", "كتاب و قلم"),
        ("zh", "我在2019年去了Beijing。", "我 在 2019 年 去 了 beijing"),
        ("en", "The end of a theme, «an» €5 $5", "end of theme €5 5"),
        ("vi", "Của những người", "người"),
        ("hi", "यह किताब।", "यह किताब"),
    ] {
        assert_eq!(of_language(tag).normalize(answer), expected);
    }
    // SQuAD deletes the punctuation of ASCII alone, and an article that a quotation mark touches goes.
    assert_eq!(AnswerNormalization::Squad.normalize("«The» end."), "« » end");
    assert_eq!(AnswerNormalization::Neutral.normalize("The «Ẹ̀kọ́»!"), "the ẹ̀kọ́");
}

#[test]
fn words_in_common_count_once_each() {
    let f1 = |normalization: AnswerNormalization, answer, right| {
        normalization.score(&[Some(answer)], &[vec![right]]).unwrap().f1[0]
    };
    let squad = AnswerNormalization::Squad;
    assert!((f1(squad, "the Eiffel Tower", "Eiffel Tower in Paris") - 2.0 / 3.0).abs() < 1e-12);
    assert!((f1(AnswerNormalization::Chinese, "北京市", "北京") - 0.8).abs() < 1e-12);
    // Equal after normalisation, but without a word in common.
    let scores = squad.score(&[Some("The")], &[vec!["a"]]).unwrap();
    assert_eq!((scores.exact_match[0], scores.f1[0]), (1.0, 0.0));
}

#[test]
fn the_best_right_answer_counts_and_none_is_zero() {
    let right = [vec!["1889", "in 1889"], vec!["Paris"]];
    let scores = AnswerNormalization::Squad.score(&[Some("In 1889."), None], &right).unwrap();
    assert_eq!(scores.exact_match, [1.0, 0.0]);
    assert_eq!(scores.f1, [1.0, 0.0]);
}

#[test]
fn other_languages_are_told_which_there_are() {
    let error = AnswerNormalization::of_language(&"yo".parse().unwrap()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`language of answers` is yo-Latn, expected ar, de, en, es, hi, vi or zh, \
         or the neutral normalisation for others"
    );
}

#[test]
fn what_is_missing_is_named() {
    let squad = AnswerNormalization::Squad;
    let error = squad.score::<&str, &str>(&[], &[]).unwrap_err();
    assert!(matches!(error, EvaluationError::Empty { .. }));
    let error = squad.score(&[Some("a")], &[vec!["a"], vec!["b"]]).unwrap_err();
    assert_eq!(error.to_string(), "answers: 1, expected 2");
    let error = squad.score(&[Some("a"), None], &[vec!["a"], vec![]]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`right answers` is none for question 1, expected at least one for each question"
    );
}

proptest! {
    #[test]
    fn what_is_normal_stays_so(text in "[Aa theTHE.«_ال العا我北Éd\u{301} ]{0,20}") {
        for normalization in [
            AnswerNormalization::Squad,
            AnswerNormalization::Arabic,
            AnswerNormalization::Chinese,
            AnswerNormalization::English,
            AnswerNormalization::Neutral,
        ] {
            let normal = normalization.normalize(&text);
            prop_assert_eq!(normalization.normalize(&normal), normal);
        }
    }
}
