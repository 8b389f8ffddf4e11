//! How evenly languages are served.

use std::collections::BTreeMap;

use isogloss_core::LanguageTag;

use super::{MOST_SERIES, Part, System, TransferReportConfig};
use crate::{
    BarSeries, Bars, Block, Cell, Curve, CurvePoint, Curves, Demand, EvaluationError, Grouping,
    OverSeeds, Plot, Section, Table,
};

/// From each language counting the same to each speaker doing so.
const TAUS: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];

impl Part<'_> {
    /// Groups, variance, utility.
    pub(super) fn fairness(&self) -> Result<Section, EvaluationError> {
        let mut section = Section::new(format!("{}: fairness", self.name));
        let groupings = self.groupings();
        let mut split = Table::new(
            "Variance of scores between groups and within them",
            &["system", "grouping", "between", "within", "share between"],
        );
        for grouping in &groupings {
            section.blocks.extend(self.group_bars(grouping)?);
            section = section.with_block(Block::Table(self.groups(grouping)?));
            for system in &self.systems {
                let over = |value: fn(crate::VarianceSplit) -> Option<f64>| {
                    let found = system.over_languages(self.config.level, |scores| {
                        value(grouping.variance(scores).ok()?)
                    })?;
                    Ok::<_, EvaluationError>(self.cell_or_nothing(found.as_ref()))
                };
                split = split.with_row([
                    system.name.as_str().into(),
                    grouping.name.as_str().into(),
                    small(over(|split| Some(split.between))?),
                    small(over(|split| Some(split.within))?),
                    over(|split| split.share_between())?,
                ]);
            }
        }
        section = section.with_block(Block::Table(split)).with_paragraph(
            "Where most of the variance lies between the groups, the grouping says who is served badly; \
             where it lies within, look for another reason.",
        );
        match &self.config.demand {
            Some(demand) => self.utility(section, demand),
            None => Ok(section),
        }
    }

    /// Those given, and those by script, family and class that were not.
    fn groupings(&self) -> Vec<Grouping> {
        let languages = self.worst_first();
        let built_in = [
            Grouping::by_script(languages.iter().copied()),
            Grouping::by_family(languages.iter().copied()),
            Grouping::by_joshi_class(languages.iter().copied()),
        ];
        let given = &self.config.groupings;
        let is_new = |grouping: &Grouping| given.iter().all(|other| other.name != grouping.name);
        built_in.into_iter().filter(is_new).chain(given.iter().cloned()).collect()
    }

    /// The mean of a group's languages.
    fn group_mean(
        &self,
        system: &System,
        languages: &[LanguageTag],
    ) -> Result<Option<OverSeeds>, EvaluationError> {
        let parts: Vec<&OverSeeds> =
            languages.iter().filter_map(|language| system.scores.get(language)).collect();
        let mean = |values: &[f64]| Some(values.iter().sum::<f64>() / values.len() as f64);
        match parts.as_slice() {
            // One language keeps an interval over items.
            [only] => Ok(Some((*only).clone())),
            parts => OverSeeds::of_all(parts, self.config.level, mean),
        }
    }

    fn groups(&self, grouping: &Grouping) -> Result<Table, EvaluationError> {
        let columns =
            ["system", &grouping.name, "languages", "macro average", "worst language", "worst"];
        let caption = format!("By {}, the worst group first", grouping.name);
        let mut table = Table::new(caption, &columns);
        for system in &self.systems {
            for group in grouping.scores(&system.means())? {
                let mean = self.group_mean(system, &group.languages)?;
                let worst = group.languages.first();
                let score = worst.and_then(|worst| system.scores.get(worst));
                table = table.with_row([
                    system.name.as_str().into(),
                    group.group.as_str().into(),
                    group.languages.len().into(),
                    self.cell_or_nothing(mean.as_ref()),
                    worst.map_or_else(|| super::NOTHING.into(), |w| self.config.name_cell(w)),
                    self.cell_or_nothing(score),
                ]);
            }
        }
        Ok(table)
    }

    fn group_bars(&self, grouping: &Grouping) -> Result<Vec<Block>, EvaluationError> {
        // Groups are in the order of their mean over all systems' languages.
        let mut members: BTreeMap<&str, Vec<&LanguageTag>> = BTreeMap::new();
        for language in self.worst_first() {
            members.entry(grouping.group(language)).or_default().push(language);
        }
        let mut values = Vec::new();
        for (group, languages) in members {
            let languages: Vec<LanguageTag> = languages.into_iter().cloned().collect();
            let scores = self.systems.iter().map(|s| self.group_mean(s, &languages));
            values.push((group, scores.collect::<Result<Vec<_>, _>>()?));
        }
        let key = |scores: &[Option<OverSeeds>]| {
            let means = scores.iter().flatten().map(|over| over.mean);
            means.fold(f64::INFINITY, f64::min)
        };
        values.sort_by(|(_, a), (_, b)| key(a).total_cmp(&key(b)));
        values.truncate(super::MOST_LANGUAGES);
        let all: Vec<BarSeries> = self
            .systems
            .iter()
            .enumerate()
            .map(|(place, system)| BarSeries {
                name: system.name.clone(),
                values: values
                    .iter()
                    .map(|(_, scores)| scores[place].as_ref().map(|over| self.drawn(over)))
                    .collect(),
            })
            .collect();
        let title = format!("{}: by {}, the worst group first", self.name, grouping.name);
        let bars = all.chunks(MOST_SERIES).filter(|series| {
            // Systems of other groups than those shown have nothing to draw.
            series.iter().any(|series| series.values.iter().any(Option::is_some))
        });
        Ok(bars
            .map(|series| {
                let labels = values.iter().map(|(group, _)| (*group).to_owned()).collect();
                let axis = format!("{}, macro average", self.metric);
                Block::Plot(Plot::Bars(Bars::new(&title, axis, labels, series.to_vec())))
            })
            .collect())
    }

    fn utility(&self, mut section: Section, demand: &Demand) -> Result<Section, EvaluationError> {
        let maximum = self.config.maximum;
        let mut columns = vec!["tau"];
        columns.extend(self.systems.iter().map(|system| system.name.as_str()));
        let caption = "Global utility, from each language counting the same to each speaker";
        let mut table = Table::new(caption, &columns);
        let mut curves: Vec<Curve> = self
            .systems
            .iter()
            .map(|system| Curve { name: system.name.clone(), points: Vec::new() })
            .collect();
        for tau in TAUS {
            let mut row: Vec<Cell> = vec![tau.into()];
            for (system, curve) in self.systems.iter().zip(&mut curves) {
                // Each seed's scores are to be in range, not their means alone.
                for (language, score) in &system.scores {
                    for value in score.by_seed.values() {
                        let one = BTreeMap::from([(language.clone(), *value)]);
                        demand.utility(&one, maximum, tau)?;
                    }
                }
                let found = system.over_languages(self.config.level, |scores| {
                    demand.utility(scores, maximum, tau).ok().map(|utility| utility.value)
                })?;
                if let Some(over) = &found {
                    curve.points.push(CurvePoint { x: tau, y: self.drawn(over) });
                }
                row.push(self.cell_or_nothing(found.as_ref()));
            }
            table = table.with_row(row);
        }
        section = section.with_paragraph(format!(
            "Global utility is the share of the greatest score, {maximum}, that demand meets (Blasi et \
             al., 2022): with tau 1 each speaker counts the same, with tau 0 each language. Figures of \
             speakers: {}. A language without a result counts 0.",
            demand.source
        ));
        for curves in curves.chunks(Curves::MOST) {
            let title = format!("{}: global utility by tau", self.name);
            let axes = ["tau: 0 counts languages, 1 counts speakers", "global utility"];
            let plot = Curves::linear(title, axes, curves.to_vec());
            section = section.with_block(Block::Plot(Plot::Curves(plot)));
        }
        section = section.with_block(Block::Table(table));
        for system in &self.systems {
            let utility = demand.utility(&system.means(), maximum, 1.0)?;
            if !utility.without_result.is_empty() {
                section = section.with_paragraph(format!(
                    "{}: without a result, and so counted 0: {}.",
                    system.name,
                    self.config.listed(&utility.without_result)
                ));
            }
            if !utility.without_demand.is_empty() {
                section = section.with_block(Block::Warning(format!(
                    "{}: no figure of speakers, and so not in global utility: {}.",
                    system.name,
                    self.config.listed(&utility.without_demand)
                )));
            }
        }
        Ok(section)
    }
}

/// What texts cost in tokens; the dearest language first.
pub(super) fn premiums(config: &TransferReportConfig) -> Option<Section> {
    let mut order: Vec<_> = config.premiums.iter().collect();
    if order.is_empty() {
        return None;
    }
    order.sort_by(|(_, a), (_, b)| b.value.total_cmp(&a.value));
    let mut table =
        Table::new("Tokens against the pivot, the dearest first", &["language", "premium"]);
    for (language, premium) in &order {
        let premium = if config.intervals { (**premium).into() } else { premium.value.into() };
        table = table.with_row([config.name_cell(language), premium]);
    }
    order.truncate(super::MOST_LANGUAGES);
    let series = BarSeries {
        name: "premium".to_owned(),
        values: order.iter().map(|(_, premium)| Some(**premium)).collect(),
    };
    let labels = order.iter().map(|(language, _)| config.name(language).to_owned()).collect();
    let bars = Bars::new("Tokens for the same text", "times the pivot", labels, vec![series]);
    Some(
        Section::new("Tokens")
            .with_paragraph(
                "How many times as many tokens a language needs for the same text (Petrov et al., \
                 2023): its users pay that much more, and fit that much less into a context.",
            )
            .with_block(Block::Plot(Plot::Bars(bars)))
            .with_block(Block::Table(table)),
    )
}

/// Variances are small numbers: three decimals would show nothing.
fn small(cell: Cell) -> Cell {
    match cell {
        Cell::Number(number) => format!("{number:.5}").into(),
        Cell::Estimate(estimate) => format!("{estimate:.5}").into(),
        cell => cell,
    }
}
