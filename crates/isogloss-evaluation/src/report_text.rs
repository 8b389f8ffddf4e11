//! A report for a terminal.

use std::fmt::Write as _;

use crate::{Block, EvaluationError, Report, Table};

impl Report {
    /// The report as plain text; a plot is named and stands on the page.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Row`] for a table whose row is not as long as its head.
    pub fn to_text(&self) -> Result<String, EvaluationError> {
        self.check()?;
        let mut text = format!("{}\n{}\n", self.title, self.subtitle);
        for section in &self.sections {
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "\n{}\n{}",
                section.heading,
                "-".repeat(section.heading.chars().count())
            );
            for block in &section.blocks {
                match block {
                    Block::Paragraph(paragraph) => text.push_str(&[paragraph, "\n"].concat()),
                    Block::Warning(warning) => text.push_str(&["! ", warning, "\n"].concat()),
                    Block::Table(table) => text.push_str(&table.to_text()),
                    Block::Plot(plot) => text.push_str(&["(plot: ", plot.title(), ")\n"].concat()),
                }
            }
        }
        Ok(text)
    }
}

impl Table {
    /// The table with its columns aligned.
    pub fn to_text(&self) -> String {
        let rows: Vec<Vec<String>> =
            self.rows.iter().map(|row| row.iter().map(crate::Cell::text).collect()).collect();
        let width = |column: usize, name: &String| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.chain([name]).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> =
            self.columns.iter().enumerate().map(|(column, name)| width(column, name)).collect();
        let mut text = format!("{}\n", self.caption);
        for row in std::iter::once(&self.columns).chain(&rows) {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let pad = " ".repeat(width.saturating_sub(cell.chars().count()));
                let cell = if self.is_number(column) { pad + cell } else { cell.clone() + &pad };
                line.push_str("  ");
                line.push_str(&cell);
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}
