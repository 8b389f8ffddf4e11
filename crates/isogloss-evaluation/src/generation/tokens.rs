//! Tokens as numbers.

use std::hash::Hash;

use rustc_hash::FxHashMap;

use crate::EvaluationError;
use crate::whitespace::{is_python_space, python_split};

/// Numbers for what is equal within a segment.
#[derive(Debug)]
pub(super) struct Symbols<T>(FxHashMap<T, u32>);

impl<T: Eq + Hash> Symbols<T> {
    pub(super) fn new() -> Self {
        Self(FxHashMap::default())
    }

    pub(super) fn number(&mut self, value: T) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "fewer than 2^32 tokens in a segment")]
        let next = self.0.len() as u32;
        *self.0.entry(value).or_insert(next)
    }
}

/// The texts of a segment as numbers of their tokens; keeps its room from segment to segment.
#[derive(Debug, Default)]
pub(super) struct TokenBuffer {
    texts: Vec<String>,
    scratch: String,
    tokens: Vec<Vec<u32>>,
}

impl TokenBuffer {
    /// Takes texts apart, without white space at their end, by what sets white space between tokens.
    pub(super) fn fill<'a>(
        &mut self,
        texts: impl Iterator<Item = &'a str> + Clone,
        mut tokenize: impl FnMut(&mut String, &mut String) -> Result<(), EvaluationError>,
    ) -> Result<&[Vec<u32>], EvaluationError> {
        let count = texts.clone().count();
        self.texts.resize_with(count, String::new);
        self.tokens.resize_with(count, Vec::new);
        for (text, own) in texts.zip(&mut self.texts) {
            own.clear();
            own.push_str(text.trim_end_matches(is_python_space));
            tokenize(own, &mut self.scratch)?;
        }
        let mut symbols = Symbols::new();
        for (text, tokens) in self.texts.iter().zip(&mut self.tokens) {
            tokens.clear();
            tokens.extend(python_split(text).map(|token| symbols.number(token)));
        }
        Ok(&self.tokens)
    }
}
