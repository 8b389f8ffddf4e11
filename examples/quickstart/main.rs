//! From raw text in many languages to a vocabulary, a pre-trained encoder, a model adapted to a
//! low-resource language it had never seen, and a report of what each step bought.
//!
//! `cargo run --release --example quickstart`
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its reader")]

mod adaptation;
mod bars;
mod corpora;
mod data;
mod measures;
mod memory;
mod pretraining;
mod report;
mod vocabulary;

use std::error::Error;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use isogloss::core::Seed;

use crate::bars::Bars;
use crate::corpora::Corpora;
use crate::pretraining::Regime;

/// Counts what the program holds, so that the report can say what each method needs.
#[global_allocator]
static ALLOCATOR: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;

/// From raw text in many languages to an adapted model and an honest report, on one machine.
///
/// Real text that cargo itself brings: names of symbols in many languages, and sentences from the
/// web. Nothing is downloaded when it runs.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// The seed of every random choice: with one seed, one machine gives one report.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// The device: flex, or what else was compiled in (wgpu, vulkan:0, cuda), or auto.
    #[arg(long, default_value = "flex")]
    device: String,

    /// How much to compute, in minutes of an ordinary machine with two cores. The number of
    /// training steps follows from it, and nothing from the clock.
    #[arg(long, default_value_t = 8.0)]
    minutes: f64,

    /// Where the corpora, models, adapters and the report are written.
    #[arg(long, default_value = "out/quickstart")]
    out: PathBuf,

    /// Refuse text whose terms are not stated.
    #[arg(long)]
    require_terms: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    if !(args.minutes.is_finite() && args.minutes > 0.0) {
        return Err(format!("--minutes is {}, expected a number above 0", args.minutes).into());
    }
    let start = Instant::now();
    let seed = Seed::new(args.seed);
    let device = isogloss::device(&args.device)?;
    let bars = Bars::new();

    println!("1  Corpora, under their terms");
    let corpora = Corpora::build(&args.out.join("corpora"), args.require_terms, seed)?;
    println!("{}", corpora.card_text());

    println!("2  A shared vocabulary, trained twice");
    let vocabularies = vocabulary::train_both(&corpora, seed, &bars)?;
    println!("{}", vocabularies.text());

    println!("3  Pre-training, three ways on one budget");
    let budget = pretraining::Budget::for_minutes(args.minutes);
    let mut models = Vec::new();
    for regime in Regime::ALL {
        bars.stage(regime.name());
        let run =
            pretraining::pretrain(regime, &corpora, &vocabularies, budget, seed, &device, &args.out, &bars)?;
        println!("   {}: {} steps in {:.0} s", regime.name(), run.steps, run.seconds);
        models.push(run);
    }

    println!("4  What each model can do in each language");
    let mut measured = Vec::new();
    for run in &models {
        bars.stage(run.regime.name());
        let context = measures::Context::new(&corpora, &vocabularies, seed, &device);
        measured.push(context.measure_all(&run.model, &bars)?);
    }

    println!("5  A language that pre-training never saw");
    bars.stage("");
    let adapted = adaptation::adapt_all(
        &models,
        &measured,
        &corpora,
        &vocabularies,
        budget,
        seed,
        &device,
        &args.out,
        &bars,
    )?;

    println!("6  The report");
    let reloaded = report::check_artefacts(&args.out, &models, &adapted, &corpora, &vocabularies, &device)?;
    let seconds = start.elapsed().as_secs_f64();
    let written = report::write(
        &args.out,
        &report::Findings {
            corpora: &corpora,
            vocabularies: &vocabularies,
            models: &models,
            measured: &measured,
            adapted: &adapted,
            reloaded: &reloaded,
            seed: args.seed,
            minutes: args.minutes,
            device: &args.device,
            seconds,
        },
    )?;
    println!("{}", written.text);
    let mut list = String::new();
    for path in &written.files {
        writeln!(list, "   {}", path.display())?;
    }
    println!("Written:\n{list}Peak memory {:.0} MiB, {seconds:.0} s in all.", memory::peak_of_run());
    Ok(())
}
