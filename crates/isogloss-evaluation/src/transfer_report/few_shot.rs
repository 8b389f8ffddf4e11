//! Scores by the number of examples.

use std::collections::{BTreeMap, BTreeSet};

use super::Part;
use crate::transfer::Condition;
use crate::{
    Block, Curve, CurvePoint, Curves, EvaluationError, FewShotCurve, OverSeeds, Plot, Run, Section,
    Setting, Table, few_shot_curves,
};

/// More curves of one system stand in the table only.
const MOST_CURVES: usize = 4 * Curves::MOST;

impl Part<'_> {
    /// Curves, where something was run with two or more numbers of shots, and what translated
    /// training sets give.
    pub(super) fn few_shot(&self) -> Result<Option<Section>, EvaluationError> {
        let mut systems: BTreeMap<Condition, Vec<FewShotCurve>> = BTreeMap::new();
        for curve in few_shot_curves(self.runs, self.config.level)? {
            let condition = Condition {
                task: curve.task.clone(),
                metric: curve.metric.clone(),
                model: curve.model.clone(),
                setting: curve.setting,
                sources: curve.sources.clone(),
            };
            systems.entry(condition).or_default().push(curve);
        }
        if systems.is_empty() {
            return Ok(None);
        }
        let mut section = Section::new(format!("{}: few-shot", self.name)).with_paragraph(
            "Shots are labelled examples of the target language. A curve that rises late says how \
             many a language needs before they help.",
        );
        for (condition, mut curves) in systems {
            let first =
                |curve: &FewShotCurve| curve.points.values().next().map_or(0.0, |over| over.mean);
            curves.sort_by(|a, b| first(a).total_cmp(&first(b)));
            let name = self.config.system(&condition);
            for (place, some) in curves.chunks(Curves::MOST).enumerate() {
                if place * Curves::MOST >= MOST_CURVES {
                    let text = format!("The plots show {MOST_CURVES} languages, the worst first.");
                    section = section.with_paragraph(text);
                    break;
                }
                let title = format!("{name}: {} by shots", self.name);
                let series = some.iter().map(|curve| self.curve(curve)).collect();
                let plot = Curves::log_x(title, ["shots", self.metric], series);
                section = section.with_block(Block::Plot(Plot::Curves(plot)));
            }
            section = section.with_block(Block::Table(self.table(&name, &condition, &curves)?));
        }
        Ok(Some(section))
    }

    fn curve(&self, curve: &FewShotCurve) -> Curve {
        let point = |(shots, over): (&u64, &OverSeeds)| CurvePoint {
            x: *shots as f64,
            y: self.drawn(over),
        };
        Curve {
            name: self.config.name(&curve.target).to_owned(),
            points: curve.points.iter().map(point).collect(),
        }
    }

    fn table(
        &self,
        name: &str,
        condition: &Condition,
        curves: &[FewShotCurve],
    ) -> Result<Table, EvaluationError> {
        let shots: BTreeSet<u64> = curves.iter().flat_map(|c| c.points.keys().copied()).collect();
        // What a translated training set gives without examples of the language's own.
        let translated = Condition { setting: Setting::TranslateTrain, ..condition.clone() };
        let of_translated: Vec<&Run> = self
            .runs
            .iter()
            .filter(|run| {
                condition.setting == Setting::Transfer && run.shots == 0 && translated.belongs(run)
            })
            .collect();
        let mut columns = vec!["language".to_owned()];
        columns.extend(shots.iter().map(|shots| super::counted_u64(*shots, "shot")));
        if !of_translated.is_empty() {
            columns.push("translate-train".to_owned());
        }
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let caption = format!("{name}: scores by shots, the worst language first");
        let mut table = Table::new(caption, &columns);
        for curve in curves {
            let mut row = vec![self.config.name_cell(&curve.target)];
            row.extend(shots.iter().map(|shots| self.cell_or_nothing(curve.points.get(shots))));
            if !of_translated.is_empty() {
                let runs: Vec<&Run> = of_translated
                    .iter()
                    .copied()
                    .filter(|run| run.target == curve.target)
                    .collect();
                let score = if runs.is_empty() {
                    None
                } else {
                    Some(OverSeeds::of_cell(&runs, self.config.level)?)
                };
                row.push(self.cell_or_nothing(score.as_ref()));
            }
            table = table.with_row(row);
        }
        Ok(table)
    }
}
