//! UniMax: as even as the text allows.

use serde::{Deserialize, Serialize};

use crate::{DistributionError, LanguageDistribution, LanguageSizes, LanguageWeighting};

/// Shares a budget evenly among the languages, and draws none of them more often than a number of
/// epochs.
///
/// From the smallest language to the largest, each gets an even share of what is left of the budget,
/// or `max_epochs` times its text where that is less:
///
/// ```text
/// U_l = min(left / languages to come, max_epochs · c_l)        q_l = U_l / Σ U
/// ```
///
/// The cap holds exactly in the order of least discrepancy
/// ([`LanguageOrder`](crate::LanguageOrder)) and in expectation by chance.
///
/// # Source
///
/// Chung et al. (2023), "UniMax: Fairer and More Effective Language Sampling for Large-Scale
/// Multilingual Pretraining", <https://arxiv.org/abs/2304.09151>, which counts characters.
///
/// # Examples
///
/// ```
/// use isogloss_sampling::{LanguageSizes, LanguageWeighting, SizeUnit, UniMaxConfig};
///
/// let sizes = [("yo".parse()?, 10), ("sw".parse()?, 20), ("en".parse()?, 1000)];
/// let sizes = LanguageSizes::try_new(SizeUnit::Characters, sizes)?;
/// let distribution = UniMaxConfig::new(100).with_max_epochs(1.0).distribution(&sizes)?;
/// let q: Vec<f64> = distribution.iter().map(|(_, q)| q).collect();
/// assert!(q.iter().zip([0.1, 0.2, 0.7]).all(|(q, by_hand)| (q - by_hand).abs() < 1e-12));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct UniMaxConfig {
    /// How much is to be drawn in all, in the unit of the sizes.
    pub budget: u64,
    /// How often a text may be drawn. Default: 4, as far as repeated text is nearly as good as new.
    #[serde(default = "default_max_epochs")]
    pub max_epochs: f64,
}

fn default_max_epochs() -> f64 {
    4.0
}

impl UniMaxConfig {
    /// A budget, and at most four epochs of any language.
    pub fn new(budget: u64) -> Self {
        Self { budget, max_epochs: default_max_epochs() }
    }

    /// Sets how often a text may be drawn.
    #[must_use]
    pub fn with_max_epochs(mut self, epochs: f64) -> Self {
        self.max_epochs = epochs;
        self
    }
}

impl LanguageWeighting for UniMaxConfig {
    /// # Errors
    ///
    /// [`DistributionError::Field`]; [`DistributionError::Shortfall`] where the cap leaves part of
    /// the budget: to fill it silently would break the cap.
    fn distribution(
        &self,
        sizes: &LanguageSizes,
    ) -> Result<LanguageDistribution, DistributionError> {
        let Self { budget, max_epochs } = *self;
        let fault = |field, found: String, expected: &str| {
            Err(DistributionError::Field { field, found, expected: expected.to_owned() })
        };
        if budget == 0 {
            return fault("budget", "0".to_owned(), "at least 1");
        }
        if !(max_epochs.is_finite() && max_epochs > 0.0) {
            return fault("max_epochs", max_epochs.to_string(), "a finite number above 0");
        }
        let all: u128 = sizes.iter().map(|(_, size)| u128::from(size)).sum();
        let available = max_epochs * all as f64;
        // To within a rounding: a budget of exactly all epochs of all languages can be filled.
        if available < budget as f64 * (1.0 - 1e-12) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "below the budget, which is a u64"
            )]
            let available = available.round() as u64;
            let unit = sizes.unit();
            return Err(DistributionError::Shortfall { budget, max_epochs, available, unit });
        }
        let mut order: Vec<u64> = sizes.iter().map(|(_, size)| size).collect();
        order.sort_unstable();
        // Sizes of capped languages are summed as whole numbers, so that a million of them lose
        // nothing. The first language that is not capped fixes the share of all that follow.
        let (mut capped, mut share) = (0_u128, f64::INFINITY);
        for (done, size) in order.iter().enumerate() {
            let left = budget as f64 - max_epochs * capped as f64;
            let fair = left / (order.len() - done) as f64;
            if fair <= max_epochs * *size as f64 {
                share = fair;
                break;
            }
            capped += u128::from(*size);
        }
        let log_amount = |size: u64| libm::log(share.min(max_epochs * size as f64));
        let weighted = sizes.iter().map(|(language, size)| (language.clone(), log_amount(size)));
        LanguageDistribution::from_log_weights(weighted)
    }
}
