//! Pre-trains an encoder on texts and translations in many languages, from scratch or from where another left off.
//!
//! `cargo run --release --example pretrain -- --manifest corpus.toml --objective mlm,tlm --tokenizer DIR --config small
//! --steps 10000 --out DIR`
//!
//! A run that was killed goes on with `--resume`; `--plan` says what one would cost.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use isogloss::training::Decay;
use isogloss_examples::{NumbersArgs, Outcome, WeightingArgs, exit_code, whole_number};
use mimalloc::MiMalloc;

mod cost;
mod data;
mod model;
mod objectives;
mod training;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Pre-trains an encoder on texts and translations in many languages.
///
/// Writes OUT/model, which transformers opens, too, with OUT/model/provenance.toml; OUT/metrics.jsonl, a line for
/// each update while the run goes on; OUT/report.html, losses as a plot; and checkpoints, from which --resume goes on.
#[derive(Parser)]
#[command(name = "pretrain", version)]
#[expect(clippy::struct_excessive_bools, reason = "each is a word of the command line")]
pub(crate) struct Args {
    /// What the corpus consists of
    #[arg(long)]
    pub(crate) manifest: PathBuf,

    /// What is learned, of mlm, tlm, ranking, each with a weight where they are not to have equal steps: mlm=1,tlm=3
    #[arg(long, value_delimiter = ',', default_value = "mlm")]
    pub(crate) objective: Vec<String>,

    #[command(flatten)]
    pub(crate) weighting: WeightingArgs,

    /// A tokenizer's directory or file
    #[arg(long)]
    pub(crate) tokenizer: PathBuf,

    /// The shape of a fresh model: small, base, or a file with one as JSON, such as a config.json of transformers
    /// [default: small]
    #[arg(long, conflicts_with = "init")]
    pub(crate) config: Option<String>,

    /// A directory of transformers to go on from
    #[arg(long)]
    pub(crate) init: Option<PathBuf>,

    /// Updates
    #[arg(long, value_parser = whole_number, required_unless_present = "tokens")]
    pub(crate) steps: Option<u64>,

    /// Tokens to be seen, in the place of updates: 1e9
    #[arg(long, value_parser = whole_number, conflicts_with = "steps")]
    pub(crate) tokens: Option<u64>,

    /// Where everything is written
    #[arg(long)]
    pub(crate) out: PathBuf,

    /// Go on from the newest checkpoint under OUT
    #[arg(long)]
    pub(crate) resume: bool,

    #[command(flatten)]
    pub(crate) numbers: NumbersArgs,

    /// Say what the run would cost, and end
    #[arg(long)]
    pub(crate) plan: bool,

    /// What is hidden as a whole
    #[arg(long, value_enum, default_value_t = MaskingArg::Token)]
    pub(crate) masking: MaskingArg,

    /// The share of tokens that are predicted
    #[arg(long, default_value_t = 0.15)]
    pub(crate) mask_rate: f64,

    /// Tokens of a text at most; longer ones are split, longer pairs left out
    #[arg(long, default_value_t = 126)]
    pub(crate) max_length: usize,

    /// Tokens of a batch at most, padding included
    #[arg(long, default_value_t = 2_048)]
    pub(crate) batch_tokens: usize,

    /// Pack sequences into rows, in the place of batches of like lengths: nothing is padded
    #[arg(long)]
    pub(crate) packing: bool,

    /// Compute activations of layers again in the place of keeping them: less memory, a third more time
    #[arg(long)]
    pub(crate) recompute: bool,

    /// Where texts are kept as ids, so that they are encoded once [default: OUT/ids]
    #[arg(long)]
    pub(crate) cache: Option<PathBuf>,

    /// Batches that make one update [default: one for each device]
    #[arg(long)]
    pub(crate) accumulation: Option<usize>,

    /// The highest learning rate
    #[arg(long, default_value_t = 5e-4)]
    pub(crate) learning_rate: f64,

    /// The share of updates in which the rate rises
    #[arg(long, default_value_t = 0.06)]
    pub(crate) warmup: f64,

    /// How the rate falls after that
    #[arg(long, value_enum, default_value_t = DecayArg::Linear)]
    pub(crate) decay: DecayArg,

    /// The weight decay of matrices and embeddings
    #[arg(long, default_value_t = 0.01)]
    pub(crate) weight_decay: f32,

    /// By what the rate is multiplied from layer to layer downwards, such as 0.9
    #[arg(long)]
    pub(crate) layer_decay: Option<f64>,

    /// Keep a moving average of the parameters, of which so much stays at each update, such as 0.999; the model that is
    /// written, and held-out losses, are of it
    #[arg(long, value_name = "DECAY")]
    pub(crate) averaging: Option<f64>,

    /// Dropout of a fresh model
    #[arg(long, default_value_t = 0.1)]
    pub(crate) dropout: f64,

    /// The licence of the model, an SPDX expression, for its card
    #[arg(long, default_value = "unstated")]
    pub(crate) licence: String,

    /// Updates between checkpoints
    #[arg(long, default_value_t = 500)]
    pub(crate) checkpoint_every: u64,

    /// Updates between looks at held-out texts
    #[arg(long, default_value_t = 500)]
    pub(crate) validate_every: u64,

    /// Looks at held-out texts without a new least loss after which the run ends
    #[arg(long)]
    pub(crate) patience: Option<u64>,

    /// Use texts whose terms nobody stated
    #[arg(long)]
    pub(crate) allow_unstated_terms: bool,

    /// What the machine draws, for the plan [default: 65, on a graphics processor 300]
    #[arg(long)]
    pub(crate) watts: Option<f64>,

    /// What a kilowatt-hour makes of CO2e, in grams, for the plan; 480 is the mean of the world in
    /// 2023 by Ember's Global Electricity Review 2024
    #[arg(long, default_value_t = 480.0)]
    pub(crate) grams_per_kwh: f64,

    /// The seed of all that is random
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,

    /// The device: auto, flex, …; with several, flex,remote:10.0.0.7:3000, each computes a share of the batches of an update,
    /// and the first makes the update
    #[arg(long, value_delimiter = ',', default_value = "auto")]
    pub(crate) device: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(crate) enum MaskingArg {
    /// Each token by itself
    Token,
    /// All tokens of a word
    Word,
    /// Several words
    Span,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum DecayArg {
    /// It stays
    Constant,
    /// Evenly, to 0
    Linear,
    /// As a cosine, to 0
    Cosine,
    /// As one over the root of the step
    InverseSqrt,
}

impl From<DecayArg> for Decay {
    fn from(decay: DecayArg) -> Self {
        match decay {
            DecayArg::Constant => Self::Constant,
            DecayArg::Linear => Self::Linear,
            DecayArg::Cosine => Self::Cosine,
            DecayArg::InverseSqrt => Self::InverseSqrt,
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
    for (name, value) in
        [("--batch-tokens", Some(args.batch_tokens)), ("--accumulation", args.accumulation)]
    {
        if value == Some(0) {
            return Err(format!("{name} 0: expected at least 1").into());
        }
    }
    training::run(args)
}
