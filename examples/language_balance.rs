//! Prints how often each language is drawn at several exponents.
//!
//! `cargo run --release --example language_balance -- en=55000000 sw=275000 yo=30000 quz=4000`
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::error::Error;

use clap::Parser;
use isogloss::core::LanguageTag;
use isogloss::evaluation::Table;
use isogloss::sampling::{ExponentConfig, LanguageSizes, LanguageWeighting, SizeUnit};

/// Prints how often each language is drawn as the sampling exponent falls from 1 to 0.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Languages with their sentences, as `TAG=COUNT`.
    #[arg(default_values = ["en=55000000", "sw=275000", "yo=30000", "quz=4000"])]
    sizes: Vec<String>,

    /// The exponents; a temperature T is the exponent 1/T.
    #[arg(long, value_delimiter = ',', default_values_t = [1.0, 0.7, 0.5, 0.3, 0.0])]
    alphas: Vec<f64>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let mut sizes: Vec<(LanguageTag, u64)> = Vec::new();
    for size in &args.sizes {
        let (tag, count) =
            size.split_once('=').ok_or_else(|| format!("`{size}`: expected TAG=COUNT"))?;
        sizes.push((tag.parse()?, count.parse().map_err(|_| format!("`{size}`: not a count"))?));
    }
    let sizes = LanguageSizes::try_new(SizeUnit::Sentences, sizes)?;
    let distributions = args
        .alphas
        .iter()
        .map(|alpha| ExponentConfig::new().with_alpha(*alpha).distribution(&sizes))
        .collect::<Result<Vec<_>, _>>()?;
    let names: Vec<String> = args.alphas.iter().map(|alpha| format!("alpha {alpha}")).collect();
    let columns: Vec<&str> =
        ["language", "sentences"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let mut table = Table::new("Share of draws", &columns);
    for (language, sentences) in sizes.iter() {
        let shares = distributions.iter().map(|distribution| {
            let share = distribution.probability(language).unwrap_or_default();
            format!("{:.3}%", 100.0 * share).into()
        });
        table =
            table.with_row([language.as_str().into(), sentences.into()].into_iter().chain(shares));
    }
    println!("{}", table.to_text());
    Ok(())
}
