//! Signs that a machine translated a text.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use super::Finding;
use super::faults::Faults;
use crate::Text;
use crate::words::folded;

/// Flags texts that bear signs of machine translation; removes them only where that is asked too.
///
/// There are two signs, and neither proves anything. A *notice* says that a machine translated the
/// page, or speaks of machine translation for another reason. And a text is *multi-way parallel*
/// when texts in many languages share its numerals and addresses: such texts were translated from
/// one another, by a machine or by people with patience (a Bible, a constitution, a user interface).
/// Neither sign shows in a translated text that has no notice and no numerals.
///
/// # Source
///
/// Thompson, Dhaliwal, Frisch, Domhan and Federico (2024), "A Shocking Amount of the Web is Machine
/// Translated: Insights from Multi-Way Parallelism", <https://aclanthology.org/2024.findings-acl.103>:
/// the more languages a sentence is found in, the worse its translations, and such text is much of
/// the web in low-resource languages. They find parallel sentences by embeddings. The numerals and
/// addresses that stand for them here are ours: cheap, the same in every language, and blind to
/// text that has none.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct MachineTranslationCheck {
    /// Phrases that give a text away; case and white space make no difference.
    pub notices: Vec<String>,
    /// When a text counts as multi-way parallel.
    pub multi_way: Option<MultiWay>,
    /// Whether flagged texts are removed. They are not by default.
    pub remove: bool,
}

/// When a text counts as multi-way parallel.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct MultiWay {
    /// In how many languages, its own included, the same anchors must be found.
    pub min_languages: usize,
    /// How many different anchors a text must have: numerals of two digits or more, and addresses of
    /// pages and letter-boxes. With fewer, texts agree by chance.
    pub min_anchors: usize,
}

/// What translation services write into pages, in the languages of their largest users.
const NOTICES: [&str; 16] = [
    "automatic translation",
    "automatically translated",
    "google translate",
    "machine translated",
    "machine translation",
    "translated by a machine",
    "automatisch übersetzt",
    "maschinelle übersetzung",
    "traducción automática",
    "traduction automatique",
    "tradução automática",
    "traduzione automatica",
    "машинный перевод",
    "ترجمة آلية",
    "机器翻译",
    "機械翻訳",
];

impl MachineTranslationCheck {
    /// With the notices of translation services, in ten languages.
    #[must_use]
    pub fn with_usual_notices(mut self) -> Self {
        self.notices.extend(NOTICES.map(str::to_owned));
        self
    }

    /// Sets when a text counts as multi-way parallel: in how many languages, its own included, the
    /// same anchors must be found, of which it must have three.
    #[must_use]
    pub fn with_multi_way(mut self, min_languages: usize) -> Self {
        self.multi_way = Some(MultiWay { min_languages, min_anchors: 3 });
        self
    }

    /// Removes what is flagged.
    #[must_use]
    pub fn with_removal(mut self) -> Self {
        self.remove = true;
        self
    }

    pub(super) fn check_fields(&self, faults: &mut Faults) {
        let looks = !self.notices.is_empty() || self.multi_way.is_some();
        faults.expect(looks, "machine_translation", &"empty", "`notices`, `multi_way` or both");
        let has_blank = self.notices.iter().any(|notice| notice.trim().is_empty());
        faults.expect(!has_blank, "machine_translation.notices", &" ", "phrases");
        if let Some(rule) = self.multi_way {
            let (languages, expected) = (rule.min_languages, "2 or more");
            let field = "machine_translation.multi_way.min_languages";
            faults.expect(languages > 1, field, &languages, expected);
            faults.at_least_one("machine_translation.multi_way.min_anchors", rule.min_anchors);
        }
    }

    pub(super) fn finding(&self, text: &str, anchors: &AnchorTable) -> Finding {
        let text_folded = folded(text);
        let found = self.notices.iter().find(|notice| text_folded.contains(&folded(notice)));
        if let Some(notice) = found {
            return Finding::Fault(format!("has the notice `{notice}`"));
        }
        let languages = self.multi_way.map(|rule| (anchors.languages(text, rule), rule));
        match languages {
            Some((languages, rule)) if languages >= rule.min_languages => Finding::Fault(format!(
                "shares its numerals and addresses with texts in {languages} languages, expected \
                 fewer than {}",
                rule.min_languages
            )),
            _ => Finding::Fine,
        }
    }
}

/// In which languages each set of anchors occurs.
#[derive(Debug, Default)]
pub(super) struct AnchorTable {
    // Looked up alone, never iterated: its order cannot show. Languages by their number, because
    // nearly every set of anchors has one, and there are few languages.
    found: HashMap<u128, Vec<usize>>,
    languages: BTreeMap<String, usize>,
}

impl AnchorTable {
    pub(super) fn insert(&mut self, text: &Text, rule: MultiWay) {
        let Some(key) = anchor_key(&text.text, rule.min_anchors) else { return };
        // Another script is no other language: transliterations are made by rule.
        let next = self.languages.len();
        let language = *self.languages.entry(text.language.language().to_owned()).or_insert(next);
        let found = self.found.entry(key).or_default();
        if !found.contains(&language) {
            found.push(language);
        }
    }

    /// In how many languages the anchors of a text occur.
    fn languages(&self, text: &str, rule: MultiWay) -> usize {
        let key = anchor_key(text, rule.min_anchors);
        key.and_then(|key| self.found.get(&key)).map_or(0, Vec::len)
    }
}

/// The anchors of a text in one number; `None` where there are too few.
fn anchor_key(text: &str, min_anchors: usize) -> Option<u128> {
    let anchors = anchors(text);
    let joined = anchors.iter().map(String::as_str).collect::<Vec<_>>().join("\n");
    (!anchors.is_empty() && anchors.len() >= min_anchors).then(|| xxh3_128(joined.as_bytes()))
}

/// What is written alike in every language, in an order that does not depend on that of words.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for token in text.split_whitespace() {
        let token = token.trim_matches(|char: char| !char.is_alphanumeric() && char != '/');
        let is_letter_box = token.split_once('@').is_some_and(|(_, host)| host.contains('.'));
        if token.contains("://") || token.starts_with("www.") || is_letter_box {
            anchors.insert(token.to_lowercase());
            continue;
        }
        let digits: String = token.chars().map(|char| ascii_digit(char).unwrap_or(' ')).collect();
        anchors.extend(digits.split_whitespace().filter(|run| run.len() > 1).map(str::to_owned));
    }
    anchors
}

/// The zeros of the scripts whose digits people write numbers with; nine digits follow each.
const ZEROS: [char; 23] = [
    '0', '٠', '۰', '߀', '०', '০', '੦', '૦', '୦', '௦', '౦', '೦', '൦', '෦', '๐', '໐', '༠', '၀', '០',
    '᠐', '᱐', '０', '𞥐',
];

fn ascii_digit(char: char) -> Option<char> {
    let value = |zero: &char| u32::from(char).checked_sub(u32::from(*zero));
    let value = ZEROS.iter().filter_map(value).find(|value| *value < 10)?;
    char::from_digit(value, 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_the_same_in_every_script_and_order() {
        let english = "In 1994, 12,450 people wrote to info@example.org (see www.example.org/a).";
        let hindi = "www.example.org/a देखें: १२,४५० लोगों ने १९९४ में info@example.org को लिखा।";
        let expected = ["12", "1994", "450", "info@example.org", "www.example.org/a"];
        assert_eq!(anchors(english).into_iter().collect::<Vec<_>>(), expected);
        assert_eq!(anchors(english), anchors(hindi));
        assert_eq!(anchors("1. 2. 3."), BTreeSet::new());
        assert_eq!(anchor_key("1994 12", 3), None);
        assert_eq!(anchor_key("", 0), None);
        assert_eq!(ascii_digit('𞥓'), Some('3'));
    }
}
