//! Reads a published test set, scores predictions on it, and says what is wrong with it.
//!
//! `cargo run --release --example benchmark -- --name sib-200 --data DIR --language yo --predictions FILE`
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

mod export;
mod output;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use isogloss::core::{LanguageTag, Progress as _, ProgressEvent, Seed, write_file_atomically};
use isogloss::evaluation::{
    Benchmark, BenchmarkScore, BootstrapConfig, Predictions, Split, TestSet,
};
use isogloss_examples::{Bars, Outcome, exit_code, print_written};

/// Reads a published test set, scores predictions on it, and says what is wrong with it.
///
/// The test set is read from where you unpacked what its publisher offers: nothing is fetched. Beside each score stand its
/// interval, the licence, the paper to cite, and what is known to be wrong with the set or was counted in its files.
///
/// Predictions are a file of one prediction a line (tags: WORD TAB TAG; trees: CoNLL-U; answers: a JSON object by ids;
/// Tatoeba: the line of the translation that was found, from 0), or a table with a column `predicted`, such as
/// `finetune` writes.
#[derive(Parser)]
#[command(name = "benchmark", version)]
struct Args {
    /// afri-senti, belebele, flores, masakhaner, masakhaner-2, mlqa, paws-x, sib-200, tatoeba, tydiqa-goldp, ud,
    /// wikiann, xnli or xquad
    #[arg(long)]
    name: Benchmark,

    /// The directory that its archive or repository was unpacked to
    #[arg(long, value_name = "DIR")]
    data: PathBuf,

    /// The publisher's code of a language, or any tag of it; more than once. Two for flores and mlqa, as
    /// fra_Latn-yor_Latn [default: all that are there]
    #[arg(long, value_name = "CODE")]
    language: Vec<String>,

    /// train, dev or test
    #[arg(long, default_value = "test")]
    split: Split,

    /// What a model says: a file; for several languages a directory, in which a file's name begins with the
    /// publisher's code and a point
    #[arg(long, value_name = "PATH")]
    predictions: Option<PathBuf>,

    /// Write the rows for `finetune`, with the terms they come under: CODE.SPLIT.tsv
    #[arg(long, value_name = "DIR")]
    export: Option<PathBuf>,

    /// Write each first score as a run for `transfer-report`
    #[arg(long, value_name = "DIR", requires_all = ["predictions", "model", "source"])]
    runs: Option<PathBuf>,

    /// What the model of the predictions is called
    #[arg(long)]
    model: Option<String>,

    /// The language that the model was trained on
    #[arg(long, value_name = "TAG")]
    source: Option<LanguageTag>,

    /// The seed of resamples, and of the run
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Print scores as JSON with all digits, and nothing else
    #[arg(long, requires = "predictions")]
    json: bool,
}

fn main() -> ExitCode {
    exit_code(run(&Args::parse()))
}

/// What the bar is called.
const TASK: &str = "reading";

fn run(args: &Args) -> Outcome<()> {
    let languages = if args.language.is_empty() {
        args.name.languages(&args.data, args.split)?
    } else {
        args.language.clone()
    };
    if languages.is_empty() {
        // Says which files there could be.
        args.name.read(&args.data, "en", args.split)?;
    }
    let bars = Bars::default();
    let stage = bars.stage(args.name.card().name);
    let total = Some(languages.len() as u64);
    stage.report(ProgressEvent::Started { task: TASK, total, unit: "languages" });
    let (mut sets, mut scores) = (Vec::new(), Vec::new());
    for (done, language) in (1..).zip(&languages) {
        let mut set = args.name.read(&args.data, language, args.split)?;
        if args.split != Split::Train {
            // A benchmark without a training set has none to compare with.
            if let Ok(train) = args.name.read(&args.data, &set.code, Split::Train) {
                set.warn_of_training(&train);
            }
        }
        if let Some(predictions) = &args.predictions {
            scores.push(score(&set, predictions, args.seed)?);
        }
        sets.push(set);
        stage.report(ProgressEvent::Advanced { task: TASK, done, note: language });
    }
    stage.report(ProgressEvent::Finished { task: TASK });
    if args.json {
        println!("{}", serde_json::to_string_pretty(&scores)?);
    } else {
        println!("{}", output::report(args.name, &sets, &scores).to_text()?.trim_end());
    }
    let mut written = Vec::new();
    if let Some(dir) = &args.export {
        for set in &sets {
            written.extend(export::write(set, dir)?);
        }
    }
    if let (Some(dir), Some(model), Some(source)) = (&args.runs, &args.model, &args.source) {
        for score in &scores {
            written.push(write_run(score, dir, [model, source.as_str()], args.seed)?);
        }
    }
    if !written.is_empty() && !args.json {
        print_written(&written);
    }
    Ok(())
}

fn score(set: &TestSet, predictions: &Path, seed: u64) -> Outcome<BenchmarkScore> {
    let file = if predictions.is_dir() {
        let begin = format!("{}.", set.code);
        let mut files = Vec::new();
        for entry in std::fs::read_dir(predictions)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(&begin) {
                files.push(entry.path());
            }
        }
        let [file] = &files[..] else {
            let (count, dir) = (files.len(), predictions.display());
            return Err(format!("{dir}: {count} files begin with `{begin}`, expected one").into());
        };
        file.clone()
    } else {
        predictions.to_owned()
    };
    Ok(set.score(&Predictions::read(&file, set)?, &BootstrapConfig::new(Seed::new(seed)))?)
}

fn write_run(
    score: &BenchmarkScore,
    dir: &Path,
    [model, source]: [&str; 2],
    seed: u64,
) -> Outcome<PathBuf> {
    let run = score.run(model, source.parse()?, seed).ok_or("a score without a metric")?;
    let path = dir.join(format!("{}.{}.{seed}.json", score.benchmark, score.code));
    let content = serde_json::to_vec_pretty(&run)?;
    write_file_atomically(&path, |file| file.write_all(&content))?;
    Ok(path)
}
