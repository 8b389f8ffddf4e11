//! ROUGE, beside that of rouge-score 0.1.2.

use isogloss_evaluation::{EvaluationError, RougeConfig, RougeKind, RougeTokenizer};
use proptest::prelude::*;
use serde_json::Value;

const KINDS: [(&str, RougeKind); 4] = [
    ("rouge1", RougeKind::One),
    ("rouge2", RougeKind::Two),
    ("rougeL", RougeKind::L),
    ("rougeLsum", RougeKind::Lsum),
];

fn english(kind: RougeKind) -> RougeConfig {
    RougeConfig::new(kind, RougeTokenizer::English)
}

#[test]
fn scores_are_those_of_rouge_score() {
    let fixture: Value =
        serde_json::from_str(include_str!("../fixtures/rouge/parity.json")).unwrap();
    assert_eq!(fixture["versions"]["rouge-score"], "0.1.2");
    let kinds: Vec<&str> = KINDS.map(|(name, _)| name).to_vec();
    assert_eq!(fixture["types"], serde_json::json!(kinds));
    let cases = fixture["cases"].as_array().unwrap();
    let mut above_zero = [0; 2];
    for case in cases {
        let hypothesis = case["hypothesis"].as_str().unwrap();
        let references: Vec<&str> =
            case["references"].as_array().unwrap().iter().map(|r| r.as_str().unwrap()).collect();
        let tokenizers =
            [("rouge-score", RougeTokenizer::English), ("unicode", RougeTokenizer::Unicode)];
        for ((tokenizer, value), above_zero) in tokenizers.into_iter().zip(&mut above_zero) {
            for (place, (name, kind)) in KINDS.into_iter().enumerate() {
                let score = RougeConfig::new(kind, value).score(hypothesis, &references).unwrap();
                let found = [score.precision, score.recall, score.f1];
                for (found, expected) in
                    found.iter().zip(case["scores"][tokenizer][place].as_array().unwrap())
                {
                    let expected = expected.as_f64().unwrap();
                    assert!(
                        (found - expected).abs() < 1e-12,
                        "{name} {tokenizer}: {found}, not {expected}: {case}"
                    );
                }
                *above_zero += usize::from(score.f1 > 0.0);
            }
        }
    }
    // What the Unicode tokeniser is for.
    assert!(cases.len() == 300 && above_zero[0] < 450 && above_zero[1] > 900, "{above_zero:?}");
}

#[test]
fn the_published_examples_have_their_values() {
    let target = ["The quick brown fox jumps over the lazy dog"];
    let prediction = "The quick brown dog jumps on the log.";
    let one = english(RougeKind::One).score(prediction, &target).unwrap();
    assert_eq!((one.precision, one.recall), (0.75, 6.0 / 9.0));
    let close = |kind, expected: f64, text: &str, target: &[&str]| {
        let f1 = english(kind).score(text, target).unwrap().f1;
        assert!((f1 - expected).abs() < 1e-10, "{kind:?}: {f1}, not {expected}");
    };
    close(RougeKind::One, 0.705_882_352_9, prediction, &target);
    close(RougeKind::Two, 0.266_666_666_7, prediction, &target);
    close(RougeKind::L, 0.588_235_294_1, prediction, &target);
    let target = ["the cat sat\nit was happy today"];
    let prediction = "it was happy\nthe cat sat down";
    close(RougeKind::L, 0.428_571_428_6, prediction, &target);
    close(RougeKind::Lsum, 0.857_142_857_1, prediction, &target);
}

#[test]
fn marked_letters_need_the_unicode_tokeniser() {
    let equal = |tokenizer, text: &str, reference: &str| {
        let rouge = RougeConfig::new(RougeKind::One, tokenizer);
        rouge.score(text, &[reference]).unwrap().f1 > 0.999
    };
    // Hindi has no word of a-z at all.
    assert!(!equal(RougeTokenizer::English, "किताब घर", "किताब घर"));
    assert!(equal(RougeTokenizer::Unicode, "किताब घर", "किताब घर"));
    // `ẹ̀kọ́` and `ọ̀kẹ́` are the same `k` to rouge-score.
    assert!(equal(RougeTokenizer::English, "ẹ̀kọ́", "ọ̀kẹ́"));
    assert!(!equal(RougeTokenizer::Unicode, "ẹ̀kọ́", "ọ̀kẹ́"));
}

#[test]
fn the_best_reference_counts() {
    let rouge = english(RougeKind::One);
    let score = rouge.score("a b", &["c d", "a b c d", "a"]).unwrap();
    // F of `a b c d` and of `a` is 2/3: the first counts.
    assert_eq!((score.precision, score.recall), (1.0, 0.5));
}

#[test]
fn signatures_name_what_decides() {
    let version = env!("CARGO_PKG_VERSION");
    let expected = format!("type:rougeLsum|tok:rouge-score|stem:no|version:isogloss-{version}");
    assert_eq!(english(RougeKind::Lsum).signature(), expected);
}

#[test]
fn what_is_missing_is_named() {
    let rouge = english(RougeKind::One);
    assert!(matches!(rouge.score("a", &[] as &[&str]), Err(EvaluationError::Empty { .. })));
    assert!(matches!(
        rouge.score_all::<&str>(&[] as &[&str], &[]),
        Err(EvaluationError::Empty { .. })
    ));
    let error = rouge.score_all(&["a", "b"], &[vec!["a"]]).unwrap_err();
    assert_eq!(error.to_string(), "references of ROUGE: 1, expected 2");
}

proptest! {
    #[test]
    fn a_text_is_all_of_itself_and_order_only_lowers(text in "[a-c \n]{0,30}", other in "[a-c \n]{0,30}") {
        let f1 = |kind, hypothesis: &str, reference: &str| {
            english(kind).score(hypothesis, &[reference]).unwrap().f1
        };
        let itself = text.split_whitespace().next().map_or(0.0, |_| 1.0);
        for kind in [RougeKind::One, RougeKind::L, RougeKind::Lsum] {
            prop_assert!((f1(kind, &text, &text) - itself).abs() < 1e-12);
            prop_assert!(f1(kind, &text, &other) <= f1(RougeKind::One, &text, &other) + 1e-12);
        }
    }
}
