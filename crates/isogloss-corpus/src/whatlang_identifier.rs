//! The identifier of the `whatlang` crate.

use std::collections::BTreeSet;

use isogloss_core::LanguageTag;
use whatlang::{Lang, Script, detect};

use crate::{Guess, LanguageIdentifier};

/// 70 languages by their script and, within Latin, Cyrillic, Arabic, Devanagari and Hebrew, by
/// trigrams and alphabets.
///
/// It knows each language in one script: Serbian in Cyrillic, Uzbek in Latin. Of the languages of
/// sub-Saharan Africa it has Afrikaans, Akan, Amharic, Shona and Zulu alone. A confidence above 0.9
/// is what its authors call reliable.
///
/// # Source
///
/// <https://github.com/greyblake/whatlang-rs>, under the MIT licence.
///
/// # Examples
///
/// ```
/// use isogloss_corpus::{LanguageIdentifier, WhatlangIdentifier};
///
/// let identifier = WhatlangIdentifier::new();
/// let guess = identifier.identify("Unjani namhlanje? Ngiyabonga kakhulu.").ok_or("no guess")?;
/// assert_eq!(guess.language, "zu".parse()?);
/// assert!(!identifier.covers(&"yo".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct WhatlangIdentifier {
    languages: BTreeSet<LanguageTag>,
}

impl WhatlangIdentifier {
    /// With all its languages.
    pub fn new() -> Self {
        let pairs = Script::all().iter().flat_map(|script| {
            script.langs().iter().filter_map(|language| tag(*language, *script))
        });
        Self { languages: pairs.collect() }
    }
}

impl Default for WhatlangIdentifier {
    fn default() -> Self {
        Self::new()
    }
}

impl LanguageIdentifier for WhatlangIdentifier {
    fn name(&self) -> &'static str {
        "whatlang"
    }

    fn languages(&self) -> &BTreeSet<LanguageTag> {
        &self.languages
    }

    fn identify(&self, text: &str) -> Option<Guess> {
        let found = detect(text)?;
        Some(Guess::new(tag(found.lang(), found.script())?, found.confidence()))
    }
}

/// The tag of a language in a script.
fn tag(language: Lang, script: Script) -> Option<LanguageTag> {
    let script = match script {
        Script::Arabic => "Arab",
        Script::Armenian => "Armn",
        Script::Bengali => "Beng",
        Script::Cyrillic => "Cyrl",
        Script::Devanagari => "Deva",
        Script::Ethiopic => "Ethi",
        Script::Georgian => "Geor",
        Script::Greek => "Grek",
        Script::Gujarati => "Gujr",
        Script::Gurmukhi => "Guru",
        Script::Hebrew => "Hebr",
        Script::Kannada => "Knda",
        Script::Khmer => "Khmr",
        Script::Latin => "Latn",
        Script::Malayalam => "Mlym",
        Script::Myanmar => "Mymr",
        Script::Oriya => "Orya",
        Script::Sinhala => "Sinh",
        Script::Tamil => "Taml",
        Script::Telugu => "Telu",
        Script::Thai => "Thai",
        // Scripts of a mixture (Japanese, Korean) and those not told apart (Chinese) have tags of
        // their own, which are the likely ones.
        Script::Hangul | Script::Hiragana | Script::Katakana | Script::Mandarin => {
            return language.code().parse().ok();
        }
    };
    format!("{}-{script}", language.code()).parse().ok()
}
