//! Files that are given with their language.

use std::path::PathBuf;
use std::str::FromStr;

use isogloss::core::LanguageTag;

/// A language and its file, as `yor=FILE`.
#[derive(Clone, Debug)]
pub struct LanguageFile {
    /// The language.
    pub tag: LanguageTag,
    /// The file.
    pub path: PathBuf,
}

impl FromStr for LanguageFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (tag, path) =
            text.split_once('=').ok_or("expected LANGUAGE=FILE, such as yor=yoruba.txt")?;
        let tag = tag.parse().map_err(|error| format!("{error}"))?;
        if path.is_empty() {
            return Err(format!("no file for {tag}, expected LANGUAGE=FILE"));
        }
        Ok(Self { tag, path: path.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_after_its_language() {
        let found: LanguageFile = "yor=data/a=b.txt".parse().unwrap();
        assert_eq!((found.tag.as_str(), found.path), ("yo-Latn", PathBuf::from("data/a=b.txt")));
        for (text, part) in
            [("yoruba.txt", "expected LANGUAGE=FILE"), ("yo=", "no file for yo"), ("1=x", "1")]
        {
            let error = text.parse::<LanguageFile>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
