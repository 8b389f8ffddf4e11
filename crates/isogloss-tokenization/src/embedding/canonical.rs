//! One spelling for a token, whatever vocabulary it comes from.

/// How a vocabulary writes its tokens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum TokenForm {
    /// SentencePiece: `▁` begins a word and stands for a space elsewhere; `<0xE1>` is a byte.
    SentencePiece,
    /// Byte-level BPE, as in GPT-2 and RoBERTa: each character stands for a byte, `Ġ` for a space.
    ByteLevel,
    /// WordPiece, as in BERT: `##` continues a word, anything else begins one.
    WordPiece,
}

impl TokenForm {
    /// Whether a token goes on with the word of the token before it. Special tokens, such as `<s>`, are
    /// read as any other.
    ///
    /// ```
    /// use isogloss_tokenization::embedding::TokenForm;
    ///
    /// // For masking whole words: of each id, whether it continues a word.
    /// let tokens = ["▁low", "er", "▁", "est"];
    /// let continues = tokens.map(|token| TokenForm::SentencePiece.continues_word(token));
    /// assert_eq!(continues, [false, true, false, true]);
    /// ```
    pub fn continues_word(self, token: &str) -> bool {
        match self {
            Self::SentencePiece => !token.starts_with('▁'),
            Self::ByteLevel => !token.starts_with('Ġ'),
            Self::WordPiece => token.starts_with("##"),
        }
    }
}

/// What a token stands for, freed of how its vocabulary writes it: equal for `▁naïve`, `ĠnaÃ¯ve`
/// and `naïve` of WordPiece.
///
/// # Source
///
/// Dobler and de Melo (2023), `deepfocus` 1.0.1, `vocab_helper.py`. Two departures: a token of
/// several spaces keeps those after the first, where the reference strips all and so joins every
/// such token with `▁`; and the bytes of a token that is no whole character are compared, where the
/// reference compares the replacement characters that they decode to.
///
/// # Examples
///
/// ```
/// use isogloss_tokenization::embedding::{CanonicalToken, TokenForm};
///
/// let token = CanonicalToken::new("▁naïve", TokenForm::SentencePiece);
/// assert_eq!(token, CanonicalToken::new("ĠnaÃ¯ve", TokenForm::ByteLevel));
/// assert_eq!(token, CanonicalToken::new("naïve", TokenForm::WordPiece));
/// assert_ne!(token, CanonicalToken::new("##naïve", TokenForm::WordPiece));
/// assert_eq!(token.text(), Some("naïve"));
/// ```
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CanonicalToken {
    word_start: bool,
    surface: Surface,
}

#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
enum Surface {
    Text(String),
    /// No text by themselves, or a piece that was made for a byte.
    Bytes(Vec<u8>),
}

impl CanonicalToken {
    /// Reads a token in the form of its vocabulary. Special tokens, such as `<s>`, are read as any
    /// other; a byte-level token with a character that stands for no byte is taken as it is.
    pub fn new(token: &str, form: TokenForm) -> Self {
        match form {
            TokenForm::SentencePiece => match byte_piece(token) {
                Some(byte) => Self { word_start: false, surface: Surface::Bytes(vec![byte]) },
                None => Self::from_spaced(token.replace('▁', " ")),
            },
            TokenForm::ByteLevel => match token.chars().map(byte_of).collect::<Option<Vec<u8>>>() {
                Some(bytes) => match String::from_utf8(bytes) {
                    Ok(text) => Self::from_spaced(text),
                    Err(error) => Self::from_bytes(error.into_bytes()),
                },
                None => Self { word_start: false, surface: Surface::Text(token.to_owned()) },
            },
            TokenForm::WordPiece => {
                let (word_start, text) =
                    token.strip_prefix("##").map_or((true, token), |rest| (false, rest));
                Self { word_start, surface: Surface::Text(text.to_owned()) }
            }
        }
    }

    fn from_spaced(text: String) -> Self {
        match text.strip_prefix(' ') {
            Some(rest) => Self { word_start: true, surface: Surface::Text(rest.to_owned()) },
            None => Self { word_start: false, surface: Surface::Text(text) },
        }
    }

    fn from_bytes(mut bytes: Vec<u8>) -> Self {
        let word_start = bytes.first() == Some(&b' ');
        if word_start {
            bytes.remove(0);
        }
        Self { word_start, surface: Surface::Bytes(bytes) }
    }

    /// Whether it begins a word.
    pub fn is_word_start(&self) -> bool {
        self.word_start
    }

    /// Its text without the mark of a word's beginning; nothing for a piece of a character.
    pub fn text(&self) -> Option<&str> {
        match &self.surface {
            Surface::Text(text) => Some(text),
            Surface::Bytes(_) => None,
        }
    }

    /// The same in lower case; bytes stay.
    pub(super) fn to_lowercase(&self) -> Self {
        let surface = match &self.surface {
            Surface::Text(text) => Surface::Text(text.to_lowercase()),
            Surface::Bytes(bytes) => Surface::Bytes(bytes.clone()),
        };
        Self { word_start: self.word_start, surface }
    }
}

/// The byte that `<0xE1>` stands for.
fn byte_piece(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    let upper = |digit: u8| digit.is_ascii_digit() || (b'A'..=b'F').contains(&digit);
    let well_formed = digits.len() == 2 && digits.bytes().all(upper);
    well_formed.then(|| u8::from_str_radix(digits, 16).ok())?
}

/// The byte that a character stands for in a byte-level vocabulary: printable Latin-1 characters for
/// themselves, the characters from U+0100 on for the other bytes in order.
fn byte_of(character: char) -> Option<u8> {
    let is_printable = |byte: &u8| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    if let Ok(byte) = u8::try_from(u32::from(character)) {
        return is_printable(&byte).then_some(byte);
    }
    let nth = usize::try_from(u32::from(character) - 0x100).ok()?;
    (0..=255_u8).filter(|byte| !is_printable(byte)).nth(nth)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_one_character() {
        let mut bytes: Vec<u8> = ('\0'..='\u{150}').filter_map(byte_of).collect();
        bytes.sort_unstable();
        assert_eq!(bytes, (0..=255).collect::<Vec<u8>>());
        assert_eq!(byte_of('Ġ'), Some(b' '));
        assert_eq!(byte_of('Ċ'), Some(b'\n'));
        assert_eq!(byte_of('▁'), None);
    }

    #[test]
    fn a_byte_piece_is_two_upper_hexadecimal_digits() {
        assert_eq!(byte_piece("<0xE1>"), Some(0xE1));
        for other in ["<0xe1>", "<0xE>", "<0x+1>", "<0xE1", "0xE1>", "<0x0E1>"] {
            assert_eq!(byte_piece(other), None, "{other}");
        }
    }
}
