//! From text to what SentencePiece cuts into pieces.

use super::proto::ModelProto;
use crate::charsmap::Charsmap;
use crate::trie::Trie;
use crate::unigram::WORD_MARK;

/// The rules of a model, in the order in which SentencePiece applies them.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "the fields of the file")]
pub(crate) struct Normalizer {
    charsmap: Charsmap,
    add_dummy_prefix: bool,
    remove_extra_whitespaces: bool,
    escape_whitespaces: bool,
    whitespace_as_suffix: bool,
}

impl Normalizer {
    pub(crate) fn new(model: &ModelProto) -> Result<Self, String> {
        Ok(Self {
            charsmap: Charsmap::parse(&model.charsmap)?,
            add_dummy_prefix: model.add_dummy_prefix,
            remove_extra_whitespaces: model.remove_extra_whitespaces,
            escape_whitespaces: model.escape_whitespaces,
            whitespace_as_suffix: model.treat_whitespace_as_suffix,
        })
    }

    /// Whether an encoded text begins with a space that it did not have.
    pub(crate) fn adds_prefix(&self) -> bool {
        self.add_dummy_prefix && !self.whitespace_as_suffix
    }

    pub(crate) fn adds_suffix(&self) -> bool {
        self.add_dummy_prefix && self.whitespace_as_suffix
    }

    /// What stands for a space.
    fn space(&self) -> &'static str {
        if self.escape_whitespaces { "▁" } else { " " }
    }

    /// Normalises a text; `user_defined` symbols pass as they are.
    pub(crate) fn apply(&self, text: &str, user_defined: Option<&Trie>) -> String {
        let mut rest = text;
        if self.remove_extra_whitespaces {
            while let Some((" ", length)) = self.prefix(rest, user_defined) {
                rest = &rest[length..];
            }
        }
        let mut normalised = String::with_capacity(text.len() + text.len() / 4 + 3);
        if rest.is_empty() {
            return normalised;
        }
        if self.adds_prefix() {
            normalised.push_str(self.space());
        }
        let mut is_after_space = self.remove_extra_whitespaces;
        while let Some((piece, length)) = self.prefix(rest, user_defined) {
            rest = &rest[length..];
            let piece = if is_after_space { piece.trim_start_matches(' ') } else { piece };
            if !piece.is_empty() {
                for character in piece.chars() {
                    match character {
                        ' ' => normalised.push_str(self.space()),
                        other => normalised.push(other),
                    }
                }
                is_after_space = piece.ends_with(' ');
            }
            is_after_space &= self.remove_extra_whitespaces;
        }
        if self.remove_extra_whitespaces {
            let end = normalised.trim_end_matches(self.space()).len();
            normalised.truncate(end);
        }
        if self.adds_suffix() {
            normalised.push_str(self.space());
        }
        normalised
    }

    /// What the beginning of a text becomes, and how many bytes of it: a symbol of the user, the
    /// longest rule, or one character.
    fn prefix<'a>(
        &'a self,
        text: &'a str,
        user_defined: Option<&Trie>,
    ) -> Option<(&'a str, usize)> {
        let first = text.chars().next()?.len_utf8();
        if let Some((length, _)) = user_defined.and_then(|trie| trie.longest(text.as_bytes())) {
            return Some((&text[..length], length));
        }
        match self.charsmap.longest(text.as_bytes()) {
            Some((length, replacement)) if text.is_char_boundary(length) => {
                Some((replacement, length))
            }
            _ => Some((&text[..first], first)),
        }
    }

    /// A piece without the space that was put before the text. Where runs of spaces are one, no space
    /// before a text is its own, so that later pieces lose theirs too until there is text.
    pub(crate) fn without_first_space<'a>(&self, piece: &'a str, has_begun: &mut bool) -> &'a str {
        if !(self.add_dummy_prefix || self.remove_extra_whitespaces) {
            return piece;
        }
        match piece.strip_prefix(WORD_MARK) {
            Some(rest) => {
                *has_begun = !self.remove_extra_whitespaces;
                rest
            }
            None => piece,
        }
    }
}
