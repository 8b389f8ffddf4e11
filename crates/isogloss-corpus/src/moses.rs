//! Parallel files: line `n` of one translates line `n` of the other.

use std::path::Path;

use isogloss_core::LanguageTag;

use crate::lines::Lines;
use crate::{CorpusReadError, Pair, ReadOptions};

/// Reads two parallel files, as the Moses toolkit keeps them.
///
/// # Errors
///
/// [`CorpusReadError::Io`] where one cannot be opened; as items, those of a line, and
/// [`CorpusReadError::Unaligned`] where one file ends before the other.
pub fn open_moses(
    paths: [&Path; 2],
    languages: [LanguageTag; 2],
    options: ReadOptions,
) -> Result<MosesReader, CorpusReadError> {
    let [source, target] = paths;
    let sides = [Lines::open(source, options)?, Lines::open(target, options)?];
    Ok(MosesReader { sides, languages, ended: false })
}

/// The pairs of two files, read as they are asked for.
#[derive(Debug)]
pub struct MosesReader {
    sides: [Lines; 2],
    languages: [LanguageTag; 2],
    ended: bool,
}

impl MosesReader {
    fn next_pair(&mut self) -> Result<Option<Pair>, CorpusReadError> {
        let [source, target] = &mut self.sides;
        let unaligned = |short: &Lines, long: &Lines| CorpusReadError::Unaligned {
            short: short.path().to_owned(),
            long: long.path().to_owned(),
            lines: short.line(),
        };
        match (source.next_line()?, target.next_line()?) {
            (Some(x), Some(y)) => {
                Ok(Some(Pair { languages: self.languages.clone(), texts: [x, y] }))
            }
            (None, None) => Ok(None),
            (None, Some(_)) => Err(unaligned(source, target)),
            (Some(_), None) => Err(unaligned(target, source)),
        }
    }
}

impl Iterator for MosesReader {
    type Item = Result<Pair, CorpusReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let pair = self.next_pair().transpose();
        self.ended = !matches!(pair, Some(Ok(_)));
        pair
    }
}
