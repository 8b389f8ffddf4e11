//! A report as one page that needs nothing else.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::{Block, EvaluationError, Report, Table};

/// Wide content scrolls in a box of its own, so that the page never does.
const STYLE: &str = "
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 62rem; background: #fff; color: #1b1f24;
  font: 16px/1.55 system-ui, 'Noto Sans', sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0.5rem 0 0.25rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 0.5rem; border-bottom: 2px solid #d7dce1; padding-bottom: 0.25rem; }
.subtitle { color: #51606e; margin: 0 0 1.5rem; }
.scroll { overflow-x: auto; margin: 0.75rem 0 1.25rem; border: 1px solid #d7dce1; border-radius: 6px; }
table { border-collapse: collapse; width: 100%; font-size: 0.85rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: 0.6rem 0.75rem; }
th, td { padding: 0.3rem 0.75rem; text-align: left; border-top: 1px solid #e6eaee; white-space: nowrap; }
th { background: #f4f6f8; vertical-align: bottom; }
td.number, th.number { text-align: right; }
.interval { color: #6a7784; font-size: 0.9em; }
figure { margin: 1rem 0 1.5rem; }
figure .scroll { margin: 0; }
figure svg { display: block; width: 100%; min-width: 40rem; height: auto; }
.warning { border-left: 4px solid #d55e00; background: #fff4ec; padding: 0.6rem 0.9rem; margin: 0.75rem 0; }
";

impl Report {
    /// The report as one HTML page, with its plots inside.
    ///
    /// # Errors
    ///
    /// As those of [`write`](Report::write), but for the writing.
    pub fn to_html(&self) -> Result<String, EvaluationError> {
        self.check()?;
        let mut sections = Vec::new();
        for section in &self.sections {
            let blocks: Result<Vec<Markup>, _> = section.blocks.iter().map(block).collect();
            sections.push((&section.heading, blocks?));
        }
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (self.title) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    h1 { (self.title) }
                    p.subtitle { (self.subtitle) }
                    @for (heading, blocks) in &sections {
                        section {
                            h2 { (heading) }
                            @for block in blocks { (block) }
                        }
                    }
                }
            }
        };
        Ok(page.into_string())
    }
}

fn block(block: &Block) -> Result<Markup, EvaluationError> {
    Ok(match block {
        Block::Paragraph(text) => html! { p { (text) } },
        Block::Warning(text) => html! { p.warning role="note" { (text) } },
        Block::Table(content) => table(content),
        Block::Plot(plot) => {
            let svg = plot.to_svg()?;
            html! {
                figure aria-label=(plot.title()) { div.scroll { (PreEscaped(svg)) } }
            }
        }
    })
}

fn table(table: &Table) -> Markup {
    let is_number = |column: usize| {
        table.rows.iter().any(|row| row.get(column).is_some_and(crate::Cell::is_number))
    };
    let class = |column: usize| if is_number(column) { "number" } else { "text" };
    html! {
        div.scroll {
            table {
                caption { (table.caption) }
                thead {
                    tr {
                        @for (column, name) in table.columns.iter().enumerate() {
                            th class=(class(column)) scope="col" { (name) }
                        }
                    }
                }
                tbody {
                    @for row in &table.rows {
                        tr {
                            @for (column, cell) in row.iter().enumerate() {
                                td class=(class(column)) { (cell_markup(cell)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Names in any script stand isolated, so that right-to-left text does not reorder its row.
fn cell_markup(cell: &crate::Cell) -> Markup {
    match cell {
        crate::Cell::Estimate(estimate) => html! {
            (format!("{:.3}", estimate.value))
            @if estimate.high > estimate.low {
                " " span.interval { (format!("[{:.3}, {:.3}]", estimate.low, estimate.high)) }
            }
        },
        crate::Cell::Text(text) => html! { bdi { (text) } },
        number => html! { (number.text()) },
    }
}
