//! Scores and warnings for a person.

use isogloss::evaluation::{
    Benchmark, BenchmarkScore, Block, Cell, Report, Section, Table, TestSet,
};

pub(crate) fn report(benchmark: Benchmark, sets: &[TestSet], scores: &[BenchmarkScore]) -> Report {
    let card = benchmark.card();
    let mut section = Section::new("Languages");
    section = section.with_block(Block::Table(table(sets, scores)));
    if let [first, ..] = sets {
        let mut licences: Vec<&str> = sets.iter().map(|set| set.licence.as_str()).collect();
        licences.sort_unstable();
        licences.dedup();
        let of = format!("{} of {}", first.split, card.home);
        section = section
            .with_paragraph(format!("Licence: {}; {of}", licences.join(", ")))
            .with_paragraph(format!("To cite: {}", card.citation));
    }
    for set in sets {
        for warning in &set.warnings {
            section = section.with_block(Block::Warning(format!("{}: {warning}", set.code)));
        }
    }
    let subtitle = if scores.is_empty() {
        "Items, and what a score on them is to be read with"
    } else {
        "Scores with 95 % of 1,000 resamples of items"
    };
    Report::new(card.title, subtitle).with_section(section)
}

fn table(sets: &[TestSet], scores: &[BenchmarkScore]) -> Table {
    let metrics: Vec<&str> = scores
        .first()
        .map_or(Vec::new(), |score| score.scores.iter().map(|it| it.metric.as_str()).collect());
    let has_majority = scores.iter().any(|score| score.majority.is_some());
    let mut columns = vec!["code", "language", "items"];
    columns.extend(&metrics);
    columns.extend(has_majority.then_some("most frequent class"));
    let mut table = Table::new("Test set", &columns);
    for (place, set) in sets.iter().enumerate() {
        let mut row: Vec<Cell> =
            vec![set.code.as_str().into(), set.language.name().into(), set.len().into()];
        if let Some(score) = scores.get(place) {
            row.extend(score.scores.iter().map(|it| Cell::from(it.score)));
            row.extend(has_majority.then(|| score.majority.map_or("".into(), Cell::from)));
        }
        table = table.with_row(row);
    }
    table
}
