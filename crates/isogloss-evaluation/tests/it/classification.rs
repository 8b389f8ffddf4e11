//! Classification against scikit-learn 1.9.1.

use isogloss_evaluation::{
    BalancedAccuracy, ClassificationReport, CohenKappa, EvaluationError, MacroF1, Mcc, Metric,
    MicroF1, Prediction, WeightedF1,
};
use serde_json::Value;

fn items(gold: &[usize], predicted: &[usize]) -> Vec<Prediction> {
    gold.iter().zip(predicted).map(|(&gold, &predicted)| Prediction { predicted, gold }).collect()
}

#[expect(clippy::unwrap_used, reason = "a helper states what it expects, too")]
fn assert_scores(items: &[Prediction], classes: usize, expected: &[(&str, Option<f64>)]) {
    let report = ClassificationReport::try_new(items, classes).unwrap();
    let of = |metric: &dyn Metric<Item = Prediction>| metric.aggregate(&mut items.iter());
    for &(name, expected) in expected {
        let found = match name {
            "accuracy" => [Some(report.accuracy); 2],
            "micro_f1" => [Some(report.micro_f1), of(&MicroF1)],
            "macro_f1" => [Some(report.macro_f1), of(&MacroF1 { n_classes: classes })],
            "weighted_f1" => [Some(report.weighted_f1), of(&WeightedF1)],
            "balanced_accuracy" => [Some(report.balanced_accuracy), of(&BalancedAccuracy)],
            "adjusted_balanced_accuracy" => [report.adjusted_balanced_accuracy; 2],
            "mcc" => [Some(report.mcc), of(&Mcc)],
            _ => [report.cohen_kappa, of(&CohenKappa)],
        };
        for found in found {
            let is_close = match (found, expected) {
                (Some(found), Some(expected)) => (found - expected).abs() < 1e-9,
                (found, expected) => found == expected,
            };
            assert!(is_close, "{name}: {found:?}, expected {expected:?} for {items:?}");
        }
    }
}

#[test]
fn scores_are_those_of_scikit_learn() {
    const NAMES: [&str; 8] = [
        "accuracy",
        "micro_f1",
        "macro_f1",
        "weighted_f1",
        "balanced_accuracy",
        "adjusted_balanced_accuracy",
        "mcc",
        "cohen_kappa",
    ];
    let expected: Value =
        serde_json::from_str(include_str!("../fixtures/classification/expected.json")).unwrap();
    let cases = expected["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 300);
    for case in cases {
        let side =
            |name: &str| -> Vec<usize> { serde_json::from_value(case[name].clone()).unwrap() };
        let items = items(&side("gold"), &side("predicted"));
        let classes: Vec<[f64; 4]> = serde_json::from_value(case["classes"].clone()).unwrap();
        assert_scores(&items, classes.len(), &NAMES.map(|name| (name, case[name].as_f64())));
        let report = ClassificationReport::try_new(&items, classes.len()).unwrap();
        for (found, expected) in report.classes.iter().zip(classes) {
            let found = [found.precision, found.recall, found.f1, found.support as f64];
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{report:?}");
        }
    }
}

#[test]
fn the_checks_of_the_specification_hold() {
    let first = items(&[0, 0, 0, 1, 1, 2, 2, 2, 2], &[0, 0, 1, 1, 2, 2, 2, 0, 2]);
    assert_scores(
        &first,
        3,
        &[
            ("accuracy", Some(0.666_666_666_7)),
            ("balanced_accuracy", Some(0.638_888_888_9)),
            ("adjusted_balanced_accuracy", Some(0.458_333_333_3)),
            ("micro_f1", Some(0.666_666_666_7)),
            ("macro_f1", Some(0.638_888_888_9)),
            ("weighted_f1", Some(0.666_666_666_7)),
            ("mcc", Some(0.480_769_230_8)),
            ("cohen_kappa", Some(0.480_769_230_8)),
        ],
    );
    let second = items(&[0, 0, 1], &[0, 2, 1]);
    assert_scores(&second, 3, &[("macro_f1", Some(5.0 / 9.0)), ("balanced_accuracy", Some(0.75))]);
    // A constant prediction: scikit-learn has 0 for MCC.
    assert_scores(&items(&[0, 1, 1], &[1, 1, 1]), 2, &[("mcc", Some(0.0))]);
}

#[test]
fn labels_outside_the_set_are_named() {
    let labels = ["neg", "pos"];
    let read =
        |gold: &[&str], predicted: &[&str]| Prediction::try_from_labels(gold, predicted, &labels);
    assert_eq!(read(&["pos", "neg"], &["neg", "neg"]).unwrap(), items(&[1, 0], &[0, 0]));
    assert_eq!(
        read(&["pos", "Pos"], &["neg", "neg"]).unwrap_err().to_string(),
        "gold label `Pos` of item 1, expected one of `neg`, `pos`",
    );
    assert!(matches!(
        read(&["pos"], &["ọ̀kan"]).unwrap_err(),
        EvaluationError::Label { side: "predicted", item: 0, .. },
    ));
    assert_eq!(read(&["pos"], &[]).unwrap_err().to_string(), "predicted labels: 0, expected 1",);
}
