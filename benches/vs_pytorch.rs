//! Our side of `vs_pytorch/run.sh`: takes as many steps as it is asked for, and says what they took.
//!
//! `vs_pytorch mlm|classify|adapter|bf16|int8|nf4 MODEL BATCHES` reads a number of steps from each line of its input and
//! answers with a line of JSON; `vs_pytorch begin MODEL CONFIG` writes the adapter that both sides begin with.
#![expect(clippy::print_stdout, reason = "the script reads it")]

use std::cell::RefCell;
use std::error::Error;
use std::fs;
use std::io::{BufRead as _, stdin};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use isogloss::burn::module::Module;
use isogloss::burn::tensor::{Device, Tensor};
use isogloss::core::{Progress, ProgressEvent, Seed};
use isogloss::kernels::Quantization;
use isogloss::peft::{AdapterConfig, attach, load_adapter, save_adapter, train_only};
use isogloss::training::{
    AdamWSettings, Decay, DrawnBatch, LearningRateConfig, StopFlag, Task, Trainer, TrainingConfig,
    TrainingError,
};
use isogloss::transformer::{
    ClassificationBatch, ClassificationObjective, ClassifierConfig, EncoderConfig, HasEncoder as _,
    LossSum, LossValue, MaskedLanguageModel, MaskedSequence, MlmBatch, MlmObjective, Objective,
    Pretrained, PretrainedModel, SequenceClassifier, SequenceInput, head_modules,
};
use mimalloc::MiMalloc;
use safetensors::SafeTensors;
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Sum and count of each part of a step since somebody asked.
type Losses = Arc<Mutex<Vec<(f64, usize)>>>;

/// Lets the allocator keep what is freed: a step needs as much again, and pages that the system takes back it
/// clears before it gives them out.
#[expect(unsafe_code, reason = "the allocator is written in C")]
fn keep_memory() {
    /// `mi_option_purge_delay`, which the bindings do not name.
    const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
    // SAFETY: an option may be set at any time, by any thread.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, -1) };
}

fn main() -> Outcome<()> {
    keep_memory();
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let device = isogloss::device("flex")?.autodiff();
    match *args {
        ["mlm", model, batches] => {
            let model = open::<MaskedLanguageModel>(model, &device)?;
            let batches = Rows::read(batches)?.mlm(model.encoder().config(), &device)?;
            train(model, MlmObjective, batches, &device)
        }
        ["classify", model, batches] => classify(open(model, &device)?, batches, &device),
        [kind @ ("adapter" | "bf16" | "int8" | "nf4"), model, batches] => {
            let format = match kind {
                "bf16" => Some(Quantization::Bf16),
                "int8" => Some(Quantization::Int8),
                "nf4" => Some(Quantization::Nf4),
                _ => None,
            };
            let base: SequenceClassifier = match format {
                Some(format) => {
                    Pretrained::open_quantized(Path::new(model), format, &device)?.into_model()
                }
                None => open(model, &device)?,
            };
            let (model, _) = load_adapter(base, "it", &Path::new(model).join("adapter"), &device)?;
            classify(train_only(model, &["it"])?, batches, &device)
        }
        ["begin", model, config] => {
            let base = open::<SequenceClassifier>(model, &device)?;
            let path = Path::new(config);
            let (config, card) = AdapterConfig::from_json(&fs::read_to_string(path)?, path)?;
            let config = config.with_saved_modules(head_modules(&base));
            let (adapted, _) = attach(base, "it", &config, Seed::new(1), &device)?;
            Ok(save_adapter(&adapted, "it", &card, &Path::new(model).join("adapter"))?)
        }
        _ => {
            Err("expected mlm|classify|adapter|bf16|int8|nf4 MODEL BATCHES, or begin MODEL CONFIG"
                .into())
        }
    }
}

/// On how many threads a step is computed, each with as many of its rows.
fn threads() -> usize {
    std::env::var("ISOGLOSS_THREADS").ok().and_then(|it| it.parse().ok()).unwrap_or(1).max(1)
}

fn open<M: PretrainedModel>(dir: &str, device: &Device) -> Outcome<M> {
    Ok(Pretrained::open(Path::new(dir), device)?.into_model())
}

fn classify(model: SequenceClassifier, batches: &str, device: &Device) -> Outcome<()> {
    let batches = Rows::read(batches)?.classification(&model.config(), device)?;
    train(model, ClassificationObjective::default(), batches, device)
}

/// Trains in the same way as the peer, as many steps at a time as are asked for.
fn train<M, O>(model: M, objective: O, batches: Vec<O::Batch>, device: &Device) -> Outcome<()>
where
    M: Module + 'static,
    O: Objective<M> + Send + Sync + 'static,
    O::Batch: Send + Sync + 'static,
{
    let mut optimizer = AdamWSettings::default().with_weight_decay(0.01);
    optimizer.beta_2 = 0.999;
    let rate = LearningRateConfig::new(1e-4).with_decay(Decay::Constant);
    let config = TrainingConfig::new(u64::MAX)
        .with_learning_rate(rate)
        .with_optimizer(optimizer)
        .with_accumulation(threads());
    let losses = Losses::default();
    let (objective, batches) = (Arc::new(objective), batches.into_iter().map(Arc::new).collect());
    let task = InTurn { objective, batches, next: 0, losses: Arc::clone(&losses) };
    let (stop, asked) = (StopFlag::new(), RefCell::new(Asked::new(losses)));
    if !asked.borrow_mut().next()? {
        return Ok(());
    }
    let trainer = Trainer::try_new(config, model, vec![(Box::new(task), 1.0)], device)?
        .with_devices(&vec![device.clone(); threads() - 1])?;
    let progress = |event: ProgressEvent<'_>| {
        if let ProgressEvent::Advanced { .. } = event
            && !asked.borrow_mut().step().unwrap_or(false)
        {
            stop.stop();
        }
    };
    trainer.run(&stop, &Steps(&progress))?;
    Ok(())
}

struct Steps<'a>(&'a dyn Fn(ProgressEvent<'_>));

impl Progress for Steps<'_> {
    fn report(&self, event: ProgressEvent<'_>) {
        (self.0)(event);
    }
}

/// What the script wants.
struct Asked {
    steps: usize,
    begun: Instant,
    losses: Losses,
}

impl Asked {
    fn new(losses: Losses) -> Self {
        Self { steps: 0, begun: Instant::now(), losses }
    }

    fn losses(&self) -> Outcome<MutexGuard<'_, Vec<(f64, usize)>>> {
        self.losses.lock().map_err(|fault| fault.to_string().into())
    }

    /// Waits for a number; says whether there is one more.
    fn next(&mut self) -> Outcome<bool> {
        let mut line = String::new();
        if stdin().lock().read_line(&mut line)? == 0 {
            return Ok(false);
        }
        self.steps = line.trim().parse()?;
        self.losses()?.clear();
        self.begun = Instant::now();
        Ok(true)
    }

    /// Counts a step, and answers after the last; says whether to go on.
    fn step(&mut self) -> Outcome<bool> {
        let of_step = |parts: &[(f64, usize)]| {
            let sum: f64 = parts.iter().map(|(sum, _)| sum).sum();
            sum / parts.iter().map(|(_, count)| count).sum::<usize>() as f64
        };
        let losses: Vec<f64> = self.losses()?.chunks(threads()).map(of_step).collect();
        if losses.len() < self.steps {
            return Ok(true);
        }
        let seconds = self.begun.elapsed().as_secs_f64();
        println!("{}", json!({ "seconds": seconds, "losses": losses, "peak_mib": peak_mib()? }));
        self.next()
    }
}

/// The most memory that this process has held.
fn peak_mib() -> Outcome<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).ok_or("no VmHWM")?;
    Ok(kib.parse::<f64>()? / 1024.0)
}

/// Batches one after the other, again and again.
struct InTurn<O, B> {
    objective: Arc<O>,
    batches: Vec<Arc<B>>,
    next: usize,
    losses: Losses,
}

struct Turn<O, B> {
    objective: Arc<O>,
    batch: Arc<B>,
    losses: Losses,
}

impl<M, O> DrawnBatch<M> for Turn<O, O::Batch>
where
    O: Objective<M> + Send + Sync,
    O::Batch: Send + Sync,
{
    fn loss(&self, model: &M) -> LossSum {
        self.objective.loss(model, &self.batch)
    }

    fn accumulate(&self, model: &M, seed: Seed, backward: &mut dyn FnMut(Tensor<1>)) -> LossValue {
        let loss = self.objective.accumulate(model, &self.batch, seed, backward);
        if let Ok(mut losses) = self.losses.lock() {
            losses.push((loss.sum, loss.count));
        }
        loss
    }
}

impl<M, O> Task<M> for InTurn<O, O::Batch>
where
    O: Objective<M> + Send + Sync + 'static,
    O::Batch: Send + Sync + 'static,
{
    fn name(&self) -> &'static str {
        "batches in turn"
    }

    fn next_batch(&mut self, _: &Device) -> Result<Box<dyn DrawnBatch<M>>, TrainingError> {
        let batch = Arc::clone(&self.batches[self.next % self.batches.len()]);
        self.next += 1;
        let (objective, losses) = (Arc::clone(&self.objective), Arc::clone(&self.losses));
        Ok(Box::new(Turn { objective, batch, losses }))
    }

    fn state(&self) -> Value {
        Value::Null
    }

    fn restore(&mut self, _: Value) -> Result<(), String> {
        Err("a bench keeps no checkpoint".to_owned())
    }
}

/// Rows of ids, `[batches, rows, tokens]`, with a label for each token, of which -100 is none, or for each
/// row.
struct Rows {
    dims: [usize; 3],
    ids: Vec<i64>,
    labels: Vec<i64>,
}

impl Rows {
    fn read(path: &str) -> Outcome<Self> {
        let bytes = fs::read(path)?;
        let file = SafeTensors::deserialize(&bytes)?;
        let numbers = |name: &str| -> Outcome<Vec<i64>> {
            let chunks = file.tensor(name)?.data().as_chunks().0.to_vec();
            Ok(chunks.into_iter().map(i64::from_le_bytes).collect())
        };
        let shape = file.tensor("input_ids")?.shape().to_vec();
        let dims = shape.try_into().map_err(|_| "input_ids: expected three dimensions")?;
        Ok(Self { dims, ids: numbers("input_ids")?, labels: numbers("labels")? })
    }

    fn mlm(&self, config: &EncoderConfig, device: &Device) -> Outcome<Vec<MlmBatch>> {
        let [_, rows, tokens] = self.dims;
        let mut sequences = Vec::new();
        for (input, labels) in self.inputs()?.into_iter().zip(self.labels.chunks(tokens)) {
            let masked = labels.iter().enumerate().filter(|(_, label)| **label >= 0);
            let (positions, labels): (Vec<usize>, Vec<i64>) =
                masked.map(|(place, label)| (place, *label)).unzip();
            sequences.push(MaskedSequence { input, positions, labels: numbers(&labels)? });
        }
        let batches = sequences
            .chunks(rows.div_ceil(threads()))
            .map(|rows| MlmBatch::try_new(config, rows, device));
        Ok(batches.collect::<Result<_, _>>()?)
    }

    fn classification(
        &self,
        config: &ClassifierConfig,
        device: &Device,
    ) -> Outcome<Vec<ClassificationBatch>> {
        let rows = self.dims[1].div_ceil(threads());
        let (inputs, classes) = (self.inputs()?, numbers(&self.labels)?);
        let batches = inputs
            .chunks(rows)
            .zip(classes.chunks(rows))
            .map(|(inputs, classes)| ClassificationBatch::try_new(config, inputs, classes, device));
        Ok(batches.collect::<Result<_, _>>()?)
    }

    fn inputs(&self) -> Outcome<Vec<SequenceInput>> {
        let rows = self.ids.chunks(self.dims[2]);
        rows.map(|ids| Ok(SequenceInput::new(numbers(ids)?))).collect()
    }
}

fn numbers(values: &[i64]) -> Outcome<Vec<u32>> {
    Ok(values.iter().map(|&value| u32::try_from(value)).collect::<Result<_, _>>()?)
}
