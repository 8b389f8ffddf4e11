//! The summary in words, the matrix, and languages side by side.

use std::collections::BTreeSet;

use isogloss_core::LanguageTag;

use super::{MOST_LANGUAGES, MOST_SERIES, Part, System, counted};
use crate::{
    BarSeries, Bars, Block, Cell, EvaluationError, Heatmap, OverSeeds, Plot, Section, Table,
    TransferTable, gini, spread,
};

impl Part<'_> {
    /// What a reader who reads nothing else should know.
    pub(super) fn summary(&self) -> Result<Section, EvaluationError> {
        let mut section = Section::new(format!("{}: in short", self.name));
        let columns = [
            "system",
            "languages",
            "worst language",
            "worst",
            "macro average",
            "range",
            "ratio",
            "Gini",
            "zero-shot gap",
        ];
        let mut table = Table::new("Systems, the one with the best worst language first", &columns);
        if self.config.baseline.is_some() {
            table.columns.push("below baseline".to_owned());
        }
        for system in &self.systems {
            section = section.with_paragraph(self.words(system)?);
            table.rows.push(self.summary_row(system)?);
        }
        section = section.with_block(Block::Table(table)).with_paragraph(
            "Range and ratio are of the worst and the best language. The zero-shot gap is the score of \
             the source minus the mean of the other languages (Hu et al., 2020). Gini is 0 where all \
             languages are served equally.",
        );
        for block in self.seeds() {
            section = section.with_block(block);
        }
        Ok(section)
    }

    fn words(&self, system: &System) -> Result<String, EvaluationError> {
        let spread = spread(&system.means(), self.config.baseline)?;
        let (Some(worst), Some(best)) = (spread.ordered.first(), spread.ordered.last()) else {
            return Ok(String::new());
        };
        let said = |language: &LanguageTag| {
            let score = system.scores.get(language).map(|score| self.cell(score).text());
            format!("{} with {}", self.config.in_prose(language), score.unwrap_or_default())
        };
        let mut parts = vec![format!(
            "{}: {} tested. The worst served is {}",
            system.name,
            if spread.ordered.len() == 1 {
                "1 language was".to_owned()
            } else {
                format!("{} languages were", spread.ordered.len())
            },
            said(&worst.0),
        )];
        if spread.ordered.len() > 1 {
            parts.push(format!(", the best {}", said(&best.0)));
        }
        parts.push(".".to_owned());
        if let Some(below) = spread.below_baseline.filter(|below| *below > 0) {
            let below = counted(below, "language");
            parts.push(format!(" Below what chance scores: {below}."));
        }
        if system.is_chosen {
            let text = " The model has other sources too; no score decided for this one.";
            parts.push(text.to_owned());
        }
        Ok(parts.concat())
    }

    fn summary_row(&self, system: &System) -> Result<Vec<Cell>, EvaluationError> {
        let spread = spread(&system.means(), self.config.baseline)?;
        let (Some((worst, _)), Some((best, _))) = (spread.ordered.first(), spread.ordered.last())
        else {
            return Err(EvaluationError::Empty { what: "languages of a system" });
        };
        let mut ends: Vec<&OverSeeds> = Vec::new();
        ends.extend(system.scores.get(best));
        ends.extend(system.scores.get(worst));
        let between = |value: fn(f64, f64) -> Option<f64>| {
            let found = OverSeeds::of_all(&ends, self.config.level, |ends| match ends {
                [best, worst] => value(*best, *worst),
                _ => None,
            })?;
            Ok::<_, EvaluationError>(self.cell_or_nothing(found.as_ref()))
        };
        let gini = system.over_languages(self.config.level, |scores| {
            gini(&scores.values().copied().collect::<Vec<f64>>(), None).ok()
        })?;
        let table = &self.tables[system.table];
        let gap = table.zero_shot_gap(&system.sources)?;
        let mut row = vec![
            system.name.as_str().into(),
            system.scores.len().into(),
            self.config.name_cell(worst),
            self.cell_or_nothing(system.scores.get(worst)),
            self.cell(&table.macro_average(&system.sources)?),
            between(|best, worst| Some(best - worst))?,
            between(|best, worst| (best > 0.0).then(|| worst / best))?,
            self.cell_or_nothing(gini.as_ref()),
            self.cell_or_nothing(gap.as_ref()),
        ];
        row.extend(spread.below_baseline.map(Cell::from));
        Ok(row)
    }

    /// What intervals stand on, and where there are none.
    fn seeds(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        for system in &self.systems {
            let several: BTreeSet<usize> =
                system.scores.values().map(OverSeeds::seeds).filter(|seeds| *seeds > 1).collect();
            let mut parts = vec![match (several.first(), several.last()) {
                (Some(least), Some(most)) if least == most => {
                    format!("{}: each interval stands on {least} seeds", system.name)
                }
                (Some(least), Some(most)) => {
                    format!("{}: intervals stand on {least} to {most} seeds", system.name)
                }
                _ => format!("{}: no language has more than one seed", system.name),
            }];
            let single = |has_items: bool| {
                let scores = system.scores.iter().filter(move |(_, score)| {
                    score.seeds() == 1 && score.interval.is_some() == has_items
                });
                scores.map(|(language, _)| language).collect::<Vec<_>>()
            };
            let (over_items, bare) = (single(true), single(false));
            if !over_items.is_empty() {
                parts.push(format!(
                    "; one seed, with an interval over test items, which does not say how much another \
                     seed would differ: {}",
                    self.config.listed(over_items)
                ));
            }
            if !bare.is_empty() {
                let bare = self.config.listed(bare);
                parts.push(format!("; one seed, and so no interval: {bare}"));
            }
            parts.push(".".to_owned());
            let text = parts.concat();
            let is_whole = system.scores.values().all(|score| score.seeds() > 1);
            blocks.push(if is_whole { Block::Paragraph(text) } else { Block::Warning(text) });
        }
        blocks
    }

    /// The matrix of sources and targets.
    pub(super) fn transfer(&self) -> Section {
        let mut section = Section::new(format!("{}: transfer", self.name));
        let mut is_drawn = false;
        for system in &self.systems {
            let table = &self.tables[system.table];
            let order = target_order(table);
            let sources: Vec<String> =
                table.sources.iter().map(|sources| self.source_name(sources)).collect();
            let cell = |target: usize, source: usize| {
                table.cells.get(source).and_then(|row| row.get(target)).and_then(Option::as_ref)
            };
            let model = match table.setting {
                crate::Setting::Transfer => table.model.clone(),
                setting => format!("{}, {setting}", table.model),
            };
            let name = format!("{model}: {}, by source and target", shots(table.shots));
            if sources.len() > 1 {
                is_drawn = true;
                let shown = &order[..order.len().min(MOST_LANGUAGES)];
                let targets: Vec<&LanguageTag> = shown.iter().map(|t| &table.targets[*t]).collect();
                let rows = shown.iter().map(|target| {
                    (0..sources.len())
                        .map(|source| cell(*target, source).map(|score| self.drawn(score)))
                        .collect()
                });
                section = section.with_block(Block::Plot(Plot::Heatmap(Heatmap::new(
                    &name,
                    ["target", "source"],
                    self.labels(&targets),
                    sources.clone(),
                    rows.collect(),
                ))));
            }
            let columns: Vec<&str> =
                std::iter::once("target").chain(sources.iter().map(String::as_str)).collect();
            let mut rows = Table::new(name, &columns);
            for target in order {
                let cells =
                    (0..sources.len()).map(|source| self.cell_or_nothing(cell(target, source)));
                let first = self.config.name_cell(&table.targets[target]);
                rows = rows.with_row(std::iter::once(first).chain(cells));
            }
            section = section.with_block(Block::Table(rows));
        }
        if !is_drawn {
            section.blocks.insert(0, Block::Plot(self.map_of_systems()));
        }
        section
    }

    /// Where each system has one source, they are the columns.
    fn map_of_systems(&self) -> Plot {
        let languages = self.shown();
        let cells = languages.iter().map(|language| {
            let score = |system: &System| system.scores.get(*language).map(|s| self.drawn(s));
            self.systems.iter().map(score).collect()
        });
        Plot::Heatmap(Heatmap::new(
            format!("{}: target languages by system, the worst first", self.name),
            ["target", "system"],
            self.labels(&languages),
            self.systems.iter().map(|system| system.name.clone()).collect(),
            cells.collect(),
        ))
    }

    fn source_name(&self, sources: &[LanguageTag]) -> String {
        let names: Vec<&str> = sources.iter().map(|source| self.config.name(source)).collect();
        names.join(" + ")
    }

    fn shown(&self) -> Vec<&LanguageTag> {
        let mut languages = self.worst_first();
        languages.truncate(MOST_LANGUAGES);
        languages
    }

    /// Bars with intervals.
    pub(super) fn languages(&self) -> Section {
        let mut section = Section::new(format!("{}: languages", self.name));
        let languages = self.shown();
        for systems in self.systems.chunks(MOST_SERIES) {
            let series = systems.iter().map(|system| BarSeries {
                name: system.name.clone(),
                values: languages
                    .iter()
                    .map(|language| system.scores.get(*language).map(|score| self.drawn(score)))
                    .collect(),
            });
            let series: Vec<BarSeries> = series.collect();
            // Systems of other languages than those shown have nothing to draw.
            if series.iter().any(|series| series.values.iter().any(Option::is_some)) {
                let title = format!("{}: each language, the worst first", self.name);
                let labels = self.labels(&languages);
                let bars = Bars::new(title, self.metric, labels, series);
                section = section.with_block(Block::Plot(Plot::Bars(bars)));
            }
        }
        let mut columns = vec!["language", "tag"];
        columns.extend(self.systems.iter().map(|system| system.name.as_str()));
        let mut table = Table::new("Languages, the worst first", &columns);
        let order = self.worst_first();
        for language in &order {
            let scores = self
                .systems
                .iter()
                .map(|system| self.cell_or_nothing(system.scores.get(*language)));
            let names = [self.config.name_cell(language), language.as_str().into()];
            table = table.with_row(names.into_iter().chain(scores));
        }
        if order.len() > languages.len() {
            let text = format!("The plots show the {MOST_LANGUAGES} languages served worst.");
            section = section.with_paragraph(text);
        }
        section.with_block(Block::Table(table))
    }
}

/// The places of the targets by their mean over sources, the worst first.
fn target_order(table: &TransferTable) -> Vec<usize> {
    let mean = |target: usize| {
        let cells = table.cells.iter().filter_map(|row| row.get(target)?.as_ref());
        let values: Vec<f64> = cells.map(|cell| cell.mean).collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    let mut order: Vec<(usize, f64)> =
        (0..table.targets.len()).map(|target| (target, mean(target))).collect();
    order.sort_by(|(_, a), (_, b)| a.total_cmp(b));
    order.into_iter().map(|(target, _)| target).collect()
}

fn shots(shots: u64) -> String {
    if shots == 0 { "zero-shot".to_owned() } else { super::counted_u64(shots, "shot") }
}
