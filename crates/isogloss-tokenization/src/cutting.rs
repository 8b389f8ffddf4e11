//! From text to the words that are cut into pieces.

use std::sync::LazyLock;

use regex::Regex;

use crate::unigram::WORD_MARK;

/// What is never cut across, by the model's kind. Each has its twin in `tokenizers`, so that a saved
/// vocabulary gives the same ids there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Cutting {
    /// Words between white space, each with `▁` before it, as in SentencePiece.
    Words {
        /// Whether all white space ends a word; otherwise a space alone does, and each of several
        /// is a word.
        at_whitespace: bool,
    },
    /// Letters, digits and signs apart, each with the space before it, in the alphabet of bytes.
    Bytes {
        /// The most characters of a word.
        most: Option<usize>,
    },
}

/// Letters with their marks and joiners, and an apostrophe between them; digits; other signs; and
/// white space by itself, each of the first three with one space before it.
///
/// GPT-2's pattern takes marks for signs, which cuts every vowel sign of Hindi, Burmese or Khmer and
/// every tone of Yoruba off its letter. `#` stands alone, so that no word begins as the pieces of
/// WordPiece that continue one do.
pub(crate) const PATTERN: &str = "#| ?[\\p{L}\\p{M}\u{200c}\u{200d}]+(?:['’][\\p{L}\\p{M}\u{200c}\u{200d}]+)*| ?\\p{N}+| ?[^\\s\\p{L}\\p{M}\\p{N}\u{200c}\u{200d}#]+|\\s";

/// The twin of [`Cutting::Bytes`]'s `most`, for a pattern.
pub(crate) fn bounded_pattern(most: usize) -> String {
    format!("[\\s\\S]{{1,{most}}}")
}

#[expect(clippy::expect_used, reason = "a constant, which a test compiles")]
static REGEX: LazyLock<Regex> = LazyLock::new(|| Regex::new(PATTERN).expect("a pattern"));

/// The characters that stand for bytes: printable ones for themselves, the others from U+0100 on.
static BYTE_CHARACTERS: LazyLock<[char; 256]> = LazyLock::new(|| {
    let mut next = 0x100;
    std::array::from_fn(|byte| {
        let byte = u8::try_from(byte).unwrap_or_default();
        if matches!(byte, 33..=126 | 161..=172 | 174..=255) {
            return char::from(byte);
        }
        next += 1;
        char::from_u32(next - 1).unwrap_or_default()
    })
});

/// The 256 characters that stand for bytes, in the order of bytes.
pub(crate) fn byte_characters() -> [char; 256] {
    *BYTE_CHARACTERS
}

impl Cutting {
    /// Gives each word of a text in turn, as a model takes it. `buffer` is room to write in.
    pub(crate) fn each<E>(
        self,
        text: &str,
        buffer: &mut String,
        mut on_word: impl FnMut(&str) -> Result<(), E>,
    ) -> Result<(), E> {
        match self {
            Self::Words { at_whitespace: true } => {
                text.split_whitespace().try_for_each(|word| each_marked(word, buffer, &mut on_word))
            }
            Self::Words { at_whitespace: false } => {
                if text.is_empty() {
                    return Ok(());
                }
                let spaced = text.replace(' ', "▁");
                each_marked(&spaced, buffer, &mut on_word)
            }
            Self::Bytes { most } => REGEX.find_iter(text).try_for_each(|word| {
                let word = word.as_str();
                let mut each = |part: &str| {
                    buffer.clear();
                    buffer.extend(part.bytes().map(|byte| BYTE_CHARACTERS[usize::from(byte)]));
                    on_word(buffer)
                };
                match most {
                    Some(most) if word.len() > most => parts(word, most).try_for_each(&mut each),
                    _ => each(word),
                }
            }),
        }
    }
}

/// A word with its mark, cut at each further mark that stands in it.
fn each_marked<E>(
    word: &str,
    buffer: &mut String,
    on_word: &mut impl FnMut(&str) -> Result<(), E>,
) -> Result<(), E> {
    buffer.clear();
    if !word.starts_with(WORD_MARK) {
        buffer.push(WORD_MARK);
    }
    buffer.push_str(word);
    let mut start = 0;
    let marks = buffer.match_indices(WORD_MARK).map(|(at, _)| at).filter(|at| *at > 0);
    for end in marks.chain([buffer.len()]) {
        on_word(&buffer[start..end])?;
        start = end;
    }
    Ok(())
}

/// A word in parts of `most` characters, the last of what is left.
fn parts(word: &str, most: usize) -> impl Iterator<Item = &str> {
    let mut rest = word;
    std::iter::from_fn(move || {
        let end = rest.char_indices().nth(most).map_or(rest.len(), |(at, _)| at);
        let (part, after) = rest.split_at(end);
        rest = after;
        (!part.is_empty()).then_some(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(cutting: Cutting, text: &str) -> Vec<String> {
        let mut found = Vec::new();
        let keep = |word: &str| {
            found.push(word.to_owned());
            Ok::<_, std::convert::Infallible>(())
        };
        cutting.each(text, &mut String::new(), keep).unwrap();
        found
    }

    #[test]
    fn letters_keep_their_marks_and_every_byte_is_there() {
        let bytes = Cutting::Bytes { most: None };
        assert_eq!(words(bytes, "नमस्ते दुनिया").len(), 2);
        assert_eq!(words(bytes, "Ọ̀yọ́").len(), 1);
        assert_eq!(words(bytes, "p'unchay").len(), 1);
        assert_eq!(words(bytes, "## a  b 12!"), ["#", "#", "Ġa", "Ġ", "Ġb", "Ġ12", "!"]);
        assert_eq!(words(Cutting::Bytes { most: Some(2) }, "abcde"), ["ab", "cd", "e"]);
        let mut all = byte_characters();
        all.sort_unstable();
        assert!(all.windows(2).all(|pair| pair[0] < pair[1]));
        let of = |byte: usize| byte_characters()[byte];
        assert_eq!([0x00, 0x0a, 0x20, 0x7f, 0xa0, 0xad].map(of), ['Ā', 'Ċ', 'Ġ', 'ġ', 'ł', 'Ń']);
    }

    #[test]
    fn words_are_marked_and_cut_at_marks() {
        let words_of = |text| words(Cutting::Words { at_whitespace: true }, text);
        assert_eq!(words_of(" a\tb "), ["▁a", "▁b"]);
        assert_eq!(words_of("a▁b ▁ ▁▁c"), ["▁a", "▁b", "▁", "▁", "▁c"]);
        let spaced = words(Cutting::Words { at_whitespace: false }, "a  b\tc");
        assert_eq!(spaced, ["▁a", "▁", "▁b\tc"]);
    }
}
