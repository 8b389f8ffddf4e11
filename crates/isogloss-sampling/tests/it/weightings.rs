//! Weightings besides the exponent, against published and worked values.

use std::collections::BTreeMap;

use isogloss_core::LanguageTag;
use isogloss_sampling::{
    CappedConfig, DistributionError, ExplicitWeights, ExponentConfig, GroupedWeighting, Grouping,
    LanguageSizes, LanguageWeighting, SamplingPlan, SizeUnit, UniMaxConfig,
};
use isogloss_testing::language_sizes;
use proptest::prelude::*;

fn tag(text: &str) -> LanguageTag {
    text.parse().expect("a tag")
}

fn sizes(sizes: &[(LanguageTag, u64)]) -> LanguageSizes {
    LanguageSizes::try_new(SizeUnit::Characters, sizes.to_vec()).expect("sizes")
}

fn probabilities(weighting: &dyn LanguageWeighting, of: &LanguageSizes) -> Vec<f64> {
    weighting.distribution(of).expect("a distribution").iter().map(|(_, q)| q).collect()
}

fn assert_near(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < tolerance, "{found}, not {expected}");
    }
}

#[test]
fn unimax_gives_the_worked_example_of_its_authors() {
    let fineweb = sizes(&[
        (tag("swe"), 179_955_884_499),
        (tag("fas"), 184_595_788_282),
        (tag("ekk"), 42_541_080_893),
        (tag("isl"), 10_027_573_389),
        (tag("fao"), 549_707_867),
    ]);
    let config = UniMaxConfig::new(250_000_000_000);
    let (even, isl, fao) = (0.276_921_166_635, 0.160_441_174_224, 0.008_795_325_872);
    assert_near(&probabilities(&config, &fineweb), &[even, even, even, isl, fao], 1e-12);
    let plan = config.distribution(&fineweb).unwrap();
    let plan = SamplingPlan::try_new(&fineweb, &plan, config.budget).unwrap();
    let drawn: Vec<f64> = plan.rows.iter().map(|row| row.drawn).collect();
    let even = 69_230_291_658.67;
    assert_near(&drawn, &[even, even, even, 40_110_293_556.0, 2_198_831_468.0], 0.01);
    let epochs: Vec<f64> = plan.rows.iter().map(|row| row.epochs).collect();
    assert_near(&epochs, &[0.384_707, 0.375_037, 1.627_375, 4.0, 4.0], 5e-7);
}

#[test]
fn unimax_fills_a_budget_of_all_epochs_exactly() {
    // Beyond 2^53, where a budget and a sum of sizes are rounded.
    let large = sizes(&[(tag("yo"), (1 << 60) + 1), (tag("sw"), (1 << 58) + 1), (tag("ig"), 3)]);
    let all: u64 = large.iter().map(|(_, size)| size).sum();
    let q = probabilities(&UniMaxConfig::new(3 * all).with_max_epochs(3.0), &large);
    assert_near(&q, &probabilities(&ExponentConfig::proportional(), &large), 1e-14);
    assert!(UniMaxConfig::new(3 * all).with_max_epochs(2.999).distribution(&large).is_err());
}

#[test]
fn unimax_names_a_budget_that_its_cap_cannot_fill() {
    let small = sizes(&[(tag("yo"), 10), (tag("sw"), 20)]);
    let error = UniMaxConfig::new(100).with_max_epochs(2.0).distribution(&small).unwrap_err();
    assert!(matches!(error, DistributionError::Shortfall { available: 60, .. }));
    assert_eq!(
        error.to_string(),
        "the budget is 100 characters and at most 2 epochs of all languages are 60; expected a \
         smaller budget or more epochs",
    );
    let exactly = UniMaxConfig::new(60).with_max_epochs(2.0);
    assert_near(&probabilities(&exactly, &small), &[1.0 / 3.0, 2.0 / 3.0], 1e-12);
    let message = |config: UniMaxConfig| config.distribution(&small).unwrap_err().to_string();
    assert_eq!(message(UniMaxConfig::new(0)), "`budget` is 0, expected at least 1");
    assert_eq!(
        message(UniMaxConfig::new(9).with_max_epochs(f64::NAN)),
        "`max_epochs` is NaN, expected a finite number above 0",
    );
}

#[test]
fn a_cap_gives_the_rates_of_seqio_for_glue() {
    let tasks = [8551, 67_349, 3668, 363_846, 5749, 392_702, 104_743, 2490];
    let names = ["qaa", "qab", "qac", "qad", "qae", "qaf", "qag", "qah"].map(tag);
    let glue = sizes(&names.into_iter().zip(tasks).collect::<Vec<_>>());
    let none = CappedConfig::default();
    let cases = [
        (
            none,
            [
                0.009_010, 0.070_961, 0.003_865, 0.383_360, 0.006_057, 0.413_763, 0.110_361,
                0.002_624,
            ],
        ),
        (
            CappedConfig::new(1 << 16),
            [
                0.030_258, 0.231_902, 0.012_979, 0.231_902, 0.020_343, 0.231_902, 0.231_902,
                0.008_811,
            ],
        ),
        (
            CappedConfig::new(3000),
            [
                0.127_714, 0.127_714, 0.127_714, 0.127_714, 0.127_714, 0.127_714, 0.127_714,
                0.106_003,
            ],
        ),
        (
            CappedConfig::new(1 << 21).with_temperature(2.0),
            [
                0.044_207, 0.124_066, 0.028_953, 0.288_366, 0.036_248, 0.299_583, 0.154_721,
                0.023_855,
            ],
        ),
        (
            CappedConfig::new(1 << 16).with_temperature(2.0),
            [
                0.070_981, 0.196_506, 0.046_489, 0.196_506, 0.058_201, 0.196_506, 0.196_506,
                0.038_303,
            ],
        ),
    ];
    for (config, expected) in cases {
        assert_near(&probabilities(&config, &glue), &expected, 5.1e-7);
    }
    // Twice the sizes under the same cap is the sizes under half of it.
    let scaled = probabilities(&CappedConfig::new(1 << 17).with_scale(2.0), &glue);
    assert_near(&scaled, &probabilities(&CappedConfig::new(1 << 16), &glue), 1e-12);
}

#[test]
fn a_cap_out_of_its_range_is_named() {
    let two = sizes(&[(tag("yo"), 10), (tag("sw"), 20)]);
    let message = |config: CappedConfig| config.distribution(&two).unwrap_err().to_string();
    assert_eq!(message(CappedConfig::new(0)), "`maximum` is 0, expected at least 1, or none");
    assert_eq!(
        message(CappedConfig::new(1).with_temperature(0.5)),
        "`temperature` is 0.5, expected a finite number from 1",
    );
    assert_eq!(
        message(CappedConfig::new(1).with_scale(0.0)),
        "`scale` is 0, expected a finite number above 0",
    );
    // A scale that takes sizes beyond all numbers is still a scale.
    let scaled = CappedConfig::default().with_scale(f64::MAX);
    assert_near(&probabilities(&scaled, &two), &[1.0 / 3.0, 2.0 / 3.0], 1e-12);
}

#[test]
fn groups_share_first_and_languages_then() {
    let four = sizes(&[(tag("en"), 900), (tag("yo"), 100), (tag("de"), 500), (tag("ig"), 300)]);
    let evenly = ExponentConfig::uniform();
    let by_family = GroupedWeighting::new(Grouping::Family, evenly, ExponentConfig::proportional());
    // Indo-European 900 and 500, Atlantic-Congo 100 and 300.
    let expected = [0.5 * 900.0 / 1400.0, 0.125, 0.5 * 500.0 / 1400.0, 0.375];
    assert_near(&probabilities(&by_family, &four), &expected, 1e-12);

    let given = BTreeMap::from([(tag("en"), "a".to_owned())]);
    let given = GroupedWeighting::new(Grouping::Given(given), evenly, evenly);
    assert_eq!(
        given.distribution(&four).unwrap_err().to_string(),
        "`yo-Latn` has no group, expected one for each language",
    );
    let unknown = sizes(&[(tag("qaa-Latn"), 3)]);
    let by_family = GroupedWeighting::new(Grouping::Family, evenly, evenly);
    assert_eq!(
        by_family.distribution(&unknown).unwrap_err().to_string(),
        "`qaa-Latn` has no family in the built-in table, expected one for each language",
    );
}

proptest! {
    #[test]
    fn unimax_keeps_its_cap_and_its_budget_and_follows_size(
        of in language_sizes(1..=30),
        max_epochs in 0.5..20.0,
        share in 0.001..1.0,
    ) {
        let most: f64 = of.iter().map(|(_, size)| *size as f64 * max_epochs).sum();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 2^53")]
        let budget = ((most * share) as u64).max(1);
        prop_assume!(most >= budget as f64);
        let config = UniMaxConfig::new(budget).with_max_epochs(max_epochs);
        let q = probabilities(&config, &sizes(&of));
        prop_assert!((q.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        for (a, (_, size_a)) in q.iter().zip(&of) {
            let epochs = a * budget as f64 / *size_a as f64;
            prop_assert!(epochs <= max_epochs * (1.0 + 1e-9), "{epochs}");
            for (b, (_, size_b)) in q.iter().zip(&of) {
                prop_assert!(size_a <= size_b || *a >= b * (1.0 - 1e-12));
            }
        }
    }

    #[test]
    fn unimax_is_uniform_where_no_cap_is_met_and_proportional_where_all_are(
        of in language_sizes(1..=30),
    ) {
        let total: u64 = of.iter().map(|(_, size)| size).sum();
        let of = sizes(&of);
        let most = UniMaxConfig::new(2 * total).with_max_epochs(2.0);
        assert_near(&probabilities(&most, &of), &probabilities(&ExponentConfig::proportional(), &of), 1e-12);
        let least = UniMaxConfig::new(1).with_max_epochs(1.0);
        assert_near(&probabilities(&least, &of), &probabilities(&ExponentConfig::uniform(), &of), 1e-12);
    }

    #[test]
    fn the_order_of_languages_changes_no_probability(
        of in language_sizes(2..=30),
        alpha in 0.0..=1.0,
        share in 0.001..1.0,
    ) {
        let total: u64 = of.iter().map(|(_, size)| size).sum();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 2^53")]
        let budget = ((total as f64 * share) as u64).max(1);
        let turned: Vec<_> = of.iter().rev().cloned().collect();
        let weightings: [&dyn LanguageWeighting; 3] = [
            &ExponentConfig::new().with_alpha(alpha),
            &UniMaxConfig::new(budget),
            &CappedConfig::new(budget),
        ];
        for weighting in weightings {
            let mut q = probabilities(weighting, &sizes(&turned));
            q.reverse();
            assert_near(&q, &probabilities(weighting, &sizes(&of)), 1e-15);
        }
    }

    #[test]
    fn every_weighting_sums_to_one_and_that_by_size_follows_it(
        of in language_sizes(1..=30),
        alpha in 0.0..=1.0,
        cap in 1_u64..1_000_000_000,
        temperature in 1.0..100.0,
        weights in proptest::collection::vec(1e-9..1e9, 30),
    ) {
        let checked = sizes(&of);
        let exponent = ExponentConfig::new().with_alpha(alpha);
        let capped = CappedConfig::new(cap).with_temperature(temperature);
        let unimax = UniMaxConfig::new(cap).with_max_epochs(1e9);
        let groups = of.iter().map(|(language, _)| {
            (language.clone(), language.script().unwrap_or("none").to_owned())
        });
        let grouped = GroupedWeighting::new(Grouping::Given(groups.collect()), exponent, capped);
        let weights = of.iter().map(|(language, _)| language.clone()).zip(weights);
        let explicit = ExplicitWeights::try_new(weights)?;
        let weightings: [(&dyn LanguageWeighting, bool); 5] =
            [(&exponent, true), (&capped, true), (&unimax, true), (&grouped, false), (&explicit, false)];
        for (weighting, is_by_size) in weightings {
            let q = probabilities(weighting, &checked);
            prop_assert!(q.iter().all(|q| 0.0 < *q));
            prop_assert!((q.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            for (a, (_, size_a)) in q.iter().zip(&of) {
                for (b, (_, size_b)) in q.iter().zip(&of) {
                    prop_assert!(!is_by_size || size_a <= size_b || a >= b);
                }
            }
        }
    }

    #[test]
    fn a_cap_above_all_sizes_and_one_below_all_are_the_two_ends(of in language_sizes(1..=30)) {
        let of = sizes(&of);
        let above = probabilities(&CappedConfig::new(u64::MAX), &of);
        assert_near(&above, &probabilities(&ExponentConfig::proportional(), &of), 1e-12);
        let below = probabilities(&CappedConfig::new(1), &of);
        assert_near(&below, &probabilities(&ExponentConfig::uniform(), &of), 1e-12);
    }

    #[test]
    fn proportional_groups_of_proportional_languages_are_proportional(
        of in language_sizes(1..=30),
        groups in 1_usize..5,
    ) {
        let named = of.iter().enumerate().map(|(i, (tag, _))| (tag.clone(), (i % groups).to_string()));
        let by_size = ExponentConfig::proportional();
        let grouped = GroupedWeighting::new(Grouping::Given(named.collect()), by_size, by_size);
        let of = sizes(&of);
        assert_near(&probabilities(&grouped, &of), &probabilities(&by_size, &of), 1e-12);
    }
}
