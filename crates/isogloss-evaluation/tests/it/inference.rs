//! Quantiles, intervals, tests and corrections against scipy 1.17.1.

use isogloss_core::Seed;
use isogloss_evaluation::{
    BootstrapConfig, Correction, EvaluationError, Interval, KendallTau, McNemar, Mean, Metric,
    Pearson, PermutationConfig, Power, RatioOfSums, Spearman, acceleration, bca_interval,
    mean_over_seeds, normal_cdf, normal_quantile, percentile_interval, student_t_quantile,
};
use proptest::prelude::*;
use rand::RngExt;
use serde::de::DeserializeOwned;
use serde_json::Value;

#[expect(clippy::unwrap_used, reason = "a helper states what it expects, too")]
fn expected<T: DeserializeOwned>(part: &str) -> Vec<T> {
    let mut all: Value =
        serde_json::from_str(include_str!("../fixtures/inference/expected.json")).unwrap();
    let cases: Vec<T> = serde_json::from_value(all[part].take()).unwrap();
    assert!(cases.len() > 10, "{part}");
    cases
}

#[expect(clippy::unwrap_used, reason = "a helper states what it expects, too")]
fn numbers(value: &Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).unwrap()
}

fn assert_near(found: f64, expected: f64, tolerance: f64, what: &str) {
    let is_near = (found - expected).abs() <= tolerance * expected.abs().max(1e-300);
    assert!(is_near, "{what}: {found:e}, expected {expected:e}");
}

fn assert_all_near(found: &[f64], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-9, "{what}: {found}, expected {expected}");
    }
}

/// The sample of the specification.
const SAMPLE: [f64; 10] = [2.1, 3.4, 1.9, 5.6, 4.4, 3.8, 2.7, 9.5, 3.3, 4.1];

#[test]
fn the_normal_distribution_is_that_of_scipy() {
    let all: Value =
        serde_json::from_str(include_str!("../fixtures/inference/expected.json")).unwrap();
    let read = |part: &str| -> Vec<[f64; 2]> {
        serde_json::from_value(all["normal"][part].clone()).unwrap()
    };
    for [probability, z] in read("quantile") {
        let found = normal_quantile(probability).unwrap();
        // Near the middle the quantile is near 0, and what counts is its distance.
        assert!((found - z).abs() < 1e-14 * z.abs().max(1.0), "{probability}: {found}, not {z}");
    }
    for [x, share] in read("cdf") {
        assert_near(normal_cdf(x), share, 1e-13, &format!("cdf of {x}"));
    }
    for outside in [0.0, 1.0, -0.1, f64::NAN] {
        assert!(matches!(normal_quantile(outside), Err(EvaluationError::Config { .. })));
    }
}

#[test]
fn the_quantile_of_student_is_that_of_scipy() {
    for (probability, degrees, t) in expected::<(f64, u64, f64)>("student") {
        let found = student_t_quantile(probability, degrees).unwrap();
        // Near the middle scipy itself is right to about 1e-9 of the quantile.
        assert!(
            (found - t).abs() < 1e-9 * t.abs().max(1.0),
            "{probability} of {degrees}: {found}, {t}"
        );
    }
    // One degree is Cauchy's distribution, two have a closed form.
    let found = student_t_quantile(0.75, 1).unwrap();
    assert_near(found, 1.0, 1e-14, "a quarter turn");
    assert_near(student_t_quantile(0.9, 2).unwrap(), 0.8 * (2.0_f64 / 0.36).sqrt(), 1e-14, "two");
    assert!(student_t_quantile(0.5, 3).unwrap().abs() < 1e-12);
    assert!(student_t_quantile(0.5, 0).is_err() && student_t_quantile(1.0, 3).is_err());
}

#[test]
fn intervals_over_seeds_are_those_of_scipy() {
    for case in expected::<Value>("seeds") {
        let (scores, ends) = (numbers(&case["scores"]), numbers(&case["interval"]));
        let found = mean_over_seeds(&scores, case["level"].as_f64().unwrap()).unwrap();
        assert_all_near(&[found.low, found.high], &ends, &format!("{scores:?}"));
        assert_eq!(found.items, scores.len());
    }
    // Five seeds with a standard deviation of 0.8.
    // Four of them at a distance of 0.8 from the mean: the squares are 4 · 0.8², over 4.
    let found = mean_over_seeds(&[69.2, 70.8, 69.2, 70.8, 70.0], 0.95).unwrap();
    assert!((found.high - found.value - 0.993_331_198_6).abs() < 1e-9, "{found:?}");
    assert_eq!(
        mean_over_seeds(&[1.0], 0.95).unwrap_err().to_string(),
        "`scores` is 1 numbers, expected at least two",
    );
    assert!(mean_over_seeds(&[1.0, f64::NAN], 0.95).is_err());
    assert!(mean_over_seeds(&[1.0, 2.0], 1.0).is_err());
}

#[test]
fn intervals_of_given_resamples_are_those_of_scipy() {
    let mut undefined = 0;
    for case in expected::<Value>("bootstrap") {
        let what = case["statistic"].as_str().unwrap();
        let [scores, without] = ["scores", "without_each"].map(|name| numbers(&case[name]));
        let [level, value] = ["level", "value"].map(|name| case[name].as_f64().unwrap());
        let found = percentile_interval(&scores, level).unwrap();
        assert_all_near(&found, &numbers(&case["percentile"]), what);
        let found = bca_interval(&scores, value, &without, level);
        if case["BCa"].is_null() {
            let fault = found.unwrap_err().to_string();
            assert!(fault.contains("not defined: leaving out any item changes nothing"), "{fault}");
            undefined += 1;
            continue;
        }
        assert_all_near(&found.unwrap(), &numbers(&case["BCa"]), what);
        if let Some(found) = acceleration(&without) {
            assert!((found - case["acceleration"].as_f64().unwrap()).abs() < 1e-12, "{what}");
        }
    }
    assert_eq!(undefined, 1);
}

#[test]
fn the_sample_of_the_specification_has_its_intervals() {
    let sum: f64 = SAMPLE.iter().sum();
    let without = SAMPLE.map(|it| (sum - it) / 9.0);
    let found = acceleration(&without).unwrap();
    assert!((found - 0.081_982_157_7).abs() < 1e-10, "{found}");
    let bootstrap = BootstrapConfig::new(Seed::new(1)).with_resamples(9_999);
    let percentile = bootstrap.estimate(&Mean, &SAMPLE).unwrap();
    let bca = bootstrap.with_interval(Interval::Bca).estimate(&Mean, &SAMPLE).unwrap();
    // Within what chance leaves of scipy's ends.
    for (found, expected) in [
        (percentile.low, 2.96),
        (percentile.high, 5.54),
        (bca.low, 3.140_553),
        (bca.high, 5.998_86),
    ] {
        assert!((found - expected).abs() < 0.1, "{found}, expected {expected}");
    }
    assert!((bca.value - 4.08).abs() < 1e-12);
    // A wider level holds the narrower one.
    let narrow = bootstrap.with_interval(Interval::Bca).with_level(0.5);
    let narrow = narrow.estimate(&Mean, &SAMPLE).unwrap();
    assert!(bca.low < narrow.low && narrow.high < bca.high);
}

#[test]
fn bca_leaves_out_each_item_once() {
    // The interval from the scores without each item, worked here, equals that of the configuration.
    let items: Vec<[f64; 2]> = SAMPLE.iter().map(|it| [*it, 1.0 + it.fract()]).collect();
    let score = |items: &[[f64; 2]]| RatioOfSums.aggregate(&mut items.iter()).unwrap();
    let without: Vec<f64> = (0..items.len())
        .map(|out| {
            let mut others = items.clone();
            others.remove(out);
            score(&others)
        })
        .collect();
    let bootstrap = BootstrapConfig::new(Seed::new(8)).with_resamples(200);
    let scores: Vec<f64> = (0..200)
        .map(|resample| {
            let mut rng = Seed::new(8).at(resample).rng();
            let draws = items.iter().map(|_| items[rng.random_range(0..10)]);
            score(&draws.collect::<Vec<_>>())
        })
        .collect();
    let expected = bca_interval(&scores, score(&items), &without, 0.95).unwrap();
    let found = bootstrap.with_interval(Interval::Bca).estimate(&RatioOfSums, &items).unwrap();
    assert_all_near(&[found.low, found.high], &expected, "ratio");
    // A constant beside it moves the difference, and the interval with it.
    let constant = vec![[1.0, 1.0]; 10];
    let bca = bootstrap.with_interval(Interval::Bca);
    let found = bca.paired(&RatioOfSums, &items, &constant).unwrap().difference;
    assert_all_near(&[found.low + 1.0, found.high + 1.0], &expected, "difference");
}

struct Zero;

impl Metric for Zero {
    type Item = f64;

    fn aggregate(&self, _: &mut dyn Iterator<Item = &f64>) -> Option<f64> {
        Some(0.0)
    }
}

#[test]
fn intervals_that_are_not_defined_say_why() {
    let bca = BootstrapConfig::new(Seed::new(1)).with_interval(Interval::Bca);
    assert_eq!(
        bca.estimate(&Mean, &[0.1; 7]).unwrap_err().to_string(),
        "BCa interval is not defined: leaving out any item changes nothing, as where all are equal; \
         the percentile interval is",
    );
    assert_eq!(
        bca.estimate(&Mean, &[1.0]).unwrap_err().to_string(),
        "BCa interval is not defined: the metric has no value without item 0",
    );
    let fault = bca_interval(&[2.0, 3.0], 1.0, &[0.9, 1.1], 0.95).unwrap_err().to_string();
    assert!(fault.contains("all resamples score higher"), "{fault}");
    // A metric with a value for nothing does not make an interval of nothing.
    assert!(BootstrapConfig::new(Seed::new(1)).estimate(&Zero, &[]).is_err());
    assert!(percentile_interval(&[], 0.95).is_err());
    assert!(percentile_interval(&[1.0, f64::NAN], 0.95).is_err());
    assert!(percentile_interval(&[1.0], 1.0).is_err());
    // A configuration written before there was a choice reads as it did.
    let old = serde_json::json!({ "resamples": 10, "level": 0.9, "seed": Seed::new(1) });
    let old: BootstrapConfig = serde_json::from_value(old).unwrap();
    assert_eq!(old.interval, Interval::Percentile);
}

#[test]
fn exact_permutation_is_that_of_scipy() {
    let config = PermutationConfig::new(Seed::new(1));
    for case in expected::<Value>("permutation") {
        let [first, second] = ["first", "second"].map(|side| numbers(&case[side]));
        let found = config.paired_means(&first, &second).unwrap();
        assert!(found.is_exact);
        assert!((found.p_value - case["p"].as_f64().unwrap()).abs() < 1e-12, "{case}, {found:?}");
    }
}

#[test]
fn drawn_permutation_is_near_the_exact_one() {
    // One difference more than are tried in every way, too small to change a comparison.
    let mut first: Vec<f64> = (0..20).map(|it| f64::from(it * it).sin() + 0.2).collect();
    let zeros = vec![0.0; 21];
    let config = PermutationConfig::new(Seed::new(5)).with_resamples(20_000);
    let exact = config.paired_means(&first, &zeros[1..]).unwrap();
    first.push(1e-9);
    let drawn = config.paired_means(&first, &zeros).unwrap();
    assert!(exact.is_exact && !drawn.is_exact);
    assert!(exact.p_value > 0.01 && exact.p_value < 0.99, "{exact:?}");
    let error = (exact.p_value * (1.0 - exact.p_value) / 20_000.0).sqrt();
    assert!((exact.p_value - drawn.p_value).abs() < 4.0 * error, "{exact:?}, {drawn:?}");
    // No draw is as large as 40 equal signs: the smallest p-value that draws can give.
    let clear = config.with_resamples(999).paired_means(&[1.0; 40], &[0.0; 40]).unwrap();
    assert!((clear.p_value - 0.001).abs() < 1e-12, "{clear:?}");
    let same = config.paired_means(&zeros, &zeros).unwrap();
    assert!(same.is_exact && same.p_value >= 1.0);
    assert!(config.with_resamples(0).paired_means(&[1.0], &[0.0]).is_err());
    assert!(config.paired_means(&[], &[]).is_err());
    assert!(config.paired_means(&[1.0], &[]).is_err());
    assert_eq!(
        config.paired_means(&[1.0, f64::NAN], &[0.0; 2]).unwrap_err().to_string(),
        "score of the first system 1 is NaN, expected a finite number",
    );
}

#[test]
fn mcnemar_is_the_binomial_test_of_scipy() {
    for (first, second, p_value) in expected::<(u64, u64, f64)>("mcnemar") {
        let found = McNemar::from_counts(first, second).p_value;
        assert_near(found, p_value, 1e-10, &format!("{first} against {second}"));
    }
    // The check of the specification: ten pairs, three that only the first has right.
    let first = [true, true, true, true, false, false, true, true, true, false];
    let second = [false, true, false, true, false, false, true, true, false, false];
    let found = McNemar::try_new(&first, &second).unwrap();
    assert_eq!((found.first_only, found.second_only), (3, 0));
    assert!((found.p_value - 0.25).abs() < 1e-15);
    let [first, second] =
        [first, second].map(|it| it.map(|is_right| f64::from(u8::from(is_right))));
    let found = PermutationConfig::new(Seed::new(1)).paired_means(&first, &second).unwrap();
    assert!((found.p_value - 0.25).abs() < 1e-15);
    assert!((McNemar::from_counts(0, 0).p_value - 1.0).abs() < 1e-15);
    assert!(McNemar::try_new(&[true], &[]).is_err() && McNemar::try_new(&[], &[]).is_err());
}

#[test]
fn corrections_are_those_of_scipy_and_the_definition() {
    const ALL: [(&str, Correction); 3] = [
        ("holm", Correction::Holm),
        ("bh", Correction::BenjaminiHochberg),
        ("by", Correction::BenjaminiYekutieli),
    ];
    for case in expected::<Value>("corrections") {
        for (name, correction) in ALL {
            let found = correction.adjust(&numbers(&case["p"])).unwrap();
            assert_all_near(&found, &numbers(&case[name]), name);
        }
    }
    let given = [0.01, 0.04, 0.03, 0.005, 0.5];
    let by_yekutieli = [0.057_083_333_3, 0.114_166_666_7, 0.114_166_666_7, 0.057_083_333_3, 1.0];
    let checks = [[0.04, 0.09, 0.09, 0.025, 0.5], [0.025, 0.05, 0.05, 0.025, 0.5], by_yekutieli];
    for ((name, correction), check) in ALL.into_iter().zip(checks) {
        assert_all_near(&correction.adjust(&given).unwrap(), &check, name);
    }
    assert_eq!(
        Correction::Holm.adjust(&[0.5, 1.5]).unwrap_err().to_string(),
        "`p_values` is 1.5 at place 1, expected numbers from 0 to 1",
    );
    assert!(Correction::Holm.adjust(&[f64::NAN]).is_err() && Correction::Holm.adjust(&[]).is_err());
}

#[test]
fn correlations_are_those_of_scipy() {
    for case in expected::<Value>("correlation") {
        let [x, y] = ["x", "y"].map(|side| numbers(&case[side]));
        let items: Vec<[f64; 2]> = x.into_iter().zip(y).map(|(x, y)| [x, y]).collect();
        let found = [
            KendallTau.aggregate(&mut items.iter()),
            Spearman.aggregate(&mut items.iter()),
            Pearson.aggregate(&mut items.iter()),
        ];
        for (place, found) in found.into_iter().enumerate() {
            match (found, case["expected"][place].as_f64()) {
                (Some(found), Some(r)) => assert!((found - r).abs() < 1e-9, "{place}, {items:?}"),
                (found, r) => assert_eq!(found, r, "{place}, {items:?}"),
            }
        }
    }
}

#[test]
fn power_is_that_of_the_specification() {
    let power = Power::default();
    let one = power.minimum_detectable_difference(1.0, 1).unwrap();
    assert!((one - 2.801_585_218_1).abs() < 1e-10, "{one}");
    let sd = Power::discordance_sd(0.2).unwrap();
    let smallest = power.minimum_detectable_difference(sd, 500).unwrap();
    assert!((smallest - 0.056_031_704_4).abs() < 1e-10, "{smallest}");
    assert_eq!(power.items_needed(sd, 0.02).unwrap(), 3_925);
    assert_eq!(power.items_needed(0.0, 0.02).unwrap(), 1);
    assert!(power.minimum_detectable_difference(sd, 0).is_err());
    assert!(power.minimum_detectable_difference(-1.0, 5).is_err());
    assert!(Power::discordance_sd(1.1).is_err());
    for difference in [0.0, -0.1, f64::NAN, f64::INFINITY, 1e-300] {
        assert!(power.items_needed(sd, difference).is_err(), "{difference}");
    }
    for (alpha, power) in [(0.0, 0.8), (0.05, 1.0), (0.5, 0.1)] {
        let fault = Power::new(alpha, power).items_needed(sd, 0.02);
        assert!(matches!(fault, Err(EvaluationError::Config { .. })), "{alpha}, {power}");
    }
}

proptest! {
    #[test]
    fn quantiles_of_a_distribution_undo_it(x in -6.0_f64..6.0, degrees in 1_u64..2_000) {
        let found = normal_quantile(normal_cdf(x))?;
        // The share near 1 is rounded, and the quantile is as steep there as the density is low.
        let slack = 1e-15 / (-x * x / 2.0).exp() * 3.0 + 1e-14;
        prop_assert!((found - x).abs() < slack, "{}", found);
        let share = 0.5 + normal_cdf(-x.abs()) / 3.0;
        let [above, below] = [share, 1.0 - share].map(|it| student_t_quantile(it, degrees).unwrap());
        prop_assert!((above + below).abs() < 1e-9 && above >= 0.0);
        // Its tails are heavier than those of the normal distribution.
        prop_assert!(above + 1e-12 >= normal_quantile(share)?);
    }

    #[test]
    fn corrections_keep_order_and_never_lower_a_p_value(
        p_values in prop::collection::vec(0.0_f64..=1.0, 1..20),
    ) {
        let adjusted = [
            Correction::BenjaminiHochberg, Correction::BenjaminiYekutieli, Correction::Holm,
        ].map(|it| it.adjust(&p_values).unwrap());
        for adjusted in &adjusted {
            for (place, p) in p_values.iter().enumerate() {
                prop_assert!(adjusted[place] >= p - 1e-15 && adjusted[place] <= 1.0);
                for (other, q) in p_values.iter().enumerate() {
                    prop_assert!(p > q || adjusted[place] <= adjusted[other] + 1e-15);
                }
            }
        }
        let [bh, by, holm] = &adjusted;
        for place in 0..p_values.len() {
            prop_assert!(bh[place] <= by[place] + 1e-15 && bh[place] <= holm[place] + 1e-15);
        }
    }

    #[test]
    fn a_smaller_detectable_difference_takes_the_items_it_says(
        sd in 0.01_f64..2.0, difference in 0.01_f64..1.0,
    ) {
        let power = Power::default();
        let items = power.items_needed(sd, difference)?;
        prop_assert!(power.minimum_detectable_difference(sd, items)? <= difference * (1.0 + 1e-12));
        if items > 1 {
            let fewer = power.minimum_detectable_difference(sd, items - 1)?;
            prop_assert!(fewer > difference * (1.0 - 1e-12));
        }
    }

    #[test]
    fn a_permutation_test_does_not_know_which_system_is_first(
        pairs in prop::collection::vec((0_u8..5, 0_u8..5), 1..14),
    ) {
        let (first, second): (Vec<f64>, Vec<f64>) =
            pairs.iter().map(|&(first, second)| (f64::from(first), f64::from(second))).unzip();
        let config = PermutationConfig::new(Seed::new(1));
        let [there, back] = [(&first, &second), (&second, &first)]
            .map(|(first, second)| config.paired_means(first, second).unwrap());
        prop_assert!((there.p_value - back.p_value).abs() < 1e-12);
        prop_assert!((there.difference + back.difference).abs() < 1e-12);
        prop_assert!(there.p_value > 0.0 && there.p_value <= 1.0);
    }
}
