//! Reads a model of any family and writes it back as transformers keeps it.
//!
//! `cargo run --release --example convert -- --from DIR --to DIR`
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use isogloss::burn::module::Module;
use isogloss::governance::ModelCard;
use isogloss::transformer::{AnyPretrained, HasEncoder, SaveOptions, WeightType};
use isogloss_examples::{Outcome, exit_code, print_written};

/// Reads a model of any family and writes it back as transformers keeps it: one file of safetensors, its
/// configuration, and a model card. What else is in the directory, such as a tokenizer, is copied.
///
/// Nothing is random, and no number changes unless the type of the weights does.
#[derive(Parser)]
#[command(name = "convert", version)]
struct Args {
    /// A directory of transformers, in safetensors or PyTorch's format, in one file or in shards
    #[arg(long)]
    from: PathBuf,

    /// The directory to be written, which is replaced if it is there
    #[arg(long)]
    to: PathBuf,

    /// The type of the weights
    #[arg(long, value_enum, default_value_t = Weights::F32)]
    weights: Weights,

    /// The licence of the model, where the directory has no card that says so
    #[arg(long)]
    licence: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Weights {
    F32,
    F16,
    Bf16,
}

fn main() -> ExitCode {
    exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Outcome<()> {
    // Weights are copied, not computed with.
    let device = isogloss::device("auto")?;
    let model = AnyPretrained::open(&args.from, &device)?;
    println!(
        "{}: {}, {:?}, {} parameters in the encoder",
        args.from.display(),
        model.family().model_type(),
        model.head(),
        model.encoder().num_params()
    );
    for name in model.left_out() {
        println!("left out, the head of another task: {name}");
    }
    let weight_type = match args.weights {
        Weights::F32 => WeightType::F32,
        Weights::F16 => WeightType::F16,
        Weights::Bf16 => WeightType::BF16,
    };
    let mut options = SaveOptions::new(card(args)?).with_weight_type(weight_type);
    for name in others(&args.from, Path::new(""))? {
        options = options.with_file(args.from.join(&name), name);
    }
    model.save(&args.to, &options)?;
    print_written(std::slice::from_ref(&args.to));
    Ok(())
}

/// The card that is there, with a word on the conversion; a new one where there is none.
fn card(args: &Args) -> Outcome<String> {
    let from = args.from.display();
    let made = format!(
        "Converted from `{from}` by Isogloss {}, with weights of type {:?}.",
        env!("CARGO_PKG_VERSION"),
        args.weights
    );
    let path = args.from.join("README.md");
    if path.is_file() {
        if args.licence.is_some() {
            let path = path.display();
            return Err(
                format!("{path} says what the terms are; --licence is for models without").into()
            );
        }
        let card = fs::read_to_string(&path)?;
        return Ok(format!("{}\n\n## Conversion\n\n{made}\n", card.trim_end()));
    }
    if args.licence.is_none() {
        println!(
            "warning: there is no README.md, and no --licence: the card says that it is unstated"
        );
    }
    let licence = args.licence.as_deref().unwrap_or("unstated");
    let name = args.from.file_name().unwrap_or_default().to_string_lossy();
    Ok(ModelCard::new(name, licence).with_summary(made).to_markdown())
}

/// The files beside the model, those in directories included.
fn others(root: &Path, within: &Path) -> Outcome<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root.join(within))? {
        let entry = entry?;
        let name = within.join(entry.file_name());
        let text = entry.file_name().to_string_lossy().into_owned();
        // The weights in other formats and shards would contradict those that are written.
        let is_weights = ["model.", "model-", "pytorch_model", "tf_model", "flax_model", "."]
            .iter()
            .any(|start| text.starts_with(start));
        let is_written = is_weights || text == "config.json" || text == "README.md";
        if entry.path().is_dir() {
            if !text.starts_with('.') && text != "onnx" && text != "openvino" {
                found.extend(others(root, &name)?);
            }
        } else if within != Path::new("") || !is_written {
            found.push(name);
        }
    }
    found.sort();
    Ok(found)
}
