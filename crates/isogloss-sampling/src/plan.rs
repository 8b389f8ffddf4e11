//! What a run will draw, before it does.

use std::fmt;

use isogloss_core::LanguageTag;
use serde::{Deserialize, Serialize};

use crate::distribution::{check_order, sum};
use crate::{
    DistributionError, ExplicitWeights, LanguageDistribution, LanguageSizes, LanguageWeighting,
    SizeUnit, StreamError,
};

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
    /// Epochs above which a language is warned of. Default: [`NEARLY_AS_GOOD`](Self::NEARLY_AS_GOOD).
    pub warn_above: f64,
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
        let total = sum(sizes.iter().map(|(_, size)| size as f64));
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
        Ok(Self { unit: sizes.unit(), budget, warn_above: Self::NEARLY_AS_GOOD, rows })
    }

    /// Sets the epochs above which a language is warned of.
    #[must_use]
    pub fn with_warning_above(mut self, epochs: f64) -> Self {
        self.warn_above = epochs;
        self
    }

    /// The same plan counted in another unit, of which `sizes` says how much there is: every
    /// language is drawn as often as before.
    ///
    /// A stream draws texts. For a plan in characters this tells how many of them, and at which
    /// [probabilities](Self::distribution): a language of long texts needs fewer.
    ///
    /// ```text
    /// drawn'_l = drawn_l · n'_l / n_l        q'_l = drawn'_l / Σ drawn'
    /// ```
    ///
    /// # Errors
    ///
    /// [`StreamError::Sources`] where `sizes` are not of the plan's languages, in their order.
    ///
    /// # Examples
    ///
    /// ```
    /// use isogloss_sampling::{
    ///     ExponentConfig, LanguageSizes, LanguageWeighting, SamplingPlan, SizeUnit,
    /// };
    ///
    /// // Half of the characters each, in texts of 20 and of 60.
    /// let languages = ["en".parse()?, "yo".parse()?];
    /// let sizes = |unit, sizes| LanguageSizes::try_new(unit, languages.clone().into_iter().zip(sizes));
    /// let characters = sizes(SizeUnit::Characters, [2_000, 600])?;
    /// let evenly = ExponentConfig::uniform().distribution(&characters)?;
    /// let plan = SamplingPlan::try_new(&characters, &evenly, 1_200)?;
    ///
    /// let in_texts = plan.in_unit(&sizes(SizeUnit::Sentences, [100, 10])?)?;
    /// assert_eq!(in_texts.budget, 40);
    /// assert!((in_texts.rows[0].drawn - 30.0).abs() < 1e-9);
    /// assert!((in_texts.distribution()?.probability(&languages[1]).unwrap() - 0.25).abs() < 1e-12);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn in_unit(&self, sizes: &LanguageSizes) -> Result<Self, StreamError> {
        check_order(
            self.rows.iter().map(|row| &row.language),
            sizes.iter().map(|(language, _)| language),
        )?;
        let total = sum(sizes.iter().map(|(_, size)| size as f64));
        let drawn = |row: &PlanRow, size: u64| row.drawn * (size as f64 / row.size as f64);
        let budget =
            sum(self.rows.iter().zip(sizes.iter()).map(|(row, (_, size))| drawn(row, size)));
        let row = |(row, (_, size)): (&PlanRow, (_, u64))| PlanRow {
            size,
            share: size as f64 / total,
            probability: drawn(row, size) / budget,
            drawn: drawn(row, size),
            ..row.clone()
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a number of draws, and a u64 at most where it is greater"
        )]
        let draws = budget.round() as u64;
        let rows = self.rows.iter().zip(sizes.iter()).map(row).collect();
        Ok(Self { unit: sizes.unit(), budget: draws, warn_above: self.warn_above, rows })
    }

    /// The probabilities of the plan.
    ///
    /// # Errors
    ///
    /// Those of [`ExplicitWeights`], which a plan that was made here does not meet but for
    /// [`DistributionError::Underflow`].
    pub fn distribution(&self) -> Result<LanguageDistribution, DistributionError> {
        let sizes = self.rows.iter().map(|row| (row.language.clone(), row.size));
        let weights = self.rows.iter().map(|row| (row.language.clone(), row.probability));
        ExplicitWeights::try_new(weights)?.distribution(&LanguageSizes::try_new(self.unit, sizes)?)
    }

    /// The languages whose text is drawn more often than that, the most repeated first. One at a cap
    /// of so many epochs is not among them.
    pub fn repeated_more_than(&self, epochs: f64) -> impl Iterator<Item = &PlanRow> {
        // Probabilities are rounded, which is no repetition.
        let least = epochs * (1.0 + 1e-9);
        let mut rows: Vec<&PlanRow> = self.rows.iter().filter(|row| row.epochs > least).collect();
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
        let (good, little) = (self.warn_above, Self::LITTLE_GAIN.max(self.warn_above));
        let names = |above: f64, up_to: f64| {
            let rows =
                self.repeated_more_than(above).filter(|row| row.epochs <= up_to * (1.0 + 1e-9));
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
