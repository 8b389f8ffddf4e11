//! Shows what a multilingual encoder knows of languages, layer by layer.
//!
//! `cargo run --release --example inspect -- --model DIR --text eng=FILE --text yor=FILE --out DIR`
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

mod knowledge;
mod measures;
mod page;
mod parallel;
mod texts;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use isogloss::core::Seed;
use isogloss::evaluation::{BootstrapConfig, EmbeddingMatrix};
use isogloss::sentence::{EncodeConfig, SentenceEncoder};
use isogloss::transformer::PseudoLikelihood;
use isogloss_examples::{Bars, EncoderArgs, LanguageFile, Outcome, exit_code, print_written};

use crate::knowledge::Scorer;
use crate::measures::Measured;
use crate::page::Page;
use crate::texts::Aligned;

/// Shows what a multilingual encoder knows of languages, layer by layer.
///
/// Line i of every file says the same in another language. For each layer, 0 being the embeddings, the vectors of all
/// texts are compared: how alike languages are (CKA), whether the nearest neighbour of a text is its translation, and
/// whether vectors point everywhere or into a cone. The vector of a text is the mean over its tokens, unless --pooling
/// says otherwise. Writes OUT/report.html and OUT/report.json.
#[derive(Parser)]
#[command(name = "inspect", version)]
struct Args {
    #[command(flatten)]
    encoder: EncoderArgs,

    /// A language and its file, a text on each line; once for each language, the first is what others are compared to
    #[arg(long = "text", value_name = "LANGUAGE=FILE", required = true)]
    texts: Vec<LanguageFile>,

    /// The texts that are read of each file, from its beginning
    #[arg(long, default_value_t = 1_000, value_name = "TEXTS")]
    limit: usize,

    /// Let a masked language model score its own first TEXTS, which costs a pass for each token
    #[arg(long, value_name = "TEXTS", num_args = 0..=1, default_missing_value = "100")]
    pseudo_perplexity: Option<NonZeroUsize>,

    /// What is hidden while a token is scored
    #[arg(long, value_enum, default_value_t = MasksArg::WithinWord, requires = "pseudo_perplexity")]
    masks: MasksArg,

    /// From which texts are drawn again, or dealt into groups, for intervals
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Where the report is written
    #[arg(long, default_value = "out/inspect")]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum MasksArg {
    /// The token and all later tokens of its word (Kauf and Ivanova, 2023)
    WithinWord,
    /// The token alone (Salazar et al., 2020), by which words of many tokens are overrated
    Original,
}

impl From<MasksArg> for PseudoLikelihood {
    fn from(masks: MasksArg) -> Self {
        match masks {
            MasksArg::WithinWord => Self::WithinWord,
            MasksArg::Original => Self::Original,
        }
    }
}

fn main() -> ExitCode {
    exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Outcome<()> {
    let texts = Aligned::read(&args.texts, args.limit)?;
    println!("{texts}");
    let (encoder, described) = args.encoder.open_layers()?;
    println!("{described}");
    let (bars, start) = (Bars::default(), Instant::now());
    let config = args.encoder.config(&encoder)?;
    // A directory without a head is told before the work is done.
    let scorer = |_| {
        let (dir, masks) = (&args.encoder.model, args.masks.into());
        Scorer::open(&encoder, dir, config.language, masks)
    };
    let scorer = args.pseudo_perplexity.map(scorer).transpose()?;
    let layers = read_layers(&encoder, &config, &texts, &bars)?;
    let reading = start.elapsed();
    let seed = Seed::new(args.seed);
    let measured = Measured::of(&texts, &layers, seed, &bars)?;
    let knowledge = match scorer.zip(args.pseudo_perplexity) {
        Some((scorer, count)) => {
            Some(scorer.score(&texts, count.get(), &BootstrapConfig::new(seed), &bars)?)
        }
        None => None,
    };
    let page = Page { described: &described, texts: &texts, measured, knowledge, reading };
    println!("\n{}", page.summary().to_text()?.trim_end());
    let written = page.report().write(&args.out)?;
    println!("{:.1} s in all", start.elapsed().as_secs_f64());
    print_written(&written);
    Ok(())
}

/// The vectors of all layers, by language.
fn read_layers(
    encoder: &SentenceEncoder,
    config: &EncodeConfig,
    texts: &Aligned,
    bars: &Bars,
) -> Outcome<Vec<Vec<EmbeddingMatrix>>> {
    let mut all = Vec::with_capacity(texts.languages.len());
    for language in &texts.languages {
        let lines: Vec<&str> = language.texts.iter().map(String::as_str).collect();
        let found = encoder.encode_layers(&lines, config, &bars.stage(language.tag.name()))?;
        if let Some(long) = found.first().map(|layer| layer.long_texts.len()).filter(|it| *it > 0) {
            let name = language.path.display();
            bars.line(&format!("   {name}: {long} texts are too long to be read as a whole"));
        }
        let layers = found.into_iter().map(|it| EmbeddingMatrix::try_new(it.dim, it.values));
        all.push(layers.collect::<Result<Vec<_>, _>>()?);
    }
    Ok(all)
}
