//! What faiss finds and LASER's formulas make of it, from `tests/fixtures/laser` (faiss 1.15.1, numpy
//! 2.4.6).

use std::path::Path;

use isogloss_mining::{
    Alternation, EmbeddingMatrix, Margin, MiningConfig, Strategy, XsimConfig, mutual_neighbours,
};
use serde_json::Value;

use crate::vectors::indices;

fn expected() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/laser/expected.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn matrix(expected: &Value, name: &str) -> EmbeddingMatrix {
    let dim: usize = read(&expected["dim"]);
    EmbeddingMatrix::try_new(dim, read(&expected[name])).unwrap()
}

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

#[test]
fn neighbours_are_those_of_faiss() {
    let expected = expected();
    let (src, tgt) = (matrix(&expected, "src"), matrix(&expected, "tgt"));
    let found = mutual_neighbours(&src, &tgt, read(&expected["k"]), &()).unwrap();
    for (direction, found) in [("forward", found.forward()), ("backward", found.backward())] {
        let expected = &expected["neighbours"][direction];
        assert_eq!(indices(found), read::<Vec<Vec<usize>>>(&expected["indices"]), "{direction}");
        let cosines: Vec<f32> = found.rows().flatten().map(|near| near.cosine).collect();
        let expected: Vec<Vec<f32>> = read(&expected["cosines"]);
        // Sums of 24 products in f32, in another order.
        isogloss_testing::assert_close(&cosines, &expected.concat(), 1e-6);
    }
}

#[test]
fn mined_pairs_are_those_of_the_reference() {
    let expected = expected();
    let (src, tgt) = (matrix(&expected, "src"), matrix(&expected, "tgt"));
    for (margin, name) in margins() {
        for (strategy, key) in [
            (Strategy::Forward, "forward"),
            (Strategy::Backward, "backward"),
            (Strategy::Intersection, "intersection"),
            (Strategy::Max, "max"),
        ] {
            let config = MiningConfig::new().with_margin(margin).with_strategy(strategy);
            let found = config.mine(&src, &tgt, &()).unwrap();
            let expected: Vec<(usize, usize, f64)> = read(&expected["mined"][name][key]);
            let rows: Vec<_> = found.iter().map(|pair| (pair.src, pair.tgt)).collect();
            let expected_rows: Vec<_> = expected.iter().map(|&(src, tgt, _)| (src, tgt)).collect();
            assert_eq!(rows, expected_rows, "{name}, {key}");
            for (found, expected) in found.iter().zip(&expected) {
                // A cosine of f32 over a mean of some tenths.
                assert!((found.score - expected.2).abs() < 1e-5, "{name}, {key}: {found:?}");
            }
        }
    }
}

#[test]
fn xsim_takes_the_targets_of_the_reference() {
    let expected = expected();
    let (src, tgt) = (matrix(&expected, "src"), matrix(&expected, "tgt"));
    let n = src.row_count();
    let first: Vec<f32> = tgt.rows().take(n).flatten().copied().collect();
    let first = EmbeddingMatrix::try_new(tgt.dim(), first).unwrap();
    let alternation = |original| Alternation { original, kind: "entity".to_owned() };
    let alternations: Vec<_> = (0..tgt.row_count() - n).map(alternation).collect();
    for (margin, name) in margins() {
        let config = XsimConfig::new().with_margin(margin);
        let plain = config.evaluate(&src, &first, &()).unwrap();
        assert_eq!(plain.nearest(), read::<Vec<usize>>(&expected["xsim"][name]["plain"]));
        let augmented = config.evaluate_augmented(&src, &tgt, &alternations, &()).unwrap();
        assert_eq!(augmented.nearest(), read::<Vec<usize>>(&expected["xsim"][name]["augmented"]));
        assert!(augmented.error_count() > plain.error_count(), "alternations are harder");
        assert_eq!(augmented.errors_by_kind().values().sum::<usize>(), augmented.error_count());
    }
}

fn margins() -> [(Margin, &'static str); 3] {
    [(Margin::Ratio, "ratio"), (Margin::Distance, "distance"), (Margin::Absolute, "absolute")]
}
