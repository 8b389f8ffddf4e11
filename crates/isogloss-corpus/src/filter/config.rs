//! What a filter is asked for.

use isogloss_core::LanguageTag;
use serde::{Deserialize, Serialize};

use super::faults::Faults;
use super::{
    CodeSwitchingCheck, Filter, LanguageCheck, MachineTranslationCheck, NearDuplicateCheck,
    RepetitionCheck, ScriptCheck,
};
use crate::error::{ConfigFault, FilterError};
use crate::{CleaningConfig, LanguageIdentifier};

/// What to remove from web text. By default nothing: each heuristic waits to be asked.
///
/// A text with several faults is counted under the first, in the order of the fields. A heuristic
/// that cannot judge a text, because the identifier does not know its language or its tag has no
/// script, leaves it alone and counts it as not judged: no variety goes because it is unknown.
///
/// # Source
///
/// Each heuristic names its own. Why to look at samples and set `max_loss` before any of them is
/// trusted: Kreutzer et al. (2022), "Quality at a Glance: An Audit of Web-Crawled Multilingual
/// Datasets", <https://aclanthology.org/2022.tacl-1.4>.
///
/// # Examples
///
/// ```
/// use isogloss_corpus::{FilterConfig, ScriptCheck, Text};
///
/// let text = |text: &str| Text { language: "yo".parse().unwrap(), text: text.to_owned() };
/// let mut texts = vec![text("Ẹ káàárọ̀"), text("Доброе утро"), text("Ó dàárọ̀")];
/// let config = FilterConfig::default().with_script(ScriptCheck::new(0.5)).with_max_loss(0.5);
/// let filter = config.try_init(None)?;
///
/// let planned = filter.dry_run(&texts);
/// assert_eq!(planned.removed(&"yo".parse()?), 1);
/// assert_eq!(texts.len(), 3);
/// assert_eq!(filter.apply(&mut texts)?, planned);
/// assert_eq!(texts.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct FilterConfig {
    /// What is empty, too short, too long, or repeated exactly: the rules of [`clean`](crate::clean).
    pub cleaning: CleaningConfig,
    /// Texts in another script than their tag says.
    pub script: Option<ScriptCheck>,
    /// Texts that are mostly repetition.
    pub repetition: Option<RepetitionCheck>,
    /// Texts that the identifier takes for another language.
    pub language: Option<LanguageCheck>,
    /// Texts that are partly in another language.
    pub code_switching: Option<CodeSwitchingCheck>,
    /// Texts with signs of machine translation, which are flagged and stay unless it says otherwise.
    pub machine_translation: Option<MachineTranslationCheck>,
    /// Texts that nearly repeat an earlier one of their variety.
    pub near_duplicates: Option<NearDuplicateCheck>,
    /// Groups of varieties of which the identifier may take one for another without fault, such as
    /// `zu` and `xh`.
    pub alike: Vec<Vec<LanguageTag>>,
    /// The largest share of its texts that any variety may lose, from 0 to 1: beyond it nothing is
    /// removed from any.
    pub max_loss: Option<f64>,
    /// How many texts a report shows for each reason and variety: 3 by default.
    pub samples: usize,
}

impl Default for FilterConfig {
    fn default() -> Self {
        Self {
            cleaning: CleaningConfig::default(),
            script: None,
            repetition: None,
            language: None,
            code_switching: None,
            machine_translation: None,
            near_duplicates: None,
            alike: Vec::new(),
            max_loss: None,
            samples: 3,
        }
    }
}

impl FilterConfig {
    /// Sets what of the rules of [`clean`](crate::clean) to use.
    #[must_use]
    pub fn with_cleaning(mut self, cleaning: CleaningConfig) -> Self {
        self.cleaning = cleaning;
        self
    }

    /// Looks at scripts.
    #[must_use]
    pub fn with_script(mut self, check: ScriptCheck) -> Self {
        self.script = Some(check);
        self
    }

    /// Looks at repetition within a text.
    #[must_use]
    pub fn with_repetition(mut self, check: RepetitionCheck) -> Self {
        self.repetition = Some(check);
        self
    }

    /// Asks the identifier for the language of each text.
    #[must_use]
    pub fn with_language(mut self, check: LanguageCheck) -> Self {
        self.language = Some(check);
        self
    }

    /// Looks at how much of a text is in another language.
    #[must_use]
    pub fn with_code_switching(mut self, check: CodeSwitchingCheck) -> Self {
        self.code_switching = Some(check);
        self
    }

    /// Looks for signs of machine translation.
    #[must_use]
    pub fn with_machine_translation(mut self, check: MachineTranslationCheck) -> Self {
        self.machine_translation = Some(check);
        self
    }

    /// Looks for texts that nearly repeat an earlier one.
    #[must_use]
    pub fn with_near_duplicates(mut self, check: NearDuplicateCheck) -> Self {
        self.near_duplicates = Some(check);
        self
    }

    /// Sets which varieties the identifier may take for one another.
    #[must_use]
    pub fn with_alike(mut self, alike: Vec<Vec<LanguageTag>>) -> Self {
        self.alike = alike;
        self
    }

    /// Sets how many texts a report shows for each reason and variety.
    #[must_use]
    pub fn with_samples(mut self, samples: usize) -> Self {
        self.samples = samples;
        self
    }

    /// Sets the largest share that a variety may lose, from 0 to 1.
    #[must_use]
    pub fn with_max_loss(mut self, max_loss: f64) -> Self {
        self.max_loss = Some(max_loss);
        self
    }

    /// Checks the configuration. The identifier is for the heuristics that ask one.
    ///
    /// # Errors
    ///
    /// [`FilterError::Config`] with every field that is out of its range, and every heuristic that
    /// asks an identifier where there is none.
    pub fn try_init(
        self,
        identifier: Option<&dyn LanguageIdentifier>,
    ) -> Result<Filter<'_>, FilterError> {
        let faults = self.faults(identifier.is_some());
        if faults.is_empty() {
            Ok(Filter { config: self, identifier })
        } else {
            Err(FilterError::Config { faults })
        }
    }

    fn faults(&self, has_identifier: bool) -> Vec<ConfigFault> {
        let mut faults = Faults::default();
        faults.share("max_loss", self.max_loss);
        faults.share("script.min_share", self.script.map(|check| check.min_share));
        if let Some(check) = &self.repetition {
            check.check_fields(&mut faults);
        }
        if let Some(check) = self.language {
            faults.share("language.min_confidence", Some(check.min_confidence));
            faults.identifier("language", has_identifier);
        }
        if let Some(check) = self.code_switching {
            check.check_fields(has_identifier, &mut faults);
        }
        if let Some(check) = &self.machine_translation {
            check.check_fields(&mut faults);
        }
        if let Some(check) = &self.near_duplicates {
            check.check_fields(&mut faults);
        }
        faults.found
    }
}
