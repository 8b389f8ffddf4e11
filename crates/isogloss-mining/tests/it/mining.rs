//! Margins and strategies: the worked case, and what holds for every input.

use std::collections::HashSet;

use isogloss_mining::{
    EmbeddingMatrix, Margin, MinedPair, MiningConfig, Strategy, mutual_neighbours,
};
use proptest::prelude::*;

use crate::vectors::{two_matrices, worked_src, worked_tgt};

const STRATEGIES: [Strategy; 4] =
    [Strategy::Forward, Strategy::Backward, Strategy::Intersection, Strategy::Max];

fn mine(config: &MiningConfig) -> Vec<MinedPair> {
    config.mine(&worked_src(), &worked_tgt(), &()).unwrap()
}

/// To six digits, which is what the specification gives.
fn assert_pairs(found: &[MinedPair], expected: &[(usize, usize, f64)]) {
    let rows = |pair: &MinedPair| (pair.src, pair.tgt);
    let expected_rows: Vec<_> = expected.iter().map(|&(src, tgt, _)| (src, tgt)).collect();
    assert_eq!(found.iter().map(rows).collect::<Vec<_>>(), expected_rows);
    for (found, &(.., score)) in found.iter().zip(expected) {
        assert!((found.score - score).abs() < 1e-6, "{found:?}, expected {score}");
    }
}

#[test]
fn the_worked_case_has_its_values() {
    let config = MiningConfig::new().with_k(2);
    let (a, b, c) = ((1, 1, 1.061_763), (0, 0, 1.019_257), (3, 3, 1.015_022));
    let forward = mine(&config.clone().with_strategy(Strategy::Forward));
    assert_pairs(&forward, &[a, b, c, (2, 0, 1.007_780)]);
    let backward = mine(&config.clone().with_strategy(Strategy::Backward));
    assert_pairs(&backward, &[a, b, c, (1, 2, 1.014_014)]);
    assert_pairs(&mine(&config.clone().with_strategy(Strategy::Intersection)), &[a, b, c]);
    assert_pairs(&mine(&config), &[a, b, c]);
}

#[test]
fn a_threshold_holds_for_every_strategy_and_lets_its_equal_pass() {
    for strategy in STRATEGIES {
        let config = MiningConfig::new().with_k(2).with_strategy(strategy);
        let threshold = mine(&config)[1].score;
        let pairs = mine(&config.with_threshold(threshold));
        assert_eq!(pairs.len(), 2, "{strategy:?}");
    }
}

#[test]
fn margins_are_computed_by_hand() {
    // cos = 0.8 forward and 0.6 to the other; means (0.8 + 0.6)/2 for x, 0.8 and 0.6 for the targets.
    let src = EmbeddingMatrix::try_new(2, vec![1.0, 0.0]).unwrap();
    let tgt = EmbeddingMatrix::try_new(2, vec![0.8, 0.6, 0.6, 0.8]).unwrap();
    for (margin, expected) in
        [(Margin::Ratio, 0.8 / 0.75), (Margin::Distance, 0.8 - 0.75), (Margin::Absolute, 0.8)]
    {
        let pairs = MiningConfig::new().with_margin(margin).mine(&src, &tgt, &()).unwrap();
        assert_eq!(pairs.len(), 1);
        assert!((pairs[0].score - expected).abs() < 1e-6, "{margin:?}: {pairs:?}");
    }
}

#[test]
fn equal_scores_go_by_row() {
    let same = EmbeddingMatrix::try_new(2, vec![1.0; 6]).unwrap();
    let pairs = MiningConfig::new().mine(&same, &same, &()).unwrap();
    let rows: Vec<_> = pairs.iter().map(|pair| (pair.src, pair.tgt)).collect();
    // All sources have target 0 as their first, and all targets source 0.
    assert_eq!(rows, [(0, 0)]);
}

#[test]
fn a_config_is_read_as_it_is_written_and_knows_its_keys() {
    let config = MiningConfig::new().with_margin(Margin::Distance).with_threshold(0.1);
    let json = serde_json::to_string(&config).unwrap();
    assert_eq!(json, r#"{"margin":"distance","strategy":"max","k":4,"threshold":0.1}"#);
    assert_eq!(serde_json::from_str::<MiningConfig>(&json).unwrap(), config);
    let error = serde_json::from_str::<MiningConfig>(r#"{"treshold": 1.0}"#).unwrap_err();
    assert!(error.to_string().contains("unknown field `treshold`"), "{error}");
}

proptest! {
    #[test]
    fn strategies_keep_what_they_promise([src, tgt] in two_matrices(), k in 1_usize..6) {
        let neighbours = mutual_neighbours(&src, &tgt, k, &())?;
        let config = MiningConfig::new().with_margin(Margin::Distance);
        let [forward, backward, intersection, max] =
            STRATEGIES.map(|it| config.clone().with_strategy(it).select(&neighbours).unwrap());
        prop_assert_eq!(forward.len(), src.row_count());
        prop_assert_eq!(backward.len(), tgt.row_count());
        let both: Vec<_> = forward.iter().filter(|pair| backward.contains(pair)).copied().collect();
        prop_assert_eq!(intersection, both);
        for pair in &max {
            prop_assert!(forward.contains(pair) || backward.contains(pair));
        }
        let (srcs, tgts): (HashSet<_>, HashSet<_>) =
            max.iter().map(|pair| (pair.src, pair.tgt)).unzip();
        prop_assert!(srcs.len() == max.len() && tgts.len() == max.len());
        // Nothing that could still be taken is left.
        for pair in forward.iter().chain(&backward) {
            prop_assert!(srcs.contains(&pair.src) || tgts.contains(&pair.tgt));
        }
        for pairs in [&forward, &backward, &max] {
            prop_assert!(pairs.is_sorted_by(|a, b| a.score >= b.score));
        }
    }
}
