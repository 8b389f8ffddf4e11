//! What a text must not become by spelling it.

use crate::trie::Trie;

/// Tokens that are no text: a word that spells one is cut in it, so that no model finds it there.
#[derive(Clone, Debug)]
pub(crate) struct Reserved {
    tokens: Trie,
    // Whether any begins with a byte; most words have none of these bytes.
    begins: Box<[bool; 256]>,
}

impl Reserved {
    pub(crate) fn new<S: AsRef<str>>(tokens: &[S]) -> Self {
        let tokens = || tokens.iter().map(|token| token.as_ref().as_bytes());
        let mut begins = Box::new([false; 256]);
        for first in tokens().filter_map(|token| token.first()) {
            begins[usize::from(*first)] = true;
        }
        Self {
            tokens: Trie::new(tokens().filter(|t| !t.is_empty()).map(|token| (token, 0))),
            begins,
        }
    }

    /// A word in parts, none of which spells a reserved token: cut after the first character of each
    /// that it spells.
    pub(crate) fn unspelled<'a>(&'a self, word: &'a str) -> impl Iterator<Item = &'a str> {
        let mut rest = word;
        std::iter::from_fn(move || {
            let end = self.first_in(rest).unwrap_or(rest.len());
            let (part, after) = rest.split_at(end);
            rest = after;
            (!part.is_empty()).then_some(part)
        })
    }

    /// The end of the first character of the first token that a text spells.
    fn first_in(&self, text: &str) -> Option<usize> {
        let bytes = text.as_bytes();
        let mut places = bytes.iter().enumerate().filter(|(_, b)| self.begins[usize::from(**b)]);
        let (start, _) = places.find(|(at, _)| self.tokens.longest(&bytes[*at..]).is_some())?;
        Some(start + text[start..].chars().next()?.len_utf8())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_spells_a_reserved_token_is_cut_after_its_first_character() {
        let reserved = Reserved::new(&["</s>", "<s>", "ọ̀"]);
        let parts = |word| reserved.unspelled(word).collect::<Vec<_>>();
        assert_eq!(parts("▁a</s>b<s>"), ["▁a<", "/s>b<", "s>"]);
        assert_eq!(parts("▁kọ̀<"), ["▁kọ", "\u{300}<"]);
        assert_eq!(parts("▁ab"), ["▁ab"]);
        assert_eq!(Reserved::new::<&str>(&[]).unspelled("a").collect::<Vec<_>>(), ["a"]);
    }
}
