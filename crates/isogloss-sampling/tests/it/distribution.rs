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

/// A million tags, of private languages and scripts.
fn million() -> impl Iterator<Item = LanguageTag> {
    let letter = |place: u32| char::from_u32(u32::from('a') + place % 20).unwrap_or('a');
    (0..1_000_000_u32).map(move |i| {
        let language: String = [1, 20].map(|power| letter(i / power)).iter().collect();
        let script: String = [400, 8_000, 160_000].map(|power| letter(i / power)).iter().collect();
        tag(&format!("q{language}-Q{script}"))
    })
}

#[test]
fn a_million_languages_sum_to_one() {
    let sizes = million().zip((1..=1_000_000).map(|rank| 1_000_000_000_000 / rank));
    let sizes = LanguageSizes::try_new(SizeUnit::Characters, sizes).unwrap();
    for alpha in [0.0, 0.3, 1.0] {
        let distribution = ExponentConfig::new().with_alpha(alpha).distribution(&sizes).unwrap();
        // Summed by thousands, so that this sum is about as exact as theirs.
        let q: Vec<f64> = distribution.iter().map(|(_, q)| q).collect();
        assert!(q.iter().all(|q| *q > 0.0));
        let sum: f64 = q.chunks(1_000).map(|chunk| chunk.iter().sum::<f64>()).sum();
        assert!((sum - 1.0).abs() < 1e-12, "{alpha}: {sum}");
    }
}

#[test]
fn a_weight_that_would_vanish_is_an_error() {
    let sizes = characters(&[(tag("en"), 7), (tag("yo"), 1)]);
    let weights = |yoruba| ExplicitWeights::new([(tag("en"), 1e300), (tag("yo"), yoruba)]);
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
