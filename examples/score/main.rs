//! Scores outputs as papers report them: translations as sacrebleu does, tagged words as seqeval does.
//!
//! `cargo run --release --example score -- --metric bleu,chrf++,ter --hyp H --ref R --paired H2 --json`
//! `cargo run --release --example score -- --metric seqeval --gold G --pred P --json`
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

mod generation;
mod generation_args;
mod lines;
mod output;
mod tagging;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use isogloss_examples::{Outcome, exit_code};

use crate::generation_args::GenerationArgs;
use crate::tagging::TaggingArgs;

/// Scores outputs, with intervals and tests.
///
/// Translations (bleu, chrf, chrf+, chrf++, ter): a sentence on each line of every file. Scores, signatures, intervals
/// and p-values are those of sacrebleu 2.6.0 on the same files. Tagged words (seqeval): precision, recall and F1 are
/// those of seqeval 1.2.2.
#[derive(Parser)]
#[command(name = "score", version)]
struct Args {
    /// What is computed, separated by commas
    #[arg(long, value_delimiter = ',', required = true)]
    metric: Vec<MetricArg>,

    #[command(flatten)]
    generation: GenerationArgs,

    #[command(flatten)]
    tagging: TaggingArgs,

    /// Print JSON with all digits, and nothing else: a list of objects, or seqeval's report
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
    Seqeval,
}

fn main() -> ExitCode {
    exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Outcome<()> {
    let text = match args.metric.as_slice() {
        [MetricArg::Seqeval] => tagging::score(&args.tagging, args.generation.seed, args.json)?,
        metrics if metrics.contains(&MetricArg::Seqeval) => {
            return Err(
                "seqeval scores tagged words, the other metrics translations: ask for them apart"
                    .into(),
            );
        }
        metrics => generation::score(metrics, &args.generation, args.json)?,
    };
    println!("{}", text.trim_end());
    Ok(())
}
