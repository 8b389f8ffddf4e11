//! Many dot products at once.

use std::thread;

use super::EmbeddingMatrix;

/// Target rows whose scores are held at once by a thread.
const TARGETS: usize = 16;
/// Target rows that meet a source row while it is in registers.
const TOGETHER: usize = 4;
/// Source rows that stay in the cache while the targets of a block pass.
const SOURCES: usize = 256;
/// Sums that run side by side, so that the compiler may use vector instructions.
const LANES: usize = 8;

/// How many threads to use: never a part of the result.
pub(super) fn available_threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Calls `with_scores(target, scores)` for each row of `targets`, where `scores` holds its dot
/// product with every row of `sources`, and gives back what it returned, in the order of rows.
///
/// Every product is summed in one order, whatever thread and block it falls in: the result depends
/// neither on `threads` nor on the number of rows. Both matrices must have one width.
pub(super) fn map_scores<T: Send>(
    targets: &EmbeddingMatrix,
    sources: &EmbeddingMatrix,
    threads: usize,
    with_scores: &(dyn Fn(usize, &[f32]) -> T + Sync),
) -> Vec<T> {
    let each = targets.rows().div_ceil(threads.max(1)).next_multiple_of(TARGETS).max(TARGETS);
    thread::scope(|scope| {
        let parts: Vec<_> = (0..targets.rows())
            .step_by(each)
            .map(|start| {
                let end = (start + each).min(targets.rows());
                scope.spawn(move || map_part(targets, sources, [start, end], with_scores))
            })
            .collect();
        let join = |part: thread::ScopedJoinHandle<'_, Vec<T>>| {
            part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        parts.into_iter().flat_map(join).collect()
    })
}

fn map_part<T>(
    targets: &EmbeddingMatrix,
    sources: &EmbeddingMatrix,
    [start, end]: [usize; 2],
    with_scores: &(dyn Fn(usize, &[f32]) -> T + Sync),
) -> Vec<T> {
    let n_sources = sources.rows();
    let mut scores = vec![0.0_f32; TARGETS * n_sources];
    let mut results = Vec::with_capacity(end - start);
    for block in (start..end).step_by(TARGETS) {
        let n_targets = TARGETS.min(end - block);
        for tile in (0..n_sources).step_by(SOURCES) {
            let tile_end = (tile + SOURCES).min(n_sources);
            for first in (0..n_targets).step_by(TOGETHER) {
                // A short group repeats its last row, and what it computes twice is equal.
                let row = |i: usize| targets.row_at(block + (first + i).min(n_targets - 1));
                let rows: [&[f32]; TOGETHER] = std::array::from_fn(row);
                for source in tile..tile_end {
                    let products = dot_products(rows, sources.row_at(source));
                    for (i, product) in products.into_iter().enumerate() {
                        scores[(first + i) * n_sources + source] = product;
                    }
                }
            }
        }
        for target in 0..n_targets {
            let scores = &scores[target * n_sources..][..n_sources];
            results.push(with_scores(block + target, scores));
        }
    }
    results
}

/// The products of some rows with one, each summed in [`LANES`] parts.
#[inline]
fn dot_products(rows: [&[f32]; TOGETHER], source: &[f32]) -> [f32; TOGETHER] {
    let whole = source.len() / LANES * LANES;
    let (source_head, source_tail) = source.split_at(whole);
    let heads = rows.map(|row| &row[..whole]);
    let mut lanes = [[0.0_f32; LANES]; TOGETHER];
    for (chunk, part) in source_head.chunks_exact(LANES).enumerate() {
        for (lanes, head) in lanes.iter_mut().zip(&heads) {
            let other = &head[chunk * LANES..][..LANES];
            for lane in 0..LANES {
                lanes[lane] += part[lane] * other[lane];
            }
        }
    }
    std::array::from_fn(|i| {
        let tail: f32 = source_tail.iter().zip(&rows[i][whole..]).map(|(a, b)| a * b).sum();
        lanes[i].iter().sum::<f32>() + tail
    })
}

/// The dot product of two rows of one length, summed in [`LANES`] parts.
#[inline]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let tail: f32 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    lanes.iter().sum::<f32>() + tail
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matrix(rows: usize, dim: usize, step: f32) -> EmbeddingMatrix {
        let values = (0..rows * dim).map(|i| ((i as f32) * step).sin()).collect();
        EmbeddingMatrix::trusted(dim, values)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn scores_are_the_same_bits_on_any_number_of_threads(
            n_targets in 0_usize..60,
            n_sources in 0_usize..600,
            dim in 1_usize..40,
            threads in 2_usize..7,
        ) {
            let (targets, sources) = (matrix(n_targets, dim, 0.37), matrix(n_sources, dim, 0.73));
            let run = |threads| {
                map_scores(&targets, &sources, threads, &|target, scores| (target, scores.to_vec()))
            };
            let one = run(1);
            prop_assert_eq!(&one, &run(threads));
            for (target, (place, scores)) in one.iter().enumerate() {
                prop_assert_eq!(target, *place);
                prop_assert_eq!(scores.len(), n_sources);
                for (source, score) in scores.iter().enumerate() {
                    let expected: f64 = targets.row_at(target).iter().zip(sources.row_at(source))
                        .map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                    // f32 sums of 40 terms below 1.
                    prop_assert!((f64::from(*score) - expected).abs() < 1e-5);
                    let alone = dot(targets.row_at(target), sources.row_at(source));
                    prop_assert_eq!(score.to_bits(), alone.to_bits());
                }
            }
        }
    }
}
