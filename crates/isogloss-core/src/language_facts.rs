//! What is known of a language besides its tag: name, family, resource class.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// One line of the built-in table of languages.
///
/// # Source
///
/// Families are the top-level ones of Glottolog (<https://glottolog.org>). The resource class is
/// that of Joshi et al. (2020), "The State and Fate of Linguistic Diversity and Inclusion in the
/// NLP World", <https://aclanthology.org/2020.acl-main.560>, as its authors published it by
/// language name: from 0, "the left-behinds", to 5, "the winners".
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct LanguageFacts {
    /// The canonical language subtag, e.g. `yo`.
    pub language: &'static str,
    /// The English name.
    pub name: &'static str,
    /// The top-level family, e.g. `Atlantic-Congo`.
    pub family: &'static str,
    /// From 0 (nearly no data) to 5 (all the data one could want); `None` where not listed.
    pub joshi_class: Option<u8>,
}

/// By canonical language subtag.
pub(crate) static TABLE: LazyLock<BTreeMap<&'static str, LanguageFacts>> = LazyLock::new(|| {
    let rows = include_str!("languages.tsv").lines().skip(1);
    rows.filter_map(|row| {
        let mut cells = row.split('\t');
        let [language, name, family] = [cells.next()?, cells.next()?, cells.next()?];
        let joshi_class = cells.next()?.parse().ok();
        Some((language, LanguageFacts { language, name, family, joshi_class }))
    })
    .collect()
});

impl LanguageFacts {
    /// Whether the language is of class 0, 1 or 2: little text, and hardly a label.
    pub fn is_low_resource(&self) -> bool {
        self.joshi_class.is_some_and(|class| class <= 2)
    }
}
