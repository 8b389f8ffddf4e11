//! What all tasks share: the model they begin with, the training, what is written at the end.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use isogloss::burn::module::Module;
use isogloss::burn::tensor::{Device, Int, Tensor};
use isogloss::core::Seed;
use isogloss::governance::ModelCard;
use isogloss::peft::{
    AdapterCard, AdapterConfig, AdapterHost, RankAllocation, adapters, merge, parameter_count,
    set_prompt, trainable_parameter_count,
};
use isogloss::tokenization::{TextEncoder as _, Vocabulary};
use isogloss::training::{
    AdapterObjective, AveragingConfig, BucketConfig, Label, Labelled, LabelledBatches,
    LearningRateConfig, ObjectiveTask, Outcome as End, RateFactors, Task, Trainer, TrainingConfig,
    batches_by_length,
};
use isogloss::transformer::{
    ClassifierConfig, DeviceBatch, Encoder, EncoderBatch, Objective, Pretrained, PretrainedModel,
    SaveOptions, SequenceInput, head_modules,
};
use isogloss_examples::{
    Bars, Monitor, Outcome, PeftArgs, TextTerms, devices, print_written, share_of,
    stop_on_interrupt,
};
use serde_json::{Map, Value, json};

use crate::Args;
use crate::output::{Tested, summary, write_metrics, write_predictions};
use crate::rows::Framer;

/// A run of the program.
pub(crate) struct Session<'a> {
    pub(crate) args: &'a Args,
    pub(crate) device: Device,
    /// Those that compute beside it.
    others: Vec<Device>,
    pub(crate) vocabulary: Vocabulary,
    pub(crate) bars: Bars,
    pub(crate) seed: Seed,
    /// By name.
    pub(crate) tests: Vec<(String, PathBuf)>,
    /// Of the texts to learn from.
    terms: Option<TextTerms>,
}

/// Batches to learn from, and batches to choose the best step by.
pub(crate) struct Tasks<M> {
    pub(crate) train: Box<dyn Task<M>>,
    pub(crate) dev: Box<dyn Task<M>>,
    /// How many batches there are in each.
    pub(crate) batches: [usize; 2],
}

/// What training took, for `metrics.json`.
pub(crate) struct Trained<M> {
    pub(crate) pretrained: Pretrained<M>,
    pub(crate) record: Map<String, Value>,
}

impl<'a> Session<'a> {
    pub(crate) fn open(args: &'a Args) -> Outcome<Self> {
        // Before anything of the texts is read.
        let terms = args.terms.as_deref().map(TextTerms::open).transpose()?;
        let (device, others) = devices(&args.device)?;
        let vocabulary = Vocabulary::open(args.tokenizer.as_ref().unwrap_or(&args.model))?;
        let tests = args.test.iter().map(|text| named(text)).collect::<Outcome<Vec<_>>>()?;
        for (place, (name, _)) in tests.iter().enumerate() {
            if tests[..place].iter().any(|(other, _)| other == name) {
                return Err(
                    format!("--test: two files are named `{name}`, expected NAME=FILE").into()
                );
            }
        }
        fs::create_dir_all(&args.out)
            .map_err(|error| format!("{}: {error}", args.out.display()))?;
        let (bars, seed) = (Bars::default(), Seed::new(args.seed));
        Ok(Self { args, device, others, vocabulary, bars, seed, tests, terms })
    }

    /// The model to begin with, ready to be trained.
    pub(crate) fn base(&self) -> Outcome<Pretrained<Encoder>> {
        let (model, device) = (&self.args.model, self.device.clone().autodiff());
        let base = match self.args.quantized.format() {
            Some(format) => Pretrained::<Encoder>::open_quantized(model, format, &device)?,
            None => Pretrained::<Encoder>::open(model, &device)?,
        };
        let (rows, tokens) = (base.model().config().vocab_size, self.vocabulary.vocab_size());
        if tokens > rows {
            let model = self.args.model.display();
            return Err(format!(
                "{model}: {rows} rows in the embedding, expected {tokens}, one for each token"
            )
            .into());
        }
        if !base.left_out().is_empty() {
            println!("Not used of the model: {}", base.left_out().join(", "));
        }
        // Some files name another padding than their tokenizer has.
        let pad = self.vocabulary.special_ids().pad.unwrap_or(base.model().config().pad_id);
        let encoder = base.model().clone().with_pad_id(pad)?;
        let encoder = self.args.peft.prepared(encoder, &device)?;
        Ok(base.with_model(encoder))
    }

    pub(crate) fn framer(&self, base: &Pretrained<Encoder>) -> Outcome<Framer<'_>> {
        // What stands before the tokens takes positions of theirs.
        let room = self.args.peft.max_tokens(base.model(), &self.device.clone().autodiff())?;
        let max_length = self.args.max_length.min(room);
        Ok(Framer::new(&self.vocabulary, base.family(), base.model().config(), max_length))
    }

    /// Batches of labelled examples to learn from, and to choose the best step by.
    pub(crate) fn tasks<M, L, O>(
        &self,
        objective: &O,
        config: &L::Config,
        [train, dev]: [Vec<Labelled<L>>; 2],
    ) -> Outcome<Tasks<M>>
    where
        M: AdapterHost + Module + 'static,
        L: Label + 'static,
        O: Objective<M, Batch = L::Batch> + Clone + Send + Sync + 'static,
        L::Batch: Send,
    {
        let batches = |is_learned: bool, examples: Vec<Labelled<L>>| -> Outcome<_> {
            let lengths: Vec<usize> = examples.iter().map(|it| it.input.len()).collect();
            let count = batches_by_length(&lengths, self.args.batch_tokens).len();
            let (buckets, seed) = (self.buckets(is_learned), self.seed.derive("batches"));
            let examples = Arc::new(examples);
            Ok((LabelledBatches::try_new(examples, config.clone(), buckets, seed)?, count))
        };
        let ((train, in_epoch), (dev, in_dev)) = (batches(true, train)?, batches(false, dev)?);
        let learned = self.learned(objective);
        let train = Box::new(ObjectiveTask::new("train", learned, train));
        let dev = Box::new(ObjectiveTask::new("dev", objective.clone(), dev));
        Ok(Tasks { train, dev, batches: [in_epoch, in_dev] })
    }

    /// The objective as it is learned: with what adapters need of it.
    pub(crate) fn learned<O: Clone>(&self, objective: &O) -> AdapterObjective<O> {
        let dropped = self.args.peft.drop_layers;
        AdapterObjective::new(objective.clone()).with_dropped_layers(dropped)
    }

    /// The batches of a set that is learned from, or of one that is looked at, whose examples come as they are: sorted
    /// by length, few of them drawn often would be batches of one.
    pub(crate) fn buckets(&self, is_learned: bool) -> BucketConfig {
        let mut buckets = BucketConfig::new(self.args.batch_tokens);
        if !is_learned {
            buckets.window = 1;
        }
        buckets
    }

    /// What is said of each sequence, of batches of like lengths.
    pub(crate) fn scored<T: Clone>(
        &self,
        config: &ClassifierConfig,
        inputs: &[SequenceInput],
        score: impl Fn(&DeviceBatch) -> Vec<T>,
    ) -> Outcome<Vec<T>> {
        let lengths: Vec<usize> = inputs.iter().map(SequenceInput::len).collect();
        let mut found = vec![None; inputs.len()];
        for rows in batches_by_length(&lengths, self.args.batch_tokens) {
            let batch: Vec<_> = rows.iter().map(|&row| inputs[row].clone()).collect();
            let batch = EncoderBatch::try_new(&config.encoder, &batch)?.to_device(&self.device);
            rows.iter().zip(score(&batch)).for_each(|(row, said)| found[*row] = Some(said));
        }
        Ok(found.into_iter().flatten().collect())
    }

    /// Lets a prompt begin with words, where that is asked for.
    fn with_prompt_text<M: PretrainedModel + AdapterHost>(&self, model: M) -> Outcome<M> {
        let Some(text) = &self.args.peft.prompt_text else { return Ok(model) };
        let found = adapters(&model).adapters.into_iter().find(|it| it.name == PeftArgs::NAME);
        let Some(AdapterConfig::Prompt(prompt)) = found.map(|it| it.config) else {
            return Err("--prompt-text: expected --peft prompt with it".into());
        };
        let ids = self.vocabulary.encode(text)?;
        if ids.is_empty() {
            return Err("--prompt-text: no token in it, expected some words".into());
        }
        let ids: Vec<i64> = ids.into_iter().cycle().take(prompt.length).map(i64::from).collect();
        let words = model.encoder().word_embedding();
        let ids = Tensor::<1, Int>::from_data(ids.as_slice(), &words.device());
        Ok(set_prompt(model, PeftArgs::NAME, &words.select(0, ids))?)
    }

    pub(crate) fn train<M>(&self, pretrained: Pretrained<M>, tasks: Tasks<M>) -> Outcome<Trained<M>>
    where
        M: PretrainedModel + AdapterHost + 'static,
    {
        let (start, args) = (Instant::now(), self.args);
        let device = self.device.clone().autodiff();
        let [in_epoch, in_dev] = tasks.batches;
        let in_epoch = (in_epoch as u64).div_ceil(args.accumulation() as u64).max(1);
        let steps = args.steps.unwrap_or(in_epoch * args.epochs);
        // Held by nobody else: a model that somebody looks at is copied before it is trained.
        let model = pretrained.model().clone();
        let pretrained = pretrained.with_model(());
        // The head is new, and is trained whole.
        let head = head_modules(&model);
        let model = args.peft.attach(model, &head, self.seed, &device)?;
        let model = self.with_prompt_text(model)?;
        if args.merge {
            // Better refused before it has learned than after.
            merge(model.clone())?;
        }
        let report = adapters(&model);
        if !report.adapters.is_empty() {
            println!("{report}");
        }
        let [trainable, parameters] = [trainable_parameter_count(&model), parameter_count(&model)];
        println!(
            "{trainable} of {parameters} parameters are trained, in {steps} steps, {in_epoch} to an epoch"
        );
        let warmup = share_of(steps, args.warmup);
        let rate =
            LearningRateConfig::new(args.learning_rate.unwrap_or(if args.peft.is_asked_for() {
                args.peft.learning_rate()
            } else {
                2e-5
            }));
        let validate_every = args.validate_every.unwrap_or(in_epoch);
        let mut config = TrainingConfig::new(steps)
            .with_learning_rate(rate.with_warmup_steps(warmup))
            .with_accumulation(args.accumulation())
            .with_validate_every(validate_every)
            .with_checkpoint_every(args.checkpoint_every.unwrap_or(validate_every))
            .with_record_every((steps / 20).max(1))
            .with_seed(self.seed);
        config.keep_checkpoints = 1;
        config.patience = args.patience;
        config.recompute_layers = args.recompute;
        config.unfreeze_every = args.unfreeze_every;
        config.averaging = args.averaging.map(AveragingConfig::new);
        let mut factors = RateFactors::default();
        (factors.layer_decay, factors.lora_up) = (args.layer_decay, args.lora_up);
        config = config.with_rate_factors(factors);
        let checkpoints = args.out.join("checkpoints");
        if checkpoints.exists() && !args.resume {
            return Err(format!(
                "{}: a run was begun here, expected --resume, or another --out",
                checkpoints.display()
            )
            .into());
        }
        let ranks = RankAllocation::try_new(&model, PeftArgs::NAME, steps)?;
        let mut trainer = Trainer::try_new(config, model, vec![(tasks.train, 1.0)], &device)?;
        if let Some(ranks) = ranks {
            trainer = trainer.with_hook(Box::new(ranks));
        }
        let trainer = trainer
            .with_devices(&self.others)?
            .with_validation(tasks.dev, in_dev)?
            .with_checkpoints(&checkpoints);
        let (trainer, from) = args.numbers.written(trainer, &args.out).resume()?;
        if from > 0 {
            println!("going on from step {from}");
        }
        let stop = stop_on_interrupt()?;
        let monitor = Monitor::new(self.bars.stage("training"), &stop);
        let run = monitor.watching(trainer).run(&stop, &monitor)?;
        drop(monitor);
        if run.outcome == End::Interrupted {
            return Err(
                format!("ended after step {}; --resume goes on from there", run.steps).into()
            );
        }
        let best = run.best.ok_or("no held-out loss was a number: try a lower --learning-rate")?;
        println!("best at step {} of {}, held-out loss {:.4}", best.step, run.steps, best.loss);
        let seconds = start.elapsed().as_secs_f64();
        let history = |records: &[isogloss::training::LossRecord]| -> Vec<Value> {
            records.iter().map(|it| json!({ "step": it.step, "loss": it.loss })).collect()
        };
        let record = json!({
            "steps": run.steps, "best_step": best.step, "dev_loss": best.loss, "seconds": seconds,
            "parameters": parameters, "trainable_parameters": trainable,
            "train_losses": history(&run.history), "dev_losses": history(&run.validation),
        });
        let Value::Object(record) = record else { return Err("a record is an object".into()) };
        Ok(Trained { pretrained: pretrained.with_model(best.model.valid()), record })
    }

    /// Writes the model or the adapter, and what it is worth on each file.
    pub(crate) fn finish<M: PretrainedModel + AdapterHost>(
        &self,
        trained: Trained<M>,
        tested: Vec<(String, Tested)>,
        about: &str,
    ) -> Outcome<()> {
        let (args, out) = (self.args, &self.args.out);
        let mut written = Vec::new();
        let mut scores = Map::new();
        let mut summary_of = format!(
            "{about}\n\nTrained on `{}`, chosen by the loss on `{}`, seed {}.\n\n",
            name_of(&args.train),
            name_of(&args.dev),
            args.seed,
        );
        for (name, tested) in tested {
            println!("{name:16} {}", summary(&tested.scores));
            writeln!(summary_of, "- `{name}`: {}", summary(&tested.scores))?;
            written.push(write_predictions(out, &name, &tested.rows)?);
            scores.insert(name, json!(tested.scores));
        }
        let base = name_of(&args.model);
        let title = format!("{base}, fine-tuned for {}", args.task.name());
        let mut card =
            ModelCard::new(title, &args.licence).with_base(base).with_summary(summary_of);
        let provenance = match &self.terms {
            Some(terms) => {
                // One line names the columns.
                let rows = fs::read_to_string(&args.train)?.lines().count().saturating_sub(1);
                Some((terms, terms.provenance(None, &args.train, rows)))
            }
            None => None,
        };
        if let Some((_, provenance)) = &provenance {
            card = card.with_provenance(provenance.clone());
        }
        let (model, adapter) = (trained.pretrained.model().clone(), out.join("adapter"));
        let mut made = Vec::new();
        if args.peft.is_asked_for() {
            let mut about = AdapterCard::new(args.model.display().to_string(), card.to_markdown())
                .with_task_type(args.task.of_peft());
            if let Some((terms, provenance)) = &provenance {
                let path = out.join("provenance.toml");
                about = terms.beside(about, provenance, &path)?;
                made.push(path);
            }
            made.extend(args.peft.save(&model, &about, &adapter)?);
        }
        if args.merge || !args.peft.is_asked_for() {
            let dir = out.join("model");
            let whole = if args.merge { merge(model)?.0 } else { model };
            let whole = trained.pretrained.with_model(whole);
            whole.save(&dir, &SaveOptions::new(card.to_markdown()))?;
            self.vocabulary.save_dir(&dir)?;
            made.push(dir);
        }
        let metrics = json!({
            "task": args.task.name(), "model": args.model, "train": args.train, "dev": args.dev,
            "seed": args.seed, "training": trained.record, "test": scores,
        });
        written.insert(0, write_metrics(out, &metrics)?);
        written.extend(made);
        written.push(out.join("metrics.jsonl"));
        // What the model was made from, and no longer of use beside it.
        let checkpoints = out.join("checkpoints");
        fs::remove_dir_all(&checkpoints)
            .map_err(|error| format!("{}: {error}", checkpoints.display()))?;
        print_written(&written);
        Ok(())
    }
}

/// `NAME=FILE`, or a file that is named as it is called.
fn named(text: &str) -> Outcome<(String, PathBuf)> {
    let (name, path) = match text.split_once('=') {
        Some((name, path)) => (name.to_owned(), PathBuf::from(path)),
        None => (name_of(Path::new(text)), PathBuf::from(text)),
    };
    let is_name = !name.is_empty() && !name.contains(['/', '\\']);
    if is_name {
        Ok((name, path))
    } else {
        Err(format!("--test {text}: expected NAME=FILE").into())
    }
}

/// The last part of a path, without its ending.
fn name_of(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_named_by_hand_or_by_their_files() {
        assert_eq!(named("yo=a/b.tsv").unwrap(), ("yo".to_owned(), PathBuf::from("a/b.tsv")));
        assert_eq!(named("a/b.tsv").unwrap(), ("b".to_owned(), PathBuf::from("a/b.tsv")));
        assert!(named("../x=b.tsv").is_err() && named("=b.tsv").is_err());
    }
}
