//! Scores outputs as papers report them: translations as sacrebleu does, tagged words as seqeval does.
//!
//! `cargo run --release --example score -- --metric bleu,chrf++,ter --hyp H --ref R --paired H2 --json`
//! `cargo run --release --example score -- --metric seqeval --gold G --pred P --json`
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

mod generation;
mod generation_args;
mod lines;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use isogloss_examples::{Outcome, exit_code};

use crate::generation_args::GenerationArgs;

/// Scores outputs, with intervals and tests.
///
/// Translations: a sentence on each line of every file. Scores, signatures, intervals and p-values are those of
/// sacrebleu 2.6.0 on the same files.
#[derive(Parser)]
#[command(name = "score", version)]
struct Args {
    /// What is computed, separated by commas
    #[arg(long, value_delimiter = ',', required = true)]
    metric: Vec<MetricArg>,

    #[command(flatten)]
    generation: GenerationArgs,

    /// Print a JSON list of objects, with all digits, and nothing else
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum MetricArg {
    Bleu,
    Chrf,
    #[value(name = "chrf+")]
    ChrfPlus,
    #[value(name = "chrf++")]
    ChrfPlusPlus,
    Ter,
}

fn main() -> ExitCode {
    exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Outcome<()> {
    print!("{}", generation::score(&args.metric, &args.generation, args.json)?);
    Ok(())
}
