//! Says how well languages are served by transfer from others, from records of runs.
//!
//! `cargo run --release --example transfer-report -- --runs DIR`
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use isogloss::core::LanguageTag;
use isogloss::evaluation::{Demand, TransferReportConfig, read_runs, transfer_report};
use isogloss_examples::{Outcome, exit_code, print_written};

/// Says how well languages are served by transfer from others, from records of runs.
///
/// Each run is one score of one model, task, language and seed. The report holds the matrix of
/// sources and targets, few-shot curves, forgetting, cost and fairness, with intervals.
#[derive(Parser)]
#[command(name = "transfer-report", version)]
struct Args {
    /// Where the runs are: `*.json`, each one run or a list of runs
    #[arg(long, value_name = "DIR")]
    runs: PathBuf,

    /// Where the report is written, as a page, JSON, text, Markdown and LaTeX [default: `report` in the
    /// folder of the runs]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// What is known of the languages: a head, then tab-separated rows; column `language`, column
    /// `name` for its name in its own words, other columns to group by [default: script, family and
    /// class of resources from the built-in table]
    #[arg(long, value_name = "FILE.tsv")]
    groups: Option<PathBuf>,

    /// Speakers of each language: columns `language` and `speakers`, tab-separated
    #[arg(long, value_name = "FILE.tsv", requires = "demand_source")]
    demand: Option<PathBuf>,

    /// Where the figures of `--demand` come from, with their year
    #[arg(long, value_name = "TEXT", requires = "demand")]
    demand_source: Option<String>,

    /// Language from which systems that have several sources are compared; more than once for a
    /// source of several languages [default: that with the most results, and of such English]
    #[arg(long, value_name = "TAG")]
    source: Vec<LanguageTag>,

    /// The title of the report
    #[arg(long, default_value = "Transfer between languages")]
    title: String,

    /// The share that intervals cover
    #[arg(long, default_value_t = 0.95)]
    level: f64,

    /// What chance, or always the same answer, scores
    #[arg(long)]
    baseline: Option<f64>,

    /// The greatest possible score, 1 or 100
    #[arg(long, default_value_t = 1.0)]
    maximum: f64,

    /// Leaves intervals out, where runs have no second seed
    #[arg(long)]
    without_intervals: bool,
}

fn main() -> ExitCode {
    exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Outcome<()> {
    let runs = read_runs(&args.runs)?;
    let mut config =
        TransferReportConfig::new(&args.title).with_level(args.level).with_maximum(args.maximum);
    if let Some(baseline) = args.baseline {
        config = config.with_baseline(baseline);
    }
    if !args.source.is_empty() {
        config = config.with_source(args.source.iter().cloned());
    }
    if args.without_intervals {
        config = config.without_intervals();
    }
    if let Some(groups) = &args.groups {
        config = config.with_groups_tsv(&read(groups)?)?;
    }
    if let (Some(demand), Some(source)) = (&args.demand, &args.demand_source) {
        config = config.with_demand(Demand::from_tsv(source, &read(demand)?)?);
    }
    let report = transfer_report(&runs, &config)?;
    println!("{}", report.to_text()?);
    let out = args.out.clone().unwrap_or_else(|| args.runs.join("report"));
    print_written(&report.write_all_forms(&out)?);
    Ok(())
}

fn read(path: &Path) -> Outcome<String> {
    Ok(std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?)
}
