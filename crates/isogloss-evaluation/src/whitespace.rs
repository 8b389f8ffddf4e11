//! White space as Python's strings know it, for metrics that are defined by programs in Python.

/// Whether `str.split` of Python splits at a character.
///
/// Beside what Unicode calls white space, those are the four separators U+001C to U+001F.
pub(crate) fn is_python_space(c: char) -> bool {
    matches!(c, '\u{1c}'..='\u{1f}') || c.is_whitespace()
}

/// The words of a text, as `str.split` of Python gives them.
pub(crate) fn python_split(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_python_space).filter(|word| !word.is_empty())
}
