//! The weighting that was asked for.

use clap::{Args, ValueEnum};
use isogloss::core::LanguageTag;
use isogloss::sampling::{
    CappedConfig, ExplicitWeights, ExponentConfig, GroupedWeighting, Grouping, LanguageWeighting,
    UniMaxConfig,
};

use crate::Outcome;

/// How languages are weighted.
#[derive(Args, Debug)]
pub struct WeightingArgs {
    /// How languages are weighted
    #[arg(long, value_enum, default_value_t = Distribution::Exponent)]
    distribution: Distribution,

    /// The exponent, from 0 (evenly) to 1 (by size) [default: 0.3]
    #[arg(long, conflicts_with = "temperature")]
    alpha: Option<f64>,

    /// One over the exponent; with `capped`, that after the cap
    #[arg(long)]
    temperature: Option<f64>,

    /// How often `unimax` may draw a text [default: 4]
    #[arg(long)]
    max_epochs: Option<f64>,

    /// The size above which a language gains nothing by `capped`
    #[arg(long, value_parser = whole_number, required_if_eq("distribution", "capped"))]
    cap: Option<u64>,

    /// The weights of `explicit`, as TAG=WEIGHT,TAG=WEIGHT; between groups, those of first languages
    #[arg(long, value_delimiter = ',', required_if_eq("distribution", "explicit"))]
    weights: Vec<String>,

    /// Draw a group by the distribution first, then a language of it
    #[arg(long, value_enum)]
    group_by: Option<GroupBy>,

    /// The exponent by which a language of a group is drawn; 1 keeps a cap on epochs [default: 1]
    #[arg(long, requires = "group_by")]
    within_alpha: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Distribution {
    /// By size
    Proportional,
    /// All alike
    Uniform,
    /// By a power of size: mBERT, XLM, XLM-R, mT5
    Exponent,
    /// As even as a cap on epochs allows: UniMax
    Unimax,
    /// By size up to a cap: T5, FLAN
    Capped,
    /// By weights that are given
    Explicit,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum GroupBy {
    Family,
    Script,
}

impl WeightingArgs {
    /// The weighting, of a budget where it asks for one.
    ///
    /// # Errors
    ///
    /// What is wrong with an option, for a person.
    pub fn weighting(&self, budget: u64) -> Outcome<Box<dyn LanguageWeighting>> {
        self.check()?;
        let weighting: Box<dyn LanguageWeighting> = match self.distribution {
            Distribution::Proportional => Box::new(ExponentConfig::proportional()),
            Distribution::Uniform => Box::new(ExponentConfig::uniform()),
            Distribution::Exponent => Box::new(self.exponent()),
            Distribution::Unimax => Box::new(self.unimax(budget)),
            Distribution::Capped => {
                // Clap asked for the cap.
                let capped = CappedConfig::new(self.cap.unwrap_or_default());
                Box::new(capped.with_temperature(self.temperature.unwrap_or(1.0)))
            }
            Distribution::Explicit => {
                let weight = |text: &String| -> Outcome<(LanguageTag, f64)> {
                    let fault = || format!("`{text}`, expected TAG=WEIGHT");
                    let (tag, weight) = text.split_once('=').ok_or_else(fault)?;
                    Ok((tag.parse()?, weight.parse().map_err(|_| fault())?))
                };
                let weights = self.weights.iter().map(weight).collect::<Outcome<Vec<_>>>()?;
                Box::new(ExplicitWeights::try_new(weights)?)
            }
        };
        Ok(match self.group_by {
            None => weighting,
            Some(by) => {
                let grouping = match by {
                    GroupBy::Family => Grouping::Family,
                    GroupBy::Script => Grouping::Script,
                };
                let within = ExponentConfig::new().with_alpha(self.within_alpha.unwrap_or(1.0));
                Box::new(GroupedWeighting::new(grouping, weighting, within))
            }
        })
    }

    /// What a person calls it.
    pub fn name(&self) -> String {
        let name = match self.distribution {
            Distribution::Proportional => "in proportion to size".to_owned(),
            Distribution::Uniform => "evenly".to_owned(),
            Distribution::Exponent => {
                let alpha = self.exponent().alpha;
                format!("by size to the power of {alpha:.3} (temperature {:.3})", 1.0 / alpha)
            }
            Distribution::Unimax => {
                format!("by UniMax, at most {} epochs", self.unimax(1).max_epochs)
            }
            Distribution::Capped => {
                let (cap, temperature) =
                    (self.cap.unwrap_or_default(), self.temperature.unwrap_or(1.0));
                format!("in proportion to size up to {cap}, at temperature {temperature}")
            }
            Distribution::Explicit => "by given weights".to_owned(),
        };
        match self.group_by {
            None => format!("Languages {name}"),
            Some(by) => {
                let groups = match by {
                    GroupBy::Family => "Families",
                    GroupBy::Script => "Scripts",
                };
                let alpha = self.within_alpha.unwrap_or(1.0);
                format!("{groups} {name}, then languages by size to the power of {alpha:.3}")
            }
        }
    }

    fn exponent(&self) -> ExponentConfig {
        match (self.alpha, self.temperature) {
            (Some(alpha), _) => ExponentConfig::new().with_alpha(alpha),
            (None, Some(temperature)) => ExponentConfig::new().with_temperature(temperature),
            (None, None) => ExponentConfig::new(),
        }
    }

    fn unimax(&self, budget: u64) -> UniMaxConfig {
        let config = UniMaxConfig::new(budget);
        self.max_epochs.map_or(config, |epochs| config.with_max_epochs(epochs))
    }

    /// An option that would change nothing is one that was meant for something.
    fn check(&self) -> Outcome<()> {
        use Distribution::{Capped, Explicit, Exponent, Unimax};
        let options = [
            ("--alpha", self.alpha.is_some(), [Exponent].as_slice()),
            ("--temperature", self.temperature.is_some(), &[Exponent, Capped]),
            ("--max-epochs", self.max_epochs.is_some(), &[Unimax]),
            ("--cap", self.cap.is_some(), &[Capped]),
            ("--weights", !self.weights.is_empty(), &[Explicit]),
        ];
        for (option, is_given, of) in options {
            if is_given && !of.contains(&self.distribution) {
                return Err(format!("{option} is no option of this --distribution").into());
            }
        }
        Ok(())
    }
}

/// A whole number, which may be written as 1e9.
///
/// # Errors
///
/// What is wrong, for a person.
pub fn whole_number(text: &str) -> Result<u64, String> {
    let fault = || format!("`{text}`, expected a whole number, such as 1000 or 1e9");
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    let number: f64 = text.parse().map_err(|_| fault())?;
    if number.fract() != 0.0 || !(0.0..2.0_f64.powi(64)).contains(&number) {
        return Err(fault());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    let number = number as u64;
    Ok(number)
}

/// A share of some steps, rounded down.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a u64")]
pub fn share_of(steps: u64, share: f64) -> u64 {
    (steps as f64 * share.clamp(0.0, 1.0)) as u64
}
