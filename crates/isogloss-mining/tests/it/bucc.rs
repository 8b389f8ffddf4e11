//! Thresholds and scores against a gold list.

use isogloss_mining::{
    MinedPair, MiningConfig, PairScore, best_threshold, score_pairs, without_repeated,
};
use proptest::prelude::*;

use crate::vectors::{worked_src, worked_tgt};

const DIAGONAL: [(usize, usize); 4] = [(0, 0), (1, 1), (2, 2), (3, 3)];

fn pair(src: usize, tgt: usize, score: f64) -> MinedPair {
    MinedPair { src, tgt, score }
}

#[test]
fn the_worked_case_has_its_value() {
    // Three right of three mined, four to be found: 2 · 3 / (3 + 4).
    let pairs = MiningConfig::new().with_k(2).mine(&worked_src(), &worked_tgt(), &()).unwrap();
    let best = best_threshold(&pairs, &DIAGONAL).unwrap();
    assert!((best.score.f1() - 0.857_142_857_1).abs() < 1e-10);
    // All are taken, so that the threshold is the last score.
    assert_eq!(best.threshold.to_bits(), pairs[2].score.to_bits());
    let score = score_pairs(&pairs, &DIAGONAL).unwrap();
    assert_eq!(score, best.score);
    assert_eq!((score.precision(), score.recall()), (1.0, 0.75));
}

#[test]
fn equal_scores_are_taken_together() {
    // The first alone would have F1 1; no threshold parts it from the second, of the same score.
    let best = best_threshold(&[pair(0, 0, 1.5), pair(1, 0, 1.5)], &[(0, 0)]).unwrap();
    assert_eq!(best.threshold.to_bits(), 1.5_f64.to_bits());
    assert_eq!((best.score.correct, best.score.mined), (1, 2));
}

#[test]
fn neighbouring_numbers_are_parted() {
    let low = 1.0_f64;
    let best = best_threshold(&[pair(0, 0, low.next_up()), pair(1, 0, low)], &[(0, 0)]).unwrap();
    assert_eq!(best.threshold.to_bits(), low.next_up().to_bits());
}

#[test]
fn a_repeated_pair_counts_once() {
    let mined = [pair(0, 0, 1.2), pair(0, 0, 1.4), pair(1, 0, 1.3)];
    let score = score_pairs(&mined, &DIAGONAL).unwrap();
    assert_eq!((score.correct, score.mined, score.gold), (1, 2, 4));
    let best = best_threshold(&mined, &DIAGONAL).unwrap();
    assert!((best.threshold - 1.35).abs() < 1e-12);
}

#[test]
fn nothing_mined_scores_nothing() {
    let score = score_pairs(&[], &DIAGONAL).unwrap();
    assert_eq!((score.precision(), score.recall(), score.f1()), (0.0, 0.0, 0.0));
}

#[test]
fn pairs_of_repeated_texts_are_dropped() {
    let pairs = [pair(0, 0, 1.0), pair(1, 1, 1.0), pair(2, 2, 1.0)];
    let (src, tgt) = (["a", "b", "a"], ["x", "y", "z"]);
    assert_eq!(without_repeated(&pairs, &src, &tgt).unwrap(), [pairs[1]]);
    assert_eq!(without_repeated(&pairs, &tgt, &src).unwrap(), [pairs[1]]);
    let error = without_repeated(&pairs, &src, &tgt[..2]).unwrap_err();
    assert_eq!(error.to_string(), "target of pair 2 is 2, expected less than 2");
}

proptest! {
    #[test]
    fn no_other_threshold_is_better(
        mined in prop::collection::btree_map((0_usize..6, 0_usize..6), 0_u8..12, 1..30),
    ) {
        let mined: Vec<_> =
            mined.iter().map(|(&(s, t), &score)| pair(s, t, f64::from(score) / 4.0)).collect();
        let taken_from = |threshold: f64| -> PairScore {
            let taken: Vec<_> =
                mined.iter().filter(|pair| pair.score >= threshold).copied().collect();
            score_pairs(&taken, &DIAGONAL).unwrap()
        };
        let best_f1 =
            mined.iter().map(|pair| taken_from(pair.score).f1()).fold(0.0, f64::max);
        match best_threshold(&mined, &DIAGONAL) {
            Ok(best) => {
                prop_assert_eq!(taken_from(best.threshold), best.score);
                prop_assert!((best.score.f1() - best_f1).abs() < 1e-12);
            }
            Err(_) => prop_assert!(mined.iter().all(|pair| pair.src != pair.tgt || pair.src > 3)),
        }
    }
}
