//! What a score does not show: outputs that are their source, or in another language.

use isogloss::core::{LanguageTag, Seed};
use isogloss::corpus::{LanguageIdentifier as _, WhatlangIdentifier};
use isogloss::evaluation::{BootstrapConfig, Estimate, Mean, copy_rate};
use isogloss_examples::Outcome;
use serde::Serialize;

use crate::lines::Lines;

/// Shares of outputs, in `[0, 1]`, each with its interval.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct Output {
    /// Those that are their source.
    #[serde(skip_serializing_if = "Option::is_none")]
    copied: Option<Estimate>,
    /// Of the words of an output, those that its source has.
    #[serde(skip_serializing_if = "Option::is_none")]
    copied_words: Option<Estimate>,
    /// Those that are taken for the language that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_language: Option<Estimate>,
}

impl Output {
    /// What can be said of outputs by their sources and their language; nothing where neither is known.
    pub(crate) fn of(
        hypotheses: &Lines,
        sources: Option<&Lines>,
        language: Option<&LanguageTag>,
        seed: u64,
    ) -> Outcome<Option<Self>> {
        let bootstrap = BootstrapConfig::new(Seed::new(seed));
        let mean = |items: &[f64]| bootstrap.estimate(&Mean, items);
        let (copied, copied_words) = match sources {
            Some(sources) => {
                let found = copy_rate(&sources.texts(), &hypotheses.texts())?;
                (Some(mean(&found.copied)?), Some(mean(&found.overlap)?))
            }
            None => (None, None),
        };
        let in_language = match language {
            Some(language) => {
                let identifier = WhatlangIdentifier::new();
                if !identifier.covers(language) {
                    return Err(format!(
                        "--language {language}: {} does not know it",
                        identifier.name()
                    )
                    .into());
                }
                let is_it = |text: &str| {
                    identifier.identify(text).is_some_and(|it| it.language == *language)
                };
                let texts = hypotheses.texts();
                let items: Vec<f64> =
                    texts.iter().map(|text| f64::from(u8::from(is_it(text)))).collect();
                Some(mean(&items)?)
            }
            None => None,
        };
        let is_anything_known = sources.is_some() || language.is_some();
        Ok(is_anything_known.then_some(Self { copied, copied_words, in_language }))
    }

    /// A line for a person.
    pub(crate) fn text(&self) -> String {
        let parts = [
            ("outputs that are their source", self.copied),
            ("words of outputs that their source has", self.copied_words),
            ("outputs in the language asked for, as whatlang says", self.in_language),
        ];
        let parts =
            parts.iter().filter_map(|(name, share)| share.map(|share| format!("{name}: {share}")));
        parts.collect::<Vec<_>>().join("; ")
    }
}
