//! The geometry of vectors, against numpy and against what holds for every space.

use isogloss_core::Seed;
use isogloss_evaluation::{
    Cka, EmbeddingMatrix, EvaluationError, JackknifeConfig, LayerAlignment, Plot, align_layers,
    eigenvector_similarity, iso_score, mean_cosine, partition_isotropy, relational_similarity,
};
use proptest::prelude::*;
use rand::RngExt;
use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    check: Case,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    dims: [usize; 2],
    x: Vec<f32>,
    y: Vec<f32>,
    mean_cosine: f64,
    partition: Option<f64>,
    iso_score: f64,
    cka: f64,
    debiased: Option<f64>,
    relational: f64,
    neighbours: usize,
    eigenvector_similarity: Option<f64>,
}

#[expect(clippy::unwrap_used, reason = "a helper of a test fails as a test does")]
fn expected() -> Expected {
    serde_json::from_str(include_str!("../fixtures/geometry/expected.json")).unwrap()
}

fn assert_close(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!(
        (found - expected).abs() <= tolerance * expected.abs().max(1.0),
        "{what}: {found}, expected {expected}",
    );
}

#[expect(clippy::unwrap_used, reason = "a helper of a test fails as a test does")]
fn compare(case: &Case, scale: f32, what: &str) {
    let matrix = |dim: usize, values: &[f32]| {
        EmbeddingMatrix::try_new(dim, values.iter().map(|value| value * scale).collect()).unwrap()
    };
    let (x, y) = (matrix(case.dims[0], &case.x), matrix(case.dims[1], &case.y));
    let close = |found: Result<f64, EvaluationError>, expected: f64, name: &str| {
        assert_close(found.unwrap(), expected, 1e-9, &format!("{name} of {what}"));
    };
    close(mean_cosine(&x), case.mean_cosine, "mean cosine");
    close(iso_score(&x), case.iso_score, "IsoScore");
    close(Cka::Biased.of(&x, &y), case.cka, "CKA");
    close(relational_similarity(&x, &y), case.relational, "relational similarity");
    if let Some(expected) = case.partition {
        close(partition_isotropy(&x), expected, "partition isotropy");
    }
    if let Some(expected) = case.debiased {
        close(Cka::Debiased.of(&x, &y), expected, "debiased CKA");
    }
    if let Some(expected) = case.eigenvector_similarity {
        let found = eigenvector_similarity(&x, &y, case.neighbours);
        close(found, expected, "eigenvector similarity");
    }
}

#[test]
fn numbers_are_those_of_numpy() {
    let expected = expected();
    for (place, case) in expected.cases.iter().enumerate() {
        compare(case, 0.125, &format!("case {place}"));
    }
    let counts = |some: fn(&Case) -> bool| expected.cases.iter().filter(|case| some(case)).count();
    for known in [
        counts(|case| case.partition.is_some()),
        counts(|case| case.debiased.is_some()),
        counts(|case| case.eigenvector_similarity.is_some()),
    ] {
        assert!(known > 150, "{known} of {}", expected.cases.len());
    }
}

#[test]
fn check_values_are_met() {
    let case = expected().check;
    compare(&case, 1.0, "the check");
    // Computed in double precision; the vectors here are single.
    for (found, expected) in [
        (case.mean_cosine, 0.044_526_480_9),
        (case.iso_score, 0.780_502_715_2),
        (case.cka, 0.730_505_486_9),
        (case.debiased.unwrap(), 0.668_724_171_0),
    ] {
        assert_close(found, expected, 2e-7, "check");
    }
    // The check takes one sign of each eigenvector.
    assert!(case.partition.unwrap() <= 0.453_461_886_6 + 1e-6);
}

#[expect(clippy::unwrap_used, reason = "a helper of a test fails as a test does")]
fn random(seed: u64, rows: usize, dim: usize) -> EmbeddingMatrix {
    let mut rng = Seed::new(seed).rng();
    let values = (0..rows * dim).map(|_| rng.random_range(-1.0..1.0)).collect();
    EmbeddingMatrix::try_new(dim, values).unwrap()
}

/// Each row changed by something.
#[expect(clippy::unwrap_used, reason = "a helper of a test fails as a test does")]
fn map(matrix: &EmbeddingMatrix, change: impl Fn(usize, &[f32]) -> Vec<f32>) -> EmbeddingMatrix {
    let rows: Vec<Vec<f32>> = matrix.rows().enumerate().map(|(i, row)| change(i, row)).collect();
    EmbeddingMatrix::try_new(rows[0].len(), rows.concat()).unwrap()
}

#[test]
fn directions_and_partitions_worked_by_hand() {
    let cross =
        EmbeddingMatrix::try_new(2, vec![1.0, 0.0, 0.0, 1.0, -1.0, 0.0, 0.0, -1.0]).unwrap();
    // Four pairs at a right angle, two opposite: -2 / 6.
    assert_close(mean_cosine(&cross).unwrap(), -1.0 / 3.0, 1e-15, "cross");
    assert_close(iso_score(&cross).unwrap(), 1.0, 1e-12, "cross");
    assert_close(partition_isotropy(&cross).unwrap(), 1.0, 1e-12, "cross");
    let line = EmbeddingMatrix::try_new(2, vec![1.0, 0.0, 2.0, 0.0, 3.0, 0.0]).unwrap();
    assert_close(mean_cosine(&line).unwrap(), 1.0, 1e-15, "line");
    assert_close(iso_score(&line).unwrap(), 0.0, 1e-12, "line");
    // Along the line Σ exp(-x), against Σ exp(x); across it there are three.
    let z = |sign: f64| [1.0, 2.0, 3.0].iter().map(|x| (sign * x).exp()).sum::<f64>();
    assert_close(partition_isotropy(&line).unwrap(), z(-1.0) / z(1.0), 1e-12, "line");
    // Sums of exponentials that no number holds.
    let long = map(&line, |_, row| row.iter().map(|value| value * 1e3).collect());
    assert!(partition_isotropy(&long).unwrap() < 1e-300);
}

#[test]
fn a_space_that_is_turned_moved_and_scaled_keeps_its_shape() {
    let x = random(1, 700, 6);
    let turned = |row: &[f32]| -> Vec<f32> {
        // A permutation with changes of sign is an exact turn.
        [5, 3, 0, 1, 4, 2].iter().map(|&i| if i % 2 == 0 { -row[i] } else { row[i] }).collect()
    };
    let y = map(&x, |_, row| turned(row));
    assert_close(relational_similarity(&x, &y).unwrap(), 1.0, 1e-9, "relational similarity");
    let few = |matrix: &EmbeddingMatrix| {
        let values = matrix.rows().take(60).flatten().copied().collect();
        EmbeddingMatrix::try_new(6, values).unwrap()
    };
    let distance = eigenvector_similarity(&few(&x), &few(&y), 2).unwrap();
    assert_close(distance, 0.0, 1e-9, "eigenvector similarity");
    assert!(eigenvector_similarity(&few(&x), &few(&random(2, 60, 6)), 2).unwrap() > 0.01);
    let moved = map(&x, |_, row| turned(row).iter().map(|value| 3.0 * value + 0.5).collect());
    for cka in [Cka::Biased, Cka::Debiased] {
        assert_close(cka.of(&x, &moved).unwrap(), 1.0, 1e-6, "CKA");
        // As many rows as a block does not hold, and unrelated.
        assert!(cka.of(&x, &random(3, 700, 6)).unwrap() < 0.05);
    }
    // Bias: few unrelated items in a wide space look alike.
    let (wide, other) = (random(4, 12, 300), random(5, 12, 300));
    assert!(Cka::Biased.of(&wide, &other).unwrap() > 0.8);
    assert!(Cka::Debiased.of(&wide, &other).unwrap().abs() < 0.3);
}

#[test]
fn a_dimension_that_is_not_used_changes_nothing() {
    let (x, y) = (random(6, 30, 5), random(7, 30, 4));
    let padded = |matrix: &EmbeddingMatrix| {
        map(matrix, |_, row| row.iter().copied().chain([0.0; 40]).collect())
    };
    for cka in [Cka::Biased, Cka::Debiased] {
        let plain = cka.of(&x, &y).unwrap();
        for (x, y) in [(&padded(&x), &y), (&x, &padded(&y)), (&padded(&x), &padded(&y))] {
            assert_close(cka.of(x, y).unwrap(), plain, 1e-12, "CKA");
        }
    }
}

#[test]
fn layers_are_aligned_one_by_one_and_drawn() {
    let layers: Vec<_> = (0..3).map(|i| (random(i, 20, 4), random(i + 9, 20, 4))).collect();
    let jackknife = JackknifeConfig::new(Seed::new(1));
    let found = align_layers(Cka::Debiased, &layers, &jackknife).unwrap();
    for (value, (src, tgt)) in found.values.iter().zip(&layers) {
        assert_close(value.value, Cka::Debiased.of(src, tgt).unwrap(), 1e-12, "layer");
        let expected = jackknife.cka(Cka::Debiased, src, tgt).unwrap().estimate();
        assert_eq!(*value, expected);
    }
    let plot =
        LayerAlignment::plot("By layer", &[("Swahili", &found), ("Yoruba", &found)]).unwrap();
    let Plot::Bars(bars) = &plot else { panic!("bars") };
    assert_eq!(bars.labels, ["layer 0", "layer 1", "layer 2"]);
    assert_eq!(bars.series[1].values[2], Some(found.values[2]));
    assert!(plot.to_svg().unwrap().contains("layer 2"));
    let fewer = align_layers(Cka::Debiased, &layers[..2], &jackknife).unwrap();
    let error = LayerAlignment::plot("", &[("a", &found), ("b", &fewer)]).unwrap_err();
    assert_eq!(error.to_string(), "layers: 2, expected 3");
}

#[test]
fn what_is_not_defined_is_said() {
    let (one, three) = (random(1, 1, 3), random(1, 3, 3));
    let same = EmbeddingMatrix::try_new(3, [0.1; 15].to_vec()).unwrap();
    let five = random(2, 5, 3);
    for (error, expected) in [
        (mean_cosine(&one), "mean cosine is not defined: 1 vectors, expected at least 2"),
        (
            iso_score(&same),
            "IsoScore is not defined: the vectors are all alike, expected some that differ",
        ),
        (
            iso_score(&random(1, 4, 1)),
            "IsoScore is not defined: vectors of 1 dimension, expected at least 2",
        ),
        (
            Cka::Debiased.of(&three, &three),
            "debiased CKA is not defined: 3 vectors, expected at least 4",
        ),
        (
            Cka::Biased.of(&five, &same),
            "CKA is not defined: the targets are all alike, expected some that differ",
        ),
        (Cka::Biased.of(&three, &five), "target rows: 5, expected 3"),
        (
            relational_similarity(&same, &five),
            "relational similarity is not defined: the cosines of one side are all the same, \
             expected some that differ",
        ),
        (eigenvector_similarity(&three, &five, 0), "`k` is 0, expected at least 1"),
    ] {
        assert_eq!(error.unwrap_err().to_string(), expected);
    }
    let layers = [(random(1, 5, 3), random(2, 5, 3)), (random(1, 6, 3), random(2, 6, 3))];
    let jackknife = JackknifeConfig::new(Seed::new(1)).with_groups(2);
    let error = align_layers(Cka::Biased, &layers, &jackknife).unwrap_err();
    assert_eq!(error.to_string(), "rows of a layer: 6, expected 5");
    assert!(align_layers(Cka::Biased, &[], &jackknife).is_err());
}

proptest! {
    #[test]
    fn alignment_is_symmetric_and_in_its_range(
        x in prop::collection::vec(-1.0_f32..1.0, 24),
        y in prop::collection::vec(-1.0_f32..1.0, 16),
    ) {
        let (x, y) = (EmbeddingMatrix::try_new(3, x)?, EmbeddingMatrix::try_new(2, y)?);
        for cka in [Cka::Biased, Cka::Debiased] {
            if let (Ok(there), Ok(back)) = (cka.of(&x, &y), cka.of(&y, &x)) {
                prop_assert!((there - back).abs() < 1e-9 * there.abs().max(1.0));
                prop_assert!(cka == Cka::Debiased || (-1e-12..=1.0 + 1e-12).contains(&there));
            }
        }
        prop_assert!((-1e-12..=1.0 + 1e-12).contains(&iso_score(&x)?));
        prop_assert!((0.0..=1.0).contains(&partition_isotropy(&x)?));
        prop_assert!((-1.0..=1.0).contains(&relational_similarity(&x, &y)?));
    }
}
