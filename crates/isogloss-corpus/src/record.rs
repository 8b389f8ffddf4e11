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
