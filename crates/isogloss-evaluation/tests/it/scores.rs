//! Scores worked by hand, and what holds for every input.

use isogloss_core::Seed;
use isogloss_evaluation::{
    ClassificationReport, EmbeddingMatrix, MacroF1, Mean, Metric, Prediction, PseudoPerplexity,
    RatioOfSums, retrieve,
};
use proptest::prelude::*;
use rand::RngExt;

fn predictions(pairs: &[(usize, usize)]) -> Vec<Prediction> {
    pairs.iter().map(|&(predicted, gold)| Prediction { predicted, gold }).collect()
}

#[test]
fn macro_f1_is_the_mean_over_classes_that_occur() {
    // Class 0: tp 2, fp 1, fn 0 → 4/5. Class 1: tp 1, fp 0, fn 1 → 2/3. Class 2 never occurs.
    let items = predictions(&[(0, 0), (0, 0), (0, 1), (1, 1)]);
    let report = ClassificationReport::try_new(&items, 3).unwrap();
    let expected = f64::midpoint(0.8, 2.0 / 3.0);
    assert!((report.macro_f1 - expected).abs() < 1e-12);
    assert!((report.accuracy - 0.75).abs() < 1e-12);
    assert_eq!((report.classes[1].precision, report.classes[1].recall), (1.0, 0.5));
    let metric = MacroF1 { n_classes: 3 };
    assert!((metric.aggregate(&mut items.iter()).unwrap() - expected).abs() < 1e-12);
}

#[test]
fn ratios_weigh_long_items_more() {
    let items = [[2.0, 1.0], [2.0, 3.0]];
    assert_eq!(RatioOfSums.aggregate(&mut items.iter()), Some(1.0));
    assert_eq!(RatioOfSums.aggregate(&mut [].iter()), None);
    // -ln(1/8) over 3 characters: one bit a character, perplexity 2.
    let texts = [[-(8.0_f64.ln()), 3.0]];
    assert!((PseudoPerplexity.aggregate(&mut texts.iter()).unwrap() - 2.0).abs() < 1e-12);
}

#[test]
fn equal_vectors_find_nothing() {
    let same = EmbeddingMatrix::try_new(2, vec![1.0; 6]).unwrap();
    let found = retrieve(&same, &same).unwrap();
    assert_eq!(found.forward, [3, 3, 3]);
    assert_eq!(found.hits_at(1), [0.0; 6]);
}

#[test]
fn bad_input_is_named() {
    let (two, three) = (vec![1.0; 2], vec![1.0; 3]);
    let two = EmbeddingMatrix::try_new(1, two).unwrap();
    let three = EmbeddingMatrix::try_new(1, three).unwrap();
    assert_eq!(retrieve(&two, &three).unwrap_err().to_string(), "target rows: 3, expected 2");
    assert_eq!(
        ClassificationReport::try_new(&predictions(&[(3, 0)]), 3).unwrap_err().to_string(),
        "`predicted` is 3, expected a class below `n_classes`",
    );
}

/// Counts from 1 the targets that are as near as the right one, in double precision.
fn rank_by_definition(row: usize, query: &[f32], targets: &EmbeddingMatrix) -> usize {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    let cosines: Vec<f64> =
        targets.rows().map(|target| dot(query, target) / dot(target, target).sqrt()).collect();
    cosines.iter().filter(|cosine| **cosine >= cosines[row]).count()
}

#[test]
fn ranks_are_those_of_the_definition() {
    // More rows than a block holds, none of them alike, around a common centre.
    let mut rng = Seed::new(4).rng();
    let mut matrix = |n: usize, dim: usize| {
        let values = (0..n * dim).map(|_| rng.random_range(-0.5..1.0)).collect();
        EmbeddingMatrix::try_new(dim, values).unwrap()
    };
    let (src, tgt) = (matrix(1_100, 7), matrix(1_100, 7));
    let found = retrieve(&src, &tgt).unwrap();
    for (row, (source, target)) in src.rows().zip(tgt.rows()).enumerate().step_by(50) {
        assert_eq!(found.forward[row], rank_by_definition(row, source, &tgt), "source {row}");
        assert_eq!(found.backward[row], rank_by_definition(row, target, &src), "target {row}");
    }
}

proptest! {
    #[test]
    fn scores_lie_in_their_range_and_order_does_not_matter(
        pairs in prop::collection::vec((0_usize..4, 0_usize..4), 1..60),
    ) {
        let items = predictions(&pairs);
        let report = ClassificationReport::try_new(&items, 4)?;
        prop_assert!((0.0..=1.0).contains(&report.macro_f1));
        let mut reversed = items.clone();
        reversed.reverse();
        prop_assert_eq!(report, ClassificationReport::try_new(&reversed, 4)?);
    }

    #[test]
    fn a_text_finds_itself_and_both_directions_agree(
        values in prop::collection::vec(-1.0_f32..1.0, 24),
    ) {
        let matrix = EmbeddingMatrix::try_new(3, values)?;
        let found = retrieve(&matrix, &matrix)?;
        prop_assert_eq!(&found.forward, &found.backward);
        let mrr = Mean.aggregate(&mut found.reciprocal_ranks().iter()).unwrap_or(0.0);
        let p_at_1 = Mean.aggregate(&mut found.hits_at(1).iter()).unwrap_or(0.0);
        prop_assert!(p_at_1 <= mrr && mrr <= 1.0);
    }
}
