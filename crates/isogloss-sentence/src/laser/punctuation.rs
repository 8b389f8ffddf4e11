//! Punctuation as LASER's training text had it.

use std::sync::LazyLock;

use regex::Regex;

/// The rules of Moses' `normalize-punctuation` for English, one after the other, in the order of its
/// release 4.0, in which LASER was trained: pattern and replacement.
const RULES: [(&str, &str); 45] = [
    // Spaces.
    (r"\r", ""),
    (r"\(", " ("),
    (r"\)", ") "),
    (" +", " "),
    (r"\) ([.!:?;,])", ")${1}"),
    (r"\( ", "("),
    (r" \)", ")"),
    (r"(\d) %", "${1}%"),
    (" :", ":"),
    (" ;", ";"),
    // Quotes of typewriters.
    ("`", "'"),
    ("''", r#" " "#),
    // Quotes and dashes of printers.
    ("„", "\""),
    ("“", "\""),
    ("”", "\""),
    ("–", "-"),
    ("—", " - "),
    (" +", " "),
    ("´", "'"),
    ("([a-zA-Z])‘([a-zA-Z])", "${1}'${2}"),
    ("([a-zA-Z])’([a-zA-Z])", "${1}'${2}"),
    ("‘", "\""),
    ("‚", "\""),
    ("’", "\""),
    ("''", "\""),
    ("´´", "\""),
    ("…", "..."),
    // French quotes, with the spaces within them.
    ("\u{a0}«\u{a0}", " \""),
    ("«\u{a0}", "\""),
    ("«", "\""),
    ("\u{a0}»\u{a0}", "\" "),
    ("\u{a0}»", "\""),
    ("»", "\""),
    // Spaces that do not break.
    ("\u{a0}%", "%"),
    ("nº\u{a0}", "nº "),
    ("\u{a0}:", ":"),
    ("\u{a0}ºC", " ºC"),
    ("\u{a0}cm", " cm"),
    (r"\u{a0}\?", "?"),
    ("\u{a0}!", "!"),
    ("\u{a0};", ";"),
    (",\u{a0}", ", "),
    (" +", " "),
    // English has the comma within the quotes, and numbers a point.
    ("\"([,.]+)", "${1}\""),
    ("(\\d)\u{a0}(\\d)", "${1}.${2}"),
];

struct Rules {
    all: Vec<(Regex, &'static str)>,
    // Control characters, formats, and what Unicode has assigned to nothing.
    others: Regex,
    // What a text without any of these is not changed by.
    trigger: Regex,
}

static COMPILED: LazyLock<Option<Rules>> = LazyLock::new(|| {
    let all = RULES.iter().map(|(pattern, text)| Some((Regex::new(pattern).ok()?, *text)));
    Some(Rules {
        all: all.collect::<Option<_>>()?,
        others: Regex::new(r"\p{C}").ok()?,
        trigger: Regex::new("[\r()`'„“”–—´‘‚’…«»\u{a0}\"]|  | [%:;]").ok()?,
    })
});

/// A text as LASER cuts it into pieces: without control characters, with plain punctuation, in lower
/// case.
pub(super) fn normalize(text: &str) -> String {
    // The patterns are constants, and a test compiles them.
    let Some(rules) = COMPILED.as_ref() else { return text.to_lowercase() };
    let mut text = rules.others.replace_all(text, " ").into_owned();
    if rules.trigger.is_match(&text) {
        for (pattern, replacement) in &rules.all {
            if let std::borrow::Cow::Owned(changed) = pattern.replace_all(&text, *replacement) {
                text = changed;
            }
        }
    }
    text.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles() {
        assert_eq!(COMPILED.as_ref().unwrap().all.len(), RULES.len());
    }

    #[test]
    fn punctuation_is_that_of_a_typewriter() {
        for (text, expected) in [
            ("« Ọjọ́ »\u{a0}: “ìyẹn”…", "\" ọjọ́ \": \"ìyẹn...\""),
            ("It’s  (so)  ,\tHe said", "it's (so), he said"),
            ("20\u{a0}000 %", "20.000%"),
            ("‘Yes’, ''no''", "\"yes,\" \" no \""),
            ("plain", "plain"),
        ] {
            assert_eq!(normalize(text), expected);
        }
    }
}
