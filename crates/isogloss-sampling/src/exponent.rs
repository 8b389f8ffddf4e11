//! Exponent smoothing, the sampling scheme of XLM and XLM-R.

use serde::{Deserialize, Serialize};

use crate::{DistributionError, LanguageDistribution, LanguageSizes, LanguageWeighting};

/// Draws a language in proportion to a power of its size.
///
/// With `n_l` units of text in language `l`,
///
/// ```text
/// q_l = n_l^alpha / sum_k n_k^alpha        0 <= alpha <= 1
/// ```
///
/// `alpha = 1` draws in proportion to size and `alpha = 0` draws every language alike. Between
/// them, a smaller `alpha` raises the languages with less text. A temperature `T` is the same thing
/// by another name, `alpha = 1 / T`; a file may give either, and not both.
///
/// | model | `alpha` | sizes in |
/// |---|---|---|
/// | in proportion: [`proportional`](Self::proportional) (Arivazhagan et al., 2019, section 4.1, `T = 1`, <https://arxiv.org/abs/1907.05019>) | 1 | sentence pairs |
/// | XLM (Conneau and Lample, 2019, section 3.1, <https://arxiv.org/abs/1901.07291>) | 0.5 | sentences |
/// | XLM-R (Conneau et al., 2020, <https://arxiv.org/abs/1911.02116>) | 0.3, the default | sentences |
/// | mBERT (Devlin, 2018, `multilingual.md` of its repository) | 0.7 | Wikipedia's |
/// | mT5 (Xue et al., 2021, section 3.2, <https://arxiv.org/abs/2010.11934>) | 0.3 | pages |
/// | evenly: [`uniform`](Self::uniform) (what XLM's code does where no `alpha` is given) | 0 | |
///
/// # Source
///
/// Those of the table; XLM, XLM-R, mBERT and mT5 use it for their vocabularies as well as for training.
///
/// # Examples
///
/// ```
/// use isogloss_sampling::{ExponentConfig, LanguageSizes, LanguageWeighting, SizeUnit};
///
/// let sizes = [("en".parse()?, 900), ("yo".parse()?, 100)];
/// let sizes = LanguageSizes::try_new(SizeUnit::Sentences, sizes)?;
/// let distribution = ExponentConfig::new().with_temperature(2.0).distribution(&sizes)?;
///
/// // sqrt(900) : sqrt(100) = 30 : 10
/// let q: Vec<f64> = distribution.iter().map(|(_, q)| q).collect();
/// assert!((q[0] - 0.75).abs() < 1e-12 && (q[1] - 0.25).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "Either")]
#[non_exhaustive]
pub struct ExponentConfig {
    /// The exponent, in `[0, 1]`. Default: 0.3.
    pub alpha: f64,
}

/// What a file may say: the exponent, or one over it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Either {
    alpha: Option<f64>,
    temperature: Option<f64>,
}

impl TryFrom<Either> for ExponentConfig {
    type Error = &'static str;

    fn try_from(either: Either) -> Result<Self, Self::Error> {
        match either {
            Either { alpha: Some(_), temperature: Some(_) } => {
                Err("both `alpha` and `temperature`, expected one: alpha is 1/temperature")
            }
            Either { alpha: Some(alpha), .. } => Ok(Self::new().with_alpha(alpha)),
            Either { temperature: Some(temperature), .. } => {
                Ok(Self::new().with_temperature(temperature))
            }
            Either { .. } => Ok(Self::new()),
        }
    }
}

impl ExponentConfig {
    /// The default configuration.
    pub fn new() -> Self {
        Self::default()
    }

    /// By size: `alpha = 1`.
    pub fn proportional() -> Self {
        Self { alpha: 1.0 }
    }

    /// All alike: `alpha = 0`.
    pub fn uniform() -> Self {
        Self { alpha: 0.0 }
    }

    /// Sets the exponent.
    #[must_use]
    pub fn with_alpha(mut self, alpha: f64) -> Self {
        self.alpha = alpha;
        self
    }

    /// Sets the exponent to one over a temperature, which is at least 1.
    #[must_use]
    pub fn with_temperature(self, temperature: f64) -> Self {
        self.with_alpha(1.0 / temperature)
    }
}

impl LanguageWeighting for ExponentConfig {
    fn distribution(
        &self,
        sizes: &LanguageSizes,
    ) -> Result<LanguageDistribution, DistributionError> {
        let alpha = self.alpha;
        if !(0.0..=1.0).contains(&alpha) {
            return Err(DistributionError::Alpha { found: alpha });
        }
        let log_weight = |size: u64| alpha * libm::log(size as f64);
        let weighted = sizes.iter().map(|(language, size)| (language.clone(), log_weight(size)));
        LanguageDistribution::from_log_weights(weighted)
    }
}

impl Default for ExponentConfig {
    fn default() -> Self {
        Self { alpha: 0.3 }
    }
}
