//! Files of which line i says the same in every language.

use std::collections::HashSet;
use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;

use isogloss::core::LanguageTag;
use isogloss_examples::{LanguageFile, Outcome, read_lines};

/// Ten parts of texts have an interval, and two texts each a difference.
const LEAST: usize = 20;

/// The texts of a language.
#[derive(Debug)]
pub(crate) struct Language {
    pub(crate) tag: LanguageTag,
    pub(crate) path: PathBuf,
    pub(crate) texts: Vec<String>,
    /// How many of them are not the first of their kind.
    pub(crate) repeated: usize,
}

/// Texts in several languages, text `i` of each a translation of text `i` of the others.
#[derive(Debug)]
pub(crate) struct Aligned {
    /// At least two.
    pub(crate) languages: Vec<Language>,
    /// How many there are in each.
    pub(crate) count: usize,
    /// How many lines are left out because one language has nothing there.
    pub(crate) empty: usize,
}

impl Aligned {
    /// Reads up to `limit` texts of each file.
    pub(crate) fn read(files: &[LanguageFile], limit: usize) -> Outcome<Self> {
        let read = |file: &LanguageFile| Ok((file.clone(), read_lines(&file.path)?));
        Self::of(files.iter().map(read).collect::<Outcome<_>>()?, limit)
    }

    fn of(files: Vec<(LanguageFile, Vec<String>)>, limit: usize) -> Outcome<Self> {
        let [(first, first_lines), others @ ..] = files.as_slice() else {
            return Err("--text: no language, expected at least two".into());
        };
        if others.is_empty() {
            return Err(
                format!("--text: only {}, expected at least two languages", first.tag).into()
            );
        }
        let mut seen = HashSet::new();
        for (file, lines) in &files {
            if !seen.insert(&file.tag) {
                let (tag, path) = (&file.tag, file.path.display());
                return Err(format!("{path}: {tag} has a file already, expected one each").into());
            }
            if lines.len() != first_lines.len() {
                let (path, first) = (file.path.display(), first.path.display());
                let (found, expected) = (lines.len(), first_lines.len());
                let fault = format!("{path} has {found} lines, expected {expected} as {first} has");
                return Err(fault.into());
            }
        }
        let is_whole = |line: usize| files.iter().all(|(_, lines)| !lines[line].trim().is_empty());
        let mut kept = Vec::new();
        let mut empty = 0;
        for line in 0..first_lines.len() {
            if kept.len() == limit {
                break;
            }
            if is_whole(line) {
                kept.push(line);
            } else {
                empty += 1;
            }
        }
        let count = kept.len();
        if count < LEAST {
            let path = first.path.display();
            let fault = format!(
                "{path}: {count} lines to compare (--limit {limit}, {empty} without a text in some language), \
                 expected at least {LEAST}"
            );
            return Err(fault.into());
        }
        let language = |(file, lines): (LanguageFile, Vec<String>)| {
            let texts: Vec<String> =
                kept.iter().map(|&line| lines[line].trim().to_owned()).collect();
            let repeated = count - texts.iter().collect::<HashSet<_>>().len();
            Language { tag: file.tag, path: file.path, texts, repeated }
        };
        Ok(Self { languages: files.into_iter().map(language).collect(), count, empty })
    }

    /// The names of the languages, in order; with the tag where two have one name, as in two scripts.
    pub(crate) fn names(&self) -> Vec<String> {
        let tags = || self.languages.iter().map(|language| &language.tag);
        let name = |tag: &LanguageTag| {
            let (name, shared) = (tag.name(), tags().filter(|it| it.name() == tag.name()).count());
            if shared > 1 { format!("{name} ({tag})") } else { name.to_owned() }
        };
        tags().map(name).collect()
    }

    /// All pairs of languages, the first of each pair before the second.
    pub(crate) fn pairs(&self) -> Vec<[usize; 2]> {
        let n = self.languages.len();
        (0..n).flat_map(|a| (a + 1..n).map(move |b| [a, b])).collect()
    }
}

impl Display for Aligned {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} texts in {}", self.count, self.names().join(", "))?;
        if self.empty > 0 {
            write!(f, "; {} lines without a text in some language are left out", self.empty)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> LanguageFile {
        text.parse().unwrap()
    }

    /// One of each word, then as many as there have to be at least.
    fn lines(text: &str) -> Vec<String> {
        let more = (0..LEAST).map(|line| format!("line {line}"));
        text.split(' ').map(str::to_owned).chain(more).collect()
    }

    #[test]
    fn lines_must_be_aligned() {
        let of = |files: &[(&str, &str)]| {
            let files = files.iter().map(|(name, text)| (file(name), lines(text))).collect();
            Aligned::of(files, 19)
        };
        let error = of(&[("en=a", "1 2 3 4"), ("yo=b", "1 2 3")]).unwrap_err().to_string();
        assert_eq!(error, "b has 23 lines, expected 24 as a has");
        let error = of(&[("en=a", "1 2 3 4"), ("eng=b", "1 2 3 4")]).unwrap_err().to_string();
        assert_eq!(error, "b: en-Latn has a file already, expected one each");
        let error = of(&[("en=a", "1 2 3 4")]).unwrap_err().to_string();
        assert_eq!(error, "--text: only en-Latn, expected at least two languages");
        let error = of(&[("en=a", "1 2 3"), ("yo=b", "1 2 3")]).unwrap_err().to_string();
        assert!(error.contains("19 lines to compare") && error.contains("at least 20"), "{error}");
    }

    #[test]
    fn scripts_of_a_language_are_told_apart() {
        let files = ["en=a", "sr-Cyrl=b", "sr-Latn=c"].map(|name| (file(name), lines("1 2 3 4")));
        let names = Aligned::of(files.into(), 30).unwrap().names();
        assert_eq!(names, ["English", "Serbian (sr-Cyrl)", "Serbian (sr-Latn)"]);
    }

    #[test]
    fn a_line_without_a_text_is_left_out_everywhere() {
        let files = || {
            vec![
                (file("en=a"), lines("a b c d e f g")),
                (file("yo=b"), lines("1  3 4 4 6 7")),
                (file("fi=c"), lines("k l m n o p ")),
            ]
        };
        let all = Aligned::of(files(), 30).unwrap();
        assert_eq!((all.count, all.empty), (25, 2));
        assert_eq!(all.languages[0].texts[..6], ["a", "c", "d", "e", "f", "line 0"]);
        assert_eq!(all.languages[1].texts[..6], ["1", "3", "4", "4", "6", "line 0"]);
        assert_eq!(all.languages[1].repeated, 1);
        assert_eq!(all.pairs(), [[0, 1], [0, 2], [1, 2]]);
        let first = Aligned::of(files(), 20).unwrap();
        assert_eq!((first.count, first.empty), (20, 2));
        assert_eq!(first.languages[2].texts[..4], ["k", "m", "n", "o"]);
        assert_eq!(first.languages[2].texts[19], "line 14");
    }
}
