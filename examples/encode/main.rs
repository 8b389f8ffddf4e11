//! Gives each line of a file a vector.
//!
//! `cargo run --release --example encode -- --model DIR --input FILE --out vectors.safetensors`
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use isogloss_examples::{Bars, EncoderArgs, Outcome, exit_code, print_written, read_lines};

/// Gives each line of a file a vector.
///
/// Writes one tensor, `embeddings`, `[lines, width]`, in the order of the file. Nothing is random.
#[derive(Parser)]
#[command(name = "encode", version)]
struct Args {
    #[command(flatten)]
    encoder: EncoderArgs,

    /// A text on each line
    #[arg(long)]
    input: PathBuf,

    /// Where the vectors are written
    #[arg(long)]
    out: PathBuf,
}

fn main() -> ExitCode {
    exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Outcome<()> {
    let start = Instant::now();
    let (encoder, described) = args.encoder.open()?;
    println!("{described}");
    println!("opened in {:.2} s", start.elapsed().as_secs_f64());
    let lines = read_lines(&args.input)?;
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let config = args.encoder.config(encoder.as_ref())?;
    let start = Instant::now();
    let found = encoder.encode(&lines, &config, &Bars::default().stage("vectors"))?;
    let seconds = start.elapsed().as_secs_f64();
    let rate = lines.len() as f64 / seconds;
    println!("{} lines in {seconds:.2} s, {rate:.1} in a second", lines.len());
    if let Some(first) = found.long_texts.first() {
        let (count, most) = (found.long_texts.len(), encoder.max_tokens().unwrap_or_default());
        println!(
            "{count} of them have more than the {most} tokens that are read at once: line {} is the \
             first",
            first + 1
        );
    }
    let metadata = HashMap::from([
        ("model".to_owned(), described),
        ("input".to_owned(), args.input.display().to_string()),
    ]);
    found.write(&args.out, metadata)?;
    print_written(std::slice::from_ref(&args.out));
    Ok(())
}
