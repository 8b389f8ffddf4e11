//! Runs a checkpoint on a batch, to be compared with another implementation.
//!
//! `cargo run --release --example forward -- --model DIR --inputs batch.safetensors --out OUT.safetensors`
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

mod tensors;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use isogloss::burn::tensor::{Device, Int, Tensor, TensorData};
use isogloss::governance::Purpose;
use isogloss::peft::AdapterConfig;
use isogloss::transformer::{
    AnyPretrained, EncoderBatch, HasEncoder, Logits, PaddedRows, cross_entropy,
};
use isogloss_examples::{
    FUSION_FILE, Outcome, QuantizedArgs, check_terms, exit_code, print_written,
};

use crate::tensors::{Inputs, Outputs};

/// Runs a checkpoint on a batch, to be compared with another implementation.
///
/// Tensors have the names of transformers. In: `input_ids`, and where they are given `attention_mask`,
/// `token_type_ids`, `position_ids`, `langs`, `labels`, `next_sentence_label`. Out: `last_hidden_state`,
/// and where the model has them `pooler_output`, `logits`, `seq_relationship_logits`, `loss`. There is no
/// dropout, and nothing is random.
#[derive(Parser)]
#[command(name = "forward", version)]
struct Args {
    /// A directory of transformers
    #[arg(long)]
    model: PathBuf,

    /// The batch, as safetensors
    #[arg(long)]
    inputs: PathBuf,

    /// Where the results are written
    #[arg(long)]
    out: PathBuf,

    /// An adapter that acts, made here or by peft or adapters; several times, the first at the bottom
    #[arg(long = "adapter", value_name = "DIR")]
    adapters: Vec<PathBuf>,

    #[command(flatten)]
    quantized: QuantizedArgs,

    /// The device: auto, flex, …
    #[arg(long, default_value = "auto")]
    device: String,
}

fn main() -> ExitCode {
    exit_code(run(&Args::parse()))
}

/// The model with adapters on it, the first at the bottom.
fn with_adapters(
    mut model: AnyPretrained,
    dirs: &[PathBuf],
    device: &Device,
) -> Outcome<AnyPretrained> {
    let mut bottlenecks: Vec<String> = Vec::new();
    for (place, dir) in dirs.iter().enumerate() {
        check_terms(dir, Purpose::Evaluate)?;
        if dir.join(FUSION_FILE).exists() {
            // Over the bottlenecks before it, in their order.
            let below: Vec<&str> = bottlenecks.iter().map(String::as_str).collect();
            model = model.with_fusion(&below, dir, device)?;
            continue;
        }
        let name = place.to_string();
        let loaded;
        (model, loaded) = model.with_adapter(&name, dir, device)?;
        if matches!(loaded.config, AdapterConfig::Bottleneck(_)) {
            bottlenecks.push(name);
        }
        for name in &loaded.left_out {
            println!("left out, the head of another task: {name}");
        }
    }
    if !dirs.is_empty() {
        println!("{}", model.adapters());
    }
    Ok(model)
}

fn run(args: &Args) -> Outcome<()> {
    let device = isogloss::device(&args.device)?;
    let mut model = match args.quantized.format() {
        Some(format) => AnyPretrained::open_quantized(&args.model, format, &device)?,
        None => AnyPretrained::open(&args.model, &device)?,
    };
    println!("{}: {}, {:?}", args.model.display(), model.family().model_type(), model.head());
    for name in model.left_out() {
        println!("left out, the head of another task: {name}");
    }
    model = with_adapters(model, &args.adapters, &device)?;
    let inputs = Inputs::read(&args.inputs)?;
    let config = model.encoder().config();
    let (ids, shape) = inputs.ids("input_ids")?.ok_or("there are no `input_ids`")?;
    let [rows, seq_len] = <[usize; 2]>::try_from(shape)
        .map_err(|shape| format!("`input_ids` has shape {shape:?}, expected [batch, seq]"))?;
    let of_batch = |name: &str| inputs.ids_of_shape(name, &[rows, seq_len]);
    let mask = of_batch("attention_mask")?;
    let padded = PaddedRows {
        is_token: mask.map_or(vec![true; ids.len()], |mask| mask.iter().map(|&m| m > 0).collect()),
        ids,
        positions: of_batch("position_ids")?,
        languages: of_batch("langs")?,
        token_types: of_batch("token_type_ids")?,
    };
    let batch = EncoderBatch::try_from_padded(config, seq_len, &padded)?;
    model.encoder().check(&batch)?;
    let batch = batch.to_device(&device);
    let output = model.forward(&batch);

    // Labels below 0 do not count, as in PyTorch.
    let loss = |scores: Tensor<2>, labels: Vec<i64>| -> Outcome<Tensor<1>> {
        let [n, classes] = scores.dims();
        let counted = |label: &i64| *label >= 0;
        let fits = |label: i64| usize::try_from(label).map_or(true, |label| label < classes);
        if let Some(label) = labels.iter().find(|label| !fits(**label)) {
            return Err(format!("label {label}, expected less than {classes}").into());
        }
        let places = (0_i64..).take(n).zip(&labels).filter(|(_, label)| counted(label));
        let (places, labels): (Vec<i64>, Vec<i64>) = places.unzip();
        let ints = |values: Vec<i64>| {
            let count = values.len();
            Tensor::<1, Int>::from_data(TensorData::new(values, [count]), &device)
        };
        Ok(cross_entropy(scores.select(0, ints(places)), ints(labels)).mean())
    };
    let mut total: Option<Tensor<1>> = None;
    let mut outputs = Outputs::default();
    match output.logits {
        Some(Logits::Tokens(logits)) => {
            if let Some(labels) = inputs.labels("labels", &[rows, seq_len])? {
                total = Some(loss(logits.clone().flatten(0, 1), labels)?);
            }
            outputs.push("logits", logits);
        }
        Some(Logits::Sequences(logits)) => {
            if let Some(labels) = inputs.labels("labels", &[rows])? {
                total = Some(loss(logits.clone(), labels)?);
            }
            outputs.push("logits", logits);
        }
        Some(Logits::Spans(logits)) => {
            for (place, name) in ["start_logits", "end_logits"].into_iter().enumerate() {
                outputs.push(name, logits.clone().narrow(2, place, 1).squeeze_dim::<2>(2));
            }
        }
        _ if inputs.has("labels") => return Err("`labels` for a model without a head".into()),
        _ => {}
    }
    if let Some(logits) = output.next_sentence {
        if let Some(labels) = inputs.labels("next_sentence_label", &[rows])? {
            let second = loss(logits.clone(), labels)?;
            total = Some(total.map_or(second.clone(), |first| first + second));
        }
        outputs.push("seq_relationship_logits", logits);
    }
    outputs.push("last_hidden_state", output.hidden);
    if let Some(pooled) = output.pooled {
        outputs.push("pooler_output", pooled);
    }
    if let Some(total) = total {
        outputs.push("loss", total);
    }
    inputs.check_all_used()?;
    outputs.write(&args.out)?;
    print_written(std::slice::from_ref(&args.out));
    Ok(())
}
