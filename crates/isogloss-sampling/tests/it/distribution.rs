//! What holds for every weighting and every set of sizes.

use isogloss_core::LanguageTag;
use isogloss_sampling::{
    DistributionError, ExplicitWeights, ExponentConfig, LanguageSizes, LanguageWeighting, SizeUnit,
};
use isogloss_testing::language_sizes;
use proptest::prelude::*;

fn tag(text: &str) -> LanguageTag {
    text.parse().expect("a tag")
}

fn characters(sizes: &[(LanguageTag, u64)]) -> LanguageSizes {
    LanguageSizes::try_new(SizeUnit::Characters, sizes.to_vec()).expect("sizes")
}

fn probabilities(alpha: f64, sizes: &[(LanguageTag, u64)]) -> Vec<f64> {
    let config = ExponentConfig::new().with_alpha(alpha);
    let distribution = config.distribution(&characters(sizes)).expect("a distribution");
    distribution.iter().map(|(_, probability)| probability).collect()
}

#[test]
fn five_languages_of_fineweb_2_get_the_probabilities_worked_by_the_formula() {
    let sizes = [
        (tag("sv"), 179_955_884_499),
        (tag("fa"), 184_595_788_282),
        (tag("et"), 42_541_080_893),
        (tag("is"), 10_027_573_389),
        (tag("fo"), 549_707_867),
    ];
    for (alpha, expected) in [
        (1.0, [0.430_857, 0.441_966, 0.101_853, 0.024_008, 0.001_316]),
        (0.7, [0.394_911, 0.402_012, 0.143_896, 0.052_326, 0.006_854]),
        (0.3, [0.307_411, 0.309_768, 0.199_440, 0.129_279, 0.054_102]),
        (0.0, [0.2; 5]),
    ] {
        for (found, expected) in probabilities(alpha, &sizes).into_iter().zip(expected) {
            // The table has six digits.
            assert!((found - expected).abs() < 5e-7, "alpha {alpha}: {found}, not {expected}");
        }
    }
}

#[test]
fn faults_are_named() {
    let message =
        |result: Result<_, DistributionError>| result.map(|_| ()).unwrap_err().to_string();
    let sizes = characters(&[(tag("en"), 7), (tag("yo"), 1)]);
    assert_eq!(
        message(ExponentConfig::new().with_alpha(5.0).distribution(&sizes)),
        "alpha is 5, expected 0 <= alpha <= 1 (a temperature T is alpha = 1/T)",
    );
    let empty = [(tag("en"), 7), (tag("yo"), 0)];
    assert_eq!(
        LanguageSizes::try_new(SizeUnit::Bytes, empty).unwrap_err().to_string(),
        "language `yo-Latn` (entry 1) has 0 bytes, expected at least 1",
    );
    let twice = [(tag("yor_Latn"), 7), (tag("yo"), 8)];
    assert_eq!(
        LanguageSizes::try_new(SizeUnit::Bytes, twice).unwrap_err().to_string(),
        "language `yo-Latn` is listed twice, as entries 0 and 1",
    );
    assert_eq!(
        message(ExplicitWeights::new([(tag("en"), 1.0)]).distribution(&sizes)),
        "the weight of `yo-Latn` is absent, expected a finite number above 0",
    );
    let weights = [(tag("en"), 1.0), (tag("yo"), 1.0), (tag("sw"), 1.0)];
    assert_eq!(
        message(ExplicitWeights::new(weights).distribution(&sizes)),
        "`sw-Latn` has a weight and no text, expected both or neither",
    );
}

#[test]
fn explicit_weights_are_normalised_and_sizes_play_no_part() {
    let sizes = characters(&[(tag("en"), 1_000_000), (tag("yo"), 1)]);
    let weights = ExplicitWeights::new([(tag("yo"), 3.0), (tag("en"), 1.0)]);
    let distribution = weights.distribution(&sizes).unwrap();
    assert!((distribution.probability(&tag("yo")).unwrap() - 0.75).abs() < 1e-12);
}

#[test]
fn a_misspelt_key_is_an_error_that_names_both_spellings() {
    let error = serde_json::from_str::<ExponentConfig>(r#"{"alhpa": 0.7}"#).unwrap_err();
    assert!(error.to_string().starts_with("unknown field `alhpa`, expected `alpha`"), "{error}");
}

proptest! {
    #[test]
    fn probabilities_sum_to_one_and_follow_size(
        alpha in 0.0..=1.0,
        sizes in language_sizes(1..=40),
    ) {
        let q = probabilities(alpha, &sizes);
        prop_assert!(q.iter().all(|q| 0.0 < *q));
        prop_assert!((q.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        for (a, (_, size_a)) in q.iter().zip(&sizes) {
            for (b, (_, size_b)) in q.iter().zip(&sizes) {
                prop_assert!(size_a <= size_b || a >= b);
            }
        }
    }

    #[test]
    fn one_draws_by_size_and_zero_draws_evenly(sizes in language_sizes(1..=40)) {
        let total: f64 = sizes.iter().map(|(_, size)| *size as f64).sum();
        for (q, (_, size)) in probabilities(1.0, &sizes).iter().zip(&sizes) {
            prop_assert!((q - *size as f64 / total).abs() < 1e-12);
        }
        for q in probabilities(0.0, &sizes) {
            prop_assert!((q - 1.0 / sizes.len() as f64).abs() < 1e-12);
        }
    }

    #[test]
    fn a_smaller_alpha_never_lowers_the_smallest_language(
        low in 0.0..=1.0,
        high in 0.0..=1.0,
        sizes in language_sizes(1..=40),
    ) {
        let (low, high) = if low < high { (low, high) } else { (high, low) };
        let (smallest, _) = sizes.iter().enumerate().min_by_key(|(_, (_, size))| *size).unwrap();
        prop_assert!(probabilities(high, &sizes)[smallest] <= probabilities(low, &sizes)[smallest] + 1e-12);
    }
}
