//! Says what a mixture will draw, and how often that repeats each language, before anything runs.
//!
//! `cargo run --release --example sampling-plan -- --corpus MANIFEST --distribution unimax --budget 1e9`
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

mod counting;
mod page;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use isogloss::core::{LanguageTag, write_file_atomically};
use isogloss::corpus::Manifest;
use isogloss::sampling::{DistributionError, LanguageSizes, SamplingPlan, SizeUnit};
use isogloss_examples::{Bars, Outcome, WeightingArgs, exit_code, print_written, whole_number};

use crate::counting::{CorpusArgs, Counted};
use crate::page::Page;

/// Says what a mixture will draw, and how often that repeats each language, before anything runs.
///
/// Sizes are counted in a corpus, under its terms, or given. There is nothing random in a plan.
#[derive(Parser)]
#[command(name = "sampling-plan", version)]
struct Args {
    /// Sizes in `--unit`, where there is no corpus [default: five languages of FineWeb-2]
    #[arg(value_name = "TAG=COUNT", conflicts_with = "corpus")]
    sizes: Vec<String>,

    #[command(flatten)]
    corpus: CorpusArgs,

    #[command(flatten)]
    weighting: WeightingArgs,

    /// How much is to be drawn in all, in `--unit`, such as 1e9 [default: as much as there is]
    #[arg(long, value_parser = whole_number)]
    budget: Option<u64>,

    /// Epochs above which a language is warned of
    #[arg(long, default_value_t = SamplingPlan::NEARLY_AS_GOOD)]
    warn_above: f64,

    /// Where the plan is written, with a page of tables and plots [default: nowhere]
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Characters of five languages of FineWeb-2, from the largest to the smallest.
const FINEWEB_2: [&str; 5] =
    ["fas=184595788282", "swe=179955884499", "ekk=42541080893", "isl=10027573389", "fao=549707867"];

fn main() -> ExitCode {
    exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Outcome<()> {
    args.corpus.check(!args.sizes.is_empty())?;
    let unit = args.corpus.unit();
    let counted = match &args.corpus.corpus {
        Some(path) => counting::count(
            &Manifest::open(path)?,
            &args.corpus,
            &Bars::default().stage("counting"),
        )?,
        None if args.sizes.is_empty() => given(FINEWEB_2)?,
        None => given(args.sizes.iter().map(String::as_str))?,
    };
    let (sizes, empty) = LanguageSizes::without_empty(unit, counted.sizes)?;
    let mut warnings = counted.provenance.warnings();
    if !empty.is_empty() {
        let names: Vec<&str> = empty.iter().map(LanguageTag::as_str).collect();
        warnings.push(format!("left out, since they have no {unit}: {}", names.join(", ")));
    }

    let all = sizes.iter().fold(0_u64, |sum, (_, size)| sum.saturating_add(size));
    let mut budget = args.budget.unwrap_or(all);
    let distribution = match args.weighting.weighting(budget)?.distribution(&sizes) {
        Err(shortfall @ DistributionError::Shortfall { available, .. }) if available > 0 => {
            warnings.push(format!("{shortfall}; the plan is for {available}"));
            budget = available;
            args.weighting.weighting(budget)?.distribution(&sizes)
        }
        other => other,
    }?;
    let plan =
        SamplingPlan::try_new(&sizes, &distribution, budget)?.with_warning_above(args.warn_above);
    // A stream draws texts, whatever the plan counts.
    let in_texts = if unit == SizeUnit::Sentences || counted.texts.is_empty() {
        None
    } else {
        let kept = counted.texts.into_iter().filter(|(language, _)| !empty.contains(language));
        Some(plan.in_unit(&LanguageSizes::try_new(SizeUnit::Sentences, kept)?)?)
    };

    let name = args.weighting.name();
    println!("{name}\n\n{plan}");
    if let Some(in_texts) = &in_texts {
        println!("That is about {} texts.\n", in_texts.budget);
    }
    let page = Page { name: &name, plan: &plan, in_texts: in_texts.as_ref(), warnings: &warnings };
    println!("{}", page.alternatives(&sizes)?.to_text());
    for warning in &warnings {
        println!("warning: {warning}");
    }
    if let Some(out) = &args.out {
        let report = page.report(&sizes)?;
        let mut written = vec![out.join("plan.json")];
        write_file_atomically(&written[0], |file| {
            let content =
                serde_json::json!({ "weighting": name, "plan": plan, "in_texts": in_texts });
            serde_json::to_writer_pretty(&mut *file, &content)?;
            file.write_all(b"\n")
        })?;
        written.extend(report.write(out)?);
        written.push(out.join("plan.svg"));
        let svg = page.plot().to_svg()?;
        write_file_atomically(&written[3], |file| file.write_all(svg.as_bytes()))?;
        if !counted.provenance.entries.is_empty() {
            written.push(out.join("provenance.toml"));
            counted.provenance.to_toml_file(&written[4])?;
        }
        print_written(&written);
    }
    Ok(())
}

/// Sizes as a person writes them.
fn given<'a>(sizes: impl IntoIterator<Item = &'a str>) -> Outcome<Counted> {
    let size = |text: &str| -> Outcome<(LanguageTag, u64)> {
        let (tag, count) =
            text.split_once('=').ok_or_else(|| format!("`{text}`, expected TAG=COUNT"))?;
        Ok((tag.parse()?, whole_number(count)?))
    };
    let sizes = sizes.into_iter().map(size).collect::<Outcome<_>>()?;
    Ok(Counted { sizes, ..Counted::default() })
}
