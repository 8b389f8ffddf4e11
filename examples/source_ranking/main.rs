//! Says which language to transfer from, before anything is trained.
//!
//! `cargo run --release --example source-ranking -- --target yor`
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

mod facts;
mod fitted;
mod page;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use isogloss::core::{LanguageTag, Seed};
use isogloss::evaluation::{
    SourceFeature, SourceRanking, SourceStudy, TransferTable, read_runs, transfer_tables,
};
use isogloss_examples::{Outcome, exit_code, print_written};

use crate::facts::{Facts, Files, feature};
use crate::fitted::Fitted;
use crate::page::{StudyPage, target_report};

/// Says which language to transfer from, before anything is trained.
///
/// Sources are ranked by what can be known without a model: descent and place, from a built-in table of 7,607
/// languages; with --text also the size of a corpus and the words it shares with the target; with --vectors and
/// --distances also typology, from files of lang2vec.
///
/// With --measured, and without --target, rules for choosing a source are compared on an experiment in which transfer
/// was measured. With both, the weights of the features are fitted to the experiment, and rank the sources of the target.
#[derive(Parser)]
#[command(name = "source-ranking", version)]
struct Args {
    /// The language to transfer to
    #[arg(long, required_unless_present = "measured")]
    target: Option<LanguageTag>,

    /// A language to transfer from; more than once [default: those of --text, else those of --measured, else all with
    /// some labelled text: the classes 2 to 5 of Joshi et al. (2020)]
    #[arg(long, value_name = "LANGUAGE", requires = "target")]
    source: Vec<LanguageTag>,

    /// A feature to rank by, once for each; without --measured with a weight, as word_overlap=2, or with 1 [default: all
    /// that are known of the languages; those that speak neither for nor against a source are for fitted weights alone]
    #[arg(long, value_name = "FEATURE[=WEIGHT]", value_parser = feature)]
    by: Vec<(SourceFeature, Option<f64>)>,

    /// Runs of an experiment, as of transfer-report: one task, metric, model and number of shots
    #[arg(long, value_name = "DIR")]
    measured: Option<PathBuf>,

    /// A rule to compare with: always this source; more than once
    #[arg(long, value_name = "LANGUAGE", requires = "measured", conflicts_with = "target")]
    always: Vec<LanguageTag>,

    #[command(flatten)]
    files: Files,

    /// From which targets are drawn again, or dealt into groups, for intervals [default: 1]
    #[arg(long, requires = "measured")]
    seed: Option<u64>,

    /// Show what was fitted, and what was measured for each target, without intervals, which take two targets and runs of
    /// two seeds
    #[arg(long, requires = "measured")]
    without_intervals: bool,

    /// Where the comparison of rules is written [default: out/source-ranking]
    #[arg(long, requires = "measured", conflicts_with = "target")]
    out: Option<PathBuf>,

    /// Print the ranking and the weights of features as JSON, and nothing else
    #[arg(long, requires = "target")]
    json: bool,
}

fn main() -> ExitCode {
    exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Outcome<()> {
    let table = args.measured.as_deref().map(read_table).transpose()?;
    let sources = sources(args, table.as_ref());
    let mut languages: BTreeSet<LanguageTag> =
        sources.iter().chain(&args.target).cloned().collect();
    if let Some(table) = &table {
        languages.extend(table.sources.iter().flatten().chain(&table.targets).cloned());
    }
    let facts = Facts::read(&args.files, &languages)?;
    let study = table.as_ref().map(|table| {
        let candidate =
            |source: &LanguageTag, target: &LanguageTag| facts.candidate(source, target);
        SourceStudy::of_table(table, candidate)
    });
    let study = study.transpose()?;
    let features: Vec<SourceFeature> = if args.by.is_empty() {
        facts.features()
    } else {
        args.by.iter().map(|(feature, _)| *feature).collect()
    };
    if let Some(study) = &study
        && let Some((feature, weight)) =
            args.by.iter().find_map(|(it, weight)| Some((it, (*weight)?)))
    {
        let targets = study.targets().len();
        return Err(format!(
            "--by {feature} has the weight {weight}, expected none, as weights are fitted to {targets} targets"
        )
        .into());
    }
    let seed = Seed::new(args.seed.unwrap_or(1));
    let Some(target) = &args.target else {
        if let (Some(table), Some(study)) = (&table, &study) {
            let with_intervals = !args.without_intervals;
            let page = StudyPage::of(table, study, &features, &args.always, seed, with_intervals)?;
            println!("{}", page.summary().to_text()?.trim_end());
            let out = args.out.clone().unwrap_or_else(|| "out/source-ranking".into());
            print_written(&page.report()?.write_all_forms(&out)?);
        }
        return Ok(());
    };
    let others = sources.iter().filter(|source| *source != target);
    let candidates = others.map(|source| facts.candidate(source, target));
    let candidates = candidates.collect::<Result<Vec<_>, _>>()?;
    let fitted = study.as_ref().map(|study| {
        let others = study.targets().iter().filter(|it| it.language() != target.as_str());
        let others: Vec<_> = others.collect();
        // There are none in the JSON.
        let with_intervals = !args.without_intervals && !args.json;
        let seed = with_intervals.then_some(seed);
        Fitted::of(&others, &features, &candidates, seed).map_err(|error| {
            let hint = if seed.is_some() && others.len() < 2 {
                "; --without-intervals shows what one target says"
            } else {
                ""
            };
            format!("{error}{hint}")
        })
    });
    let fitted = fitted.transpose()?;
    let (ranking, weights) = match &fitted {
        Some(fitted) => (fitted.ranking.clone(), fitted.weights.clone()),
        None => (None, weights(&args.by, features)),
    };
    let ranking = ranking.map_or_else(|| SourceRanking::try_new(&candidates, &weights), Ok)?;
    if args.json {
        let all = serde_json::json!({ "sources": ranking.sources, "weights": weights });
        println!("{}", serde_json::to_string_pretty(&all)?);
    } else {
        let report = target_report(target, &candidates, &ranking, &weights, fitted.as_ref())?;
        println!("{}", report.to_text()?.trim_end());
    }
    Ok(())
}

/// What is ranked by: what is asked for, else all features that speak for or against a source.
fn weights(
    by: &[(SourceFeature, Option<f64>)],
    known: Vec<SourceFeature>,
) -> Vec<(SourceFeature, f64)> {
    if by.is_empty() {
        let speaking = known.into_iter().filter(|feature| feature.larger_is_better().is_some());
        return speaking.map(|feature| (feature, 1.0)).collect();
    }
    by.iter().map(|(feature, weight)| (*feature, weight.unwrap_or(1.0))).collect()
}

/// The languages to choose from.
fn sources(args: &Args, table: Option<&TransferTable>) -> Vec<LanguageTag> {
    let with_text = args.files.with_text();
    if !args.source.is_empty() {
        args.source.clone()
    } else if !with_text.is_empty() {
        with_text
    } else if let Some(table) = table {
        table.sources.iter().flatten().cloned().collect()
    } else {
        Facts::languages_with_text()
    }
}

fn read_table(dir: &Path) -> Outcome<TransferTable> {
    let tables = transfer_tables(&read_runs(dir)?, 0.95)?;
    match <[TransferTable; 1]>::try_from(tables) {
        Ok([table]) => Ok(table),
        Err(tables) => {
            let name = |it: &TransferTable| {
                format!("{}, {}, {}, {} shots", it.task, it.metric, it.model, it.shots)
            };
            let names: Vec<String> = tables.iter().map(name).collect();
            let (dir, found) = (dir.display(), names.join("; "));
            Err(format!(
                "{dir}: runs of {found}, expected one task, metric, model and number of shots"
            )
            .into())
        }
    }
}
