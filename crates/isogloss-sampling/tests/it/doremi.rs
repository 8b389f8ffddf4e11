//! Weights that follow the loss.

use std::collections::BTreeMap;

use isogloss_core::{LanguageTag, Seed};
use isogloss_sampling::{
    Doremi, DoremiConfig, LanguageOrder, LanguageSizes, LanguageWeighting, MixtureStream, SizeUnit,
};
use proptest::prelude::*;

const LANGUAGES: [&str; 3] = ["en", "sw", "yo"];

fn tag(text: &str) -> LanguageTag {
    text.parse().expect("a tag")
}

fn sources() -> Vec<(LanguageTag, u64)> {
    LANGUAGES.iter().map(|language| (tag(language), 1_000)).collect()
}

fn sizes() -> LanguageSizes {
    LanguageSizes::try_new(SizeUnit::Tokens, sources()).expect("sizes")
}

fn by_language(values: &[f64]) -> BTreeMap<LanguageTag, f64> {
    LANGUAGES.iter().map(|language| tag(language)).zip(values.iter().copied()).collect()
}

fn weights(doremi: &Doremi) -> Vec<f64> {
    doremi.distribution(&sizes()).expect("a distribution").iter().map(|(_, q)| q).collect()
}

#[test]
fn two_steps_give_the_weights_worked_by_the_formula() {
    // From [0.5, 0.3, 0.2], which a first step from even weights reaches without smoothing to speak
    // of; λ = ln of what each must be multiplied by, shifted to be positive.
    let config = serde_json::json!({
        "config": {"step_size": 1.0, "smoothing": 1e-3},
        "steps": 0,
        "languages": [
            {"language": "en-Latn", "weight": "0.5", "average": "0.5", "excess": "0"},
            {"language": "sw-Latn", "weight": "0.3", "average": "0.3", "excess": "0"},
            {"language": "yo-Latn", "weight": "0.2", "average": "0.2", "excess": "0"},
        ],
    });
    let mut doremi: Doremi = serde_json::from_value(config).unwrap();
    let reference = by_language(&[2.0; 3]);
    doremi.update(&by_language(&[2.2, 2.5, 1.9]), &reference).unwrap();
    let first = [0.467_722, 0.378_879, 0.153_400];
    for (found, expected) in weights(&doremi).iter().zip(first) {
        assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
    }
    doremi.update(&by_language(&[2.1, 2.4, 2.3]), &reference).unwrap();
    let second = [0.400_888, 0.438_322, 0.160_790];
    for (found, expected) in weights(&doremi).iter().zip(second) {
        assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
    }
    let average = doremi.average().unwrap();
    for ((_, found), (a, b)) in average.iter().zip(first.iter().zip(second)) {
        assert!((found - f64::midpoint(*a, b)).abs() < 1e-6);
    }
}

#[test]
fn a_language_without_a_loss_keeps_its_last() {
    let mut doremi = Doremi::try_new(&sizes(), DoremiConfig::default()).unwrap();
    let reference = by_language(&[2.0; 3]);
    doremi.update(&by_language(&[2.0, 2.0, 3.0]), &reference).unwrap();
    let mut again = doremi.clone();
    doremi.update(&BTreeMap::from([(tag("en"), 2.0)]), &reference).unwrap();
    again.update(&by_language(&[2.0, 2.0, 3.0]), &reference).unwrap();
    assert_eq!(doremi, again);
}

#[test]
fn faults_are_named_and_change_nothing() {
    let mut doremi = Doremi::try_new(&sizes(), DoremiConfig::default()).unwrap();
    let before = doremi.clone();
    let reference = by_language(&[2.0; 3]);
    let mut message = |losses: BTreeMap<LanguageTag, f64>, references: &BTreeMap<_, _>| {
        doremi.update(&losses, references).unwrap_err().to_string()
    };
    assert_eq!(
        message(by_language(&[2.0, f64::NAN, 2.0]), &reference),
        "the loss of `sw-Latn` is NaN, expected a finite number",
    );
    assert_eq!(
        message(by_language(&[2.0, 2.0, 2.0]), &by_language(&[2.0])),
        "`sw-Latn` has a loss and no reference, expected both",
    );
    assert_eq!(
        message(BTreeMap::from([(tag("zu"), 1.0)]), &reference),
        "`zu-Latn` has a weight and no text, expected both or neither",
    );
    assert_eq!(doremi, before);
    let config = |json: &str| serde_json::from_str::<DoremiConfig>(json).unwrap();
    let message = |json: &str| Doremi::try_new(&sizes(), config(json)).unwrap_err().to_string();
    assert_eq!(
        message(r#"{"smoothing": 1.0}"#),
        "`smoothing` is 1, expected a number above 0 and below 1",
    );
    assert_eq!(
        message(r#"{"step_size": -1.0}"#),
        "`step_size` is -1, expected a finite number above 0",
    );
}

#[test]
fn weights_that_are_impossible_are_not_read() {
    let read = |json: &str| serde_json::from_str::<Doremi>(json).unwrap_err().to_string();
    let stored = |weight: &str, smoothing: f64| {
        format!(
            r#"{{"config": {{"step_size": 1.0, "smoothing": {smoothing}}}, "steps": 1, "languages":
            [{{"language": "yo", "weight": "{weight}", "average": "1", "excess": "0"}}]}}"#,
        )
    };
    assert!(read(&stored("0", 0.1)).starts_with("the weight of `yo-Latn` is 0, expected a finite"));
    assert!(read(&stored("1", 1.0)).starts_with("`smoothing` is 1, expected a number above 0"));
    assert!(read(&stored("x", 0.1)).starts_with("`x`, expected a number"));
    let nobody = r#"{"config": {}, "steps": 0, "languages": []}"#;
    assert!(read(nobody).starts_with("no languages, expected at least one"));
}

proptest! {
    #[test]
    fn weights_that_were_stored_go_on_bit_for_bit(
        losses in proptest::collection::vec(proptest::collection::vec(0.0..6.0_f64, 3), 1..20),
        cut in 0_usize..20,
    ) {
        let reference = by_language(&[2.0, 2.5, 3.0]);
        let mut whole = Doremi::try_new(&sizes(), DoremiConfig::default())?;
        let mut parted = whole.clone();
        for (step, losses) in losses.iter().enumerate() {
            whole.update(&by_language(losses), &reference)?;
            parted.update(&by_language(losses), &reference)?;
            if step == cut {
                parted = serde_json::from_str(&serde_json::to_string(&parted)?)?;
            }
            prop_assert_eq!(&parted, &whole);
            let q = weights(&whole);
            prop_assert!(q.iter().all(|q| *q > 0.0));
            prop_assert!((q.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }
}

#[test]
fn a_stream_follows_the_weights_and_resumes_amid_them() {
    for order in [LanguageOrder::Random, LanguageOrder::LowDiscrepancy] {
        let mut doremi = Doremi::try_new(&sizes(), DoremiConfig::default()).unwrap();
        let even = doremi.distribution(&sizes()).unwrap();
        let new =
            || MixtureStream::try_new(&even, &sources(), Seed::new(5)).unwrap().with_order(order);
        let mut stream = new();
        for _ in 0..100 {
            stream.next_draw();
        }
        doremi.update(&by_language(&[2.0, 2.0, 4.0]), &by_language(&[2.0; 3])).unwrap();
        stream.reweight(&doremi.distribution(&sizes()).unwrap()).unwrap();
        let before = stream.counts()[2];
        let state = serde_json::to_string(&stream.state()).unwrap();
        let draws: Vec<_> = stream.by_ref().take(2_000).collect();
        // e²/(e² + 2) of the draws, within 5 standard deviations; or to within 1.
        let expected = 2_000.0 * weights(&doremi)[2];
        let most = if order == LanguageOrder::Random { 92.0 } else { 1.0 };
        let found = (stream.counts()[2] - before) as f64;
        assert!((found - expected).abs() < most, "{found}, not {expected}");

        let mut resumed = new();
        resumed.restore(&serde_json::from_str(&state).unwrap()).unwrap();
        assert!(resumed.take(2_000).eq(draws));
    }
}
