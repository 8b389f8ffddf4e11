//! Carries a task from one language to another as MAD-X does, beside full fine-tuning, LoRA and `BitFit`.
//!
//! `cargo run --release --example madx -- --model DIR --source en=EN.txt --target sw=SW.txt --train A.tsv --dev B.tsv
//! --test en=C.tsv --test sw=D.tsv --out DIR`
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

mod language;
mod report;
mod task;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use isogloss::core::Seed;
use isogloss_examples::{Bars, Outcome, exit_code, print_written, whole_number};

use crate::language::{Languages, Text};
use crate::task::{Method, Task};

/// Counts what the program holds, so that the report can say what each method needs.
#[global_allocator]
static ALLOCATOR: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;

/// Carries a task from one language to another as MAD-X does.
///
/// An adapter for each language learns from its text, one for the task from labels in the source language on top of
/// that language's; for another language its adapter takes the place of the source's. Beside it stand full
/// fine-tuning, LoRA and biases alone, which learn the task from the same labels: what each gives in every language,
/// and what each has forgotten of the text of all languages.
///
/// Writes OUT/adapters/LANGUAGE and OUT/adapters/task, which the `adapters` library opens, and OUT/report.html with
/// OUT/report.json.
#[derive(Parser)]
#[command(name = "madx", version)]
pub(crate) struct Args {
    /// A directory of transformers; without a head that predicts tokens it gets a fresh one, which the adapter of the
    /// source language brings along
    #[arg(long)]
    pub(crate) model: PathBuf,

    /// A tokenizer's directory or file [default: that of the model]
    #[arg(long)]
    pub(crate) tokenizer: Option<PathBuf>,

    /// The language of the labels, and a file with a text of it on each line: en=FILE
    #[arg(long)]
    pub(crate) source: String,

    /// A language to carry the task to, likewise; several times
    #[arg(long, required = true)]
    pub(crate) target: Vec<String>,

    /// A language without an adapter, to see what is forgotten of it; several times
    #[arg(long)]
    pub(crate) other: Vec<String>,

    /// Labelled texts to learn from, with columns `text` and `label`
    #[arg(long)]
    pub(crate) train: PathBuf,

    /// Labelled texts by which the best step is chosen
    #[arg(long)]
    pub(crate) dev: PathBuf,

    /// Labelled texts of a language: sw=FILE; several times
    #[arg(long, required = true)]
    pub(crate) test: Vec<String>,

    /// Where everything is written
    #[arg(long)]
    pub(crate) out: PathBuf,

    /// Updates of each language's adapter
    #[arg(long, value_parser = whole_number, default_value = "300")]
    pub(crate) language_steps: u64,

    /// Updates of each method for the task
    #[arg(long, value_parser = whole_number, default_value = "200")]
    pub(crate) task_steps: u64,

    /// The highest learning rate of adapters and biases
    #[arg(long, default_value_t = 1e-3)]
    pub(crate) learning_rate: f64,

    /// The highest learning rate of full fine-tuning
    #[arg(long, default_value_t = 1e-4)]
    pub(crate) full_learning_rate: f64,

    /// Tokens of a batch at most, padding included
    #[arg(long, default_value_t = 1_024)]
    pub(crate) batch_tokens: usize,

    /// Tokens of a text at most, special ones included
    #[arg(long, default_value_t = 64)]
    pub(crate) max_length: usize,

    /// The terms of the text of a language, as isogloss-governance keeps them: sw=FILE; several times. They are asked
    /// before the text is read, and go with its adapter
    #[arg(long, value_name = "LANGUAGE=FILE")]
    pub(crate) terms: Vec<String>,

    /// The licence of the texts, an SPDX expression, for the cards of the adapters
    #[arg(long, default_value = "unstated")]
    pub(crate) licence: String,

    /// The seed of all that is random
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,

    /// The device: auto, flex, …
    #[arg(long, default_value = "auto")]
    pub(crate) device: String,
}

fn main() -> ExitCode {
    exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Outcome<()> {
    let (bars, seed) = (Bars::default(), Seed::new(args.seed));
    fs::create_dir_all(&args.out).map_err(|error| format!("{}: {error}", args.out.display()))?;
    let languages = Languages::open(args, seed)?;
    let mut learned = Vec::new();
    for text in languages.adapted() {
        let found = languages.learn(text, &bars)?;
        println!(
            "{}: held-out loss {:.4} -> {:.4}, {} parameters, {:.1} s",
            text.name, found.before, found.after, found.parameters, found.seconds
        );
        learned.push(found);
    }
    let task = Task::read(args, &languages, seed)?;
    let mut results = Vec::new();
    for method in Method::ALL {
        let result = task.run(method, &bars)?;
        let scores = result.scores.iter().map(|(name, it)| format!("{name} {:.3}", it.value));
        println!("{:16} {}", method.name(), scores.collect::<Vec<_>>().join("  "));
        results.push(result);
    }
    let report = report::report(args, &languages, &learned, &results);
    println!("{}", report.to_text()?);
    let mut written: Vec<PathBuf> = learned.into_iter().map(|it| it.dir).collect();
    written.push(args.out.join("adapters/task"));
    written.extend(report.write(&args.out)?);
    print_written(&written);
    Ok(())
}

/// `NAME=FILE`
pub(crate) fn named(option: &str, text: &str) -> Outcome<(String, PathBuf)> {
    match text.split_once('=') {
        Some((name, path)) if !name.is_empty() => Ok((name.to_owned(), PathBuf::from(path))),
        _ => Err(format!("{option} {text}: expected LANGUAGE=FILE").into()),
    }
}

/// Runs `work`; with its result, the seconds that it took, and the most memory that it held beyond what was held when
/// it began, in MiB.
pub(crate) fn measured<T>(work: impl FnOnce() -> T) -> (T, f64, f64) {
    ALLOCATOR.reset_peak_usage();
    let before = f64::from(ALLOCATOR.current_usage_as_mb());
    let start = std::time::Instant::now();
    let result = work();
    let seconds = start.elapsed().as_secs_f64();
    (result, seconds, (f64::from(ALLOCATOR.peak_usage_as_mb()) - before).max(0.0))
}

impl Text {
    /// The share of a text that is held out of what is learned from, and a limit.
    pub(crate) const HELD_OUT: (usize, usize) = (10, 100);

    /// The most parts of held-out text, by which intervals are found.
    pub(crate) const PARTS: usize = 10;
}
