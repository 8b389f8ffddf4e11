//! Tokens that are not text, and where they stand.

use std::collections::BTreeSet;

use tokenizers::ModelWrapper;
use tokenizers::models::unigram::Unigram;

use crate::TrainError;

pub(crate) const BOS: &str = "<s>";
pub(crate) const PAD: &str = "<pad>";
pub(crate) const EOS: &str = "</s>";
pub(crate) const UNK: &str = "<unk>";
pub(crate) const MASK: &str = "<mask>";
/// The first ids of XLM-R's layout.
pub(crate) const FIRST: [&str; 4] = [BOS, PAD, EOS, UNK];

/// The tokens of a vocabulary besides its pieces, in XLM-R's layout.
#[derive(Clone, Debug)]
pub(crate) struct SpecialTokens {
    /// Whether there is a piece for each byte.
    pub(crate) has_bytes: bool,
    pub(crate) user_defined: Vec<String>,
    pub(crate) further: Vec<String>,
}

/// The piece of a byte.
pub(crate) fn byte_piece(byte: u8) -> String {
    format!("<0x{byte:02X}>")
}

impl SpecialTokens {
    /// Those that stand before the pieces.
    pub(crate) fn before(&self) -> impl Iterator<Item = String> {
        let bytes = (0..=u8::MAX).filter(|_| self.has_bytes).map(byte_piece);
        FIRST.into_iter().map(str::to_owned).chain(bytes).chain(self.user_defined.iter().cloned())
    }

    /// Those that stand after the pieces.
    pub(crate) fn after(&self) -> impl Iterator<Item = &str> {
        self.further.iter().map(String::as_str).chain([MASK])
    }

    pub(crate) fn len(&self) -> usize {
        self.before().count() + self.after().count()
    }

    /// What a text must not become by spelling it.
    pub(crate) fn reserved(&self) -> Vec<String> {
        let user_defined: BTreeSet<&str> = self.user_defined.iter().map(String::as_str).collect();
        let before = self.before().filter(|token| !user_defined.contains(token.as_str()));
        before.chain(self.after().map(str::to_owned)).collect()
    }

    /// A model of pieces with their log-probabilities.
    pub(crate) fn unigram(
        &self,
        pieces: Vec<(String, f64)>,
    ) -> Result<ModelWrapper, Box<dyn std::error::Error + Send + Sync>> {
        // The library takes an unknown character to be less probable than the least of all scores,
        // so scores of 0 for what is not text change nothing.
        let mut vocab: Vec<(String, f64)> = self.before().map(|token| (token, 0.0)).collect();
        vocab.extend(pieces);
        Ok(Unigram::from(vocab, Some(FIRST.len() - 1), self.has_bytes)?.into())
    }
}

/// Refuses a token that stands twice, is empty, or is a word.
pub(crate) fn check(special: &SpecialTokens) -> Result<(), TrainError> {
    let fault = |field, found: &str, expected: &str| {
        let (found, expected) = (format!("`{found}`"), expected.to_owned());
        Err(TrainError::Config { field, found, expected })
    };
    let mut seen: BTreeSet<String> = FIRST.into_iter().chain([MASK]).map(str::to_owned).collect();
    let fields =
        [("special_tokens", &special.further), ("user_defined_symbols", &special.user_defined)];
    for (field, tokens) in fields {
        for token in tokens {
            if token.trim().is_empty() {
                return fault(field, token, "a token with characters");
            }
            if token.chars().any(char::is_whitespace) {
                return fault(field, token, "a token without white space");
            }
            // A text in which it stands could not be cut so that it is spelled out.
            if field == "special_tokens" && token.chars().nth(1).is_none() {
                return fault(field, token, "a token of several characters");
            }
            if field == "special_tokens" && token.chars().all(char::is_alphanumeric) {
                return fault(field, token, "one that is no word, such as `<yor>` or `yor_Latn`");
            }
            if !seen.insert(token.clone()) {
                return fault(field, token, "each token once");
            }
        }
    }
    Ok(())
}
