//! How long spans are.

/// The longest span.
const LONGEST: usize = 10;

/// With what probability a span ends after each word.
const STOP: f64 = 0.2;

/// The length of a span, of a number that is uniform in [0, 1): geometric, at most [`LONGEST`].
///
/// # Source
///
/// Joshi et al. (2020), "SpanBERT: Improving Pre-training by Representing and Predicting Spans",
/// section 3.1, <https://arxiv.org/abs/1907.10529>.
pub(super) fn span_length(uniform: f64) -> usize {
    let mut left = uniform;
    for (length, probability) in (1..).zip(probabilities()) {
        if left < probability {
            return length;
        }
        left -= probability;
    }
    LONGEST
}

/// The probability of each length from 1.
fn probabilities() -> [f64; LONGEST] {
    let mut probability = STOP;
    let shares = [(); LONGEST].map(|()| {
        let share = probability;
        probability *= 1.0 - STOP;
        share
    });
    let sum: f64 = shares.iter().sum();
    shares.map(|share| share / sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_the_probabilities_of_spanbert() {
        // np.random.choice in SpanBERT's code is given 0.2 · 0.8^(k - 1), divided by their sum.
        let expected = [
            0.224_058, 0.179_246, 0.143_397, 0.114_718, 0.091_774, 0.073_419, 0.058_735, 0.046_988,
            0.037_591, 0.030_073,
        ];
        for (found, expected) in probabilities().iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
        let steps = 1_000_000;
        let sum: usize =
            (0..steps).map(|step| span_length(f64::from(step) / f64::from(steps))).sum();
        assert!((sum as f64 / f64::from(steps) - 3.797_098).abs() < 1e-4);
        assert_eq!((span_length(0.0), span_length(1.0)), (1, 10));
    }
}
