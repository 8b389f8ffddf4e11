//! Exact search beside a search that sorts everything.

use std::sync::Mutex;

use isogloss_core::{Progress, ProgressEvent, Seed};
use isogloss_mining::{
    EmbeddingMatrix, IvfConfig, for_each_cosine_block, mutual_neighbours, nearest_neighbours,
    paired_cosines,
};
use proptest::prelude::*;

use crate::vectors::{clustered, indices, two_matrices};

/// All cosines in double precision, by the definition. `[n_src][n_tgt]`
fn cosines_by_definition(src: &EmbeddingMatrix, tgt: &EmbeddingMatrix) -> Vec<Vec<f64>> {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    let cosine = |a, b| {
        let norms = (dot(a, a) * dot(b, b)).sqrt();
        if norms > 0.0 { dot(a, b) / norms } else { 0.0 }
    };
    src.rows().map(|a| tgt.rows().map(|b| cosine(a, b)).collect()).collect()
}

/// All cosines as the crate has them. `[n_src][n_tgt]`
fn cosines_by_block(src: &EmbeddingMatrix, tgt: &EmbeddingMatrix) -> Vec<Vec<f32>> {
    let cosines = Mutex::new(vec![vec![f32::NAN; tgt.row_count()]; src.row_count()]);
    for_each_cosine_block(src, tgt, &(), &|block| {
        let mut cosines = cosines.lock().unwrap();
        for (row, line) in block.rows().zip(block.iter()) {
            cosines[row][block.columns()].copy_from_slice(line);
        }
    })
    .unwrap();
    cosines.into_inner().unwrap()
}

/// The first `k` columns of each row: the largest, and of equal ones the first.
fn best_by_sorting(cosines: &[Vec<f32>], k: usize) -> Vec<Vec<usize>> {
    let best = |row: &Vec<f32>| {
        let mut order: Vec<usize> = (0..row.len()).collect();
        order.sort_by(|&a, &b| row[b].partial_cmp(&row[a]).unwrap().then(a.cmp(&b)));
        order.truncate(k);
        order
    };
    cosines.iter().map(best).collect()
}

fn transposed(cosines: &[Vec<f32>]) -> Vec<Vec<f32>> {
    (0..cosines[0].len()).map(|c| cosines.iter().map(|row| row[c]).collect()).collect()
}

proptest! {
    #[test]
    fn cosines_are_those_of_the_definition([src, tgt] in two_matrices()) {
        let expected = cosines_by_definition(&src, &tgt);
        let found = cosines_by_block(&src, &tgt);
        // Sums of at most 11 products of numbers that are rounded to 2^-24.
        for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
            prop_assert!((f64::from(*found) - expected).abs() < 1e-6, "{found} is not {expected}");
        }
    }

    #[test]
    fn neighbours_are_those_of_a_sort([src, tgt] in two_matrices(), k in 1_usize..50) {
        let cosines = cosines_by_block(&src, &tgt);
        let found = mutual_neighbours(&src, &tgt, k, &())?;
        prop_assert_eq!(indices(found.forward()), best_by_sorting(&cosines, k));
        prop_assert_eq!(indices(found.backward()), best_by_sorting(&transposed(&cosines), k));
        for (row, cosines) in found.forward().rows().zip(&cosines) {
            for near in row {
                prop_assert_eq!(near.cosine.to_bits(), cosines[near.index].to_bits());
            }
        }
        prop_assert_eq!(found.forward(), &nearest_neighbours(&src, &tgt, k, &())?);
        prop_assert_eq!(found.backward(), &nearest_neighbours(&tgt, &src, k, &())?);
    }

    #[test]
    fn pairs_have_the_bits_of_their_block([src, _] in two_matrices()) {
        let tgt = src.clone().centred();
        let cosines = cosines_by_block(&src, &tgt);
        let diagonal: Vec<f32> = (0..src.row_count()).map(|row| cosines[row][row]).collect();
        prop_assert_eq!(paired_cosines(&src, &tgt)?, diagonal);
    }

    #[test]
    fn a_normalised_matrix_gives_the_same([src, tgt] in two_matrices()) {
        let found = mutual_neighbours(&src.clone().normalised(), &tgt.clone().normalised(), 3, &())?;
        prop_assert_eq!(found, mutual_neighbours(&src, &tgt, 3, &())?);
    }
}

#[test]
fn selected_rows_are_as_they_were() {
    let matrix = clustered(Seed::new(4), 5, 7);
    let rows: Vec<&[f32]> = matrix.rows().collect();
    let selected = matrix.select(&[3, 0, 3]).unwrap();
    assert_eq!(selected.rows().collect::<Vec<_>>(), [rows[3], rows[0], rows[3]]);
    // Of a normalised matrix they are not normalised again, which could move a bit.
    let unit = matrix.clone().normalised();
    assert_eq!(*matrix.to_normalised(), unit);
    let selected = unit.select(&[4]).unwrap();
    assert_eq!(selected.to_normalised().rows().next(), unit.rows().nth(4));
    let error = matrix.select(&[0, 5]).unwrap_err().to_string();
    assert_eq!(error, "row 1 is 5, expected less than 5");
    assert!(matrix.select(&[]).is_err());
}

#[test]
fn sets_of_several_blocks_are_searched_whole() {
    let (src, tgt) = (clustered(Seed::new(1), 1_100, 40), clustered(Seed::new(2), 2_300, 40));
    let cosines = cosines_by_block(&src, &tgt);
    let found = mutual_neighbours(&src, &tgt, 5, &()).unwrap();
    assert_eq!(indices(found.forward()), best_by_sorting(&cosines, 5));
    assert_eq!(indices(found.backward()), best_by_sorting(&transposed(&cosines), 5));
}

#[test]
fn equal_vectors_tie_wherever_they_stand() {
    // More rows than a block has, so that there are several, and more columns than are summed at once.
    // All cosines are equal, so that the first rows are everyone's neighbours.
    let one = clustered(Seed::new(3), 1, 300);
    let values = one.rows().next().unwrap().repeat(1_031);
    let copies = EmbeddingMatrix::try_new(300, values).unwrap();
    let found = mutual_neighbours(&copies, &copies, 3, &()).unwrap();
    assert!(indices(found.forward()).iter().all(|row| row == &[0, 1, 2]));
    assert_eq!(found.forward(), found.backward());
}

#[test]
fn numbers_at_the_ends_of_their_range_have_a_direction() {
    let src = EmbeddingMatrix::try_new(2, vec![1e-45, 0.0, 3e38, 3e38]).unwrap();
    let tgt = EmbeddingMatrix::try_new(2, vec![3e38, 0.0, 0.0, 0.0]).unwrap();
    let found = nearest_neighbours(&src, &tgt, 2, &()).unwrap();
    let cosines: Vec<f32> = found.rows().flatten().map(|neighbour| neighbour.cosine).collect();
    isogloss_testing::assert_close(&cosines, &[1.0, 0.0, 0.5_f32.sqrt(), 0.0], 1e-6);
}

#[test]
fn there_are_as_many_neighbours_as_targets_at_most() {
    let (src, tgt) = (clustered(Seed::new(1), 3, 4), clustered(Seed::new(2), 2, 4));
    let found = mutual_neighbours(&src, &tgt, 9, &()).unwrap();
    assert_eq!((found.forward().k(), found.backward().k()), (2, 3));
    assert_eq!((found.forward().row_count(), found.backward().row_count()), (3, 2));
    assert_eq!(found.forward().row(2).unwrap().len(), 2);
    assert_eq!(found.forward().row(3), None);
}

#[test]
fn progress_is_told_from_start_to_end() {
    struct Log(Mutex<Vec<String>>);
    impl Progress for Log {
        fn report(&self, event: ProgressEvent<'_>) {
            let line = match event {
                // How many blocks there are depends on the cores.
                ProgressEvent::Started { task, total: Some(4..), unit: "blocks" } => {
                    format!("{task}: blocks")
                }
                ProgressEvent::Started { task, total, unit } => format!("{task}: {total:?} {unit}"),
                ProgressEvent::Finished { task } => format!("{task}: end"),
                _ => return,
            };
            self.0.lock().unwrap().push(line);
        }
    }
    let log = Log(Mutex::default());
    // Two blocks of rows and two of columns at least.
    let src = clustered(Seed::new(1), 1_100, 4);
    nearest_neighbours(&src, &src, 1, &log).unwrap();
    IvfConfig::new(Seed::new(1)).nearest_neighbours(&src, &src, 1, &log).unwrap();
    let expected = [
        "nearest neighbours: blocks",
        "nearest neighbours: end",
        "clustering: Some(8) passes",
        "clustering: end",
        "approximate neighbours: Some(1100) sources",
        "approximate neighbours: end",
    ];
    assert_eq!(log.0.into_inner().unwrap(), expected);
}
