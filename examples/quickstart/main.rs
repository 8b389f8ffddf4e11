//! From raw text in many languages to a vocabulary, a pre-trained encoder, a model adapted to a
//! low-resource language it had never seen, and a report of what each step bought.
//!
//! `cargo run --release --example quickstart`
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

mod adaptation;
mod artefacts;
mod corpora;
mod data;
mod measures;
mod memory;
mod pretraining;
mod report;
mod summary;
#[cfg(test)]
mod tests;
mod vocabulary;

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use isogloss::core::Seed;
use isogloss::corpus::Split;
use isogloss::evaluation::{Block, Report};
use isogloss_examples::{Bars, Outcome, exit_code};

use crate::adaptation::{Adaptation, Adapted, Method};
use crate::corpora::{Corpora, tag};
use crate::data::HELD_OUT;
use crate::measures::{ByLanguage, Measures};
use crate::pretraining::{Budget, Data, Pretrained, Regime, Setting, Shape};
use crate::report::Findings;
use crate::summary::{Estimates, Groups};

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
    /// The seed of every random choice: with one seed, one machine gives one report
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// The device: flex, or what else was compiled in (wgpu, vulkan:0, cuda), or auto
    #[arg(long, default_value = "flex")]
    device: String,

    /// How much to compute, in minutes of an ordinary machine with two cores; the number of steps
    /// follows from it, and nothing from the clock
    #[arg(long, default_value_t = 8.0)]
    minutes: f64,

    /// Where the corpora, models, adapters and the report are written
    #[arg(long, default_value = "out/quickstart")]
    out: PathBuf,

    /// The symbols to measure on; whoever changes a setting looks at dev alone
    #[arg(long, value_enum, default_value_t = HeldOut::Test)]
    split: HeldOut,

    /// Refuse text whose terms are not stated
    #[arg(long)]
    require_terms: bool,
}

/// A split that is not learned from.
#[derive(Clone, Copy, ValueEnum)]
enum HeldOut {
    Dev,
    Test,
}

impl From<HeldOut> for Split {
    fn from(split: HeldOut) -> Self {
        match split {
            HeldOut::Dev => Self::Dev,
            HeldOut::Test => Self::Test,
        }
    }
}

fn main() -> ExitCode {
    exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Outcome<()> {
    if !(args.minutes.is_finite() && args.minutes > 0.0) {
        return Err(format!("--minutes is {}, expected a number above 0", args.minutes).into());
    }
    let start = Instant::now();
    let seed = Seed::new(args.seed);
    let device = isogloss::device(&args.device)?;
    let bars = Bars::default();

    println!("1  Corpora, under their terms");
    let corpora = Corpora::build(&args.out.join("corpora"), args.split.into(), args.require_terms)?;
    println!("{}", corpora.card().to_text());

    println!("2  A shared vocabulary, trained twice");
    let vocabularies = vocabulary::train_both(&corpora, seed, &bars)?;
    let vocabulary = &vocabularies.balanced.tokenizer;
    let vocabulary_file = args.out.join("tokenizer.json");
    vocabulary.save(&vocabulary_file)?;
    println!("{}", vocabularies.table().to_text());
    println!(
        "   In low-resource languages balancing saves {:.3} tokens a word (95 % interval).\n",
        vocabularies.gain.difference,
    );

    println!("3  Pre-training, three ways on one budget, and what each model can do");
    let shape = Shape::of(vocabulary)?;
    let measures = Measures::new(&corpora, &corpora.held, vocabulary, &shape, &device)?;
    let data = Data::encode(&corpora, vocabulary)?;
    let setting = Setting {
        corpora: &corpora,
        vocabulary,
        shape: &shape,
        budget: Budget::for_minutes(args.minutes),
        seed,
        device: &device,
        out: &args.out,
    };
    let models = pretrain_all(setting, &data, &measures, &bars)?;

    println!("4  A language that pre-training never saw");
    let base = &models.iter().find(|(run, _)| run.regime == Regime::MlmTlm).ok_or("no base")?.0;
    let adapted = adapt_all(&Adaptation::new(setting, base)?, &measures, &bars)?;

    println!("5  Files, read back");
    let texts: Vec<String> = corpora.held.texts.values().flatten().cloned().collect();
    let mut reloaded = vec![artefacts::vocabulary(vocabulary_file, vocabulary, &texts)?];
    for (run, _) in &models {
        reloaded.push(artefacts::model(run, &measures, &device)?);
    }
    for adapted in &adapted {
        reloaded.extend(artefacts::adapted(adapted, base, &measures, &device)?);
    }
    println!("   {} artefacts give the same outputs as before they were saved", reloaded.len());

    println!("6  The report");
    let findings = Findings {
        corpora: &corpora,
        groups: &Groups::of(&corpora),
        vocabularies: &vocabularies,
        models: &models,
        adapted: &adapted,
        reloaded: &reloaded,
        estimates: Estimates::new(seed),
        out: &args.out,
        seed: args.seed,
        minutes: args.minutes,
        device: &args.device,
        split: if matches!(args.split, HeldOut::Dev) { "dev" } else { "test" },
        seconds: start.elapsed().as_secs_f64(),
        mebibytes: memory::peak_of_run(),
    };
    let report = findings.report()?;
    print_tables(&report);
    let written = report.write(&args.out)?;
    println!("Written to {}:", args.out.display());
    for path in written.iter().chain(reloaded.iter().map(|reloaded| &reloaded.path)) {
        println!("   {}", path.display());
    }
    println!("{:.0} s, at most {:.0} MiB.", findings.seconds, findings.mebibytes);
    Ok(())
}

/// Trains and measures the models at the same time: each keeps about one core busy.
fn pretrain_all(
    setting: Setting<'_>,
    data: &Data,
    measures: &Measures<'_>,
    bars: &Bars,
) -> Outcome<Vec<(Pretrained, ByLanguage)>> {
    let each = |regime: Regime| -> Outcome<(Pretrained, ByLanguage)> {
        let stage = bars.stage(regime.name());
        let run = pretraining::pretrain(regime, data, setting, &stage)?;
        let mut scores = measures.language_model(&run.model, &measures.languages(), &stage)?;
        let encoder = run.model.clone().into_encoder();
        let steps = setting.budget.classifier;
        measures.topics(encoder, steps, setting.seed, &stage, &mut scores)?;
        Ok((run, scores))
    };
    thread::scope(|scope| {
        let runs = Regime::ALL.map(|regime| scope.spawn(move || each(regime)));
        runs.into_iter().map(join).collect()
    })
}

/// Adapts in one way after another, for the seconds and memory of each, and measures all together.
fn adapt_all(
    adaptation: &Adaptation<'_>,
    measures: &Measures<'_>,
    bars: &Bars,
) -> Outcome<Vec<Adapted>> {
    let mut adapted = Vec::new();
    for method in Method::ALL {
        adapted.push(adaptation.run(method, &bars.stage(method.name()))?);
    }
    let measure = |adapted: &Adapted| {
        let stage = bars.stage(adapted.method.name());
        measures.language_model(&adapted.model, &[tag(HELD_OUT)], &stage)
    };
    let scores: Outcome<Vec<ByLanguage>> = thread::scope(|scope| {
        let threads: Vec<_> =
            adapted.iter().map(|adapted| scope.spawn(|| measure(adapted))).collect();
        threads.into_iter().map(join).collect()
    });
    for (adapted, scores) in adapted.iter_mut().zip(scores?) {
        adapted.scores = scores;
    }
    Ok(adapted)
}

/// What a thread returned; its panic, if it did not return, goes on in this one.
fn join<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The tables that fit on a terminal and have not been printed yet.
fn print_tables(report: &Report) {
    for section in &report.sections {
        for block in &section.blocks {
            match block {
                Block::Table(table) if table.rows.len() <= 20 => println!("{}", table.to_text()),
                Block::Warning(warning) => println!("   warning: {warning}"),
                _ => {}
            }
        }
    }
}
