//! Language tags: the one name by which every crate knows a language.

use std::fmt;
use std::str::FromStr;

use icu_locale::{LanguageIdentifier, Locale, LocaleCanonicalizer, LocaleExpander};
use serde::{Deserialize, Serialize};

use crate::{LanguageFacts, LanguageTagError, language_facts};

/// A language in a script: the unit by which text is kept, sampled and scored.
///
/// Any of the usual spellings names the same language: `swh`, `sw`, `swh_Latn` and `sw-Latn` are
/// all read as `sw-Latn`. The language is replaced by its CLDR canonical code (which folds the
/// individual languages of most macrolanguages, `swh` to `sw`, `arb` to `ar`), and where no script
/// is given, the likely one is added. A script that CLDR does not know for a language stays absent,
/// because low-resource corpora use codes that registries took years to list.
///
/// A region is kept where it is given (`pt-Latn-BR` differs from `pt-Latn`), and never added.
///
/// # Source
///
/// The shape is that of RFC 5646, section 2.1, without variants, extensions and private use:
/// <https://www.rfc-editor.org/rfc/rfc5646#section-2.1>. Aliases and likely scripts are those of
/// Unicode CLDR (UTS #35, Annex C), as the `icu_locale` crate carries them.
///
/// # Examples
///
/// ```
/// # use isogloss_core::LanguageTag;
/// assert_eq!("swh_Latn".parse::<LanguageTag>()?, "sw".parse()?);
/// # Ok::<(), isogloss_core::LanguageTagError>(())
/// ```
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct LanguageTag {
    // Invariant: subtags in canonical case and order, joined by `-`, language first.
    canonical: String,
}

/// The subtags that a tag may have, in the order it must have them.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
enum Subtag {
    Language,
    Script,
    Region,
}

impl LanguageTag {
    /// The tag in its canonical spelling, e.g. `yo-Latn`.
    pub fn as_str(&self) -> &str {
        &self.canonical
    }

    /// The language subtag, e.g. `yo`.
    pub fn language(&self) -> &str {
        self.canonical.split('-').next().unwrap_or_default()
    }

    /// The script subtag, e.g. `Latn`, where it was given or is known.
    pub fn script(&self) -> Option<&str> {
        self.canonical.split('-').nth(1).filter(|subtag| subtag.len() == 4)
    }

    /// What the built-in table knows of the language: its name, family and resource class.
    pub fn facts(&self) -> Option<&'static LanguageFacts> {
        language_facts::TABLE.get(self.language())
    }

    /// The English name of the language where the table has it, else the tag.
    pub fn name(&self) -> &str {
        self.facts().map_or(self.as_str(), |facts| facts.name)
    }
}

impl FromStr for LanguageTag {
    type Err = LanguageTagError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(LanguageTagError::Empty);
        }
        let mut last = None;
        for (index, found) in text.split(['-', '_']).enumerate() {
            let subtag = Subtag::classify(found, index == 0).filter(|next| last < Some(*next));
            last = Some(subtag.ok_or_else(|| LanguageTagError::Subtag {
                tag: text.to_owned(),
                position: index + 1,
                found: found.to_owned(),
                expected: Subtag::expected_after(last),
            })?);
        }
        canonicalize(text).ok_or_else(|| LanguageTagError::NoLanguage { tag: text.to_owned() })
    }
}

/// CLDR's spelling of a tag whose shape was checked; `None` where it names no language.
fn canonicalize(text: &str) -> Option<LanguageTag> {
    let mut locale = Locale::try_from_str(&text.replace('_', "-")).ok()?;
    let has_region = locale.id.region.is_some();
    LocaleCanonicalizer::new_extended().canonicalize(&mut locale);
    if matches!(locale.id.language.as_str(), "und" | "mul" | "mis" | "zxx") {
        return None;
    }
    let mut id = locale.id;
    let region = id.region.filter(|_| has_region);
    LocaleExpander::new_extended().maximize(&mut id);
    Some(LanguageTag { canonical: LanguageIdentifier { region, ..id }.to_string() })
}

impl TryFrom<String> for LanguageTag {
    type Error = LanguageTagError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<LanguageTag> for String {
    fn from(tag: LanguageTag) -> Self {
        tag.canonical
    }
}

impl fmt::Display for LanguageTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.canonical)
    }
}

impl Subtag {
    /// The kind that a subtag's shape and place give it, if any.
    fn classify(text: &str, is_first: bool) -> Option<Self> {
        let letters = text.bytes().all(|byte| byte.is_ascii_alphabetic());
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        match (is_first, text.len()) {
            (true, 2 | 3) if letters => Some(Self::Language),
            (false, 4) if letters => Some(Self::Script),
            (false, 2) if letters => Some(Self::Region),
            (false, 3) if digits => Some(Self::Region),
            _ => None,
        }
    }

    /// How an error names what could have followed `last`.
    fn expected_after(last: Option<Self>) -> &'static str {
        match last {
            None => "a language of 2 or 3 letters, e.g. `yo`",
            Some(Self::Language) => "a script such as `Latn` or a region such as `NG` or `419`",
            Some(Self::Script) => "a region such as `NG` or `419`",
            Some(Self::Region) => "nothing after the region",
        }
    }
}
