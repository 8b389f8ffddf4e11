//! What is shown.

use isogloss::core::LanguageTag;
use isogloss::evaluation::{
    BarSeries, Bars, Block, BootstrapConfig, Cell, Estimate, EvaluationError, Plot, Report,
    Section, SourceCandidate, SourceFeature, SourceRanking, SourceRegression, SourceRule,
    SourceStudy, StudyAgreement, Table, TransferTable,
};

/// The sources of a target, the best first, and what speaks for them.
pub(crate) fn target_report(
    target: &LanguageTag,
    candidates: &[SourceCandidate],
    ranking: &SourceRanking,
    weights: &[(SourceFeature, f64)],
    is_fitted: bool,
) -> Result<Report, EvaluationError> {
    let names = weights.iter().map(|(feature, _)| feature.name());
    let columns: Vec<&str> = ["source", "score"].into_iter().chain(names).collect();
    let mut table = Table::new("Sources, the best first, and their features", &columns);
    let features: Vec<SourceFeature> = weights.iter().map(|(feature, _)| *feature).collect();
    for source in &ranking.sources {
        let Some(candidate) = candidates.iter().find(|it| it.language == source.language) else {
            continue;
        };
        let values = candidate.values(&features)?.into_iter().map(Cell::from);
        let first = [name(&source.language).into(), source.score.into()];
        table = table.with_row(first.into_iter().chain(values));
    }
    let weights = if is_fitted {
        weights_table("Weights, fitted to the experiment", weights)
    } else {
        weights_table("Weights", weights)
    };
    let section = Section::new(format!("To {}", name(target.as_str())));
    let section = section.with_block(Block::Table(table)).with_block(Block::Table(weights));
    Ok(Report::new("Which language to transfer from", "before anything is trained")
        .with_section(section))
}

fn weights_table(caption: &str, weights: &[(SourceFeature, f64)]) -> Table {
    let rows = weights.iter();
    rows.fold(Table::new(caption, &["feature", "weight"]), |table, (feature, weight)| {
        table.with_row([feature.name().into(), (*weight).into()])
    })
}

/// How well rules would have chosen.
pub(crate) struct StudyPage<'a> {
    table: &'a TransferTable,
    study: &'a SourceStudy,
    rules: Vec<(String, StudyAgreement)>,
    /// Rules that do not apply to the experiment, and why.
    left_out: Vec<String>,
    fitted: SourceRegression,
}

impl<'a> StudyPage<'a> {
    /// Compares all rules: each feature alone, all together, their regression, what other targets say,
    /// always one source, and chance.
    pub(crate) fn of(
        table: &'a TransferTable,
        study: &'a SourceStudy,
        features: &[SourceFeature],
        always: &[LanguageTag],
        ridge: f64,
        bootstrap: &BootstrapConfig,
    ) -> Result<Self, EvaluationError> {
        let mut rules: Vec<(String, SourceRule)> = Vec::new();
        // Each alone, and together, where it points a way.
        let pointing = features.iter().filter(|feature| feature.larger_is_better().is_some());
        let weights: Vec<(SourceFeature, f64)> = pointing.map(|feature| (*feature, 1.0)).collect();
        for weight in &weights {
            rules.push((weight.0.name().to_owned(), SourceRule::Weights(vec![*weight])));
        }
        let fitted = SourceRegression::fit(study.targets(), features, ridge)?;
        if weights.len() > 1 {
            rules.push(("all features, weighted alike".to_owned(), SourceRule::Weights(weights)));
        }
        let regression = SourceRule::Regression { features: features.to_vec(), ridge };
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
        Ok(Self { table, study, rules: found, left_out, fitted })
    }

    /// What the terminal shows.
    pub(crate) fn summary(&self) -> Report {
        Report::new("Rules for choosing a source", self.described())
            .with_section(self.rules_section())
    }

    /// The whole of it.
    pub(crate) fn report(&self) -> Report {
        self.summary().with_section(self.weights_section()).with_section(self.targets_section())
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
        Section::new("What goes with good transfer").with_paragraph(
            "A weight above 0 says that sources with a larger value transferred better, where the other \
             features are as they are; below 0, that they transferred worse. Features that say much the same \
             share their weight.",
        )
        .with_block(Block::Table(weights_table(caption, &self.fitted.weights)))
    }

    fn targets_section(&self) -> Section {
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
            let Some((source, transfer)) = best else { continue };
            let mut cells: Vec<Cell> = vec![
                name(target.language()).into(),
                name(&source.language).into(),
                (*transfer).into(),
            ];
            for (_, found) in &shown {
                let found = &found.targets[row];
                let first: Vec<String> = found.first.iter().map(|it| name(it)).collect();
                cells.extend([first.join(", ").into(), found.regret.into()]);
            }
            table = table.with_row(cells);
        }
        Section::new("Targets").with_block(Block::Table(table))
    }
}

/// The name of a language, by its tag.
fn name(tag: &str) -> String {
    tag.parse().map_or_else(|_| tag.to_owned(), |tag: LanguageTag| tag.name().to_owned())
}
