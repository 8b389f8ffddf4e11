//! The run from end to end.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use isogloss::burn::module::Module;
use isogloss::burn::tensor::Device;
use isogloss::core::{LanguageTag, Seed};
use isogloss::corpus::Manifest;
use isogloss::evaluation::{
    BarSeries, Bars as BarPlot, Block, Cell, Estimate, Plot, Report, Section, Table,
};
use isogloss::governance::{ModelCard, Policy};
use isogloss::peft::{parameter_count, trainable_parameter_count};
use isogloss::sampling::{
    ExponentConfig, LanguageDistribution, LanguageSizes, MixtureStream, PlanRow, SamplingPlan,
    SizeUnit, TextSource,
};
use isogloss::tokenization::Vocabulary;
use isogloss::training::{
    AdamWSettings, AveragingConfig, BucketConfig, Framing, LearningRateConfig, LossRecord,
    MlmBatches, ObjectiveTask, Outcome as End, RankingBatches, RunPlan, RunShape, StopFlag, Task,
    TlmBatches, TokenizedPairs, TokenizedTexts, TrainedRun, Trainer, TrainingConfig,
    batches_by_length,
};
use isogloss::transformer::{
    EncoderConfig, HasEncoder as _, MaskedLanguageModel, Masking, MlmObjective, Pretrained,
    RankingConfig, SaveOptions, SequenceLayout,
};
use isogloss_examples::{
    Bars, Monitor, Outcome, devices, print_written, share_of, stop_on_interrupt,
};

use crate::Args;
use crate::cost::{Cost, Trial};
use crate::data::{Data, Reading};
use crate::model::{self, Marks};
use crate::objectives::{self, Objective};

/// Batches that are measured of each language, at most.
const MEASURED: usize = 16;

/// What batches are made with.
struct Making<'a> {
    args: &'a Args,
    framing: Framing,
    masking: Masking,
    /// Tokens that are seen, at most.
    budget: u64,
    is_held_out: bool,
    seed: Seed,
}

type BoxedTask = Box<dyn Task<MaskedLanguageModel>>;

pub(crate) fn run(args: &Args) -> Outcome<()> {
    let ((device, others), bars) = (devices(&args.device)?, Bars::default());
    let wanted = objectives::parse(&args.objective)?;
    let checkpoints = args.out.join("checkpoints");
    if checkpoints.exists() && !args.resume && !args.plan {
        return Err(format!(
            "{}: a run was begun here, expected --resume, or another --out",
            checkpoints.display()
        )
        .into());
    }
    let vocabulary = Vocabulary::open(&args.tokenizer)?;
    let marks = Marks::of(&vocabulary, &args.tokenizer)?;
    let data = read(args, &wanted, &vocabulary, &bars)?;
    let trained_on = device.clone().autodiff();
    let pretrained = model::open(args, &vocabulary, marks, &trained_on)?;
    let encoder = pretrained.model().encoder().config().clone();
    let framing = framing(args, encoder.clone(), model::layout(args, marks), &wanted, &device)?;
    let masking = model::masking(args, &vocabulary, marks)?;

    let tokens_of_update = args.batch_tokens * args.accumulation();
    let steps = args
        .steps
        .or(args.tokens.map(|tokens| tokens.div_ceil(tokens_of_update as u64)))
        .unwrap_or(1)
        .max(1);

    let budget = steps.saturating_mul(tokens_of_update as u64);
    let making =
        Making { args, framing, masking, budget, is_held_out: false, seed: Seed::new(args.seed) };
    let config = config(args, steps);
    let plan = RunPlan::new(&RunShape {
        encoder: &encoder,
        parameters: [
            parameter_count(pretrained.model()),
            trainable_parameter_count(pretrained.model()),
        ],
        tokens: tokens_of_update,
        length: data.mean_length(args.max_length),
        predicted: args.mask_rate,
        accumulation: args.accumulation(),
        recomputed: args.recompute,
        averaged: args.averaging.is_some(),
    });
    let seconds_per_step =
        try_steps(&making, &wanted, &data, pretrained.model(), &config, (&trained_on, &others))?;
    let watts = args.watts.unwrap_or(if isogloss::is_cpu(&device) { 65.0 } else { 300.0 });
    let cost = Cost { plan, steps, seconds_per_step, watts, grams_per_kwh: args.grams_per_kwh };
    println!("{}", args.weighting.name());
    for [what, much] in making.repeated(&wanted, &data)? {
        println!("   {what:24} {much}");
    }
    for [what, much] in cost.rows() {
        println!("   {what:24} {much}");
    }
    if args.plan {
        return Ok(());
    }

    let stop = stop_on_interrupt()?;
    // Held by nobody else: a model that somebody looks at is copied before it is trained.
    let model = pretrained.model().clone();
    let pretrained = pretrained.with_model(());
    let start = Instant::now();
    let mut trainer =
        Trainer::try_new(config, model, tasks(&making, &wanted, &data)?, &trained_on)?;
    for (task, batches) in held_out(&making, &wanted, &data)? {
        trainer = trainer.with_validation(task, batches)?;
    }
    let trainer = trainer.with_devices(&others)?.with_checkpoints(&checkpoints);
    let (trainer, from) = args.numbers.written(trainer, &args.out).resume()?;
    if from > 0 {
        println!("going on from update {from}");
    }
    let monitor = Monitor::new(bars.stage("training"), &stop);
    let run = monitor.watching(trainer).run(&stop, &monitor)?;
    drop(monitor);
    if run.outcome == End::Interrupted {
        println!("ended after update {}; --resume goes on from there", run.steps);
        return Ok(());
    }
    let compared = cost.compared(run.steps - from, start.elapsed().as_secs_f64());
    println!("{:24} {:20} it took, checkpoints and held-out losses included", "", "planned");
    for [what, planned, took] in &compared {
        println!("{what:24} {planned:20} {took}");
    }
    finish(args, pretrained, &run, &vocabulary, &data, compared)
}

/// What there is to learn from, as ids.
fn read(
    args: &Args,
    wanted: &[(Objective, f64)],
    vocabulary: &Vocabulary,
    bars: &Bars,
) -> Outcome<Data> {
    let manifest = Manifest::open(&args.manifest)?;
    let policy = Policy::today().with_require_terms(!args.allow_unstated_terms);
    let of = |pairs: bool| wanted.iter().any(|(objective, _)| objective.reads_pairs() == pairs);
    let cache = args.cache.clone().unwrap_or_else(|| args.out.join("ids"));
    let read = Reading {
        manifest: &manifest,
        policy,
        vocabulary,
        tokenizer: &args.tokenizer,
        cache: &cache,
        texts: of(false),
        pairs: of(true),
        max_length: args.max_length,
    };
    let data = Data::read(&read, &bars.stage("corpus"))?;
    for warning in data.provenance.warnings() {
        println!("note: {warning}");
    }
    for (what, is_read, is_empty) in [
        ("texts", read.texts, data.texts.is_empty()),
        ("bitexts", read.pairs, data.pairs.is_empty()),
    ] {
        if is_read && is_empty {
            return Err(format!(
                "{}: no {what} to learn from, which an --objective needs",
                args.manifest.display()
            )
            .into());
        }
    }
    Ok(data)
}

/// How texts become rows of a batch.
fn framing(
    args: &Args,
    encoder: EncoderConfig,
    layout: SequenceLayout,
    wanted: &[(Objective, f64)],
    device: &Device,
) -> Outcome<Framing> {
    let reads_pairs = wanted.iter().any(|(objective, _)| objective.reads_pairs());
    let needed = if reads_pairs { layout.max_positions() } else { args.max_length + 2 };
    if needed > encoder.max_positions {
        return Err(format!("--max-length {}: {needed} positions are needed, expected at most {}, those of the model", args.max_length, encoder.max_positions).into());
    }
    let mut buckets = BucketConfig::new(args.batch_tokens);
    if args.packing {
        // On processors each sequence is computed by itself, however long rows are.
        let is_cpu = isogloss::is_cpu(device);
        buckets = buckets.with_packing(if is_cpu { args.batch_tokens } else { needed });
    }
    Ok(Framing::new(encoder, layout, buckets))
}

fn config(args: &Args, steps: u64) -> TrainingConfig {
    let warmup = share_of(steps, args.warmup);
    let rate = LearningRateConfig::new(args.learning_rate)
        .with_warmup_steps(warmup)
        .with_decay(args.decay.into());
    let mut config = TrainingConfig::new(steps)
        .with_learning_rate(rate)
        .with_optimizer(AdamWSettings::default().with_weight_decay(args.weight_decay))
        .with_accumulation(args.accumulation())
        .with_checkpoint_every(args.checkpoint_every)
        .with_validate_every(args.validate_every)
        .with_record_every((steps / 50).max(1))
        .with_seed(Seed::new(args.seed));
    config.patience = args.patience;
    config.averaging = args.averaging.map(AveragingConfig::new);
    config.rate_factors.layer_decay = args.layer_decay;
    config.recompute_layers = args.recompute;
    config
}

impl Making<'_> {
    /// How languages are drawn, by how many tokens there are of each.
    fn distribution<S: TextSource>(
        &self,
        sources: &[S],
        tokens: impl Fn(&S) -> usize,
    ) -> Outcome<(LanguageSizes, LanguageDistribution)> {
        let sizes = sources.iter().map(|source| (source.language().clone(), tokens(source) as u64));
        let sizes = LanguageSizes::try_new(SizeUnit::Tokens, sizes)?;
        let weighting = if self.is_held_out {
            // One language by itself, however the others are drawn.
            Box::new(ExponentConfig::uniform())
        } else {
            self.args.weighting.weighting(self.budget)?
        };
        let distribution = weighting.distribution(&sizes)?;
        Ok((sizes, distribution))
    }

    fn stream<S: TextSource>(
        &self,
        sources: &[S],
        tokens: impl Fn(&S) -> usize,
        seed: Seed,
    ) -> Outcome<MixtureStream> {
        let (_, distribution) = self.distribution(sources, tokens)?;
        Ok(MixtureStream::try_new(&distribution, sources, seed)?)
    }

    /// What there is of each language, and how often the run will see it.
    fn repeated(&self, wanted: &[(Objective, f64)], data: &Data) -> Outcome<Vec<[String; 2]>> {
        let all: f64 = wanted.iter().map(|(_, weight)| weight).sum();
        let share = |pairs: bool| {
            let wanted = wanted.iter().filter(|(objective, _)| objective.reads_pairs() == pairs);
            wanted.map(|(_, weight)| weight).sum::<f64>() / all
        };
        let row = |what: String, count: usize, row: &PlanRow| {
            [what, format!("{count}, {} tokens, seen {:.1} times", row.size, row.epochs)]
        };
        let mut rows = Vec::new();
        if !data.texts.is_empty() {
            let (sizes, drawn) = self.distribution(&data.texts, TokenizedTexts::tokens)?;
            let plan = SamplingPlan::try_new(&sizes, &drawn, share_of(self.budget, share(false)))?;
            for (texts, plan) in data.texts.iter().zip(&plan.rows) {
                rows.push(row(format!("texts of {}", texts.language()), texts.len(), plan));
            }
        }
        if !data.pairs.is_empty() {
            let (sizes, drawn) = self.distribution(&data.pairs, pair_tokens)?;
            let plan = SamplingPlan::try_new(&sizes, &drawn, share_of(self.budget, share(true)))?;
            for (pairs, plan) in data.pairs.iter().zip(&plan.rows) {
                let [x, y] = pairs.sides().each_ref().map(TokenizedTexts::language);
                rows.push(row(format!("pairs of {x} and {y}"), pairs.len(), plan));
            }
        }
        Ok(rows)
    }

    fn mlm(&self, name: String, texts: Arc<Vec<TokenizedTexts>>) -> Outcome<BoxedTask> {
        let seed = self.seed.derive(&name);
        let stream = self.stream(&texts, TokenizedTexts::tokens, seed)?;
        let batches =
            MlmBatches::try_new(texts, stream, self.masking.clone(), self.framing.clone(), seed)?;
        Ok(Box::new(ObjectiveTask::new(name, MlmObjective, batches)))
    }

    fn of_pairs(
        &self,
        objective: Objective,
        name: String,
        pairs: Arc<Vec<TokenizedPairs>>,
    ) -> Outcome<BoxedTask> {
        let seed = self.seed.derive(&name);
        let stream = self.stream(&pairs, pair_tokens, seed)?;
        let mut framing = self.framing.clone();
        Ok(if objective == Objective::Ranking {
            framing.buckets.packing = None;
            let batches = RankingBatches::try_new(pairs, stream, framing, seed)?;
            Box::new(ObjectiveTask::new(name, RankingConfig::default().try_init()?, batches))
        } else {
            let batches = TlmBatches::try_new(pairs, stream, self.masking.clone(), framing, seed)?;
            Box::new(ObjectiveTask::new(name, MlmObjective, batches))
        })
    }
}

fn tasks(
    making: &Making<'_>,
    wanted: &[(Objective, f64)],
    data: &Data,
) -> Outcome<Vec<(BoxedTask, f64)>> {
    let task = |&(objective, weight): &(Objective, f64)| {
        let name = objective.name().to_owned();
        let task = match objective {
            Objective::Mlm => making.mlm(name, Arc::clone(&data.texts))?,
            _ => making.of_pairs(objective, name, Arc::clone(&data.pairs))?,
        };
        Ok((task, weight))
    };
    wanted.iter().map(task).collect()
}

/// A task for each objective and language, and of how many batches.
fn held_out(
    making: &Making<'_>,
    wanted: &[(Objective, f64)],
    data: &Data,
) -> Outcome<Vec<(BoxedTask, usize)>> {
    let count = |lengths: Vec<usize>| {
        let batches = batches_by_length(&lengths, making.args.batch_tokens).len().min(MEASURED);
        // Of a few tokens perhaps none is predicted: they are drawn again, with other masks.
        let tokens = lengths.iter().sum::<usize>().min(making.args.batch_tokens);
        let predicted = making.args.mask_rate * tokens as f64;
        batches.max(share_of(MEASURED as u64, 2.0 / predicted.max(0.1)).try_into().unwrap_or(1))
    };
    // As they come: sorted by length, few texts drawn often would be batches of one text.
    let mut framing = making.framing.clone();
    framing.buckets.window = 1;
    let making = &Making { framing, masking: making.masking.clone(), is_held_out: true, ..*making };
    let mut tasks = Vec::new();
    for (objective, _) in wanted {
        let name = |language: &LanguageTag| format!("{} {language}", objective.name());
        if !objective.reads_pairs() {
            for texts in &data.held_texts {
                let batches = count(texts.iter().map(|text| text.len() + 2).collect());
                tasks.push((
                    making.mlm(name(texts.language()), Arc::new(vec![texts.clone()]))?,
                    batches,
                ));
            }
            continue;
        }
        let mut seen: Vec<LanguageTag> = Vec::new();
        for pairs in &data.held_pairs {
            let [x, y] = pairs.sides();
            let lengths = x.iter().zip(y.iter()).map(|(x, y)| x.len() + y.len() + 4).collect();
            let language = pairs.language().clone();
            let name = if seen.contains(&language) {
                format!("{} {}-{language}", objective.name(), x.language())
            } else {
                name(&language)
            };
            seen.push(language);
            tasks.push((
                making.of_pairs(*objective, name, Arc::new(vec![pairs.clone()]))?,
                count(lengths),
            ));
        }
    }
    Ok(tasks)
}

/// The seconds of an update, by taking some on a copy of everything.
fn try_steps(
    making: &Making<'_>,
    wanted: &[(Objective, f64)],
    data: &Data,
    model: &MaskedLanguageModel,
    config: &TrainingConfig,
    (device, others): (&Device, &[Device]),
) -> Outcome<f64> {
    let stop = StopFlag::new();
    let trial = Trial::new(&stop);
    let mut config = config.clone();
    config.checkpoint_every = None;
    config.validate_every = None;
    Trainer::try_new(config, model.clone(), tasks(making, wanted, data)?, device)?
        .with_devices(others)?
        .run(&stop, &trial)?;
    Ok(trial.seconds_per_step())
}

fn pair_tokens(pairs: &TokenizedPairs) -> usize {
    pairs.sides().iter().map(TokenizedTexts::tokens).sum()
}

fn finish(
    args: &Args,
    pretrained: Pretrained<()>,
    run: &TrainedRun<MaskedLanguageModel>,
    vocabulary: &Vocabulary,
    data: &Data,
    compared: Vec<[String; 3]>,
) -> Outcome<()> {
    let mut written: Vec<PathBuf> = vec![args.out.join("model"), args.out.join("metrics.jsonl")];
    let last = |records: &[LossRecord]| -> Vec<LossRecord> {
        let step = records.last().map_or(0, |record| record.step);
        records.iter().filter(|record| record.step == step).cloned().collect()
    };
    let held = last(&run.validation);
    let mut summary = format!(
        "Pre-trained by {} for {} updates of {} tokens at most, seed {}.\n\n\
         | held out | loss, nats for each target |\n|---|---|\n",
        args.objective.join(", "),
        run.steps,
        args.batch_tokens * args.accumulation(),
        args.seed,
    );
    for record in &held {
        writeln!(summary, "| {} | {:.4} |", record.task, record.loss)?;
        println!("held-out {:20} {:.4}", record.task, record.loss);
    }
    let model = pretrained.with_model(run.averaged.as_ref().unwrap_or(&run.model).valid());
    let mut card = ModelCard::new("An encoder for several languages", &args.licence)
        .with_summary(summary)
        .with_provenance(data.provenance.clone());
    if let Some(base) = &args.init {
        card = card.with_base(base.display().to_string());
    }
    model.save(&written[0], &SaveOptions::new(card.to_markdown()))?;
    vocabulary.save_dir(&written[0])?;
    data.provenance.to_toml_file(&written[0].join("provenance.toml"))?;

    written.extend(report(args, &run.history, &run.validation, compared).write(&args.out)?);
    written.push(args.out.join("checkpoints"));
    print_written(&written);
    Ok(())
}

fn report(
    args: &Args,
    history: &[LossRecord],
    held: &[LossRecord],
    compared: Vec<[String; 3]>,
) -> Report {
    let mut section = Section::new("Losses");
    let steps = |records: &[LossRecord]| {
        [records.first().map_or(0, |it| it.step), records.last().map_or(0, |it| it.step)]
    };
    let [first, last] = steps(held);
    if !held.is_empty() {
        let labels: Vec<String> =
            held.iter().filter(|it| it.step == last).map(|it| it.task.clone()).collect();
        let series = |step: u64| BarSeries {
            name: format!("after update {step}"),
            values: labels
                .iter()
                .map(|task| {
                    let record = held.iter().find(|it| it.step == step && it.task == *task)?;
                    Some(Estimate::new(
                        record.loss,
                        [record.loss; 2],
                        usize::try_from(record.targets).ok()?,
                    ))
                })
                .collect(),
        };
        let both =
            if first == last { vec![series(last)] } else { vec![series(first), series(last)] };
        section = section.with_block(Block::Plot(Plot::Bars(BarPlot::new(
            "Held-out losses",
            "nats for each target",
            labels,
            both,
        ))));
    }
    let mut table = Table::new("Losses while learning", &["update", "task", "loss", "targets"]);
    for it in history {
        table = table.with_row([
            Cell::Count(it.step),
            Cell::Text(it.task.clone()),
            Cell::Number(it.loss),
            Cell::Count(it.targets),
        ]);
    }
    section = section.with_block(Block::Table(table));
    let mut cost = Table::new("What was planned and what it took", &["", "planned", "it took"]);
    for row in compared {
        cost = cost.with_row(row.map(Cell::Text));
    }
    let cost = Section::new("Cost").with_block(Block::Table(cost));
    Report::new("Pre-training", format!("{}; seed {}", args.objective.join(", "), args.seed))
        .with_section(section)
        .with_section(cost)
}
