//! Evenness over languages: check values of the papers' formulas, and numpy's.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails as a test does")]

use std::collections::BTreeMap;

use isogloss_core::LanguageTag;
use isogloss_evaluation::{Demand, Grouping, Metric, RatioOfSums, gini, spread, token_premium};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    values: Vec<f64>,
    weights: Vec<f64>,
    groups: Vec<usize>,
    tau: f64,
    gini: f64,
    weighted_gini: f64,
    utility: f64,
    between: f64,
    within: f64,
}

fn tag(tag: &str) -> LanguageTag {
    tag.parse().unwrap()
}

/// Made-up languages of the range for private use.
fn languages<T: Copy>(values: &[T]) -> BTreeMap<LanguageTag, T> {
    let name =
        |place: usize| tag(&format!("qa{}", char::from(b'a' + u8::try_from(place).unwrap())));
    values.iter().enumerate().map(|(place, value)| (name(place), *value)).collect()
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "{found}, expected {expected}");
}

#[test]
fn numpy_agrees() {
    let expected: Expected =
        serde_json::from_str(include_str!("../fixtures/fairness/expected.json")).unwrap();
    assert_eq!(expected.cases.len(), 300);
    for case in expected.cases {
        close(gini(&case.values, None).unwrap(), case.gini);
        close(gini(&case.values, Some(&case.weights)).unwrap(), case.weighted_gini);
        let scores = languages(&case.values);
        let demand = Demand::try_new("made up", languages(&case.weights)).unwrap();
        close(demand.utility(&scores, 1.0, case.tau).unwrap().value, case.utility);
        let groups = languages(&case.groups).into_iter().map(|(l, g)| (l, g.to_string()));
        let split = Grouping::new("group", groups.collect()).variance(&scores).unwrap();
        close(split.between, case.between);
        close(split.within, case.within);
    }
}

#[test]
fn the_check_values_of_the_formulas_hold() {
    let (scores, speakers) = ([0.9, 0.7, 0.4, 0.1], [500.0, 300.0, 50.0, 5.0]);
    close(gini(&scores, None).unwrap(), 0.321_428_571_428_571);
    assert!((gini(&scores, Some(&speakers)).unwrap() - 0.085_893_155_6).abs() < 1e-10);
    let demand = Demand::try_new("a test, 2022", languages(&speakers)).unwrap();
    for (tau, expected) in [(1.0, 0.795_906_432_7), (0.5, 0.720_600_313_5), (0.0, 0.525)] {
        let found = demand.utility(&languages(&scores), 1.0, tau).unwrap();
        assert!((found.value - expected).abs() < 1e-10, "{tau}: {}", found.value);
        // The same in percent.
        let percent = languages(&scores.map(|score| 100.0 * score));
        close(demand.utility(&percent, 100.0, tau).unwrap().value, found.value);
    }
    let items = token_premium(&[10, 6], &[5, 4]).unwrap();
    close(RatioOfSums.aggregate(&mut items.iter()).unwrap(), 1.777_777_777_777_778);
}

#[test]
fn a_language_without_a_result_counts_nothing_and_is_named() {
    let speakers = BTreeMap::from([(tag("en"), 3.0), (tag("yo"), 1.0)]);
    let demand = Demand::try_new("made up", speakers).unwrap();
    let scores = BTreeMap::from([(tag("en"), 0.8), (tag("am"), 0.5)]);
    let found = demand.utility(&scores, 1.0, 1.0).unwrap();
    close(found.value, 0.6);
    assert_eq!(found.without_result, [tag("yo")]);
    assert_eq!(found.without_demand, [tag("am")]);
}

#[test]
fn languages_are_ordered_and_groups_keep_the_unknown() {
    let scores = BTreeMap::from([
        (tag("en"), 0.9),
        (tag("am"), 0.3),
        (tag("ti"), 0.5),
        (tag("km"), 0.2),
        (tag("nqo"), 0.6),
    ]);
    let found = spread(&scores, Some(0.33)).unwrap();
    let order: Vec<&str> = found.ordered.iter().map(|(language, _)| language.name()).collect();
    assert_eq!(order[0], "Khmer");
    assert_eq!((order[4], found.worst, found.below_baseline), ("English", 0.2, Some(2)));
    close(found.range, 0.7);
    close(found.ratio.unwrap(), 2.0 / 9.0);
    close(found.macro_average, 0.5);
    close(found.sd.unwrap(), (0.3_f64 / 4.0).sqrt());

    let scripts = Grouping::by_script(scores.keys()).scores(&scores).unwrap();
    let names: Vec<&str> = scripts.iter().map(|group| group.group.as_str()).collect();
    assert_eq!(names, ["Khmr", "Ethi", "Nkoo", "Latn"]);
    assert_eq!(scripts[1].languages, [tag("am"), tag("ti")]);
    close(scripts[1].mean, 0.4);

    let some =
        BTreeMap::from([(tag("am"), "highland".to_owned()), (tag("ti"), "highland".to_owned())]);
    let groups = Grouping::new("region", some).scores(&scores).unwrap();
    let names: Vec<&str> = groups.iter().map(|group| group.group.as_str()).collect();
    assert_eq!(names, ["highland", Grouping::UNKNOWN]);
    assert_eq!(groups[1].languages.len(), 3);
    assert_eq!(Grouping::by_joshi_class(scores.keys()).group(&tag("en")), "5");
}

#[test]
fn bad_input_is_named() {
    let text = |error: isogloss_evaluation::EvaluationError| error.to_string();
    assert!(text(gini(&[], None).unwrap_err()).contains("no items"));
    assert!(text(gini(&[0.0, 0.0], None).unwrap_err()).contains("`values` is all 0"));
    assert!(text(gini(&[0.5, -0.1], None).unwrap_err()).contains("`values` is -0.1"));
    assert!(text(gini(&[0.5], Some(&[1.0, 2.0])).unwrap_err()).contains("weights: 2, expected 1"));
    assert!(text(gini(&[0.0, 1.0], Some(&[1.0, 0.0])).unwrap_err()).contains("weight above 0"));
    assert!(text(gini(&[f64::NAN], None).unwrap_err()).contains("values 0 is NaN"));
    assert!(text(spread(&BTreeMap::new(), None).unwrap_err()).contains("scores of languages"));
    let one = BTreeMap::from([(tag("en"), 2.0)]);
    assert!(text(Demand::try_new(" ", one.clone()).unwrap_err()).contains("`source` is empty"));
    let none = BTreeMap::from([(tag("en"), 0.0)]);
    assert!(text(Demand::try_new("a", none).unwrap_err()).contains("0 for en-Latn"));
    let demand = Demand::try_new("a", one.clone()).unwrap();
    assert!(text(demand.utility(&one, 1.0, 1.0).unwrap_err()).contains("2 for en-Latn"));
    assert!(text(demand.utility(&one, 2.0, 1.5).unwrap_err()).contains("`tau` is 1.5"));
    assert!(text(demand.utility(&one, 0.0, 1.0).unwrap_err()).contains("`maximum` is 0"));
    assert!(token_premium(&[1], &[]).is_err() && token_premium(&[1], &[0]).is_err());
    let missing = Demand::from_tsv("a", "language\tspeakers\nen\tmany\n").unwrap_err();
    assert!(text(missing).contains("`many` for en-Latn"));
}

proptest! {
    #[test]
    fn gini_lies_in_its_range_and_scale_does_not_matter(
        values in prop::collection::vec(0.001_f64..1.0, 1..20),
        scale in 0.1_f64..50.0,
    ) {
        let found = gini(&values, None).unwrap();
        prop_assert!((-1e-12..1.0).contains(&found));
        let scaled: Vec<f64> = values.iter().map(|value| scale * value).collect();
        prop_assert!((gini(&scaled, None).unwrap() - found).abs() < 1e-9);
        // A weight of 2 is the same as standing there twice.
        let doubled: Vec<f64> = values.iter().chain(&values[..1]).copied().collect();
        let mut weights = vec![1.0; values.len()];
        weights[0] = 2.0;
        let weighted = gini(&values, Some(&weights)).unwrap();
        prop_assert!((gini(&doubled, None).unwrap() - weighted).abs() < 1e-9);
        let equal = vec![values[0]; values.len()];
        prop_assert!(gini(&equal, None).unwrap().abs() < 1e-12);
    }

    #[test]
    fn variance_is_split_without_a_rest(
        members in prop::collection::vec((0.0_f64..1.0, 0_u8..4), 1..20),
    ) {
        let scores = languages(&members.iter().map(|(score, _)| *score).collect::<Vec<_>>());
        let groups = languages(&members.iter().map(|(_, group)| *group).collect::<Vec<_>>());
        // Group 0 is left to the unknown.
        let groups = groups.into_iter().filter(|(_, g)| *g > 0).map(|(l, g)| (l, g.to_string()));
        let split = Grouping::new("group", groups.collect()).variance(&scores).unwrap();
        let count = scores.len() as f64;
        let mean = scores.values().sum::<f64>() / count;
        let total = scores.values().map(|score| (score - mean).powi(2)).sum::<f64>() / count;
        prop_assert!((split.between + split.within - total).abs() < 1e-12);
    }
}
