//! What each method came to, as tables and a plot.

use isogloss::evaluation::{BarSeries, Bars, Block, Cell, Estimate, Plot, Report, Section, Table};

use crate::Args;
use crate::language::{Languages, Learned};
use crate::task::Result;

pub(crate) fn report(
    args: &Args,
    languages: &Languages<'_>,
    learned: &[Learned],
    results: &[Result],
) -> Report {
    let source = &languages.adapted()[0].name;
    let tested: Vec<&str> = results[0].scores.iter().map(|(name, _)| name.as_str()).collect();
    let text = |text: &str| Cell::Text(text.to_owned());

    let columns = ["language", "loss before", "loss after", "parameters", "seconds", "MiB"];
    let mut of_languages =
        Table::new("Adapters of languages, and held-out text, 95 % intervals", &columns);
    for it in learned {
        of_languages = of_languages.with_row([
            text(&it.name),
            Cell::Estimate(it.before),
            Cell::Estimate(it.after),
            Cell::Count(it.parameters as u64),
            Cell::cost(it.seconds),
            Cell::cost(it.mebibytes),
        ]);
    }

    let columns: Vec<&str> =
        ["method", "parameters", "seconds", "MiB"].into_iter().chain(tested.clone()).collect();
    let mut of_methods =
        Table::new(format!("Macro F1; labels in {source} alone, 95 % intervals"), &columns);
    for it in results {
        let costs = [
            text(it.method.name()),
            Cell::Count(it.parameters as u64),
            Cell::cost(it.seconds),
            Cell::cost(it.mebibytes),
        ];
        let scores = it.scores.iter().map(|(_, score)| Cell::Estimate(*score));
        of_methods = of_methods.with_row(costs.into_iter().chain(scores));
    }

    let names: Vec<&str> = languages.texts().iter().map(|text| text.name.as_str()).collect();
    let columns: Vec<&str> = ["method"].into_iter().chain(names.clone()).collect();
    let mut of_forgetting =
        Table::new("What the loss of held-out text rose by, 95 % intervals", &columns);
    for it in results {
        let rises = names.iter().map(|name| Cell::Estimate(it.forgotten[*name]));
        of_forgetting = of_forgetting.with_row([text(it.method.name())].into_iter().chain(rises));
    }

    let score = |result: &Result, name: &str| -> Option<Estimate> {
        result.scores.iter().find(|(other, _)| other == name).map(|(_, score)| *score)
    };
    let series = results.iter().map(|result| BarSeries {
        name: result.method.name().to_owned(),
        values: tested.iter().map(|name| score(result, name)).collect(),
    });
    let labels = tested.iter().map(|name| (*name).to_owned()).collect();
    let plot = Bars::new("Macro F1 by language", "macro F1", labels, series.collect());

    let title = "A task carried to other languages";
    let subtitle = format!("{}; seed {}", args.model.display(), args.seed);
    Report::new(title, subtitle)
        .with_section(
            Section::new("Zero-shot transfer")
                .with_block(Block::Plot(Plot::Bars(plot)))
                .with_block(Block::Table(of_methods)),
        )
        .with_section(Section::new("Languages").with_block(Block::Table(of_languages)))
        .with_section(
            Section::new("Forgetting")
                .with_paragraph(
                    "With what was learned left on. Adapters are taken off without a trace: switched off, each \
                     rise is 0.",
                )
                .with_block(Block::Table(of_forgetting)),
        )
}
