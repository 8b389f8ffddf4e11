//! What a manifest says of each part of a corpus.

use std::path::PathBuf;

use isogloss_core::LanguageTag;
use serde::{Deserialize, Serialize};

/// What a part may be used for in an experiment.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Split {
    /// To learn from.
    Train,
    /// To choose by.
    Dev,
    /// To report on, once.
    Test,
}

/// What every part says of itself.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Statement {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) terms: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) licence: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<String>,
}

macro_rules! part {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty),* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
        #[serde(deny_unknown_fields)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
            /// A file of terms, relative to the manifest, or the word `unstated`.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub terms: Option<String>,
            /// Terms in short: an SPDX expression.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub licence: Option<String>,
            /// Where it is from.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub source: Option<String>,
            /// How many segments it has.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub segments: Option<u64>,
            /// What it is for.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub split: Option<Split>,
            /// What else there is to say.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub note: Option<String>,
        }

        impl $name {
            pub(crate) fn statement(&self) -> Statement {
                Statement {
                    terms: self.terms.clone(),
                    licence: self.licence.clone(),
                    source: self.source.clone(),
                }
            }
        }
    };
}

part! {
    /// Text in one language: a segment on each line.
    TextPart {
        /// The language.
        language: LanguageTag,
        /// The file, relative to the manifest.
        path: PathBuf
    }
}
part! {
    /// Text in two languages, line by line.
    BitextPart {
        /// The languages.
        languages: [LanguageTag; 2],
        /// The files, relative to the manifest.
        paths: [PathBuf; 2]
    }
}
part! {
    /// Text with labels: tab-separated columns `text` and `label` under a header.
    LabelledPart {
        /// The language.
        language: LanguageTag,
        /// The file, relative to the manifest.
        path: PathBuf
    }
}
