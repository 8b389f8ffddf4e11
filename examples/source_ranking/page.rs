//! What is shown.

use isogloss::core::{LanguageTag, Seed};
use isogloss::evaluation::{
    BarSeries, Bars, Block, BootstrapConfig, Cell, Estimate, EvaluationError, MeasuredTarget,
    OverSeeds, Plot, Report, Section, SourceCandidate, SourceFeature, SourceRanking, SourceRule,
    SourceStudy, StudyAgreement, Table, TransferTable,
};

use crate::fitted::{Fitted, RIDGE};

/// The sources of a target, the best first, and what speaks for them.
pub(crate) fn target_report(
    target: &LanguageTag,
    candidates: &[SourceCandidate],
    ranking: &SourceRanking,
    weights: &[(SourceFeature, f64)],
    fitted: Option<&Fitted>,
) -> Result<Report, EvaluationError> {
    let intervals = fitted.and_then(|it| it.intervals.as_ref());
    let names = weights.iter().map(|(feature, _)| feature.name());
    let columns: Vec<&str> = ["source", "score"].into_iter().chain(names).collect();
    let mut table = Table::new("Sources, the best first, and their features", &columns);
    let features: Vec<SourceFeature> = weights.iter().map(|(feature, _)| *feature).collect();
    for (place, source) in ranking.sources.iter().enumerate() {
        let Some(candidate) = candidates.iter().find(|it| it.language == source.language) else {
            continue;
        };
        let values = candidate.values(&features)?.into_iter().map(Cell::from);
        let score = intervals.map_or(source.score.into(), |[_, scores]| scores[place].into());
        let first = [name(&source.language).into(), score];
        table = table.with_row(first.into_iter().chain(values));
    }
    let section = Section::new(format!("To {}", name(target.as_str())));
    let section = section.with_block(Block::Table(table));
    let section = if let Some(fitted) = fitted {
        let caption = match intervals {
            Some(_) => "Weights, fitted to the experiment; intervals are over its targets",
            None => "Weights, fitted to the experiment",
        };
        section.with_block(Block::Table(fitted.weights_table(caption)))
    } else {
        let cells = weights.iter().map(|(_, weight)| Cell::from(*weight));
        section.with_block(Block::Table(weights_table("Weights", weights, cells)))
    };
    Ok(Report::new("Which language to transfer from", "before anything is trained")
        .with_section(section))
}

fn weights_table(
    caption: &str,
    weights: &[(SourceFeature, f64)],
    cells: impl Iterator<Item = Cell>,
) -> Table {
    let mut table = Table::new(caption, &["feature", "weight"]);
    for ((feature, _), cell) in weights.iter().zip(cells) {
        table = table.with_row([feature.name().into(), cell]);
    }
    table
}

impl Fitted {
    fn weights_table(&self, caption: &str) -> Table {
        if let Some([estimates, _]) = &self.intervals {
            let cells = estimates.iter().map(|estimate| Cell::from(*estimate));
            return weights_table(caption, &self.weights, cells);
        }
        let cells = self.weights.iter().map(|(_, weight)| Cell::from(*weight));
        weights_table(caption, &self.weights, cells)
    }
}

/// How well rules would have chosen.
pub(crate) struct StudyPage<'a> {
    table: &'a TransferTable,
    study: &'a SourceStudy,
    rules: Vec<(String, StudyAgreement)>,
    /// Rules that do not apply to the experiment, and why.
    left_out: Vec<String>,
    fitted: Fitted,
    /// Whether what was fitted, and target by target what was measured, have them.
    with_intervals: bool,
}

impl<'a> StudyPage<'a> {
    /// Compares all rules: each feature alone, all together, their regression, what other targets say,
    /// always one source, and chance.
    pub(crate) fn of(
        table: &'a TransferTable,
        study: &'a SourceStudy,
        features: &[SourceFeature],
        always: &[LanguageTag],
        seed: Seed,
        with_intervals: bool,
    ) -> Result<Self, EvaluationError> {
        let bootstrap = &BootstrapConfig::new(seed);
        let mut rules: Vec<(String, SourceRule)> = Vec::new();
        // Each alone, and together, where it points a way.
        let pointing = features.iter().filter(|feature| feature.larger_is_better().is_some());
        let weights: Vec<(SourceFeature, f64)> = pointing.map(|feature| (*feature, 1.0)).collect();
        for weight in &weights {
            rules.push((weight.0.name().to_owned(), SourceRule::Weights(vec![*weight])));
        }
        let targets: Vec<&MeasuredTarget> = study.targets().iter().collect();
        let fitted = Fitted::of(&targets, features, &[], with_intervals.then_some(seed))?;
        if weights.len() > 1 {
            rules.push(("all features, weighted alike".to_owned(), SourceRule::Weights(weights)));
        }
        let regression = SourceRule::Regression { features: features.to_vec(), ridge: RIDGE };
        rules.push(("all features, fitted to the other targets".to_owned(), regression));
        rules.push(("best for the other targets".to_owned(), SourceRule::OtherTargets));
        for source in always {
            let name = format!("always {}", name(source.as_str()));
            rules.push((name, SourceRule::Always(source.to_string())));
        }
        rules.push(("by lot".to_owned(), SourceRule::Chance));
        let (mut found, mut left_out) = (Vec::new(), Vec::new());
        for (name, rule) in rules {
            match study.evaluate(&rule, bootstrap) {
                Ok(agreement) => found.push((name, agreement)),
                // Not every source was measured for every target.
                Err(error @ EvaluationError::Language { .. })
                    if matches!(rule, SourceRule::OtherTargets | SourceRule::Always(_)) =>
                {
                    left_out.push(format!("Left out: {name}, as {error}."));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Self { table, study, rules: found, left_out, fitted, with_intervals })
    }

    /// What the terminal shows.
    pub(crate) fn summary(&self) -> Report {
        Report::new("Rules for choosing a source", self.described())
            .with_section(self.rules_section())
    }

    /// The whole of it.
    pub(crate) fn report(&self) -> Result<Report, EvaluationError> {
        let summary = self.summary().with_section(self.weights_section());
        Ok(summary.with_section(self.targets_section()?))
    }

    fn described(&self) -> String {
        let table = self.table;
        format!(
            "{} ({}) of {}, {} sources, {} targets",
            table.task,
            table.metric,
            table.model,
            table.sources.len(),
            table.targets.len(),
        )
    }

    fn rules_section(&self) -> Section {
        let columns = ["rule", "NDCG@3", "Spearman's ρ", "gain", "regret", "targets"];
        let mut table = Table::new("Means over targets, with intervals over them", &columns);
        for (name, found) in &self.rules {
            table = table.with_row([
                name.as_str().into(),
                found.ndcg.into(),
                found.spearman.into(),
                found.gain.into(),
                found.regret.into(),
                found.targets.len().into(),
            ]);
        }
        let section = Section::new("Rules")
            .with_paragraph(format!(
                "Each target's sources are ranked by a rule that knows what was measured for the other targets \
                 alone. Gain is what its first source is better by, in {}, than the mean of all, which a lot would \
                 give; regret is what it is worse by than the best. An order that tells no two sources apart has a \
                 ρ of 0. Intervals are of the mean over such targets; the experiment was not repeated with other languages.",
                self.table.metric
            ))
            .with_block(Block::Table(table));
        let warnings = self.left_out.iter().cloned().map(Block::Warning);
        warnings
            .fold(section, Section::with_block)
            .with_block(Block::Plot(self.bars(
                "Gain over a lot",
                &format!("{} gained", self.table.metric),
                |it| it.gain,
            )))
            .with_block(Block::Plot(
                self.bars("Agreement of orders", "Spearman's ρ", |it| it.spearman),
            ))
    }

    fn bars(&self, title: &str, axis: &str, of: fn(&StudyAgreement) -> Estimate) -> Plot {
        let labels = self.rules.iter().map(|(name, _)| name.clone()).collect();
        let values = self.rules.iter().map(|(_, found)| Some(of(found))).collect();
        let series = vec![BarSeries { name: title.to_owned(), values }];
        Plot::Bars(Bars::new(title, axis, labels, series))
    }

    fn weights_section(&self) -> Section {
        let caption = "Weights of places, from 0 to 1, fitted to all targets";
        let mut said = "A weight above 0 says that sources with a larger value transferred better, where the other \
                        features are as they are; below 0, that they transferred worse. Features that say much the \
                        same share their weight."
            .to_owned();
        if self.with_intervals {
            said += " Intervals are of 95 %, by leaving out targets.";
        }
        let section = Section::new("What goes with good transfer").with_paragraph(said);
        section.with_block(Block::Table(self.fitted.weights_table(caption)))
    }

    fn targets_section(&self) -> Result<Section, EvaluationError> {
        let section = Section::new("Targets");
        let shown: Vec<_> = self
            .rules
            .iter()
            .filter(|(_, it)| {
                matches!(it.rule, SourceRule::Regression { .. } | SourceRule::OtherTargets)
            })
            .collect();
        let mut columns =
            vec!["target".to_owned(), "best source".to_owned(), self.table.metric.clone()];
        for (name, _) in &shown {
            columns.push(format!("first of: {name}"));
            columns.push("regret".to_owned());
        }
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let mut table = Table::new("Target by target", &columns);
        for (row, target) in self.study.targets().iter().enumerate() {
            let measured = target.candidates().iter().zip(target.transfers());
            let best = measured.max_by(|a, b| a.1.total_cmp(b.1));
            let Some((source, _)) = best else { continue };
            let Some(best) = self.measured(&source.language, row) else { continue };
            let mut regrets = Vec::new();
            for (_, found) in &shown {
                let first = &found.targets[row].first;
                regrets.extend(self.regret(best, first, row)?.map(|regret| (first, regret)));
            }
            let mut numbers = std::iter::once(best).chain(regrets.iter().map(|(_, it)| it));
            if self.with_intervals && numbers.any(|it| it.interval.is_none()) {
                return Ok(section.with_block(Block::Warning(format!(
                    "What was measured for each target is left out, as that for {} has no interval: it needs runs \
                     of two seeds or more. --without-intervals shows it.",
                    name(target.language())
                ))));
            }
            let mut cells: Vec<Cell> = vec![
                name(target.language()).into(),
                name(&source.language).into(),
                self.cell(best),
            ];
            for (first, regret) in &regrets {
                let first: Vec<String> = first.iter().map(|it| name(it)).collect();
                cells.extend([first.join(", ").into(), self.cell(regret)]);
            }
            table = table.with_row(cells);
        }
        let section = if self.with_intervals {
            section.with_paragraph(
                "Intervals are of 95 %, over the seeds of runs. The best source is the best by these runs, in favour \
                 of its score and of regrets.",
            )
        } else {
            section.with_block(Block::Warning(
                "This table was asked for without intervals.".to_owned(),
            ))
        };
        Ok(section.with_block(Block::Table(table)))
    }

    /// What was lost by the first sources of a rule, the mean of several, beside the best.
    fn regret(
        &self,
        best: &OverSeeds,
        first: &[String],
        column: usize,
    ) -> Result<Option<OverSeeds>, EvaluationError> {
        let first = first.iter().filter_map(|source| self.measured(source, column));
        let parts: Vec<&OverSeeds> = std::iter::once(best).chain(first).collect();
        OverSeeds::of_all(&parts, self.table.level, |values| {
            let (best, first) = values.split_first()?;
            Some(best - first.iter().sum::<f64>() / first.len() as f64)
        })
    }

    fn cell(&self, number: &OverSeeds) -> Cell {
        if self.with_intervals { number.cell() } else { number.mean.into() }
    }

    /// What was measured from a source to the target of a column.
    fn measured(&self, source: &str, column: usize) -> Option<&OverSeeds> {
        let is_it = |tags: &&Vec<LanguageTag>| tags.iter().any(|tag| tag.as_str() == source);
        let row = self.table.sources.iter().position(|tags| is_it(&tags))?;
        self.table.cells[row].get(column)?.as_ref()
    }
}

/// The name of a language, by its tag.
fn name(tag: &str) -> String {
    tag.parse().map_or_else(|_| tag.to_owned(), |tag: LanguageTag| tag.name().to_owned())
}
