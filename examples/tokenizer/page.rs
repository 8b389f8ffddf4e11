//! What a vocabulary costs each language, as a table, as plots, as a page.

use std::path::{Path, PathBuf};

use isogloss::core::{LanguageTag, write_file_atomically};
use isogloss::evaluation::{BarSeries, Bars, Block, Cell, Estimate, Plot, Report, Section, Table};
use isogloss::governance::Provenance;
use isogloss::tokenization::{FairnessGate, FairnessReport, FairnessRow};
use isogloss_examples::Outcome;

/// A report on a vocabulary, beside that on another one for the same texts where there is one.
pub(crate) struct Page<'a> {
    pub(crate) title: &'a str,
    pub(crate) report: &'a FairnessReport,
    pub(crate) before: Option<(&'a str, FairnessReport)>,
    pub(crate) gate: FairnessGate,
}

/// More languages make no readable plot.
const MOST_BARS: usize = 40;

impl Page<'_> {
    /// Prints the report for a terminal.
    pub(crate) fn print(&self) {
        println!("{}", self.report);
        if self.before.is_some() {
            println!("{}", self.comparison().to_text());
        }
        if let Some(warning) = self.warning() {
            println!("warning: {warning}");
        }
    }

    /// Fails if the vocabulary does not keep the limits that were set for it.
    pub(crate) fn obey(&self) -> Outcome<()> {
        let unmeasured = self.gate.check(self.report)?;
        if !unmeasured.is_empty() {
            let names: Vec<&str> = unmeasured.iter().map(LanguageTag::as_str).collect();
            let names = names.join(", ");
            println!("warning: --max-premium says nothing of {names}: there are no bitexts");
        }
        Ok(())
    }

    /// Languages that the vocabulary fails by limits that nobody set.
    fn warning(&self) -> Option<String> {
        FairnessGate::advised().check(self.report).err().map(|fault| fault.to_string())
    }

    fn comparison(&self) -> Table {
        let columns = ["vocabulary", "worst premium", "of", "Gini", "mean tokens a word"];
        let mut table = Table::new("Two vocabularies of the same texts", &columns);
        let before = self.before.as_ref().map(|(name, report)| (*name, report));
        for (name, report) in before.into_iter().chain([(self.title, self.report)]) {
            let worst = report.worst();
            table = table.with_row([
                name.into(),
                or_dash(worst.and_then(|row| row.premium)),
                worst.map_or("–", |row| row.language.name()).into(),
                or_dash(report.gini),
                report.mean_fertility().into(),
            ]);
        }
        table
    }

    fn plot(
        &self,
        title: &str,
        axis: &str,
        value: fn(&FairnessRow) -> Option<f64>,
    ) -> Option<Plot> {
        let mut rows = self.report.worst_first();
        rows.retain(|row| value(row).is_some());
        rows.truncate(MOST_BARS);
        if rows.is_empty() {
            return None;
        }
        let labels = rows.iter().map(|row| row.language.name().to_owned()).collect();
        let series = |name: &str, report: &FairnessReport| BarSeries {
            name: name.to_owned(),
            values: rows
                .iter()
                .map(|row| report.row(&row.language).and_then(value).map(exactly))
                .collect(),
        };
        let mut bars = vec![series(self.title, self.report)];
        if let Some((name, before)) = &self.before {
            bars.insert(0, series(name, before));
        }
        Some(Plot::Bars(Bars::new(title, axis, labels, bars)))
    }

    fn table(&self) -> Table {
        let columns = [
            "language",
            "premium",
            "tokens a word",
            "tokens a character",
            "words cut",
            "unknown",
            "bytes",
            "share of the vocabulary",
            "Rényi efficiency",
        ];
        let mut table = Table::new("What the vocabulary costs, the worst language first", &columns);
        for row in self.report.worst_first() {
            table = table.with_row([
                row.language.name().into(),
                or_dash(row.premium),
                row.fertility.into(),
                row.tokens_per_character.into(),
                row.continued_words.into(),
                row.unknown_rate.into(),
                row.byte_rate.into(),
                row.vocabulary_share.into(),
                row.renyi_efficiency.into(),
            ]);
        }
        table
    }

    /// For each language, those whose pieces it shares most of.
    fn overlaps(&self) -> Table {
        let mut table =
            Table::new("Who shares pieces with whom", &["language", "most shared with"]);
        for (row, overlap) in self.report.rows.iter().zip(&self.report.overlap) {
            let mut others: Vec<(&FairnessRow, f64)> =
                self.report.rows.iter().zip(overlap.iter().copied()).collect();
            others.retain(|(other, _)| other.language != row.language);
            others.sort_by(|a, b| b.1.total_cmp(&a.1));
            let names = others.iter().take(3);
            let names = names.map(|(other, share)| format!("{} {share:.2}", other.language.name()));
            let names = names.collect::<Vec<_>>().join(", ");
            table = table.with_row([row.language.name().into(), names.into()]);
        }
        table
    }

    /// Writes the page, the numbers, and what it all came from.
    pub(crate) fn write(&self, out: &Path, provenance: &Provenance) -> Outcome<Vec<PathBuf>> {
        let mut costs = Section::new("What it costs each language");
        for warning in self.warning().into_iter().chain(provenance.warnings()) {
            costs = costs.with_block(Block::Warning(warning));
        }
        if self.before.is_some() {
            costs = costs.with_block(Block::Table(self.comparison()));
        }
        let plots = [
            self.plot("Tokens for the same content", "times those of the reference", |row| {
                row.premium
            }),
            self.plot("Tokens for a character", "tokens", |row| Some(row.tokens_per_character)),
        ];
        for plot in plots.into_iter().flatten() {
            costs = costs.with_block(Block::Plot(plot));
        }
        let costs = costs.with_block(Block::Table(self.table()));
        let overlaps = Section::new("Overlap").with_block(Block::Table(self.overlaps()));
        let title = format!("A shared vocabulary: {}", self.title);
        let report = Report::new(title, "Tokens without special ones; words between white space")
            .with_section(costs)
            .with_section(overlaps);
        let mut written: Vec<PathBuf> = report.write(out)?.into();
        written.push(out.join("fairness.json"));
        write_file_atomically(&out.join("fairness.json"), |file| {
            serde_json::to_writer_pretty(&mut *file, self.report)?;
            file.write_all(b"\n")
        })?;
        written.push(out.join("provenance.toml"));
        provenance.to_toml_file(&out.join("provenance.toml"))?;
        Ok(written)
    }
}

/// What was not measured is no number.
pub(crate) fn or_dash(value: Option<f64>) -> Cell {
    value.map_or_else(|| Cell::from("–"), Cell::from)
}

/// What is measured on all of the text has no interval.
fn exactly(value: f64) -> Estimate {
    Estimate::new(value, [value, value], 1)
}
