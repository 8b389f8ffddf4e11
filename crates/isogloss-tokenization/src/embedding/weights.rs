//! From similarities to weights that sum to one.

use super::matrix::to_f32;

/// Weights from similarities, most of which become exactly zero: the Euclidean projection onto the
/// probability simplex.
///
/// ```text
/// p_i = max(z_i - τ, 0), with τ such that Σ p = 1
/// ```
///
/// Returns the places whose weight is above zero, in their order, with the weights; nothing for no
/// similarity.
///
/// # Source
///
/// Martins and Astudillo (2016), "From Softmax to Sparsemax", algorithm 1,
/// <https://arxiv.org/abs/1602.02068>. The support is found without sorting, by discarding what
/// lies under the threshold until nothing does (Michelot, 1986,
/// <https://doi.org/10.1007/BF00938486>).
///
/// # Examples
///
/// ```
/// use isogloss_tokenization::embedding::sparsemax;
///
/// // τ = (0.9 + 0.85 - 1) / 2 = 0.375
/// let weights = sparsemax(&[0.9, 0.85, 0.3, -0.2]);
/// assert_eq!(weights.iter().map(|(place, _)| *place).collect::<Vec<_>>(), [0, 1]);
/// assert!((weights[0].1 - 0.525).abs() < 1e-6 && (weights[1].1 - 0.475).abs() < 1e-6);
/// ```
pub fn sparsemax(similarities: &[f32]) -> Vec<(usize, f32)> {
    let largest = similarities.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    // One weight is at most 1, so the threshold is at least the largest less 1.
    let floor = f64::from(largest) - 1.0;
    let mut support: Vec<(usize, f64)> = similarities
        .iter()
        .enumerate()
        .map(|(place, similarity)| (place, f64::from(*similarity)))
        .filter(|(_, similarity)| *similarity > floor)
        .collect();
    loop {
        let sum: f64 = support.iter().map(|(_, similarity)| similarity).sum();
        let threshold = (sum - 1.0) / support.len() as f64;
        let before = support.len();
        support.retain(|(_, similarity)| *similarity > threshold);
        if support.len() == before {
            let weight = |(place, similarity)| (place, to_f32(similarity - threshold));
            return support.into_iter().map(weight).collect();
        }
    }
}

/// The `k` largest similarities among the places that are allowed, from the largest; of equals the
/// earlier place comes first.
pub(super) fn nearest(similarities: &[f32], allowed: &[bool], k: usize) -> Vec<(usize, f32)> {
    let mut nearest: Vec<(usize, f32)> = Vec::with_capacity(k + 1);
    for (place, similarity) in similarities.iter().copied().enumerate() {
        let full = nearest.len() == k;
        if !allowed[place] || (full && nearest.last().is_none_or(|last| similarity <= last.1)) {
            continue;
        }
        let at = nearest.partition_point(|(_, other)| *other >= similarity);
        nearest.insert(at, (place, similarity));
        nearest.truncate(k);
    }
    nearest
}

/// Weights from similarities: `exp(z_i / T) / Σ exp(z_j / T)`, with the largest taken off first.
pub(super) fn softmax(similarities: &[f32], temperature: f32) -> Vec<f32> {
    let scaled = |similarity: f32| f64::from(similarity) / f64::from(temperature);
    let largest = similarities.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exponentials: Vec<f64> =
        similarities.iter().map(|one| (scaled(*one) - scaled(largest)).exp()).collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials.into_iter().map(|one| to_f32(one / sum)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_nearest_come_from_the_largest_and_of_equals_the_earlier() {
        let similarities = [0.5, 0.9, 0.5, 0.1, 0.9, 0.5];
        let all = [true; 6];
        let places = |allowed: &[bool], k| -> Vec<usize> {
            nearest(&similarities, allowed, k).into_iter().map(|(place, _)| place).collect()
        };
        assert_eq!(places(&all, 4), [1, 4, 0, 2]);
        assert_eq!(places(&[true, false, true, true, true, true], 2), [4, 0]);
        assert_eq!(places(&all, 9), [1, 4, 0, 2, 5, 3]);
    }

    proptest! {
        #[test]
        fn the_nearest_are_the_head_of_a_stable_sort(
            similarities in prop::collection::vec((-4_i8..4).prop_map(|n| f32::from(n) / 4.0), 1..40),
            k in 1_usize..12,
        ) {
            let mut sorted: Vec<(usize, f32)> = similarities.iter().copied().enumerate().collect();
            sorted.sort_by(|a, b| b.1.total_cmp(&a.1));
            sorted.truncate(k);
            // -0 and 0 compare alike here, as they do not for `total_cmp`; none is negative zero.
            prop_assert_eq!(nearest(&similarities, &vec![true; similarities.len()], k), sorted);
        }

        #[test]
        fn softmax_keeps_order_and_ratios(
            similarities in prop::collection::vec(-1.0_f32..1.0, 2..20),
            temperature in 0.05_f32..2.0,
        ) {
            let weights = softmax(&similarities, temperature);
            let sum: f32 = weights.iter().sum();
            prop_assert!((sum - 1.0).abs() < 1e-5, "sum {sum}");
            // ln(w_0 / w_1) = (z_0 - z_1) / T; up to 40 here, where f32 weights have 1e-7 relative
            // error, unless the smaller is below the smallest normal number.
            if weights[0] > 1e-30 && weights[1] > 1e-30 {
                let expected = (similarities[0] - similarities[1]) / temperature;
                let found = (weights[0] / weights[1]).ln();
                prop_assert!((found - expected).abs() < 1e-3, "{found} and {expected}");
            }
        }
    }

    #[test]
    fn softmax_at_a_tenth_gives_the_weights_worked_by_hand() {
        // exp(9, 8.5, 3, -2) / Σ, and of the two largest 1 / (1 + exp(-0.5)).
        let all = softmax(&[0.9, 0.85, 0.3, -0.2], 0.1);
        isogloss_testing::assert_close(&all, &[0.621_494, 0.376_955, 0.001_541, 0.000_01], 1e-6);
        let two = softmax(&[0.9, 0.85], 0.1);
        isogloss_testing::assert_close(&two, &[0.622_459, 0.377_541], 1e-6);
        // Large similarities do not overflow.
        isogloss_testing::assert_close(&softmax(&[900.0, 900.0], 0.1), &[0.5, 0.5], 0.0);
    }
}
