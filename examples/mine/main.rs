//! Finds translations among the lines of two files.
//!
//! `cargo run --release --example mine -- --source A --target B --model DIR --out bitext.tsv`
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

mod agreement;
mod lines;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use isogloss::core::{Progress, Seed, write_file_atomically};
#[cfg(feature = "hnsw")]
use isogloss::mining::HnswConfig;
use isogloss::mining::{
    EmbeddingMatrix, IvfConfig, Margin, MinedPair, MiningConfig, MutualNeighbours, Strategy,
    mutual_neighbours,
};
use isogloss::sentence::{EncodeConfig, SentenceModel};
use isogloss_examples::{Bars, EncoderArgs, Outcome, exit_code, print_written};
use serde_json::json;

use crate::agreement::Agreement;
use crate::lines::Lines;

/// Finds translations among the lines of two files.
///
/// Writes the score, the numbers of both lines and both texts, the best pair first, and beside it what it
/// was made with, as JSON. A line that stands several times is one sentence, under its first number;
/// empty lines are none.
#[derive(Parser)]
#[command(name = "mine", version)]
struct Args {
    #[command(flatten)]
    encoder: EncoderArgs,

    /// A sentence on each line
    #[arg(long)]
    source: PathBuf,

    /// A sentence of the other language on each line
    #[arg(long)]
    target: PathBuf,

    /// How a pair is scored against the neighbours of both
    #[arg(long, value_enum, default_value_t = MarginArg::Ratio)]
    margin: MarginArg,

    /// Which pairs are taken
    #[arg(long, value_enum, default_value_t = StrategyArg::Max)]
    strategy: StrategyArg,

    /// How many neighbours are candidates
    #[arg(long, default_value_t = 4)]
    k: usize,

    /// The least score of a pair [default: none]
    #[arg(long)]
    threshold: Option<f64>,

    /// How neighbours are looked for
    #[arg(long, value_enum, default_value_t = SearchArg::Exact)]
    search: SearchArg,

    /// From which the lists are drawn
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Line i of one file translates line i of the other: say how many were found
    #[arg(long)]
    aligned: bool,

    /// Where the pairs are written, as tab-separated values
    #[arg(long)]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum MarginArg {
    /// Cosine over the mean cosine of the neighbours
    Ratio,
    /// Cosine less the mean cosine of the neighbours
    Distance,
    /// Cosine
    Absolute,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SearchArg {
    /// All sentences are compared with all
    Exact,
    /// With those in lists of near vectors, for millions of sentences; not every neighbour is found
    Lists,
    /// Along the links of a graph (HNSW); not every neighbour is found
    #[cfg(feature = "hnsw")]
    Graph,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum StrategyArg {
    /// For each source its best target
    Forward,
    /// For each target its best source
    Backward,
    /// Pairs that are best for both
    Intersection,
    /// Pairs that are best for either, each sentence once
    Max,
}

fn main() -> ExitCode {
    exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Outcome<()> {
    let (model, described) = args.encoder.open()?;
    println!("{described}");
    let config = args.encoder.config(model.as_ref())?;
    let (source, target) = (Lines::read(&args.source)?, Lines::read(&args.target)?);
    if args.aligned && source.all() != target.all() {
        let (source, target) = (source.all(), target.all());
        return Err(format!("--aligned: {source} and {target} lines, expected as many").into());
    }
    let bars = Bars::default();
    let src = vectors(&source, model.as_ref(), &config, &bars.stage("source"))?;
    let tgt = vectors(&target, model.as_ref(), &config, &bars.stage("target"))?;
    let mut mining = MiningConfig::new()
        .with_k(args.k)
        .with_margin(match args.margin {
            MarginArg::Ratio => Margin::Ratio,
            MarginArg::Distance => Margin::Distance,
            MarginArg::Absolute => Margin::Absolute,
        })
        .with_strategy(match args.strategy {
            StrategyArg::Forward => Strategy::Forward,
            StrategyArg::Backward => Strategy::Backward,
            StrategyArg::Intersection => Strategy::Intersection,
            StrategyArg::Max => Strategy::Max,
        });
    if let Some(threshold) = args.threshold {
        mining = mining.with_threshold(threshold);
    }
    let pairs = mining.select(&neighbours(args, &src, &tgt, &bars.stage("mining"))?)?;
    println!("{} pairs of {} and {} sentences", pairs.len(), source.len(), target.len());
    if let (Some(best), Some(last)) = (pairs.first(), pairs.last()) {
        println!("scores from {:.4} down to {:.4}", best.score, last.score);
    }
    let agreement = if args.aligned {
        let agreement = Agreement::of(&pairs, [&source, &target], [&src, &tgt], &mining)?;
        println!("{agreement}");
        Some(agreement)
    } else {
        None
    };
    write_pairs(args, &pairs, &source, &target)?;
    let note = args.out.with_added_extension("json");
    let content = json!({
        "model": described,
        "source": { "file": args.source, "lines": source.all(), "sentences": source.len() },
        "target": { "file": args.target, "lines": target.all(), "sentences": target.len() },
        "mining": mining,
        "search": args.search.to_possible_value().map(|value| value.get_name().to_owned()),
        "pairs": pairs.len(),
        "agreement": agreement,
    });
    write_file_atomically(&note, |file| writeln!(file, "{content:#}"))?;
    print_written(&[args.out.clone(), note]);
    Ok(())
}

fn vectors(
    lines: &Lines,
    model: &dyn SentenceModel,
    config: &EncodeConfig,
    progress: &dyn Progress,
) -> Outcome<EmbeddingMatrix> {
    let found = model.encode(&lines.texts(), config, progress)?;
    if let Some(&first) = found.long_texts.first() {
        println!(
            "{}: {} sentences have more than the {} tokens that are read at once, line {} the first",
            lines.path().display(),
            found.long_texts.len(),
            model.max_tokens().unwrap_or_default(),
            lines.number(first)
        );
    }
    Ok(EmbeddingMatrix::try_new(found.dim, found.values)?)
}

fn neighbours(
    args: &Args,
    src: &EmbeddingMatrix,
    tgt: &EmbeddingMatrix,
    progress: &dyn Progress,
) -> Outcome<MutualNeighbours> {
    Ok(match args.search {
        SearchArg::Exact => mutual_neighbours(src, tgt, args.k, progress)?,
        SearchArg::Lists => {
            IvfConfig::new(Seed::new(args.seed)).mutual_neighbours(src, tgt, args.k, progress)?
        }
        #[cfg(feature = "hnsw")]
        SearchArg::Graph => HnswConfig::new().mutual_neighbours(src, tgt, args.k, progress)?,
    })
}

fn write_pairs(args: &Args, pairs: &[MinedPair], source: &Lines, target: &Lines) -> Outcome<()> {
    Ok(write_file_atomically(&args.out, |file| {
        writeln!(file, "score\tsource_line\ttarget_line\tsource\ttarget")?;
        for pair in pairs {
            let [(source_line, source), (target_line, target)] =
                [(source, pair.src), (target, pair.tgt)]
                    .map(|(lines, row)| (lines.number(row), lines.text(row).replace('\t', " ")));
            writeln!(file, "{:.6}\t{source_line}\t{target_line}\t{source}\t{target}", pair.score)?;
        }
        Ok(())
    })?)
}
