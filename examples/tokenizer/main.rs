//! Trains a shared vocabulary, adds a language to one, or encodes text with one.
//!
//! ```sh
//! cargo run --release --example tokenizer -- --corpus MANIFEST --algorithm unigram --vocab-size 8000 --alpha 0.3 --out DIR
//! cargo run --release --example tokenizer -- --corpus MANIFEST --extend DIR --language xyz --out DIR
//! cargo run --release --example tokenizer -- --model DIR --encode TEXT --ids OUT
//! ```
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

mod encoding;
mod extension;
mod page;
mod texts;
mod training;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args as ClapArgs, Parser};
use isogloss::core::LanguageTag;
use isogloss::tokenization::FairnessGate;
use isogloss_examples::{Outcome, exit_code};

use crate::training::TrainingArgs;

/// Trains a shared vocabulary on the texts of a corpus, adds a language to one, or encodes text with
/// one.
#[derive(Parser)]
#[command(name = "tokenizer", version)]
struct Args {
    /// The manifest of a corpus. The quickstart writes one: out/quickstart/corpora/pretraining/manifest.toml
    #[arg(long, value_name = "MANIFEST", required_unless_present = "model")]
    corpus: Option<PathBuf>,

    #[command(flatten)]
    training: TrainingArgs,

    /// The vocabulary to which a language is added: a directory, or a tokenizer.json
    #[arg(
        long,
        value_name = "DIR",
        requires = "language",
        conflicts_with_all = ["TrainingArgs", "WeightingArgs"],
    )]
    extend: Option<PathBuf>,

    /// The language to add, whose texts the corpus has
    #[arg(long, requires = "extend")]
    language: Option<LanguageTag>,

    /// How many tokens to add, at most
    #[arg(long, default_value_t = 1_000, requires = "extend")]
    tokens: usize,

    #[command(flatten)]
    measures: MeasureArgs,

    /// The vocabulary to encode with: a directory, a tokenizer.json, or a .model of SentencePiece
    #[arg(
        long,
        value_name = "DIR|FILE",
        requires_all = ["encode", "ids"],
        conflicts_with_all = ["corpus", "extend", "TrainingArgs", "WeightingArgs", "MeasureArgs", "out"],
    )]
    model: Option<PathBuf>,

    /// The text to encode: a file of UTF-8, in which LF and nothing else ends a line
    #[arg(long, value_name = "TEXT", requires = "model")]
    encode: Option<PathBuf>,

    /// Where the ids are written, a line for each line
    #[arg(long, value_name = "OUT", requires = "model")]
    ids: Option<PathBuf>,

    /// Put the special tokens around each line that a model of this vocabulary expects
    #[arg(long, requires = "model")]
    special: bool,

    /// Where the vocabulary and its report are written
    #[arg(long, default_value = "out/tokenizer")]
    out: PathBuf,
}

/// What is measured, and what must come of it.
#[derive(ClapArgs)]
struct MeasureArgs {
    /// The language to which others are compared, in the bitexts of the corpus
    #[arg(long, default_value = "en")]
    reference: LanguageTag,

    /// Write no vocabulary that takes more tokens for the same content than so many times those of
    /// the reference, in any language
    #[arg(long)]
    max_premium: Option<f64>,

    /// Write no vocabulary of which a larger share of tokens is unknown, in any language
    #[arg(long)]
    max_unknown: Option<f64>,

    /// Refuse text whose terms are not stated
    #[arg(long)]
    require_terms: bool,
}

impl MeasureArgs {
    fn gate(&self) -> FairnessGate {
        let (max_premium, max_unknown) = (self.max_premium, self.max_unknown);
        FairnessGate { max_premium, max_unknown, ..FairnessGate::default() }
    }
}

fn main() -> ExitCode {
    exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Outcome<()> {
    match args {
        Args { model: Some(model), encode: Some(text), ids: Some(ids), .. } => {
            encoding::encode(model, text, ids, args.special)
        }
        Args { corpus: Some(corpus), extend: Some(dir), language: Some(language), .. } => {
            extension::extend(corpus, (dir, language, args.tokens), &args.measures, &args.out)
        }
        Args { corpus: Some(corpus), .. } => {
            training::train(corpus, &args.training, &args.measures, &args.out)
        }
        // Clap asked for what is missing.
        _ => Err("nothing to do: --help says what there is".into()),
    }
}
