//! What a step of masked language modelling costs, forward, backward and update: `cargo bench --bench train_step`.
//!
//! From one shape, one dimension at a time. With `-- --growth` it writes the same as two plots,
//! `docs/images/growth-*.svg`, with the most memory beside the speed; with `-- --packing` it says what padding costs, and what
//! is left of it where sequences are sorted by length or packed; with `-- --recompute` what it saves and takes to compute the
//! activations of layers again.
#![expect(clippy::print_stdout, reason = "a bench tells what it measured")]

use std::error::Error;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use isogloss::burn::tensor::Device;
use isogloss::core::Seed;
use isogloss::evaluation::{BarSeries, Bars, Estimate, Plot};
use isogloss::sampling::{
    ExponentConfig, LanguageSizes, LanguageWeighting as _, MixtureStream, SizeUnit,
};
use isogloss::training::{
    Batches as _, BucketConfig, Decay, DrawnBatch, Framing, LearningRateConfig, MlmBatches,
    ObjectiveTask, StopFlag, Task, TokenizedTexts, Trainer, TrainingConfig, TrainingError,
};
use isogloss::transformer::{
    EncoderConfig, LossSum, MaskedLanguageModel, MaskedSequence, MaskingConfig, MaskingVocabulary,
    MlmBatch, MlmObjective, SequenceInput, SequenceLayout,
};
use peak_alloc::PeakAlloc;
use rand::RngExt as _;
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
#[derive(Clone)]
struct Same(MlmBatch);

impl DrawnBatch<MaskedLanguageModel> for Same {
    fn loss(&self, model: &MaskedLanguageModel) -> LossSum {
        model.loss(&self.0)
    }
}

impl Task<MaskedLanguageModel> for Same {
    fn name(&self) -> &'static str {
        "one batch"
    }

    fn next_batch(
        &mut self,
        _: &Device,
    ) -> Result<Box<dyn DrawnBatch<MaskedLanguageModel>>, TrainingError> {
        Ok(Box::new(self.clone()))
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

fn made(shape: Shape) -> Result<Made, Box<dyn Error + Send + Sync>> {
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
fn steps(made: &Made, count: u64) -> Result<Duration, Box<dyn Error + Send + Sync>> {
    let rate = LearningRateConfig::new(1e-4).with_decay(Decay::Constant);
    run(made, TrainingConfig::new(count).with_learning_rate(rate))
}

fn run(
    (model, batch, device): &Made,
    config: TrainingConfig,
) -> Result<Duration, Box<dyn Error + Send + Sync>> {
    let task: Box<dyn Task<MaskedLanguageModel>> = Box::new(Same(batch.clone()));
    let trainer = Trainer::try_new(config, model.clone(), vec![(task, 1.0)], device)?;
    let start = Instant::now();
    trainer.run(&StopFlag::new(), &())?;
    Ok(start.elapsed())
}

/// The most memory and the time of steps that keep activations of layers, and of steps that compute them again.
fn recompute() -> Result<(), Box<dyn Error + Send + Sync>> {
    for (rows, layers) in [(16, 4), (16, 12), (64, 12)] {
        let made = made(Shape { rows, layers, ..BASE })?;
        let held = f64::from(MEMORY.current_usage_as_mb());
        for again in [false, true] {
            let rate = LearningRateConfig::new(1e-4).with_decay(Decay::Constant);
            let config = TrainingConfig::new(3).with_learning_rate(rate);
            let config = config.with_recompute_layers(again);
            run(&made, config.clone())?;
            MEMORY.reset_peak_usage();
            let seconds = run(&made, config)?.as_secs_f64() / 3.0;
            let mebibytes = f64::from(MEMORY.peak_usage_as_mb()) - held;
            let how = if again { "again" } else { "kept" };
            println!(
                "{rows:3} rows {layers:3} layers {how:6} {mebibytes:6.0} MiB above the model {seconds:6.2} s"
            );
        }
    }
    Ok(())
}

/// Texts as long as sentences are: a median of 25 tokens, one in seven twice that and more.
fn sentences() -> Result<TokenizedTexts, Box<dyn Error + Send + Sync>> {
    let mut texts = TokenizedTexts::new("en".parse()?);
    for text in 0..4_000_u64 {
        let mut rng = Seed::new(5).at(text).rng();
        // The sum of twelve is as good as normal.
        let normal = (0..12).map(|_| rng.random_range(-0.5..0.5)).sum::<f64>();
        let length = (25.0 * (0.7 * normal).exp()).clamp(3.0, 126.0);
        let ids: Vec<u32> = (0..126).take_while(|&place| f64::from(place) < length).collect();
        texts.push(&ids.iter().map(|place| 5 + place * 61 % 8_000).collect::<Vec<_>>());
    }
    Ok(texts)
}

/// Batches of a budget of tokens in three ways, in turn; of each, what is padding and how fast tokens are learned from.
fn packing() -> Result<(), Box<dyn Error + Send + Sync>> {
    const BUDGET: usize = 2_048;
    const STEPS: u64 = 8;
    let texts = Arc::new(vec![sentences()?]);
    let device = isogloss::device("flex")?.autodiff();
    let encoder =
        EncoderConfig::new(BASE.vocabulary).with_n_layers(BASE.layers).with_max_positions(130);
    let model = MaskedLanguageModel::try_init(&encoder, &device, Seed::new(1))?;
    let masking = MaskingConfig::default().try_init(&MaskingVocabulary::new(
        BASE.vocabulary,
        4,
        vec![0, 1, 2, 3, 4],
    ))?;
    let batches = |buckets| -> Result<MlmBatches, Box<dyn Error + Send + Sync>> {
        let sizes = [(texts[0].language().clone(), texts[0].tokens() as u64)];
        let sizes = LanguageSizes::try_new(SizeUnit::Tokens, sizes)?;
        let distribution = ExponentConfig::uniform().distribution(&sizes)?;
        let stream = MixtureStream::try_new(&distribution, &texts, Seed::new(2))?;
        let framing =
            Framing::new(encoder.clone(), SequenceLayout::xlm_roberta(0, 2, 126), buckets);
        Ok(MlmBatches::try_new(Arc::clone(&texts), stream, masking.clone(), framing, Seed::new(3))?)
    };
    let base = BucketConfig::new(BUDGET);
    let mut as_drawn = base;
    as_drawn.window = 1;
    let ways = [("as drawn", as_drawn), ("by length", base), ("packed", base.with_packing(BUDGET))];
    let mut seconds = ways.map(|_| Vec::new());
    let mut counts = [[0_usize; 2]; 3];
    for ((_, buckets), [real, read]) in ways.iter().zip(&mut counts) {
        let mut batches = batches(*buckets)?;
        // Several windows.
        for _ in 0..100 {
            let batch = batches.next_batch(&device)?;
            *real += batch.input().lengths().iter().sum::<usize>();
            *read += batch.input().layer_dims().iter().product::<usize>();
        }
    }
    for _ in 0..5 {
        for ((_, buckets), seconds) in ways.iter().zip(&mut seconds) {
            let rate = LearningRateConfig::new(1e-4).with_decay(Decay::Constant);
            let config =
                TrainingConfig::new(STEPS).with_learning_rate(rate).with_record_every(STEPS);
            let task: Box<dyn Task<MaskedLanguageModel>> =
                Box::new(ObjectiveTask::new("mlm", MlmObjective, batches(*buckets)?));
            let mut ahead = batches(*buckets)?;
            let tokens: usize = (0..STEPS)
                .map(|_| Ok(ahead.next_batch(&device)?.input().lengths().iter().sum::<usize>()))
                .sum::<Result<usize, Box<dyn Error + Send + Sync>>>()?;
            let trainer = Trainer::try_new(config, model.clone(), vec![(task, 1.0)], &device)?;
            let start = Instant::now();
            trainer.run(&StopFlag::new(), &())?;
            seconds.push(start.elapsed().as_secs_f64() / tokens as f64);
        }
    }
    for (((name, _), [real, read]), seconds) in ways.iter().zip(counts).zip(&mut seconds) {
        seconds.sort_by(f64::total_cmp);
        let padding = 100.0 * (1.0 - real as f64 / read as f64);
        println!(
            "{name:12} {padding:5.1} % padding {:7.0} tokens of texts for each update {:7.0} in a second",
            real as f64 / 100.0,
            1.0 / seconds[seconds.len() / 2]
        );
    }
    Ok(())
}

fn growth() -> Result<(), Box<dyn Error + Send + Sync>> {
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

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    if std::env::args().any(|arg| arg == "--growth") {
        return growth();
    }
    if std::env::args().any(|arg| arg == "--packing") {
        return packing();
    }
    if std::env::args().any(|arg| arg == "--recompute") {
        return recompute();
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
