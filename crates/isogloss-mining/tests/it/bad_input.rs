//! Bad input is named, with what was expected.

use isogloss_core::Seed;
use isogloss_mining::{
    Alternation, EmbeddingMatrix, IvfConfig, MinedPair, MiningConfig, XsimConfig, best_threshold,
    for_each_cosine_block, mutual_neighbours, nearest_neighbours, paired_cosines, score_pairs,
};

fn matrix(dim: usize, values: &[f32]) -> EmbeddingMatrix {
    EmbeddingMatrix::try_new(dim, values.to_vec()).unwrap()
}

fn message<T: std::fmt::Debug, E: ToString>(result: Result<T, E>) -> String {
    result.map_err(|error| error.to_string()).unwrap_err()
}

#[test]
fn vectors() {
    let message = |dim, values| message(EmbeddingMatrix::try_new(dim, values));
    assert_eq!(message(0, vec![1.0]), "embedding matrix: no items, expected at least one");
    assert_eq!(message(2, vec![]), "embedding matrix: no items, expected at least one");
    assert_eq!(message(2, vec![1.0; 3]), "embedding values: 3, expected 4");
    let nan = "embedding value 1 is NaN, expected a finite number";
    assert_eq!(message(1, vec![1.0, f32::NAN]), nan);
    let infinite = "embedding value 0 is -inf, expected a finite number";
    assert_eq!(message(1, vec![f32::NEG_INFINITY]), infinite);
}

#[test]
fn widths_and_rows() {
    let (two, three) = (matrix(2, &[1.0; 6]), matrix(3, &[1.0; 6]));
    let width = "target width: 3, expected 2";
    assert_eq!(message(nearest_neighbours(&two, &three, 1, &())), width);
    assert_eq!(message(mutual_neighbours(&two, &three, 1, &())), width);
    assert_eq!(message(MiningConfig::new().mine(&two, &three, &())), width);
    assert_eq!(message(for_each_cosine_block(&two, &three, &(), &|_| ())), width);
    let ivf = IvfConfig::new(Seed::new(1));
    assert_eq!(message(ivf.nearest_neighbours(&two, &three, 1, &())), width);
    let short = matrix(2, &[1.0; 4]);
    let rows = "target rows: 2, expected 3";
    assert_eq!(message(paired_cosines(&two, &short)), rows);
    assert_eq!(message(XsimConfig::new().evaluate(&two, &short, &())), rows);
}

#[test]
fn settings() {
    let two = matrix(2, &[1.0; 4]);
    let k = "`k` is 0, expected at least 1";
    assert_eq!(message(nearest_neighbours(&two, &two, 0, &())), k);
    assert_eq!(message(MiningConfig::new().with_k(0).mine(&two, &two, &())), k);
    assert_eq!(message(XsimConfig::new().with_k(0).evaluate(&two, &two, &())), k);
    let ivf = IvfConfig::new(Seed::new(1));
    assert_eq!(message(ivf.mutual_neighbours(&two, &two, 0, &())), k);
    let lists = ivf.clone().with_lists(0).mutual_neighbours(&two, &two, 1, &());
    assert_eq!(message(lists), "`n_lists` is 0, expected at least 1");
    let probes = ivf.with_probes(0).mutual_neighbours(&two, &two, 1, &());
    assert_eq!(message(probes), "`n_probes` is 0, expected at least 1");
    let threshold = MiningConfig::new().with_threshold(f64::NAN).mine(&two, &two, &());
    assert_eq!(message(threshold), "`threshold` is NaN, expected a finite number");
}

#[test]
fn neighbours_that_are_not_near() {
    let (src, tgt) = (matrix(2, &[1.0, 0.0]), matrix(2, &[-1.0, 0.0]));
    assert_eq!(
        message(MiningConfig::new().mine(&src, &tgt, &())),
        "source 0 and target 0: the mean cosine of their neighbours is -1, expected a number above \
         0 for the ratio margin (the distance margin takes any)",
    );
}

#[test]
fn texts_and_alternations() {
    let two = matrix(2, &[1.0, 0.0, 0.0, 1.0]);
    let xsim = XsimConfig::new().evaluate(&two, &two, &()).unwrap();
    assert_eq!(message(xsim.with_texts(&["a"])), "target texts: 1, expected 2");
    let three = matrix(2, &[1.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
    let of_none = [Alternation { original: 2, kind: "number".to_owned() }];
    assert_eq!(
        message(XsimConfig::new().evaluate_augmented(&two, &three, &of_none, &())),
        "original of alternation 0 is 2, expected less than 2",
    );
}

#[test]
fn gold_lists() {
    let pair = MinedPair { src: 0, tgt: 0, score: 1.0 };
    let empty = "gold pairs: no items, expected at least one";
    assert_eq!(message(score_pairs(&[pair], &[])), empty);
    assert_eq!(message(best_threshold(&[pair], &[])), empty);
    assert_eq!(
        message(best_threshold(&[pair], &[(1, 1)])),
        "none of 1 mined pairs is in the gold list, expected at least one",
    );
    let nan = MinedPair { score: f64::NAN, ..pair };
    assert_eq!(
        message(best_threshold(&[pair, nan], &[(0, 0)])),
        "score of pair 1 is NaN, expected a finite number",
    );
}
