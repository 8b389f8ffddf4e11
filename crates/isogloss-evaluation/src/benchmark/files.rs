//! Where the files of a test set are, and what is in them.

use std::fs;
use std::path::{Path, PathBuf};

use isogloss_core::LanguageTag;

use crate::EvaluationError;

/// Stands in a pattern for the code of a language.
const CODE: &str = "{code}";

/// A file, and the code by which its publisher calls the language.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Found {
    pub(super) code: String,
    pub(super) path: PathBuf,
}

/// The files under a directory that a publisher's pattern describes, by code.
///
/// A pattern is a path; `{code}` in it is the code of the language, the same wherever it stands, and `*` any run of
/// characters of a name. A code that is found twice has the first file.
pub(super) fn find(dir: &Path, pattern: &str) -> Result<Vec<Found>, EvaluationError> {
    let mut found = Vec::new();
    descend(dir, &pattern.split('/').collect::<Vec<_>>(), None, &mut found)?;
    found.sort_by(|a, b| (&a.code, &a.path).cmp(&(&b.code, &b.path)));
    found.dedup_by(|later, first| later.code == first.code);
    Ok(found)
}

fn descend(
    dir: &Path,
    components: &[&str],
    code: Option<&str>,
    found: &mut Vec<Found>,
) -> Result<(), EvaluationError> {
    let Some((first, rest)) = components.split_first() else { return Ok(()) };
    for name in names(dir, first)? {
        let Some(of_name) = code_in(first, &name, code) else { continue };
        let path = dir.join(&name);
        if !rest.is_empty() {
            if path.is_dir() {
                descend(&path, rest, of_name.as_deref(), found)?;
            }
        } else if path.is_file() {
            found.push(Found { code: of_name.unwrap_or_default(), path });
        }
    }
    Ok(())
}

/// The names in a directory that a component may be, in order.
fn names(dir: &Path, component: &str) -> Result<Vec<String>, EvaluationError> {
    if !component.contains(['{', '*']) {
        return Ok(vec![component.to_owned()]);
    }
    let read = |source| EvaluationError::Read { path: dir.to_owned(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(read)? {
        // No publisher has names that are not UTF-8.
        names.extend(entry.map_err(read)?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

/// Whether a name is that of a component, and the code that is known then.
#[expect(clippy::option_option, reason = "a name that fits may have no code")]
fn code_in(component: &str, name: &str, code: Option<&str>) -> Option<Option<String>> {
    if let Some(code) = code {
        return is_like(&component.replace(CODE, code), name).then(|| Some(code.to_owned()));
    }
    let Some((before, _)) = component.split_once(CODE) else {
        return is_like(component, name).then_some(None);
    };
    let rest = name.strip_prefix(before)?;
    let ends = rest.char_indices().map(|(end, _)| end).skip(1).chain([rest.len()]);
    let mut codes = ends.map(|end| &rest[..end]);
    codes
        .find(|code| !code.is_empty() && component.replace(CODE, code) == name)
        .map(|code| Some(code.to_owned()))
}

fn is_like(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        Some((before, after)) => {
            name.strip_prefix(before).is_some_and(|rest| rest.ends_with(after))
        }
        None => pattern == name,
    }
}

/// The places of the codes that a person may mean: the code itself, else those of the same language.
pub(super) fn meant<'a>(
    codes: impl Iterator<Item = &'a str> + Clone,
    asked: &str,
    tag_of: impl Fn(&str) -> Option<LanguageTag>,
) -> Vec<usize> {
    if let Some(place) = codes.clone().position(|code| code == asked) {
        return vec![place];
    }
    let Some(tag) = tag_of(asked) else { return Vec::new() };
    let places = codes.enumerate().filter(|(_, code)| tag_of(code).as_ref() == Some(&tag));
    places.map(|(place, _)| place).collect()
}

/// What a file holds, without the mark of byte order that some begin with.
pub(super) fn read_text(path: &Path) -> Result<String, EvaluationError> {
    let bytes =
        fs::read(path).map_err(|source| EvaluationError::Read { path: path.to_owned(), source })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.split(|byte| *byte == b'\n').count();
        fault(path, line, "not UTF-8")
    })?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(text) => text.to_owned(),
        None => text,
    })
}

pub(super) fn fault(path: &Path, line: usize, fault: impl Into<String>) -> EvaluationError {
    EvaluationError::Line { path: path.to_owned(), line, fault: fault.into() }
}

/// The lines of a text with their numbers, counted from 1. Only `\n` and `\r\n` end a line.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(line, text)| (line + 1, text))
}

/// How a publisher writes tab-separated columns.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Quotes {
    /// A quote is a character like others.
    Plain,
    /// A field with a quote in it is between quotes, and its own are doubled, as pandas writes.
    Doubled,
}

/// A row of a table: its line and the columns that were asked for.
pub(super) type Row<const N: usize> = (usize, [String; N]);

/// The rows of tab-separated columns under a header, of which some are kept.
pub(super) fn columns<const N: usize>(
    path: &Path,
    text: &str,
    quotes: Quotes,
    asked: [&str; N],
) -> Result<Vec<Row<N>>, EvaluationError> {
    let mut records = records(path, text, quotes);
    let (_, header) = records.next().transpose()?.unwrap_or_default();
    let mut places = [0; N];
    for (place, asked) in places.iter_mut().zip(asked) {
        *place = header.iter().position(|column| column.trim() == asked).ok_or_else(|| {
            let found: Vec<&str> = header.iter().collect();
            fault(path, 1, format!("no column `{asked}`, only {}", found.join(", ")))
        })?;
    }
    rows_at(path, records, header.len(), places)
}

/// The rows of tab-separated columns without a header, as Python's `csv` writes them.
pub(super) fn bare_columns<const N: usize>(
    path: &Path,
    text: &str,
) -> Result<Vec<Row<N>>, EvaluationError> {
    let records = records(path, text, Quotes::Doubled);
    rows_at(path, records, N, std::array::from_fn(|place| place))
}

type Record = (usize, csv::StringRecord);

/// Records that are not empty, with their first lines.
fn records(
    path: &Path,
    text: &str,
    quotes: Quotes,
) -> impl Iterator<Item = Result<Record, EvaluationError>> {
    let reader = csv::ReaderBuilder::new()
        .delimiter(b'\t')
        .quoting(quotes == Quotes::Doubled)
        .has_headers(false)
        .flexible(true)
        .terminator(csv::Terminator::Any(b'\n'))
        .from_reader(text.as_bytes());
    reader.into_records().map(|record| {
        let record = record.map_err(|error| {
            let line = error.position().map_or(1, csv::Position::line);
            fault(path, as_line(line), error.to_string())
        })?;
        let line = as_line(record.position().map_or(1, csv::Position::line));
        Ok((line, record))
    })
}

fn as_line(line: u64) -> usize {
    usize::try_from(line).unwrap_or(usize::MAX)
}

fn rows_at<const N: usize>(
    path: &Path,
    records: impl Iterator<Item = Result<Record, EvaluationError>>,
    width: usize,
    places: [usize; N],
) -> Result<Vec<Row<N>>, EvaluationError> {
    let mut rows = Vec::new();
    for record in records {
        let (line, record) = record?;
        if record.len() != width {
            let text = format!("{} columns, expected {width}", record.len());
            return Err(fault(path, line, text));
        }
        // A line may end in `\r\n`.
        let field = |place: usize| record[place].trim_end_matches('\r').to_owned();
        rows.push((line, places.map(field)));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_where_it_stands_once_and_twice() {
        let code = |component, name| code_in(component, name, None).flatten();
        assert_eq!(code("{code}.tsv", "yo.tsv").as_deref(), Some("yo"));
        assert_eq!(
            code("tatoeba.{code}-eng.{code}", "tatoeba.yor-eng.yor").as_deref(),
            Some("yor")
        );
        assert_eq!(code("tatoeba.{code}-eng.{code}", "tatoeba.yor-eng.eng"), None);
        assert_eq!(code("{code}.tsv", ".tsv"), None);
        assert_eq!(code("{code}_t.tsv", "ọ_t.tsv").as_deref(), Some("ọ"));
        assert_eq!(code_in("UD_*-YTB", "UD_Yoruba-YTB", None), Some(None));
        assert_eq!(code_in("{code}.tsv", "yo.tsv", Some("sw")), None);
    }
}
