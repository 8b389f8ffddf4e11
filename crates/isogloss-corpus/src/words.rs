//! What counts as a word, in scripts with spaces and without.

use isogloss_core::LanguageTag;
use unicode_normalization::char::is_combining_mark;

/// Scripts that write no space between words.
const WITHOUT_SPACES: [&str; 15] = [
    "Bali", "Hani", "Hans", "Hant", "Hira", "Java", "Jpan", "Kana", "Khmr", "Lana", "Laoo", "Mymr",
    "Talu", "Thai", "Tibt",
];

/// Whether a language writes spaces between its words, going by its script.
pub(crate) fn has_spaces(language: &LanguageTag) -> bool {
    !language.script().is_some_and(|script| WITHOUT_SPACES.contains(&script))
}

/// What stands between white space; in a script without spaces, each character with its marks.
pub(crate) fn words<'t>(text: &'t str, language: &LanguageTag) -> Vec<&'t str> {
    if has_spaces(language) { text.split_whitespace().collect() } else { characters(text) }
}

/// A text in lower case with single spaces: what differs in neither is written alike.
pub(crate) fn folded(text: &str) -> String {
    text.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

fn characters(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for run in text.split_whitespace() {
        let mut start = 0;
        for (at, _) in run.char_indices().skip(1).filter(|(_, char)| !is_combining_mark(*char)) {
            found.push(&run[start..at]);
            start = at;
        }
        found.push(&run[start..]);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_characters_where_no_spaces_are_written() {
        let [yoruba, thai, chinese] =
            ["yo", "th", "zh-Hant"].map(|tag| tag.parse::<LanguageTag>().unwrap());
        assert_eq!(words(" Ẹ  káàárọ̀\n", &yoruba), ["Ẹ", "káàárọ̀"]);
        // The vowel above and the tone mark stay with their consonant.
        assert_eq!(words("ที่ นี", &thai), ["ที่", "นี"]);
        assert_eq!(words("你好", &chinese), ["你", "好"]);
        assert_eq!(words("", &thai), Vec::<&str>::new());
        assert_eq!(folded(" Ẹ\t KÁÀÁRỌ̀ "), "ẹ káàárọ̀");
    }
}
