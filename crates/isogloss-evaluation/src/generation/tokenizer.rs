//! How BLEU takes a text apart.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory as _};

use super::separate::{each, step, unescape, unless_after_digit, unless_before_digit, western};
use crate::EvaluationError;
use crate::whitespace::{is_python_space, python_split};

/// How BLEU takes a text apart before it counts n-grams; each as sacrebleu 2.6.0 does.
///
/// Scores under different tokenisers are not comparable. MeCab's for Japanese is among the
/// [`Pieces`](Self::Pieces), with the feature `mecab` and the dictionary of sacrebleu. That for Korean is not here: use
/// [`Char`](Self::Char), or pieces of a vocabulary.
///
/// # Source
///
/// Post (2018), <https://aclanthology.org/W18-6319>; pieces: Goyal et al. (2022), "The Flores-101 Evaluation
/// Benchmark", <https://aclanthology.org/2022.tacl-1.30>.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum BleuTokenizer {
    /// At white space alone: the text has been tokenised.
    None,
    /// That of `mteval-v13a`, for languages that separate words by spaces. The default.
    #[default]
    Mteval13a,
    /// That of `mteval-v14 --international-tokenization`: Unicode's punctuation and symbols stand alone.
    International,
    /// Each Chinese character alone, the rest as [`Mteval13a`](Self::Mteval13a). General punctuation, arrows and
    /// mathematical signs count as Chinese and characters beyond U+FFFF do not, as in sacrebleu.
    Chinese,
    /// Each code point alone.
    Char,
    /// The pieces of a vocabulary, as of FLORES.
    Pieces(PieceTokenizer),
}

/// A function from a text to its pieces, or to what is wrong with it.
type Pieces = dyn Fn(&str) -> Result<Vec<String>, String> + Send + Sync;

/// The pieces of a subword vocabulary, under the name that a signature gives it.
#[derive(Clone)]
pub struct PieceTokenizer {
    name: String,
    hash: Option<String>,
    pieces: Arc<Pieces>,
}

impl PieceTokenizer {
    /// A tokeniser by `name`, as `flores200`; `pieces` takes a text apart.
    ///
    /// Scores equal sacrebleu's where the name is one of its own and the pieces are those of the model by that name.
    pub fn new(
        name: impl Into<String>,
        pieces: impl Fn(&str) -> Result<Vec<String>, String> + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), hash: None, pieces: Arc::new(pieces) }
    }

    /// Adds a hash of the vocabulary's file to the signature, as `tokhash`.
    #[must_use]
    pub fn with_hash(mut self, hash: impl Into<String>) -> Self {
        self.hash = Some(hash.into());
        self
    }

    /// What a signature calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What of the signature tells this vocabulary from others by its name.
    pub fn hash(&self) -> Option<&str> {
        self.hash.as_deref()
    }
}

impl fmt::Debug for PieceTokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, hash, pieces: _ } = self;
        f.debug_struct("PieceTokenizer")
            .field("name", name)
            .field("hash", hash)
            .finish_non_exhaustive()
    }
}

impl PartialEq for PieceTokenizer {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.hash == other.hash
            && Arc::ptr_eq(&self.pieces, &other.pieces)
    }
}

impl fmt::Display for BleuTokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Mteval13a => "13a",
            Self::International => "intl",
            Self::Chinese => "zh",
            Self::Char => "char",
            Self::Pieces(tokenizer) => &tokenizer.name,
        })
    }
}

impl FromStr for BleuTokenizer {
    type Err = EvaluationError;

    /// Reads sacrebleu's name of a tokeniser that needs no file.
    fn from_str(name: &str) -> Result<Self, EvaluationError> {
        Ok(match name {
            "none" => Self::None,
            "13a" => Self::Mteval13a,
            "intl" => Self::International,
            "zh" => Self::Chinese,
            "char" => Self::Char,
            _ => {
                let expected = match name {
                    "ja-mecab" => "`PieceTokenizer::mecab`, since it needs a dictionary",
                    "ko-mecab" => "`char` or a SentencePiece vocabulary",
                    _ => "one of none, 13a, intl, zh, char, or a vocabulary's file",
                };
                return Err(EvaluationError::Config {
                    field: "tokenizer",
                    found: name.to_owned(),
                    expected,
                });
            }
        })
    }
}

impl BleuTokenizer {
    /// The tokens of a text, as BLEU sees them.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Tokenizer`] where a vocabulary fails on the text.
    ///
    /// # Examples
    ///
    /// ```
    /// use isogloss_evaluation::BleuTokenizer;
    ///
    /// let tokens = BleuTokenizer::Mteval13a.tokens("Ẹ kú àárọ̀, 2,5 km.")?;
    /// assert_eq!(tokens, ["Ẹ", "kú", "àárọ̀", ",", "2,5", "km", "."]);
    /// # Ok::<(), isogloss_evaluation::EvaluationError>(())
    /// ```
    pub fn tokens(&self, text: &str) -> Result<Vec<String>, EvaluationError> {
        let mut text = text.trim_end_matches(is_python_space).to_owned();
        self.tokenize(&mut text, &mut String::new())?;
        Ok(python_split(&text).map(str::to_owned).collect())
    }

    /// A text whose tokens stand between white space, in the place of `text`.
    pub(super) fn tokenize(
        &self,
        text: &mut String,
        scratch: &mut String,
    ) -> Result<(), EvaluationError> {
        match self {
            Self::None => {}
            Self::Mteval13a => {
                if text.contains("<skipped>") {
                    *text = text.replace("<skipped>", "");
                }
                if text.contains('\n') {
                    *text = text.replace("-\n", "").replace('\n', " ");
                }
                unescape(text);
                // The spaces are what parts a full stop from a number at the end.
                text.insert(0, ' ');
                text.push(' ');
                western(text, scratch);
            }
            Self::International => {
                step(text, scratch, |text, out| {
                    unless_after_digit(text, out, is_number, is_punctuation);
                });
                step(text, scratch, |text, out| {
                    unless_before_digit(text, out, is_number, is_punctuation);
                });
                step(text, scratch, |text, out| each(text, out, is_symbol));
            }
            Self::Chinese => {
                step(text, scratch, |text, out| {
                    each(text.trim_matches(is_python_space), out, is_chinese);
                });
                western(text, scratch);
            }
            Self::Char => step(text, scratch, |text, out| each(text, out, |_| true)),
            Self::Pieces(tokenizer) => {
                let pieces =
                    (tokenizer.pieces)(text).map_err(|reason| EvaluationError::Tokenizer {
                        tokenizer: tokenizer.name.clone(),
                        text: text.clone(),
                        reason,
                    })?;
                *text = pieces.join(" ");
            }
        }
        Ok(())
    }
}

fn is_number(c: char) -> bool {
    c.general_category_group() == GeneralCategoryGroup::Number
}

fn is_punctuation(c: char) -> bool {
    c.general_category_group() == GeneralCategoryGroup::Punctuation
}

fn is_symbol(c: char) -> bool {
    c.general_category_group() == GeneralCategoryGroup::Symbol
}

/// What sacrebleu takes for Chinese: its table compares some bounds beyond U+FFFF as text, by their first character.
fn is_chinese(c: char) -> bool {
    matches!(
        c,
        '\u{2001}'..='\u{2a6d}'
            | '\u{2e80}'..='\u{2fdf}'
            | '\u{2ff0}'..='\u{303f}'
            | '\u{3100}'..='\u{312f}'
            | '\u{31a0}'..='\u{31ef}'
            | '\u{3200}'..='\u{4db5}'
            | '\u{4e00}'..='\u{9fbb}'
            | '\u{f900}'..='\u{fa2d}'
            | '\u{fa30}'..='\u{fa6a}'
            | '\u{fa70}'..='\u{fad9}'
            | '\u{fe10}'..='\u{fe1f}'
            | '\u{fe30}'..='\u{fe4f}'
            | '\u{ff00}'..='\u{ffef}'
    )
}
