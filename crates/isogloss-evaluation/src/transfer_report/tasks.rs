//! Several tasks together.

use std::collections::BTreeMap;

use super::{Part, TransferReportConfig};
use crate::{Block, EvaluationError, OverSeeds, Section, Table};

/// The macro averages of each system, by task and metric.
#[derive(Default)]
pub(super) struct Together {
    systems: BTreeMap<String, Vec<(String, OverSeeds)>>,
}

impl Together {
    pub(super) fn add(&mut self, part: &Part<'_>) -> Result<(), EvaluationError> {
        for system in &part.systems {
            let average = part.tables[system.table].macro_average(&system.sources)?;
            self.systems
                .entry(system.name.clone())
                .or_default()
                .push((part.name.to_owned(), average));
        }
        Ok(())
    }

    /// The mean over tasks of the mean over languages, as XTREME has it, beside the worst task; where
    /// some system was tested on two tasks or more.
    pub(super) fn section(
        &self,
        config: &TransferReportConfig,
    ) -> Result<Option<Section>, EvaluationError> {
        let mut rows = Vec::new();
        for (name, tasks) in self.systems.iter().filter(|(_, tasks)| tasks.len() > 1) {
            let parts: Vec<&OverSeeds> = tasks.iter().map(|(_, average)| average).collect();
            let average = OverSeeds::of_all(&parts, config.level, |values| {
                Some(values.iter().sum::<f64>() / values.len() as f64)
            })?;
            let worst = tasks.iter().min_by(|(_, a), (_, b)| a.mean.total_cmp(&b.mean));
            if let Some((average, (task, worst))) = average.zip(worst) {
                rows.push((name, tasks.len(), task, worst, average));
            }
        }
        if rows.is_empty() {
            return Ok(None);
        }
        rows.sort_by(|a, b| b.3.mean.total_cmp(&a.3.mean));
        let caption = "Systems on several tasks, the one with the best worst task first";
        let columns = ["system", "tasks", "worst task", "worst", "mean over tasks"];
        let mut table = Table::new(caption, &columns);
        for (name, tasks, task, worst, average) in rows {
            table = table.with_row([
                name.as_str().into(),
                tasks.into(),
                task.as_str().into(),
                config.cell(worst),
                config.cell(&average),
            ]);
        }
        Ok(Some(
            Section::new("All tasks")
                .with_paragraph(
                    "Scores are means over the languages of a task, then over tasks (Hu et al., 2020). \
                     Tasks may have other languages and other metrics, so compare systems, not tasks.",
                )
                .with_block(Block::Table(table)),
        ))
    }
}
