//! What Python takes for whitespace, so that words are those of the reference scorers.

/// Whether Python's `str.split` splits at the character: the 29 code points of `str.isspace`.
pub(crate) fn is_python_space(c: char) -> bool {
    // Rust's notion lacks the four separators of ASCII.
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

/// The words between whitespace, as of Python's `str.split()`: none is empty.
pub(crate) fn python_split(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_python_space).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::is_python_space;

    #[test]
    fn twenty_nine_code_points_are_whitespace() {
        assert_eq!(('\0'..=char::MAX).filter(|c| is_python_space(*c)).count(), 29);
    }
}
