//! How small a difference can be seen with so many items.

use serde::{Deserialize, Serialize};

use crate::checks::check_share;
use crate::{EvaluationError, normal_quantile};

/// The errors that a comparison of means over paired items may make.
///
/// ```text
/// smallest difference = (z_{1 - α/2} + z_{power}) · σ / √n
/// ```
///
/// where `σ` is the standard deviation of the items' differences; for the accuracies of two systems, about the root of
/// the share of items that only one has right ([`discordance_sd`](Self::discordance_sd)).
///
/// # Source
///
/// Card et al. (2020), "With Little Power Comes Great Responsibility", <https://aclanthology.org/2020.emnlp-main.745>.
///
/// # Examples
///
/// ```
/// use isogloss_evaluation::Power;
///
/// let power = Power::default();
/// let sd = Power::discordance_sd(0.2)?;
/// assert!((power.minimum_detectable_difference(sd, 500)? - 0.056_031_704_4).abs() < 1e-10);
/// assert_eq!(power.items_needed(sd, 0.02)?, 3_925);
/// # Ok::<(), isogloss_evaluation::EvaluationError>(())
/// ```
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Power {
    /// The probability to see a difference where there is none, two-sided. Default: 0.05.
    pub alpha: f64,
    /// The probability to see one of the smallest size. Default: 0.8.
    pub power: f64,
}

impl Default for Power {
    fn default() -> Self {
        Self { alpha: 0.05, power: 0.8 }
    }
}

impl Power {
    /// Sets both probabilities.
    pub fn new(alpha: f64, power: f64) -> Self {
        Self { alpha, power }
    }

    /// The standard deviation of the differences of two systems of equal accuracy, from the share of items that only
    /// one of them has right.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Config`] for a share outside of `[0, 1]`.
    pub fn discordance_sd(share: f64) -> Result<f64, EvaluationError> {
        if (0.0..=1.0).contains(&share) {
            return Ok(share.sqrt());
        }
        let (found, expected) = (share.to_string(), "a number from 0 to 1");
        Err(EvaluationError::Config { field: "share", found, expected })
    }

    /// The smallest difference that is seen with this power.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Empty`] without items, [`EvaluationError::Config`] for a standard deviation that is negative
    /// or not a number, and for probabilities outside of `(0, 1)`.
    pub fn minimum_detectable_difference(
        &self,
        sd: f64,
        items: u64,
    ) -> Result<f64, EvaluationError> {
        if items == 0 {
            return Err(EvaluationError::Empty { what: "detectable difference" });
        }
        Ok(self.deviations()? * checked_sd(sd)? / (items as f64).sqrt())
    }

    /// How many items it takes to see a difference with this power; at least 1.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Config`] for a difference that is not above 0 or takes more items than can be counted, and as
    /// for [`minimum_detectable_difference`](Self::minimum_detectable_difference).
    pub fn items_needed(&self, sd: f64, difference: f64) -> Result<u64, EvaluationError> {
        let needed = (self.deviations()? * checked_sd(sd)? / difference).powi(2).ceil();
        // Up to here, every whole number has its f64.
        if !(difference > 0.0 && difference.is_finite() && needed <= 2.0_f64.powi(53)) {
            let found = difference.to_string();
            let expected = "a finite number above 0 that takes fewer than 2^53 items";
            return Err(EvaluationError::Config { field: "difference", found, expected });
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number up to 2^53"
        )]
        let needed = needed as u64;
        Ok(needed.max(1))
    }

    /// The smallest difference in standard errors.
    fn deviations(&self) -> Result<f64, EvaluationError> {
        check_share("alpha", self.alpha)?;
        check_share("power", self.power)?;
        let deviations = normal_quantile(self.power)? - normal_quantile(self.alpha / 2.0)?;
        if deviations > 0.0 {
            return Ok(deviations);
        }
        // Even no difference is seen as often.
        let (found, expected) = (self.power.to_string(), "more than half of `alpha`");
        Err(EvaluationError::Config { field: "power", found, expected })
    }
}

fn checked_sd(sd: f64) -> Result<f64, EvaluationError> {
    if sd >= 0.0 && sd.is_finite() {
        return Ok(sd);
    }
    let (found, expected) = (sd.to_string(), "a finite number, at least 0");
    Err(EvaluationError::Config { field: "sd", found, expected })
}
