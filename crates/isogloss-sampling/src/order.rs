//! Which language is next.

use serde::{Deserialize, Serialize};

/// How the language of a draw is chosen from the probabilities.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LanguageOrder {
    /// Each draw by itself. After `t` draws, the number for a language of probability `q` is off
    /// by `√(t q (1 - q))` or so.
    #[default]
    Random,
    /// Tijdeman's rule: the number is never off by 1 or more, after any number of draws.
    ///
    /// # Source
    ///
    /// Tijdeman (1980), "The chairman assignment problem", Discrete Mathematics 32, 323–330,
    /// <https://doi.org/10.1016/0012-365X(80)90269-1>.
    LowDiscrepancy,
}

/// Rounding of `q · t`, which is exact to far better than this for any run that ends.
const EPSILON: f64 = 1e-9;

/// The language of the `draw`-th draw, counted from 1, by Tijdeman's rule.
///
/// Of the languages that may be chosen without running ahead of their share, the one whose share
/// would be overdue first; the first of equals.
pub(crate) fn tijdeman(probabilities: &[f64], counts: &[u64], draw: u64) -> usize {
    if probabilities.len() == 1 {
        return 0;
    }
    let slack = 1.0 / (2.0 * probabilities.len() as f64 - 2.0);
    let mut best: Option<(usize, f64)> = None;
    for (index, (q, count)) in probabilities.iter().zip(counts).enumerate() {
        let lag = q * draw as f64 - *count as f64;
        if *q <= 0.0 || lag < slack - EPSILON {
            continue;
        }
        let deadline = (1.0 - slack - lag) / q;
        if best.is_none_or(|(_, earliest)| deadline < earliest - EPSILON) {
            best = Some((index, deadline));
        }
    }
    // The lags sum to 1 and so one reaches the slack; rounding aside, there is always a candidate.
    best.map_or(0, |(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_draws(probabilities: &[f64], draws: u64) -> (Vec<usize>, f64) {
        let mut counts = vec![0; probabilities.len()];
        let (mut order, mut worst) = (Vec::new(), 0.0_f64);
        for draw in 1..=draws {
            let chosen = tijdeman(probabilities, &counts, draw);
            counts[chosen] += 1;
            order.push(chosen);
            for (q, count) in probabilities.iter().zip(&counts) {
                worst = worst.max((*count as f64 - q * draw as f64).abs());
            }
        }
        (order, worst)
    }

    #[test]
    fn the_order_is_that_of_the_rule_worked_by_hand() {
        let (order, _) = first_draws(&[0.5, 0.3, 0.2], 10);
        assert_eq!(order, [0, 1, 0, 2, 0, 1, 0, 2, 1, 0]);
        let (_, worst) = first_draws(&[0.5, 0.3, 0.2], 10_000);
        assert!(worst <= 0.75 + 1e-6, "{worst}");
    }
}
