//! Forgetting, and what is gained for what is spent.

use super::{Part, TransferReportConfig, counted_u64};
use crate::transfer::Condition;
use crate::{
    Block, Efficiency, EvaluationError, Forgetting, Section, Table, efficiencies, forgetting,
};

impl Part<'_> {
    /// Tables, where runs say what was before.
    pub(super) fn costs(&self) -> Result<Option<Section>, EvaluationError> {
        let lost = forgetting(self.runs, self.config.level)?;
        if lost.is_empty() {
            return Ok(None);
        }
        let columns = ["language", "system", "before", "after", "lost"];
        let mut table = Table::new("Forgetting, the greatest loss first", &columns);
        for found in &lost {
            let Forgetting { target, before, after, lost, .. } = found;
            table = table.with_row([
                self.config.name_cell(target),
                name(self.config, &condition_of(found), found.shots).into(),
                self.cell(before),
                self.cell(after),
                self.cell(lost),
            ]);
        }
        let mut section = Section::new(format!("{}: costs", self.name))
            .with_paragraph(
                "Lost is the score before an adaptation minus the score after: below 0 where the \
                 language gained.",
            )
            .with_block(Block::Table(table));
        let columns = ["system", "languages", "gain", "per million parameters", "per hour"];
        let caption = "Gains by cost, the greatest for each trained parameter first";
        let mut table = Table::new(caption, &columns);
        for found in efficiencies(self.runs, self.config.level)? {
            let condition = Condition {
                task: found.task.clone(),
                metric: found.metric.clone(),
                model: found.model.clone(),
                setting: found.setting,
                sources: found.sources.clone(),
            };
            let Efficiency { languages, gain, per_million_parameters, per_hour, shots, .. } =
                &found;
            table = table.with_row([
                name(self.config, &condition, *shots).into(),
                (*languages).into(),
                self.cell(gain),
                self.cell_or_nothing(per_million_parameters.as_ref()),
                self.cell_or_nothing(per_hour.as_ref()),
            ]);
        }
        section = section.with_block(Block::Table(table)).with_paragraph(
            "Gains are means over the languages whose score before is known, each counting the same.",
        );
        Ok(Some(section))
    }
}

fn condition_of(found: &Forgetting) -> Condition {
    Condition {
        task: found.task.clone(),
        metric: found.metric.clone(),
        model: found.model.clone(),
        setting: found.setting,
        sources: found.sources.clone(),
    }
}

fn name(config: &TransferReportConfig, condition: &Condition, shots: u64) -> String {
    let name = config.system(condition);
    if shots == 0 { name } else { format!("{name}, {}", counted_u64(shots, "shot")) }
}
