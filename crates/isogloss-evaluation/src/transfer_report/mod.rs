//! Runs as a report: transfer, few-shot curves, costs, fairness.

mod config;
mod costs;
mod fairness;
mod few_shot;
mod languages;
mod names;
mod tasks;

use std::collections::{BTreeMap, BTreeSet};

use isogloss_core::LanguageTag;

pub use config::TransferReportConfig;

use crate::{
    Block, Cell, Estimate, EvaluationError, OverSeeds, Report, Run, Section, Setting,
    TransferTable, check_runs, transfer_tables,
};

/// More languages make no readable plot; tables have all.
const MOST_LANGUAGES: usize = 60;

/// More bars for each language are too thin.
const MOST_SERIES: usize = 4;

/// What stands in a table where there is nothing to put.
const NOTHING: &str = "–";

/// Composes a report of runs: for each task and metric a summary in words, the matrix of sources and
/// targets, languages with their intervals and the worst first, few-shot curves, forgetting,
/// efficiency, and fairness over languages.
///
/// Each system is shown with the fewest shots that it was run with. A system with several sources is
/// compared with others by one of them, which no score decides: that asked for, else that with the
/// most results in all systems, and of such English. The report says so, and its matrices have all.
///
/// # Errors
///
/// Those of [`check_runs`]; [`EvaluationError::NoIntervals`] where no score of a task has an
/// interval and tables without them were not asked for; [`EvaluationError::Config`] for a setting
/// out of its range, for a source that a task has not, and for scores outside `[0, maximum]` where demand is given.
///
/// # Examples
///
/// ```
/// use isogloss_evaluation::{Run, TransferReportConfig, transfer_report};
///
/// let mut runs = Vec::new();
/// for (seed, shift) in [(1, 0.0), (2, 0.02)] {
///     for (target, score) in [("en", 0.9), ("yo", 0.5), ("am", 0.4)] {
///         let names = ["NLI", "accuracy", "XLM-R"];
///         runs.push(Run::new(names, "en".parse()?, target.parse()?, seed, score + shift));
///     }
/// }
/// let report = transfer_report(&runs, &TransferReportConfig::new("Transfer from English"))?;
/// assert!(report.to_text()?.contains("worst served is Amharic"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn transfer_report(
    runs: &[Run],
    config: &TransferReportConfig,
) -> Result<Report, EvaluationError> {
    config.check()?;
    check_runs(runs)?;
    let config = &config.clone().for_runs(runs);
    let tasks: BTreeSet<(&str, &str)> =
        runs.iter().map(|run| (run.task.as_str(), run.metric.as_str())).collect();
    let languages: BTreeSet<&LanguageTag> = runs.iter().map(|run| &run.target).collect();
    let subtitle = format!(
        "{} with {} in {}",
        counted(runs.len(), "run"),
        counted(tasks.len(), "measure"),
        counted(languages.len(), "language"),
    );
    let mut report = Report::new(&config.title, subtitle);
    let mut together = tasks::Together::default();
    for (task, metric) in tasks {
        let of_task: Vec<Run> =
            runs.iter().filter(|run| run.task == task && run.metric == metric).cloned().collect();
        let name = format!("{task}, {metric}");
        let part = Part::try_new([&name, metric], &of_task, config)?;
        let sections = [
            Some(part.summary()?),
            Some(part.transfer()),
            Some(part.languages()),
            part.few_shot()?,
            part.costs()?,
            Some(part.fairness()?),
        ];
        report.sections.extend(sections.into_iter().flatten());
        together.add(&part)?;
    }
    report.sections.extend(together.section(config)?);
    report.sections.extend(fairness::premiums(config));
    report.sections.push(reading(config));
    Ok(report)
}

/// The runs of one task and metric.
struct Part<'a> {
    name: &'a str,
    metric: &'a str,
    runs: &'a [Run],
    config: &'a TransferReportConfig,
    tables: Vec<TransferTable>,
    systems: Vec<System>,
}

/// One model in one setting from one source, with the fewest shots it was run with.
struct System {
    name: String,
    /// Place of its table.
    table: usize,
    sources: Vec<LanguageTag>,
    scores: BTreeMap<LanguageTag, OverSeeds>,
    /// Whether its table has more sources, of which this is one.
    is_chosen: bool,
}

impl<'a> Part<'a> {
    fn try_new(
        [name, metric]: [&'a str; 2],
        runs: &'a [Run],
        config: &'a TransferReportConfig,
    ) -> Result<Self, EvaluationError> {
        let mut tables = transfer_tables(runs, config.level)?;
        let has_interval = tables
            .iter()
            .flat_map(|table| table.cells.iter().flatten().flatten())
            .any(|cell| cell.interval.is_some());
        if !has_interval && config.intervals {
            return Err(EvaluationError::NoIntervals { what: name.to_owned() });
        }
        // Tables of one model and setting stand together, the fewest shots first.
        tables.dedup_by(|next, kept| next.model == kept.model && next.setting == kept.setting);
        let ranked = ranked_sources(&tables, config)?;
        let mut systems = Vec::new();
        for (place, table) in tables.iter().enumerate() {
            systems.extend(System::of(place, table, &ranked, config)?);
        }
        systems.sort_by(|a, b| b.worst().total_cmp(&a.worst()));
        Ok(Self { name, metric, runs, config, tables, systems })
    }

    /// As it stands in a table.
    fn cell(&self, over: &OverSeeds) -> Cell {
        self.config.cell(over)
    }

    /// As it stands in a table, where there may be none.
    fn cell_or_nothing(&self, over: Option<&OverSeeds>) -> Cell {
        over.map_or_else(|| NOTHING.into(), |over| self.cell(over))
    }

    /// As it is drawn.
    fn drawn(&self, over: &OverSeeds) -> Estimate {
        let mut estimate = over.estimate();
        if !self.config.intervals {
            (estimate.low, estimate.high) = (estimate.value, estimate.value);
        }
        estimate
    }

    /// The target languages of all systems by their mean score, the worst first.
    fn worst_first(&self) -> Vec<&LanguageTag> {
        let mut scores: BTreeMap<&LanguageTag, Vec<f64>> = BTreeMap::new();
        for (language, score) in self.systems.iter().flat_map(|system| &system.scores) {
            scores.entry(language).or_default().push(score.mean);
        }
        let mut order: Vec<(&LanguageTag, f64)> = scores
            .into_iter()
            .map(|(language, values)| (language, values.iter().sum::<f64>() / values.len() as f64))
            .collect();
        order.sort_by(|(_, a), (_, b)| a.total_cmp(b));
        order.into_iter().map(|(language, _)| language).collect()
    }
}

impl System {
    /// The system of a table, by the first of the ranked sources that it has.
    fn of(
        place: usize,
        table: &TransferTable,
        ranked: &[Vec<LanguageTag>],
        config: &TransferReportConfig,
    ) -> Result<Option<Self>, EvaluationError> {
        let Some(sources) = ranked.iter().find(|sources| table.sources.contains(sources)) else {
            return Ok(None);
        };
        let mut name = table.model.clone();
        if table.setting != Setting::Transfer {
            name = format!("{name}, {}", table.setting);
        }
        if table.shots > 0 {
            name = format!("{name}, {}", counted_u64(table.shots, "shot"));
        }
        Ok(Some(Self {
            name: format!("{name}, from {}", config.sources(sources)),
            table: place,
            sources: sources.clone(),
            scores: table.of_source(sources)?,
            is_chosen: table.sources.len() > 1,
        }))
    }

    fn worst(&self) -> f64 {
        self.scores.values().map(|score| score.mean).fold(f64::INFINITY, f64::min)
    }

    /// The mean of each language over seeds.
    fn means(&self) -> BTreeMap<LanguageTag, f64> {
        self.scores.iter().map(|(language, score)| (language.clone(), score.mean)).collect()
    }

    /// What follows from the scores of its languages, in the order of their tags.
    fn over_languages(
        &self,
        level: f64,
        value: impl Fn(&BTreeMap<LanguageTag, f64>) -> Option<f64>,
    ) -> Result<Option<OverSeeds>, EvaluationError> {
        let parts: Vec<&OverSeeds> = self.scores.values().collect();
        OverSeeds::of_all(&parts, level, |values| {
            value(&self.scores.keys().cloned().zip(values.iter().copied()).collect())
        })
    }
}

/// The sources in the order in which systems are compared by them: that asked for, then those with
/// the most results, then English, then by tag. No score decides, since the best of several sources
/// on test data would look better than it is.
fn ranked_sources(
    tables: &[TransferTable],
    config: &TransferReportConfig,
) -> Result<Vec<Vec<LanguageTag>>, EvaluationError> {
    let mut results: BTreeMap<&Vec<LanguageTag>, usize> = BTreeMap::new();
    for (sources, row) in tables.iter().flat_map(|table| table.sources.iter().zip(&table.cells)) {
        *results.entry(sources).or_default() += row.iter().flatten().count();
    }
    if let Some(asked) = config.source.as_ref().filter(|asked| !results.contains_key(asked)) {
        let (found, expected) = (config.sources(asked), "a source of the runs of each task");
        return Err(EvaluationError::Config { field: "source", found, expected });
    }
    let is_english =
        |sources: &[LanguageTag]| matches!(sources, [source] if source.language() == "en");
    let mut ranked: Vec<(&Vec<LanguageTag>, usize)> = results.into_iter().collect();
    ranked.sort_by_key(|(sources, results)| {
        let is_asked = config.source.as_ref() == Some(*sources);
        std::cmp::Reverse((is_asked, *results, is_english(sources)))
    });
    Ok(ranked.into_iter().map(|(sources, _)| sources.clone()).collect())
}

/// What a reader has to know of the numbers.
fn reading(config: &TransferReportConfig) -> Section {
    let percent = 100.0 * config.level;
    let text = if config.intervals {
        format!(
            "A number in brackets after a score is its interval, which covers {percent:.0} %: by \
             Student's t over seeds where a score has two or more, else over the test items of its \
             one run, else there is none. What follows from several languages is computed for each \
             seed that all of them have; where they share fewer than two seeds, it has no interval."
        )
    } else {
        "Intervals were left out, as was asked for: differences may be chance.".to_owned()
    };
    let section = Section::new("How to read this").with_paragraph(text).with_paragraph(
        "Languages, groups and systems are in order of their worst. An average stands beside the \
         worst, since it hides who is served badly.",
    );
    if config.intervals {
        section
    } else {
        let warning = "This report was asked for without intervals.";
        section.with_block(Block::Warning(warning.to_owned()))
    }
}

/// `1 run`, `2 runs`.
fn counted(count: usize, what: &str) -> String {
    counted_u64(count as u64, what)
}

fn counted_u64(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
