//! Reads an adapter of a model and writes it again in the layout of its library.
//!
//! `cargo run --release --example convert-adapter -- --model DIR --from DIR --to DIR`
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use isogloss::transformer::AnyPretrained;
use isogloss_examples::{Outcome, exit_code, print_written, with_terms_of};

/// Reads an adapter of a model and writes it again in the layout of its library: of peft, or of adapters for
/// bottlenecks, both as safetensors.
///
/// It must fit the model, to the last tensor. Nothing is random, and no number changes but for half precision,
/// which becomes single. The name is what `adapters` will know it by.
#[derive(Parser)]
#[command(name = "convert-adapter", version)]
struct Args {
    /// A directory of transformers, the model that the adapter is of
    #[arg(long)]
    model: PathBuf,

    /// A directory of peft or of adapters
    #[arg(long)]
    from: PathBuf,

    /// The directory to be written, which is replaced if it is there
    #[arg(long)]
    to: PathBuf,

    /// The name of the adapter
    #[arg(long, default_value = "adapter")]
    name: String,
}

fn main() -> ExitCode {
    exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Outcome<()> {
    // Weights are copied, not computed with.
    let device = isogloss::device("auto")?;
    let model = AnyPretrained::open(&args.model, &device)?;
    let (model, loaded) = model.with_adapter(&args.name, &args.from, &device)?;
    print!("{}", model.adapters());
    for name in &loaded.left_out {
        println!("left out, the head of another task: {name}");
    }
    let from = args.from.display();
    let made = format!("Converted from `{from}` by Isogloss {}.\n", env!("CARGO_PKG_VERSION"));
    let mut card = loaded.card;
    card.readme = match card.readme.trim_end() {
        "" => {
            println!("warning: there is no README.md: the card says nothing of terms");
            made
        }
        readme => format!("{readme}\n\n## Conversion\n\n{made}"),
    };
    let card = with_terms_of(&args.from, card);
    model.save_adapter(&args.name, &card, &args.to)?;
    print_written(std::slice::from_ref(&args.to));
    Ok(())
}
