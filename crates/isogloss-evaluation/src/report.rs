//! A report as a value; what it looks like is decided elsewhere.

use std::path::{Path, PathBuf};

use isogloss_core::{LanguageTag, write_file_atomically};
use serde::{Deserialize, Serialize};

use crate::{Estimate, EvaluationError, Plot};

/// Findings in an order in which a person reads them.
///
/// One value gives the page, the numbers and the terminal's text, so that they cannot differ.
///
/// # Examples
///
/// ```
/// use isogloss_evaluation::{Block, Report, Section, Table};
///
/// let table = Table::new("Accuracy", &["language", "accuracy"])
///     .with_row(["Yoruba".into(), 0.75.into()]);
/// let report = Report::new("Transfer", "One model, one language")
///     .with_section(Section::new("Results").with_block(Block::Table(table)));
/// assert!(report.to_html()?.starts_with("<!DOCTYPE html>"));
/// assert!(report.to_text()?.contains("Yoruba"));
/// # Ok::<(), isogloss_evaluation::EvaluationError>(())
/// ```
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// What it is about.
    pub title: String,
    /// One sentence more.
    pub subtitle: String,
    /// Its parts.
    pub sections: Vec<Section>,
}

/// A part of a report.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Section {
    /// Its heading.
    pub heading: String,
    /// What stands in it.
    pub blocks: Vec<Block>,
}

/// What a section is made of.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "kind", content = "content", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Block {
    /// Prose.
    Paragraph(String),
    /// Something a reader must not miss.
    Warning(String),
    /// Numbers and names in rows.
    Table(Table),
    /// Something to look at.
    Plot(Plot),
}

/// Rows under a head.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Table {
    /// What the table shows.
    pub caption: String,
    /// The names of the columns.
    pub columns: Vec<String>,
    /// The rows, each as long as the head.
    pub rows: Vec<Vec<Cell>>,
}

/// What stands in a row.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Cell {
    /// A score with its interval.
    Estimate(Estimate),
    /// Seconds, memory: what differs from run to run. In the file it stands under `cost`, so that
    /// two runs can be compared without it.
    Cost {
        /// How much.
        cost: f64,
    },
    /// A whole number.
    Count(u64),
    /// Another number.
    Number(f64),
    /// The name of a language in that language and its script, so that a page can say in which
    /// language it stands.
    Name {
        /// The name.
        name: String,
        /// The language.
        language: LanguageTag,
    },
    /// A name, or anything else.
    Text(String),
}

impl Report {
    /// A report without sections.
    pub fn new(title: impl Into<String>, subtitle: impl Into<String>) -> Self {
        Self { title: title.into(), subtitle: subtitle.into(), sections: Vec::new() }
    }

    /// Adds a section.
    #[must_use]
    pub fn with_section(mut self, section: Section) -> Self {
        self.sections.push(section);
        self
    }

    /// Writes the page to `DIR/report.html` and the same content to `DIR/report.json`.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Row`] for a table whose row is not as long as its head; those of
    /// [`Plot::to_svg`]; [`EvaluationError::Write`].
    pub fn write(&self, dir: &Path) -> Result<[PathBuf; 2], EvaluationError> {
        let html = self.to_html()?;
        let paths = [dir.join("report.html"), dir.join("report.json")];
        write_file_atomically(&paths[0], |file| file.write_all(html.as_bytes()))?;
        write_file_atomically(&paths[1], |file| {
            serde_json::to_writer_pretty(&mut *file, self)?;
            file.write_all(b"\n")
        })?;
        Ok(paths)
    }

    /// Writes the report in every form to `DIR/report.html`, `.json`, `.txt`, `.md` and `.tex`.
    ///
    /// # Errors
    ///
    /// As those of [`write`](Self::write).
    pub fn write_all_forms(&self, dir: &Path) -> Result<Vec<PathBuf>, EvaluationError> {
        let forms =
            [("txt", self.to_text()?), ("md", self.to_markdown()?), ("tex", self.to_latex()?)];
        let mut paths = self.write(dir)?.to_vec();
        for (extension, text) in forms {
            let path = dir.join("report").with_extension(extension);
            write_file_atomically(&path, |file| file.write_all(text.as_bytes()))?;
            paths.push(path);
        }
        Ok(paths)
    }

    pub(crate) fn check(&self) -> Result<(), EvaluationError> {
        let blocks = self.sections.iter().flat_map(|section| &section.blocks);
        for block in blocks {
            let Block::Table(table) = block else { continue };
            for (index, row) in table.rows.iter().enumerate() {
                let (found, expected) = (row.len(), table.columns.len());
                if found != expected {
                    let (table, row) = (table.caption.clone(), index + 1);
                    return Err(EvaluationError::Row { table, row, found, expected });
                }
            }
        }
        Ok(())
    }
}

impl Section {
    /// A section without content.
    pub fn new(heading: impl Into<String>) -> Self {
        Self { heading: heading.into(), blocks: Vec::new() }
    }

    /// Adds a block.
    #[must_use]
    pub fn with_block(mut self, block: Block) -> Self {
        self.blocks.push(block);
        self
    }

    /// Adds a paragraph.
    #[must_use]
    pub fn with_paragraph(self, text: impl Into<String>) -> Self {
        self.with_block(Block::Paragraph(text.into()))
    }
}

impl Table {
    /// A table without rows.
    pub fn new(caption: impl Into<String>, columns: &[&str]) -> Self {
        let columns = columns.iter().map(|column| (*column).to_owned()).collect();
        Self { caption: caption.into(), columns, rows: Vec::new() }
    }

    /// Adds a row.
    #[must_use]
    pub fn with_row(mut self, row: impl IntoIterator<Item = Cell>) -> Self {
        self.rows.push(row.into_iter().collect());
        self
    }

    /// Whether a column holds numbers, which stand to the right.
    pub(crate) fn is_number(&self, column: usize) -> bool {
        self.rows.iter().any(|row| row.get(column).is_some_and(Cell::is_number))
    }
}

impl Cell {
    /// Something measured in seconds or in memory, which another run will not repeat exactly.
    pub fn cost(cost: f64) -> Self {
        Self::Cost { cost }
    }

    /// How the cell reads.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Estimate(estimate) => format!("{estimate:.3}"),
            Self::Cost { cost } => format!("{cost:.1}"),
            Self::Count(count) => thousands(*count),
            Self::Number(number) if number.abs() >= 100.0 => format!("{number:.1}"),
            Self::Number(number) => format!("{number:.3}"),
            Self::Name { name, .. } => name.clone(),
            Self::Text(text) => text.clone(),
        }
    }

    pub(crate) fn is_number(&self) -> bool {
        !matches!(self, Self::Name { .. } | Self::Text(_))
    }
}

/// `1234567` as `1,234,567`.
fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<f64> for Cell {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<u64> for Cell {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<usize> for Cell {
    fn from(count: usize) -> Self {
        Self::Count(count as u64)
    }
}

impl From<Estimate> for Cell {
    fn from(estimate: Estimate) -> Self {
        Self::Estimate(estimate)
    }
}
