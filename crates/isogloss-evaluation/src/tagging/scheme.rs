//! Entities as the scheme of their tags has them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Entity;
use crate::EvaluationError;

/// How tags say where an entity begins and ends.
///
/// As text `IOB1`, `IOB2`, `IOE1`, `IOE2`, `IOBES`, `BILOU`, in either case.
///
/// # Source
///
/// Ramshaw and Marcus (1995), <https://aclanthology.org/W95-0107> (IOB1); Tjong Kim Sang and Veenstra (1999),
/// <https://aclanthology.org/E99-1023> (IOB2, IOE1, IOE2); Ratinov and Roth (2009),
/// <https://aclanthology.org/W09-1119> (BILOU). What is kept of damaged tags is as in seqeval 1.2.2, whose rules of
/// IOB1 and IOE1 are incomplete: there, a `B-` after `O` opens no entity, and neither does a lone `E-`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum TagScheme {
    /// `I-` inside; `B-` only where an entity follows one of its type.
    Iob1,
    /// `B-` at the first word of every entity, `I-` at the others.
    Iob2,
    /// `I-` inside; `E-` only at the last word before an entity of the same type.
    Ioe1,
    /// `E-` at the last word of every entity, `I-` at the others.
    Ioe2,
    /// `B-`, `I-`, `E-`, and `S-` for an entity of one word.
    Iobes,
    /// `B-`, `I-`, `L-` for the last word, and `U-` for an entity of one.
    Bilou,
}

/// A tag in two: the prefix, and the type.
type Tag<'a> = (char, &'a str);

/// A word, counted from 0, whose tag the scheme does not have.
pub(super) type Fault = usize;

impl TagScheme {
    /// Every scheme.
    pub const ALL: [Self; 6] =
        [Self::Iob1, Self::Iob2, Self::Ioe1, Self::Ioe2, Self::Iobes, Self::Bilou];

    /// The prefixes that its tags may have, `O` among them.
    pub fn prefixes(self) -> &'static [char] {
        match self {
            Self::Iob1 | Self::Iob2 => &['B', 'I', 'O'],
            Self::Ioe1 | Self::Ioe2 => &['E', 'I', 'O'],
            Self::Iobes => &['B', 'E', 'I', 'O', 'S'],
            Self::Bilou => &['B', 'I', 'L', 'O', 'U'],
        }
    }

    /// The entities of a sentence, in order, as the strict mode of seqeval finds them.
    ///
    /// What the scheme does not open, as a stray `I-` under IOB2, is no entity; the type is what is left of a tag
    /// without its prefix and without hyphens around it.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Tag`] for a tag with a prefix that the scheme does not have.
    pub fn entities(self, tags: &[impl AsRef<str>]) -> Result<Vec<Entity>, EvaluationError> {
        self.find(tags).map_err(|word| self.fault("sentence".to_owned(), word, tags[word].as_ref()))
    }

    /// The scheme of tags, by the set of their prefixes, as `auto_detect` of seqeval has it.
    ///
    /// IOB2 for `B` with or without `I` and `O`; IOE2 for `E` so; IOBES for `B` and `E` with or without `I`, `O`, `S`,
    /// or `S` alone; BILOU for `B` and `L` with or without `I`, `O`, `U`, or `U` alone. IOB1 and IOE1 are never found,
    /// since their tags are those of IOB2 and IOE2: name them.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Empty`] without tags, [`EvaluationError::Tag`] for a tag of no scheme, and
    /// [`EvaluationError::Scheme`] where the prefixes are those of none or do not tell: `O` alone, or `S` and `O`, or
    /// `I` and `O`.
    pub fn detect<S: AsRef<str>>(
        sentences: impl IntoIterator<Item = impl AsRef<[S]>>,
    ) -> Result<Self, EvaluationError> {
        let mut found = BTreeSet::new();
        for (place, sentence) in sentences.into_iter().enumerate() {
            for (word, tag) in sentence.as_ref().iter().map(AsRef::as_ref).enumerate() {
                let known = tag.chars().next().filter(|prefix| "BEILOSU".contains(*prefix));
                found.insert(known.ok_or_else(|| EvaluationError::Tag {
                    sentence: format!("sentence {place}"),
                    word,
                    tag: tag.to_owned(),
                    expected: "one of the prefixes `B`, `E`, `I`, `L`, `O`, `S`, `U`".to_owned(),
                })?);
            }
        }
        if found.is_empty() {
            return Err(EvaluationError::Empty { what: "tags" });
        }
        let has = |needed: &str| needed.chars().all(|prefix| found.contains(&prefix));
        let within = |scheme: Self| found.iter().all(|it| scheme.prefixes().contains(it));
        let only = |prefix: char| found.iter().eq([&prefix]);
        if has("B") && within(Self::Iob2) {
            Ok(Self::Iob2)
        } else if has("E") && within(Self::Ioe2) {
            Ok(Self::Ioe2)
        } else if has("BE") && within(Self::Iobes) || only('S') {
            Ok(Self::Iobes)
        } else if has("BL") && within(Self::Bilou) || only('U') {
            Ok(Self::Bilou)
        } else {
            Err(EvaluationError::Scheme { prefixes: quoted(found.iter().copied()) })
        }
    }

    /// [`entities`](Self::entities), with the place of a fault alone.
    pub(super) fn find(self, tags: &[impl AsRef<str>]) -> Result<Vec<Entity>, Fault> {
        let mut split: Vec<Tag<'_>> = Vec::with_capacity(tags.len() + 1);
        for (word, tag) in tags.iter().map(AsRef::as_ref).enumerate() {
            let mut rest = tag.chars();
            let prefix = rest.next().filter(|it| self.prefixes().contains(it)).ok_or(word)?;
            let kind = rest.as_str().trim_matches('-');
            split.push((prefix, if kind.is_empty() { "_" } else { kind }));
        }
        // Closes an entity that reaches the last word.
        let outside = ('O', "_");
        split.push(outside);
        let tags = split;
        let mut found = Vec::new();
        let (mut word, mut before) = (0, outside);
        while word < tags.len() {
            let first = word;
            word += 1;
            if self.starts(before, tags[first]) {
                while word < tags.len() && self.goes_on(tags[word - 1], tags[word]) {
                    word += 1;
                }
                if tags.get(word).is_some_and(|tag| self.ends(tags[word - 1], *tag)) {
                    let kind = tags[first].1.to_owned();
                    found.push(Entity { kind, first, last: word - 1 });
                }
            }
            before = tags[word - 1];
        }
        Ok(found)
    }

    pub(super) fn fault(self, sentence: String, word: usize, tag: &str) -> EvaluationError {
        EvaluationError::Tag { sentence, word, tag: tag.to_owned(), expected: self.expected() }
    }

    /// What a tag may be, in words.
    pub(super) fn expected(self) -> String {
        let prefixes = quoted(self.prefixes().iter().copied());
        format!("one of the prefixes of {self}: {prefixes}")
    }

    /// Whether an entity begins at the tag `now`.
    fn starts(self, before: Tag<'_>, now: Tag<'_>) -> bool {
        let (is_same, prefixes) = (before.1 == now.1, (before.0, now.0));
        match self {
            Self::Iob1 => match prefixes {
                ('I', 'I') => !is_same,
                ('I' | 'B', 'B') => is_same,
                prefixes => matches!(prefixes, ('O' | 'B', 'I')),
            },
            Self::Ioe1 => match prefixes {
                ('I', 'I') => !is_same,
                ('E', 'E') => is_same,
                prefixes => matches!(prefixes, ('O' | 'E', 'I')),
            },
            Self::Ioe2 => match prefixes {
                ('I', 'I' | 'E') => !is_same,
                prefixes => matches!(prefixes, ('O' | 'E', 'I' | 'E')),
            },
            Self::Iob2 => now.0 == 'B',
            Self::Iobes => matches!(now.0, 'B' | 'S'),
            Self::Bilou => matches!(now.0, 'B' | 'U'),
        }
    }

    /// Whether the tag `now` is of the entity of the one before.
    fn goes_on(self, before: Tag<'_>, now: Tag<'_>) -> bool {
        let may = match self {
            Self::Iob1 | Self::Iob2 => matches!((before.0, now.0), ('B' | 'I', 'I')),
            Self::Ioe1 | Self::Ioe2 => matches!((before.0, now.0), ('I', 'I' | 'E')),
            Self::Iobes => matches!((before.0, now.0), ('B' | 'I', 'I' | 'E')),
            Self::Bilou => matches!((before.0, now.0), ('B' | 'I', 'I' | 'L')),
        };
        may && before.1 == now.1
    }

    /// Whether the tag `before`, with `now` behind it, is the last of an entity.
    fn ends(self, before: Tag<'_>, now: Tag<'_>) -> bool {
        let (is_same, prefixes) = (before.1 == now.1, (before.0, now.0));
        match self {
            Self::Iob1 => match prefixes {
                ('B' | 'I', 'I') => !is_same,
                ('B', 'B') => is_same,
                prefixes => matches!(prefixes, ('B' | 'I', 'O') | ('I', 'B')),
            },
            Self::Iob2 => match prefixes {
                ('B' | 'I', 'I') => !is_same,
                prefixes => matches!(prefixes, ('B' | 'I', 'O' | 'B')),
            },
            Self::Ioe1 => match prefixes {
                ('I', 'I' | 'E') => !is_same,
                ('E', 'I' | 'E') => is_same,
                prefixes => prefixes == ('I', 'O'),
            },
            Self::Ioe2 => before.0 == 'E',
            Self::Iobes => matches!(before.0, 'E' | 'S'),
            Self::Bilou => matches!(before.0, 'L' | 'U'),
        }
    }
}

fn quoted(prefixes: impl Iterator<Item = char>) -> String {
    prefixes.map(|prefix| format!("`{prefix}`")).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for TagScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Iob1 => "IOB1",
            Self::Iob2 => "IOB2",
            Self::Ioe1 => "IOE1",
            Self::Ioe2 => "IOE2",
            Self::Iobes => "IOBES",
            Self::Bilou => "BILOU",
        })
    }
}

impl FromStr for TagScheme {
    type Err = EvaluationError;

    fn from_str(text: &str) -> Result<Self, EvaluationError> {
        let named = |scheme: &Self| scheme.to_string().eq_ignore_ascii_case(text);
        Self::ALL.into_iter().find(named).ok_or_else(|| EvaluationError::Config {
            field: "scheme",
            found: format!("`{text}`"),
            expected: "IOB1, IOB2, IOE1, IOE2, IOBES or BILOU",
        })
    }
}
