//! What a corpus is made of.

use isogloss_core::LanguageTag;
use serde::{Deserialize, Serialize};

/// A segment of text.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Text {
    /// The language it is in.
    pub language: LanguageTag,
    /// The segment.
    pub text: String,
}

/// A segment and its translation.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Pair {
    /// The languages of the two.
    pub languages: [LanguageTag; 2],
    /// The two.
    pub texts: [String; 2],
}

/// A segment and what somebody said of it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LabelledText {
    /// The language it is in.
    pub language: LanguageTag,
    /// The segment.
    pub text: String,
    /// The label.
    pub label: String,
}

/// A sentence whose words were annotated by somebody, as CoNLL-U keeps it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Sentence {
    /// The language it is in.
    pub language: LanguageTag,
    /// The sentence as it was written, where the file says so (`# text = …`).
    pub text: Option<String>,
    /// Its syntactic words; spans of several (`1-2`) and empty nodes (`1.1`) are not among them.
    pub words: Vec<Word>,
}

/// A word with the annotations that most experiments use.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Word {
    /// The word.
    pub form: String,
    /// Its dictionary form, where it is given.
    pub lemma: Option<String>,
    /// Its universal part of speech, where it is given.
    pub upos: Option<String>,
    /// The number of its head, counted from 1, or 0 for the root, where it is given.
    pub head: Option<usize>,
    /// Its relation to the head, where it is given.
    pub deprel: Option<String>,
}
