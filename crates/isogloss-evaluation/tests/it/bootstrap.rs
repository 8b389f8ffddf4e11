//! Intervals and differences.

use isogloss_core::Seed;
use isogloss_evaluation::{BootstrapConfig, Interval, Mean, RatioOfSums};
use proptest::prelude::*;

#[test]
fn an_interval_is_about_two_standard_errors_wide_on_each_side() {
    // 400 coin tosses, half of them heads: standard error 0.025.
    let items: Vec<f64> = (0..400).map(|i| f64::from(i % 2)).collect();
    let estimate = BootstrapConfig::new(Seed::new(3)).estimate(&Mean, &items).unwrap();
    assert!((estimate.value - 0.5).abs() < 1e-12);
    assert!((estimate.low - 0.451).abs() < 0.008, "{estimate}");
    assert!((estimate.high - 0.549).abs() < 0.008, "{estimate}");
}

#[test]
fn a_clear_difference_is_certain_and_none_is_not() {
    let bootstrap = BootstrapConfig::new(Seed::new(1));
    let better: Vec<f64> = (0..200).map(|i| if i % 4 == 0 { 0.0 } else { 1.0 }).collect();
    let worse: Vec<f64> = (0..200).map(|i| if i % 2 == 0 { 0.0 } else { 1.0 }).collect();
    let clear = bootstrap.paired(&Mean, &better, &worse).unwrap();
    assert!((clear.difference.value - 0.25).abs() < 1e-12);
    assert!(clear.p_value < 0.01 && clear.difference.low > 0.0, "{clear:?}");
    let none = bootstrap.paired(&Mean, &better, &better).unwrap();
    assert_eq!((none.difference.value, none.p_value), (0.0, 1.0));
}

#[test]
fn several_scores_at_once_are_each_alone() {
    let items: Vec<[f64; 2]> = (0..20).map(|i| [f64::from(i % 7), f64::from(i % 3)]).collect();
    let first: Vec<f64> = items.iter().map(|item| item[0]).collect();
    let mean = |draws: &[usize]| {
        Some(draws.iter().map(|draw| first[*draw]).sum::<f64>() / draws.len() as f64)
    };
    let ratio = |draws: &[usize]| {
        let [a, b] = [0, 1].map(|side: usize| draws.iter().map(|it| items[*it][side]).sum::<f64>());
        (b > 0.0).then(|| a / b)
    };
    for interval in [Interval::Percentile, Interval::Bca] {
        let bootstrap = BootstrapConfig::new(Seed::new(8)).with_interval(interval);
        let found = bootstrap.estimate_all(20, |draws| vec![mean(draws), None, ratio(draws)]);
        let expected = [
            Some(bootstrap.estimate(&Mean, &first).unwrap()),
            None,
            Some(bootstrap.estimate(&RatioOfSums, &items).unwrap()),
        ];
        assert_eq!(found.unwrap(), expected);
    }
    let bootstrap = BootstrapConfig::new(Seed::new(8));
    let error = bootstrap.estimate_all(3, |draws| vec![None; draws[0] + 1]).unwrap_err();
    assert!(error.to_string().starts_with("scores of a draw: "), "{error}");
    assert!(bootstrap.estimate_all(0, |_| Vec::new()).is_err());
}

#[test]
fn bad_input_is_named() {
    let bootstrap = BootstrapConfig::new(Seed::new(1));
    assert_eq!(
        bootstrap.estimate(&Mean, &[]).unwrap_err().to_string(),
        "estimate: no items, expected at least one",
    );
    assert_eq!(
        bootstrap.paired(&Mean, &[1.0], &[1.0, 2.0]).unwrap_err().to_string(),
        "second system: 2, expected 1",
    );
    assert_eq!(
        bootstrap.with_resamples(0).estimate(&Mean, &[1.0]).unwrap_err().to_string(),
        "`resamples` is 0, expected at least 1",
    );
}

proptest! {
    #[test]
    fn the_interval_lies_within_the_items_and_equal_seeds_give_it_again(
        items in prop::collection::vec(-5.0_f64..5.0, 1..50),
        seed: u64,
    ) {
        let bootstrap = BootstrapConfig::new(Seed::new(seed)).with_resamples(50);
        let estimate = bootstrap.estimate(&Mean, &items)?;
        let low = items.iter().copied().fold(f64::INFINITY, f64::min);
        let high = items.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        prop_assert!(low - 1e-9 <= estimate.low && estimate.low <= estimate.high);
        prop_assert!(estimate.high <= high + 1e-9);
        prop_assert_eq!(estimate, bootstrap.estimate(&Mean, &items)?);
    }
}
