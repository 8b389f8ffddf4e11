//! A report as one page that needs nothing else.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::{Block, EvaluationError, Report, Table};

/// A table of more rows than this is folded until somebody asks for it.
const LONG: usize = 30;

/// On a phone each row of a table is a card, so that nothing is cut off.
const STYLE: &str = "
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 62rem; background: #fff; color: #1b1f24;
  font: 16px/1.55 system-ui, 'Noto Sans', sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0.5rem 0 0.25rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 0.5rem; border-bottom: 2px solid #d7dce1; padding-bottom: 0.25rem; }
.subtitle { color: #51606e; margin: 0 0 1.5rem; }
.box { overflow-x: auto; margin: 0.75rem 0 1.25rem; border: 1px solid #d7dce1; border-radius: 6px; }
table { border-collapse: collapse; width: 100%; font-size: 0.85rem; font-variant-numeric: tabular-nums; }
caption, summary { text-align: left; font-weight: 600; font-size: 0.85rem; padding: 0.6rem 0.75rem; }
summary { cursor: pointer; }
th, td { padding: 0.3rem 0.75rem; text-align: left; border-top: 1px solid #e6eaee; }
th { background: #f4f6f8; vertical-align: bottom; }
td.number, th.number { text-align: right; }
td.number, .interval { white-space: nowrap; }
.interval { color: #5d6a77; font-size: 0.9em; }
figure { margin: 1rem 0 1.5rem; max-width: 48rem; }
figure svg { display: block; width: 100%; height: auto; }
@media (max-width: 48rem) {
  thead { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
  table, tbody, tr, td, caption { display: block; }
  tr { border-top: 1px solid #d7dce1; padding: 0.4rem 0; }
  td, td.number { display: flex; justify-content: space-between; gap: 1rem; border: 0; padding: 0.1rem 0.75rem;
    text-align: right; white-space: normal; }
  td::before { content: attr(data-column); color: #5d6a77; text-align: left; }
  td:first-child { font-weight: 600; }
  .interval { white-space: nowrap; }
}
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
                    h1 dir="auto" { (self.title) }
                    p.subtitle dir="auto" { (self.subtitle) }
                    @for (heading, blocks) in &sections {
                        section {
                            h2 dir="auto" { (heading) }
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
        Block::Paragraph(text) => html! { p dir="auto" { (text) } },
        Block::Warning(text) => html! { p.warning role="note" dir="auto" { (text) } },
        Block::Table(content) => table(content),
        Block::Plot(plot) => {
            let svg = plot.to_svg()?;
            html! {
                figure.box aria-label=(plot.title()) { (PreEscaped(svg)) }
            }
        }
    })
}

fn table(table: &Table) -> Markup {
    let class = |column: usize| if table.is_number(column) { "number" } else { "text" };
    let name = |column: usize| table.columns.get(column).map_or("", String::as_str);
    let is_long = table.rows.len() > LONG;
    let content = html! {
            table {
                @if !is_long { caption dir="auto" { (table.caption) } }
                thead {
                    tr {
                        @for (column, name) in table.columns.iter().enumerate() {
                            th class=(class(column)) scope="col" { bdi { (name) } }
                        }
                    }
                }
                tbody {
                    @for row in &table.rows {
                        tr {
                            @for (column, cell) in row.iter().enumerate() {
                                td class=(class(column)) data-column=(name(column)) {
                                    span { (cell_markup(cell)) }
                                }
                            }
                        }
                    }
                }
            }
    };
    html! {
        @if is_long {
            details.box {
                summary { bdi { (table.caption) } " (" (table.rows.len()) " rows)" }
                (content)
            }
        } @else {
            div.box { (content) }
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
        crate::Cell::Name { name, language } => html! { bdi lang=(language) { (name) } },
        crate::Cell::Text(text) => html! { bdi { (text) } },
        number => html! { (number.text()) },
    }
}
