//! What a step of masked language modelling costs, forward, backward and update: `cargo bench --bench train_step`.
//!
//! From one shape, one dimension at a time. With `-- --growth` it writes the same as two plots,
//! `docs/images/growth-*.svg`, with the most memory beside the speed.
#![expect(clippy::print_stdout, reason = "a bench tells what it measured")]

use std::error::Error;
use std::fs;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use isogloss::burn::tensor::Device;
use isogloss::core::Seed;
use isogloss::evaluation::{BarSeries, Bars, Estimate, Plot};
use isogloss::training::{
    Decay, LearningRateConfig, StopFlag, Task, TaskLoss, Trainer, TrainingConfig, TrainingError,
};
use isogloss::transformer::{
    EncoderConfig, MaskedLanguageModel, MaskedSequence, MlmBatch, SequenceInput,
};
use peak_alloc::PeakAlloc;
use serde_json::Value;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

#[derive(Clone, Copy)]
struct Shape {
    rows: usize,
    tokens: usize,
    layers: usize,
    vocabulary: usize,
}

const BASE: Shape = Shape { rows: 16, tokens: 128, layers: 4, vocabulary: 8_192 };

/// One batch again and again.
struct Same(MlmBatch);

impl Task<MaskedLanguageModel> for Same {
    fn name(&self) -> &'static str {
        "one batch"
    }

    fn next_loss(
        &mut self,
        model: &MaskedLanguageModel,
        _: &Device,
    ) -> Result<TaskLoss, TrainingError> {
        let loss = model.loss(&self.0);
        Ok(TaskLoss::new(loss.sum, loss.count))
    }

    fn state(&self) -> Value {
        Value::Null
    }

    fn restore(&mut self, _: Value) -> Result<(), String> {
        Err("a bench keeps no checkpoint".to_owned())
    }
}

/// The shapes, under what grows and how far.
fn shapes() -> Vec<(&'static str, usize, Shape)> {
    let mut shapes = Vec::new();
    for rows in [2, 4, 8, 16, 32] {
        shapes.push(("rows", rows, Shape { rows, ..BASE }));
    }
    for tokens in [32, 64, 128, 256, 512] {
        // As many tokens in a batch.
        let rows = BASE.rows * BASE.tokens / tokens;
        shapes.push(("tokens of a row", tokens, Shape { rows, tokens, ..BASE }));
    }
    for layers in [1, 2, 4, 8] {
        shapes.push(("layers", layers, Shape { layers, ..BASE }));
    }
    for vocabulary in [1_024, 8_192, 65_536, 250_002] {
        shapes.push(("words", vocabulary, Shape { vocabulary, ..BASE }));
    }
    shapes
}

type Made = (MaskedLanguageModel, MlmBatch, Device);

fn made(shape: Shape) -> Result<Made, Box<dyn Error>> {
    let device = isogloss::device("flex")?.autodiff();
    let config = EncoderConfig::new(shape.vocabulary).with_n_layers(shape.layers);
    let model = MaskedLanguageModel::try_init(&config, &device, Seed::new(1))?;
    let vocabulary = u32::try_from(shape.vocabulary)?;
    // Rows and tokens are few.
    let [n_rows, n_tokens] = [u32::try_from(shape.rows)?, u32::try_from(shape.tokens)?];
    let rows: Vec<MaskedSequence> = (0..n_rows)
        .map(|row| {
            let id = |place: u32| 5 + (row * 7_919 + place * 104_729) % (vocabulary - 5);
            let positions: Vec<usize> = (0..shape.tokens).step_by(7).collect();
            let labels = (0..n_tokens).step_by(7).map(id).collect();
            let input = SequenceInput::new((0..n_tokens).map(id).collect());
            MaskedSequence { input, positions, labels }
        })
        .collect();
    let batch = MlmBatch::try_new(&config, &rows, &device)?;
    Ok((model, batch, device))
}

/// How long so many steps take.
fn steps((model, batch, device): &Made, count: u64) -> Result<Duration, Box<dyn Error>> {
    let rate = LearningRateConfig::new(1e-4).with_decay(Decay::Constant);
    let config = TrainingConfig::new(count).with_learning_rate(rate);
    let task: Box<dyn Task<MaskedLanguageModel>> = Box::new(Same(batch.clone()));
    let trainer = Trainer::try_new(config, model.clone(), vec![(task, 1.0)], device)?;
    let start = Instant::now();
    trainer.run(&StopFlag::new(), &())?;
    Ok(start.elapsed())
}

fn growth() -> Result<(), Box<dyn Error>> {
    let (mut labels, mut speeds, mut memories) = (Vec::new(), Vec::new(), Vec::new());
    let bar = |value: f64| Some(Estimate::new(value, [value; 2], 4));
    for (what, how_far, shape) in shapes() {
        MEMORY.reset_peak_usage();
        let made = made(shape)?;
        steps(&made, 1)?;
        let seconds = steps(&made, 4)?.as_secs_f64() / 4.0;
        let speed = (shape.rows * shape.tokens) as f64 / seconds;
        let mebibytes = f64::from(MEMORY.peak_usage_as_mb());
        println!("{what:18} {how_far:8} {speed:9.0} tokens/s {mebibytes:8.0} MiB");
        labels.push(format!("{how_far} {what}"));
        speeds.push(bar(speed));
        memories.push(bar(mebibytes));
    }
    let images = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/images");
    for (name, axis, values) in
        [("speed", "tokens in a second", speeds), ("memory", "MiB at most", memories)]
    {
        let title = format!("A step of MLM, one dimension at a time: {axis}");
        let series = vec![BarSeries { name: axis.to_owned(), values }];
        let plot = Plot::Bars(Bars::new(title, axis, labels.clone(), series));
        fs::write(format!("{images}/growth-{name}.svg"), plot.to_svg()?)?;
        println!("written: docs/images/growth-{name}.svg");
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    if std::env::args().any(|arg| arg == "--growth") {
        return growth();
    }
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("train_step");
    group.sample_size(10);
    for (what, how_far, shape) in shapes() {
        let made = made(shape)?;
        group.throughput(Throughput::Elements((shape.rows * shape.tokens) as u64));
        group.bench_with_input(BenchmarkId::new(what, how_far), &made, |bench, made| {
            bench.iter_custom(|count| steps(made, count).unwrap_or(Duration::MAX));
        });
    }
    group.finish();
    Ok(())
}
