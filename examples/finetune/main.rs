//! Fine-tunes a pretrained encoder on labelled text, and says what it is worth in each language it is tested in.
//!
//! `cargo run --release --example finetune -- --task classification --model DIR --train A.tsv --dev B.tsv --test
//! yo=C.tsv --test ha=D.tsv --out DIR`
//!
//! Trained on one language and tested on others, this is zero-shot transfer; with a few rows of those in the
//! training file, few-shot.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use isogloss_examples::{NumbersArgs, Outcome, PeftArgs, QuantizedArgs, exit_code};
use mimalloc::MiMalloc;

mod classification;
mod output;
mod qa;
mod ranking;
mod regression;
mod rows;
mod session;
mod tagging;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Fine-tunes a pretrained encoder on labelled text.
///
/// Files have columns between tabs, named in the first line: `text` and `label`. For classification
/// and regression a column `pair` may hold a second text, such as the hypothesis beside a premise. For tagging, a label is as many
/// tags as the text has words, with spaces between; for ranking, it is the translation of the text; for qa, it is
/// the answer as it stands in the text, empty where there is none, and a third column is the `question`.
///
/// Writes OUT/metrics.json, OUT/NAME.predictions.tsv for each --test, OUT/model, which transformers opens too, and
/// OUT/metrics.jsonl, a line for each update while training goes on. With --peft, the adapter and the head are written
/// to OUT/adapter in the place of OUT/model, which peft opens, or, for bottlenecks, adapters; attention over adapters
/// without its head, which is in OUT/head.
#[derive(Parser)]
#[command(name = "finetune", version)]
#[expect(clippy::struct_excessive_bools, reason = "each is a word of the command line")]
pub(crate) struct Args {
    /// What the model is to do
    #[arg(long, value_enum)]
    pub(crate) task: TaskArg,

    /// A directory of transformers: XLM-R, BERT, DistilBERT, XLM and their kin
    #[arg(long)]
    pub(crate) model: PathBuf,

    /// A tokenizer's directory or file [default: that of the model]
    #[arg(long)]
    pub(crate) tokenizer: Option<PathBuf>,

    /// What is learned from
    #[arg(long)]
    pub(crate) train: PathBuf,

    /// What says which step was best
    #[arg(long)]
    pub(crate) dev: PathBuf,

    /// What the result is measured on: FILE or NAME=FILE, several times
    #[arg(long, required = true)]
    pub(crate) test: Vec<String>,

    /// Where everything is written
    #[arg(long)]
    pub(crate) out: PathBuf,

    /// Go on from the newest checkpoint under OUT, which are there until the model is
    #[arg(long)]
    pub(crate) resume: bool,

    #[command(flatten)]
    pub(crate) numbers: NumbersArgs,

    /// Updates between checkpoints [default: those between looks at the dev file]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) checkpoint_every: Option<u64>,

    /// How often all of the training file is seen
    #[arg(long, default_value_t = 3, conflicts_with = "steps", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) epochs: u64,

    /// Updates, in the place of epochs
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) steps: Option<u64>,

    /// The highest learning rate [default: 2e-5; with --peft more, by the method]
    #[arg(long)]
    pub(crate) learning_rate: Option<f64>,

    /// The share of steps in which the rate rises
    #[arg(long, default_value_t = 0.1)]
    pub(crate) warmup: f64,

    /// Tokens of a batch at most, padding included
    #[arg(long, default_value_t = 2_048)]
    pub(crate) batch_tokens: usize,

    /// Batches that make one update [default: one for each device]
    #[arg(long)]
    pub(crate) accumulation: Option<usize>,

    /// Tokens of a text at most, special ones included; all that are longer are counted and reported
    #[arg(long, default_value_t = 256)]
    pub(crate) max_length: usize,

    /// Updates between looks at the dev file [default: an epoch]
    #[arg(long)]
    pub(crate) validate_every: Option<u64>,

    /// Looks at the dev file without a new least loss after which training ends
    #[arg(long)]
    pub(crate) patience: Option<u64>,

    /// By what the rate is multiplied from each layer to the one below, such as 0.9
    #[arg(long)]
    pub(crate) layer_decay: Option<f64>,

    /// How many times as fast as the rest the matrix B of a LoRA learns: LoRA+, whose paper has 16
    #[arg(long, value_name = "TIMES")]
    pub(crate) lora_up: Option<f64>,

    /// Compute activations of layers again in the place of keeping them: less memory, a third more time
    #[arg(long)]
    pub(crate) recompute: bool,

    /// Updates after which one layer more learns, from the head down
    #[arg(long)]
    pub(crate) unfreeze_every: Option<u64>,

    /// Keep a moving average of the parameters, of which so much stays at each update, such as 0.99; the dev file chooses
    /// among its steps
    #[arg(long, value_name = "DECAY")]
    pub(crate) averaging: Option<f64>,

    #[command(flatten)]
    pub(crate) peft: PeftArgs,

    #[command(flatten)]
    pub(crate) quantized: QuantizedArgs,

    /// Write the model with the adapter merged as well, to OUT/model
    #[arg(long)]
    pub(crate) merge: bool,

    /// Weigh classes so that each counts as much as the others (classification, tagging)
    #[arg(long)]
    pub(crate) balanced: bool,

    /// The share of a label that is spread over all (classification, tagging)
    #[arg(long, default_value_t = 0.0)]
    pub(crate) label_smoothing: f64,

    /// The terms of the texts to learn from, as isogloss-governance keeps them: they are asked before, and go with what
    /// is written
    #[arg(long, value_name = "FILE")]
    pub(crate) terms: Option<PathBuf>,

    /// The licence of the model, an SPDX expression, for its card
    #[arg(long, default_value = "unstated")]
    pub(crate) licence: String,

    /// The seed of all that is random
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,

    /// The device: auto, flex, …; with several, flex,remote:10.0.0.7:3000, each computes a share of the batches of an update,
    /// and the first makes the update
    #[arg(long, value_delimiter = ',', default_value = "auto")]
    pub(crate) device: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(crate) enum TaskArg {
    /// One label for each text
    Classification,
    /// One label for each word
    Tagging,
    /// One number for each text
    Regression,
    /// Finding translations
    Ranking,
    /// Answers that stand in a text
    Qa,
}

impl TaskArg {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Classification => "classification",
            Self::Tagging => "tagging",
            Self::Regression => "regression",
            Self::Ranking => "ranking",
            Self::Qa => "qa",
        }
    }

    /// What `peft` calls it.
    pub(crate) fn of_peft(self) -> &'static str {
        match self {
            Self::Classification | Self::Regression => "SEQ_CLS",
            Self::Tagging => "TOKEN_CLS",
            Self::Ranking => "FEATURE_EXTRACTION",
            Self::Qa => "QUESTION_ANS",
        }
    }
}

impl Args {
    /// Batches that make one update.
    pub(crate) fn accumulation(&self) -> usize {
        self.accumulation.unwrap_or(self.device.len())
    }
}

fn main() -> ExitCode {
    isogloss_examples::keep_memory();
    exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Outcome<()> {
    if !(0.0..1.0).contains(&args.warmup) {
        return Err(format!("--warmup {}: expected at least 0 and less than 1", args.warmup).into());
    }
    if args.accumulation == Some(0) {
        return Err("--accumulation 0: expected at least 1".into());
    }
    if args.merge && !args.peft.is_asked_for() {
        return Err("--merge: expected --peft or --peft-config with it".into());
    }
    if let Some(option) = args.quantized.option() {
        // What is rounded takes no gradient, and is not saved.
        if !args.peft.is_asked_for() {
            return Err(format!("{option}: expected --peft or --peft-config with it").into());
        }
        if args.merge {
            return Err(format!("{option}: expected no --merge with it").into());
        }
    }
    let session = session::Session::open(args)?;
    match args.task {
        TaskArg::Classification => classification::run(&session),
        TaskArg::Tagging => tagging::run(&session),
        TaskArg::Regression => regression::run(&session),
        TaskArg::Ranking => ranking::run(&session),
        TaskArg::Qa => qa::run(&session),
    }
}
