//! Vectors, and those that several tests use.

use isogloss_core::Seed;
use isogloss_mining::{EmbeddingMatrix, Neighbours};
use proptest::prelude::*;
use rand::RngExt;

/// The sources of the worked case: `X` of the specification.
pub(crate) fn worked_src() -> EmbeddingMatrix {
    matrix(3, &[0, 5, 0, 3, 2, 3, 0, 2, 1, 3, 5, 2])
}

/// The targets of the worked case: `Y` of the specification.
pub(crate) fn worked_tgt() -> EmbeddingMatrix {
    matrix(3, &[1, 6, 1, 5, 2, 6, 1, 1, 1, 3, 8, 1])
}

fn matrix(dim: usize, values: &[i16]) -> EmbeddingMatrix {
    EmbeddingMatrix::try_new(dim, values.iter().copied().map(f32::from).collect()).unwrap()
}

/// Matrices of one width, with many vectors that are equal, parallel or zero.
pub(crate) fn two_matrices() -> impl Strategy<Value = [EmbeddingMatrix; 2]> {
    (1_usize..12, 1_usize..40, 1_usize..40).prop_flat_map(|(dim, n_src, n_tgt)| {
        let rows = move |n| {
            prop::collection::vec(-2_i16..3, n * dim).prop_map(move |values| matrix(dim, &values))
        };
        [rows(n_src), rows(n_tgt)]
    })
}

/// Vectors around centres that both sets share, as sentences lie around topics.
pub(crate) fn clustered(seed: Seed, n: usize, dim: usize) -> EmbeddingMatrix {
    let mut centres = Seed::new(99).rng();
    let centres: Vec<f32> = (0..50 * dim).map(|_| centres.random_range(-1.0..1.0)).collect();
    let mut rng = seed.rng();
    let mut values = Vec::with_capacity(n * dim);
    for _ in 0..n {
        let centre = rng.random_range(0..50) * dim;
        values.extend(
            centres[centre..centre + dim].iter().map(|at| at + rng.random_range(-1.2..1.2)),
        );
    }
    EmbeddingMatrix::try_new(dim, values).unwrap()
}

/// The rows of the neighbours of each query.
pub(crate) fn indices(neighbours: &Neighbours) -> Vec<Vec<usize>> {
    neighbours.rows().map(|row| row.iter().map(|neighbour| neighbour.index).collect()).collect()
}

#[test]
fn centring_moves_the_mean_to_zero() {
    let matrix = EmbeddingMatrix::try_new(2, vec![1.0, 5.0, 3.0, 7.0]).unwrap().centred();
    let rows: Vec<_> = matrix.rows().collect();
    assert_eq!(rows, [[-1.0, -1.0], [1.0, 1.0]]);
}

#[test]
fn normalising_gives_length_one_and_leaves_zero() {
    let matrix = EmbeddingMatrix::try_new(2, vec![3.0, 4.0, 0.0, 0.0]).unwrap().normalised();
    let rows: Vec<_> = matrix.rows().collect();
    assert_eq!(rows, [[0.6, 0.8], [0.0, 0.0]]);
    // What was known of the length is forgotten with the length.
    let centred = matrix.clone().centred().normalised();
    let values: Vec<f32> = centred.rows().flatten().copied().collect();
    isogloss_testing::assert_close(&values, &[0.6, 0.8, -0.6, -0.8], 1e-6);
    assert_ne!(matrix, centred);
}
