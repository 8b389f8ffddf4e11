//! A report as LaTeX.

use std::fmt::Write as _;

use crate::{Block, Cell, EvaluationError, Report, Table};

/// A table of more rows than this runs over pages.
const LONG: usize = 40;

impl Report {
    /// The report as LaTeX to be read into a document with `\input`: it needs the packages
    /// `booktabs` and `longtable`. Names in other scripts need XeLaTeX or LuaLaTeX and a font that
    /// has them. A plot is named and stands on the page.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Row`] for a table whose row is not as long as its head.
    ///
    /// # Source
    ///
    /// Fear (2020), "Publication quality tables in LaTeX", <https://ctan.org/pkg/booktabs>.
    pub fn to_latex(&self) -> Result<String, EvaluationError> {
        self.check()?;
        let mut text = format!(
            "% Needs \\usepackage{{booktabs,longtable}}; other scripts need XeLaTeX or LuaLaTeX.\n\
             \\section*{{{}}}\n{}\n",
            escape(&self.title),
            escape(&self.subtitle),
        );
        for section in &self.sections {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "\n\\subsection*{{{}}}", escape(&section.heading));
            for block in &section.blocks {
                let _ = match block {
                    Block::Paragraph(paragraph) => writeln!(text, "\n{}", escape(paragraph)),
                    Block::Warning(warning) => {
                        writeln!(text, "\n\\textbf{{Warning:}} {}", escape(warning))
                    }
                    Block::Table(table) => writeln!(text, "\n{}", table.to_latex()),
                    Block::Plot(plot) => {
                        writeln!(text, "\n\\emph{{(plot: {})}}", escape(plot.title()))
                    }
                };
            }
        }
        Ok(text)
    }
}

impl Table {
    /// The table in the manner of `booktabs`; a long one runs over pages, by `longtable`.
    pub fn to_latex(&self) -> String {
        let align: String = (0..self.columns.len())
            .map(|column| if self.is_number(column) { 'r' } else { 'l' })
            .collect();
        let row = |cells: Vec<String>| format!("{} \\\\\n", cells.join(" & "));
        let head = row(self.columns.iter().map(|column| escape(column)).collect());
        let mut body = String::new();
        for cells in &self.rows {
            body.push_str(&row(cells.iter().map(latex).collect()));
        }
        let caption = escape(&self.caption);
        if self.rows.len() > LONG {
            format!(
                "\\begin{{longtable}}{{{align}}}\n\\caption{{{caption}}} \\\\\n\\toprule\n{head}\
                 \\midrule\n\\endhead\n{body}\\bottomrule\n\\end{{longtable}}\n"
            )
        } else {
            format!(
                "\\begin{{table}}\n\\centering\n\\caption{{{caption}}}\n\\begin{{tabular}}{{{align}}}\n\
                 \\toprule\n{head}\\midrule\n{body}\\bottomrule\n\\end{{tabular}}\n\\end{{table}}\n"
            )
        }
    }
}

/// A score's interval is smaller than the score; braces keep a bracket from being read as an option.
fn latex(cell: &Cell) -> String {
    match cell {
        Cell::Estimate(estimate) => format!(
            "{:.3} {{\\footnotesize [{:.3}, {:.3}]}}",
            estimate.value, estimate.low, estimate.high
        ),
        Cell::Text(_) | Cell::Name { .. } => format!("{{{}}}", escape(&cell.text())),
        number => escape(&number.text()),
    }
}

/// Text whose signs mean themselves.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '\\' => escaped.push_str("\\textbackslash{}"),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            '<' => escaped.push_str("\\textless{}"),
            '>' => escaped.push_str("\\textgreater{}"),
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                escaped.push('\\');
                escaped.push(sign);
            }
            '\n' | '\r' => escaped.push(' '),
            // Marks of direction, which fonts for print have not.
            '\u{2066}'..='\u{2069}' => {}
            _ => escaped.push(sign),
        }
    }
    escaped
}
