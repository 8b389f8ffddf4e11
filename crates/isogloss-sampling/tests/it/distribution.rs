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

fn explicit<const N: usize>(weights: [(LanguageTag, f64); N]) -> ExplicitWeights {
    ExplicitWeights::try_new(weights).expect("weights")
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
        (0.5, [0.358_379, 0.362_970, 0.174_246, 0.084_597, 0.019_807]),
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
fn a_thousandth_of_the_text_is_drawn_a_hundredth_as_often_by_mbert() {
    // Its documentation: 1000 : 1 becomes about 100 : 1; it is 1000^0.7 = 125.9.
    let q = probabilities(0.7, &[(tag("en"), 1_000_000), (tag("is"), 1_000)]);
    assert!((q[0] / q[1] - 125.9).abs() < 0.05);
}

#[test]
fn probabilities_have_the_same_bits_everywhere() {
    // Pinned: a platform on which these differ would draw another stream from one seed.
    let sizes = [(tag("en"), 900_000_007), (tag("sw"), 300_001), (tag("yo"), 13)];
    let bits =
        |alpha| probabilities(alpha, &sizes).into_iter().map(f64::to_bits).collect::<Vec<_>>();
    let expected =
        [4_606_401_045_103_634_751, 4_590_622_873_954_383_099, 4_571_330_602_631_172_202];
    assert_eq!(bits(0.3), expected);
    let expected =
        [4_607_149_352_031_281_279, 4_570_604_050_439_340_828, 4_524_754_466_875_524_388];
    assert_eq!(bits(0.7), expected);
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
    for (config, found) in [
        (ExponentConfig::new().with_alpha(-0.5), "-0.5"),
        (ExponentConfig::new().with_alpha(f64::NAN), "NaN"),
        (ExponentConfig::new().with_temperature(0.5), "2"),
        (ExponentConfig::new().with_temperature(0.0), "inf"),
    ] {
        let message = message(config.distribution(&sizes));
        assert!(message.starts_with(&format!("alpha is {found}, expected")), "{message}");
    }
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
        message(explicit([(tag("en"), 1.0)]).distribution(&sizes)),
        "the weight of `yo-Latn` is absent, expected a finite number above 0",
    );
    let weights = [(tag("en"), 1.0), (tag("yo"), 1.0), (tag("sw"), 1.0)];
    assert_eq!(
        message(explicit(weights).distribution(&sizes)),
        "`sw-Latn` has a weight and no text, expected both or neither",
    );
}

#[test]
fn explicit_weights_are_normalised_and_sizes_play_no_part() {
    let sizes = characters(&[(tag("en"), 1_000_000), (tag("yo"), 1)]);
    let weights = explicit([(tag("yo"), 3.0), (tag("en"), 1.0)]);
    let distribution = weights.distribution(&sizes).unwrap();
    assert!((distribution.probability(&tag("yo")).unwrap() - 0.75).abs() < 1e-12);
}

#[test]
fn two_weights_for_one_language_are_an_error_in_whatever_spelling() {
    let message = "language `yo-Latn` is listed twice, as entries 0 and 2";
    let twice = [(tag("yo"), 1.0), (tag("en"), 1.0), (tag("yor_Latn"), 2.0)];
    assert_eq!(ExplicitWeights::try_new(twice).unwrap_err().to_string(), message);
    let read = serde_json::from_str::<ExplicitWeights>;
    let error = read(r#"{"yo": 1, "en": 1, "yor_Latn": 2}"#).unwrap_err().to_string();
    assert!(error.starts_with(message), "{error}");
    let once = read(r#"{"yo": 1, "en": 2.5}"#).unwrap();
    assert_eq!(once, explicit([(tag("en"), 2.5), (tag("yo"), 1.0)]));
    assert_eq!(read(&serde_json::to_string(&once).unwrap()).unwrap(), once);
}

#[test]
fn a_misspelt_key_is_an_error_that_names_both_spellings() {
    let read = serde_json::from_str::<ExponentConfig>;
    let error = read(r#"{"alhpa": 0.7}"#).unwrap_err();
    let expected = "unknown field `alhpa`, expected `alpha` or `temperature`";
    assert!(error.to_string().starts_with(expected), "{error}");
    let error = read(r#"{"alpha": 0.5, "temperature": 2}"#).unwrap_err();
    assert!(error.to_string().starts_with("both `alpha` and `temperature`"), "{error}");
}

#[test]
fn alpha_and_temperature_are_one_thing() {
    let read = |json: &str| serde_json::from_str::<ExponentConfig>(json).unwrap();
    assert_eq!(read(r#"{"temperature": 2}"#), read(r#"{"alpha": 0.5}"#));
    assert_eq!(ExponentConfig::new().with_temperature(2.0), ExponentConfig::new().with_alpha(0.5));
    assert_eq!(read("{}"), ExponentConfig::new().with_alpha(0.3));
}

#[test]
fn the_unit_decides_what_a_language_weighs() {
    // As many sentences, of 50 and of 200 bytes.
    let sizes = |unit, sizes: [u64; 2]| {
        LanguageSizes::try_new(unit, [(tag("en"), sizes[0]), (tag("hi"), sizes[1])]).unwrap()
    };
    let q = |sizes: &LanguageSizes| {
        ExponentConfig::new().distribution(sizes).unwrap().probability(&tag("hi")).unwrap()
    };
    assert!((q(&sizes(SizeUnit::Sentences, [1_000_000; 2])) - 0.5).abs() < 1e-12);
    let bytes = sizes(SizeUnit::Bytes, [50_000_000, 200_000_000]);
    assert!((q(&bytes) - 0.602_499).abs() < 5e-7);
}

#[test]
fn languages_without_text_are_named_and_left_out_where_that_is_asked() {
    let sizes = [(tag("en"), 7), (tag("yo"), 0), (tag("sw"), 1)];
    let (sizes, empty) = LanguageSizes::without_empty(SizeUnit::Bytes, sizes).unwrap();
    assert_eq!((sizes.len(), empty), (2, vec![tag("yo")]));
    let nothing = LanguageSizes::without_empty(SizeUnit::Bytes, [(tag("yo"), 0)]).unwrap_err();
    assert_eq!(nothing.to_string(), "no languages, expected at least one");
}

#[test]
fn a_language_that_is_alone_is_always_drawn() {
    for alpha in [0.0, 0.3, 1.0] {
        assert_eq!(probabilities(alpha, &[(tag("yo"), 1)]), [1.0]);
    }
}

#[test]
fn a_weight_that_would_vanish_is_an_error() {
    let sizes = characters(&[(tag("en"), 7), (tag("yo"), 1)]);
    let weights = |yoruba| explicit([(tag("en"), 1e300), (tag("yo"), yoruba)]);
    let kept = weights(1e10).distribution(&sizes).unwrap();
    assert!((kept.probability(&tag("yo")).unwrap() / 1e-290 - 1.0).abs() < 1e-9);
    assert_eq!(
        weights(1e-10).distribution(&sizes).unwrap_err().to_string(),
        "the weight of `yo-Latn` is 10^-310 of the largest, which a probability cannot hold; \
         expected 10^-300 or more",
    );
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
