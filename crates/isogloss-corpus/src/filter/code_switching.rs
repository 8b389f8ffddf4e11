//! How much of a text is in another language than the rest.

use serde::{Deserialize, Serialize};

use super::Finding;
use super::faults::Faults;
use super::script::share_in;
use super::variety::Variety;
use crate::LanguageIdentifier;
use crate::words::{has_spaces, words};

/// Removes a text of which too large a share of words is not in its language.
///
/// ```text
/// share = 1 − w / (n − u)
/// ```
///
/// - `n`: words of the text; `u`: those that belong to no language as far as can be told
/// - `w`: words in the language of the tag
///
/// Where nothing can be told (`n = u`), the text is kept and reported as not judged. Many
/// communities write in two languages as a matter of course: text that switches is not bad text, and
/// this is for whoever needs text that does not.
///
/// # Source
///
/// The Code-Mixing Index of Das and Gambäck (2014), "Identifying Languages at the Word Level in
/// Code-Mixed Indian Social Media Text", <https://aclanthology.org/W14-5152>, divided by 100 and
/// with the words of the expected language where theirs has those of the most frequent one. The two
/// ways of telling a word's language are ours: the paper has human annotation.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CodeSwitchingCheck {
    /// The largest share of words, from 0 to 1.
    pub max_share: f64,
    /// How the language of a word is told.
    pub by: SwitchedBy,
}

/// How the language of a word is told.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum SwitchedBy {
    /// A word is in the language when half of its letters or more are in the script of the tag. It
    /// works for every language with a script, and sees no switch within a script. A word without
    /// letters is of no language.
    Script,
    /// An identifier is asked for each run of words, which all get its answer: one word is too short
    /// for any identifier. A run of which it is not sure is of no language. It judges only languages
    /// that the identifier covers, and sees no switch shorter than a run.
    Identifier {
        /// The words of a run; the last may be shorter.
        window: usize,
        /// How sure the identifier must be, on its own scale from 0 to 1.
        min_confidence: f64,
    },
}

impl CodeSwitchingCheck {
    /// By script, with the largest share of words, from 0 to 1.
    pub fn by_script(max_share: f64) -> Self {
        Self { max_share, by: SwitchedBy::Script }
    }

    /// By identifier, in runs of ten words of which it is sure by 0.9, with the largest share of
    /// words, from 0 to 1.
    pub fn by_identifier(max_share: f64) -> Self {
        Self { max_share, by: SwitchedBy::Identifier { window: 10, min_confidence: 0.9 } }
    }

    pub(super) fn check_fields(self, has_identifier: bool, faults: &mut Faults) {
        faults.share("code_switching.max_share", Some(self.max_share));
        if let SwitchedBy::Identifier { window, min_confidence } = self.by {
            faults.identifier("code_switching", has_identifier);
            faults.at_least_one("code_switching.by.window", window);
            faults.share("code_switching.by.min_confidence", Some(min_confidence));
        }
    }

    pub(super) fn finding(
        self,
        text: &str,
        variety: &Variety,
        identifier: Option<&dyn LanguageIdentifier>,
    ) -> Finding {
        let words = words(text, &variety.language);
        let (expected, other) = match (self.by, identifier) {
            (SwitchedBy::Script, _) => by_script(&words, variety),
            (SwitchedBy::Identifier { window, min_confidence }, Some(identifier))
                if variety.is_covered =>
            {
                by_identifier(&words, variety, identifier, window, min_confidence)
            }
            (SwitchedBy::Identifier { .. }, _) => (0, 0),
        };
        let told = expected + other;
        if told == 0 {
            return Finding::Unjudged;
        }
        let share = other as f64 / told as f64;
        if share <= self.max_share {
            return Finding::Fine;
        }
        Finding::Fault(format!(
            "{other} of {told} words ({share:.2}) are not {}, expected at most {}",
            variety.language, self.max_share
        ))
    }
}

/// Words in the language and words in others.
fn by_script(words: &[&str], variety: &Variety) -> (usize, usize) {
    let shares = words.iter().filter_map(|word| share_in(word, &variety.scripts));
    shares.fold(
        (0, 0),
        |(expected, other), share| {
            if share >= 0.5 { (expected + 1, other) } else { (expected, other + 1) }
        },
    )
}

fn by_identifier(
    words: &[&str],
    variety: &Variety,
    identifier: &dyn LanguageIdentifier,
    window: usize,
    min_confidence: f64,
) -> (usize, usize) {
    let separator = if has_spaces(&variety.language) { " " } else { "" };
    let (mut expected, mut other) = (0, 0);
    for run in words.chunks(window) {
        match identifier.identify(&run.join(separator)) {
            Some(guess) if guess.confidence < min_confidence => {}
            Some(guess) if variety.accepts(&guess.language) => expected += run.len(),
            Some(_) => other += run.len(),
            None => {}
        }
    }
    (expected, other)
}
