//! A report as Markdown.

use std::fmt::Write as _;

use crate::{Block, Cell, EvaluationError, Report, Table};

impl Report {
    /// The report as Markdown with tables in pipes, as GitHub reads them; a plot is named and stands
    /// on the page.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Row`] for a table whose row is not as long as its head.
    ///
    /// # Source
    ///
    /// GitHub Flavored Markdown, section 4.10, <https://github.github.com/gfm/#tables-extension->.
    pub fn to_markdown(&self) -> Result<String, EvaluationError> {
        self.check()?;
        let mut text = format!("# {}\n\n{}\n", escape(&self.title), escape(&self.subtitle));
        for section in &self.sections {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "\n## {}", escape(&section.heading));
            for block in &section.blocks {
                let _ = match block {
                    Block::Paragraph(paragraph) => writeln!(text, "\n{}", escape(paragraph)),
                    Block::Warning(warning) => {
                        writeln!(text, "\n> **Warning:** {}", escape(warning))
                    }
                    Block::Table(table) => writeln!(text, "\n{}", table.to_markdown()),
                    Block::Plot(plot) => writeln!(text, "\n*(plot: {})*", escape(plot.title())),
                };
            }
        }
        Ok(text)
    }
}

impl Table {
    /// The table in pipes, under its caption.
    pub fn to_markdown(&self) -> String {
        let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let mut text = format!("**{}**\n\n", escape(&self.caption));
        text.push_str(&row(self.columns.iter().map(|column| escape(column)).collect()));
        let rule = (0..self.columns.len()).map(|column| {
            if self.is_number(column) { "---:".to_owned() } else { "---".to_owned() }
        });
        text.push_str(&row(rule.collect()));
        for cells in &self.rows {
            text.push_str(&row(cells.iter().map(|cell| escape(&Cell::text(cell))).collect()));
        }
        text
    }
}

/// Text whose signs mean themselves; a line break would end a row.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '~' | '&' => {
                escaped.push('\\');
                escaped.push(sign);
            }
            '\n' | '\r' => escaped.push(' '),
            _ => escaped.push(sign),
        }
    }
    escaped
}
