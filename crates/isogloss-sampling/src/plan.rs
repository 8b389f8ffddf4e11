//! What a run will draw, before it does.

use std::fmt;

use isogloss_core::LanguageTag;
use serde::{Deserialize, Serialize};

use crate::{LanguageDistribution, LanguageSizes, SizeUnit, StreamError};

/// What a budget draws of each language, and how often that repeats its text.
///
/// ```text
/// drawn_l = q_l · budget        epochs_l = drawn_l / n_l
/// ```
///
/// # Examples
///
/// ```
/// use isogloss_sampling::{ExponentConfig, LanguageSizes, LanguageWeighting, SamplingPlan, SizeUnit};
///
/// let sizes = [("en".parse()?, 900), ("yo".parse()?, 100)];
/// let sizes = LanguageSizes::try_new(SizeUnit::Sentences, sizes)?;
/// let distribution = ExponentConfig::uniform().distribution(&sizes)?;
/// let plan = SamplingPlan::try_new(&sizes, &distribution, 1_000)?;
/// assert!((plan.rows[1].epochs - 5.0).abs() < 1e-12);
/// let repeated: Vec<_> = plan.repeated_more_than(SamplingPlan::NEARLY_AS_GOOD).collect();
/// assert_eq!(repeated[0].language.as_str(), "yo-Latn");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SamplingPlan {
    /// What sizes and budget count.
    pub unit: SizeUnit,
    /// How much is to be drawn in all.
    pub budget: u64,
    /// A row for each language, in the order of the sizes.
    pub rows: Vec<PlanRow>,
}

/// What a budget draws of one language.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PlanRow {
    /// The language.
    pub language: LanguageTag,
    /// How much text there is.
    pub size: u64,
    /// Its share of what there is.
    pub share: f64,
    /// Its share of what is drawn.
    pub probability: f64,
    /// How much is drawn, in expectation.
    pub drawn: f64,
    /// How often its text is drawn.
    pub epochs: f64,
    /// What that is worth in epochs of new text ([`effective_epochs`]).
    pub effective_epochs: f64,
}

/// How many epochs of new text are worth as much as `epochs` of one text.
///
/// ```text
/// D'/U = 1 + R* (1 - exp(-(epochs - 1) / R*))        R* = 15.39; epochs where that is 1 or less
/// ```
///
/// # Source
///
/// Muennighoff et al. (2023), "Scaling Data-Constrained Language Models",
/// <https://arxiv.org/abs/2305.16264>, appendix A. Fitted on English left-to-right models: for masked
/// ones, whose masks change with each epoch, an aid to planning and no more.
pub fn effective_epochs(epochs: f64) -> f64 {
    const HALF_LIFE: f64 = 15.387_756;
    if epochs <= 1.0 {
        epochs
    } else {
        1.0 + HALF_LIFE * (1.0 - libm::exp((1.0 - epochs) / HALF_LIFE))
    }
}

impl SamplingPlan {
    /// Epochs up to which repeated text is nearly as good as new ([`effective_epochs`]).
    pub const NEARLY_AS_GOOD: f64 = 4.0;
    /// Epochs after which little is gained.
    pub const LITTLE_GAIN: f64 = 16.0;

    /// What `budget` draws, in the unit of the sizes.
    ///
    /// # Errors
    ///
    /// [`StreamError::Sources`] where sizes and distribution differ in their languages.
    pub fn try_new(
        sizes: &LanguageSizes,
        distribution: &LanguageDistribution,
        budget: u64,
    ) -> Result<Self, StreamError> {
        distribution.check_order(sizes.iter().map(|(language, _)| language))?;
        let total: f64 = sizes.iter().map(|(_, size)| size as f64).sum();
        let row = |((language, size), (_, probability)): ((&LanguageTag, u64), (_, f64))| {
            let drawn = probability * budget as f64;
            let epochs = drawn / size as f64;
            PlanRow {
                language: language.clone(),
                size,
                share: size as f64 / total,
                probability,
                drawn,
                epochs,
                effective_epochs: effective_epochs(epochs),
            }
        };
        let rows = sizes.iter().zip(distribution.iter()).map(row).collect();
        Ok(Self { unit: sizes.unit(), budget, rows })
    }

    /// The languages whose text is drawn more often than that, the most repeated first.
    pub fn repeated_more_than(&self, epochs: f64) -> impl Iterator<Item = &PlanRow> {
        let mut rows: Vec<&PlanRow> = self.rows.iter().filter(|row| row.epochs > epochs).collect();
        rows.sort_by(|a, b| b.epochs.total_cmp(&a.epochs));
        rows.into_iter()
    }
}

impl fmt::Display for SamplingPlan {
    /// A table for a terminal, the most repeated language first, and a warning below it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widest = self.rows.iter().map(|row| row.language.as_str().len()).max().unwrap_or(0);
        let width = widest.max("language".len());
        let Self { unit, budget, .. } = self;
        writeln!(f, "A budget of {budget} {unit} draws")?;
        writeln!(
            f,
            "{:width$}  {:>15}  {:>8}  {:>8}  {:>15}  {:>9}  {:>9}",
            "language",
            unit.to_string(),
            "share",
            "drawn %",
            "drawn",
            "epochs",
            "worth",
        )?;
        for row in self.repeated_more_than(0.0) {
            writeln!(
                f,
                "{:width$}  {:>15}  {:>7.3}%  {:>7.3}%  {:>15.0}  {:>9.3}  {:>9.3}",
                row.language.as_str(),
                row.size,
                100.0 * row.share,
                100.0 * row.probability,
                row.drawn,
                row.epochs,
                row.effective_epochs,
            )?;
        }
        let (good, little) = (Self::NEARLY_AS_GOOD, Self::LITTLE_GAIN);
        let names = |above: f64, up_to: f64| {
            let rows = self.repeated_more_than(above).filter(|row| row.epochs <= up_to);
            rows.map(|row| row.language.as_str()).collect::<Vec<_>>().join(", ")
        };
        let (often, too_often) = (names(good, little), names(little, f64::INFINITY));
        if !often.is_empty() {
            writeln!(f, "warning: drawn more than {good} times: {often}")?;
        }
        if !too_often.is_empty() {
            writeln!(
                f,
                "warning: drawn more than {little} times, of which little is gained: {too_often}"
            )?;
        }
        Ok(())
    }
}
