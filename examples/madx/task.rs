//! A task in the source language, learned in several ways, and tested in all.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use isogloss::burn::module::Module as _;
use isogloss::core::Seed;
use isogloss::corpus::{ReadOptions, open_tsv};
use isogloss::evaluation::{BootstrapConfig, Estimate, MacroF1, Prediction};
use isogloss::governance::ModelCard;
use isogloss::peft::{
    AdapterCard, AdapterConfig, BitFitConfig, BottleneckConfig, Composition, LoraConfig, activate,
    attach, load_adapter, save_adapter, trainable_parameter_count,
};
use isogloss::tokenization::TextEncoder as _;
use isogloss::training::{
    BucketConfig, Class, Labelled, LabelledBatches, LearningRateConfig, ObjectiveTask, StopFlag,
    Trainer, TrainingConfig, batches_by_length,
};
use isogloss::transformer::{
    ClassificationObjective, EncoderBatch, HasEncoder as _, SequenceClassifier, SequenceInput,
    head_modules,
};
use isogloss_examples::{Bars, Monitor, Outcome};

use crate::language::Languages;
use crate::{Args, measured, named};

/// A way to learn the task.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Method {
    MadX,
    Lora,
    BitFit,
    Full,
}

impl Method {
    pub(crate) const ALL: [Self; 4] = [Self::MadX, Self::Lora, Self::BitFit, Self::Full];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::MadX => "MAD-X",
            Self::Lora => "LoRA",
            Self::BitFit => "BitFit",
            Self::Full => "full fine-tuning",
        }
    }
}

/// Labelled texts, and what is asked of them.
pub(crate) struct Task<'a> {
    args: &'a Args,
    languages: &'a Languages<'a>,
    labels: Vec<String>,
    train: Vec<Labelled<Class>>,
    dev: Vec<Labelled<Class>>,
    /// By language.
    tests: Vec<(String, Vec<Labelled<Class>>)>,
    seed: Seed,
}

/// What a method came to.
pub(crate) struct Result {
    pub(crate) method: Method,
    pub(crate) parameters: usize,
    pub(crate) seconds: f64,
    pub(crate) mebibytes: f64,
    /// Macro F1 by language.
    pub(crate) scores: Vec<(String, Estimate)>,
    /// By how much the loss of held-out text rose, by language.
    pub(crate) forgotten: BTreeMap<String, Estimate>,
}

/// The name of the adapter of the task.
const TASK: &str = "task";

impl<'a> Task<'a> {
    pub(crate) fn read(args: &'a Args, languages: &'a Languages<'a>, seed: Seed) -> Outcome<Self> {
        let train = rows(&args.train)?;
        let labels: BTreeSet<String> = train.iter().map(|[_, label]| label.clone()).collect();
        let mut this = Self {
            args,
            languages,
            labels: labels.into_iter().collect(),
            train: Vec::new(),
            dev: Vec::new(),
            tests: Vec::new(),
            seed,
        };
        this.train = this.labelled(train, &args.train)?;
        this.dev = this.labelled(rows(&args.dev)?, &args.dev)?;
        for text in &args.test {
            let (name, path) = named("--test", text)?;
            let rows = this.labelled(rows(&path)?, &path)?;
            this.tests.push((name, rows));
        }
        Ok(this)
    }

    fn labelled(&self, rows: Vec<[String; 2]>, path: &Path) -> Outcome<Vec<Labelled<Class>>> {
        let vocabulary = &self.languages.vocabulary;
        let [before, after] = vocabulary.frame();
        let room = self.args.max_length.saturating_sub(before.len() + after.len());
        let labelled = rows.into_iter().map(|[text, label]| {
            let Ok(class) = self.labels.binary_search(&label) else {
                let (path, known) = (path.display(), self.labels.join(", "));
                return Err(format!("{path}: label `{label}`, expected one of {known}").into());
            };
            let ids = vocabulary.encode(&text)?;
            let ids = [before.as_slice(), &ids[..ids.len().min(room)], &after].concat();
            Ok(Labelled { input: SequenceInput::new(ids), label: Class(u32::try_from(class)?) })
        });
        labelled.collect()
    }

    /// Learns the task in one way, and tests it.
    pub(crate) fn run(&self, method: Method, bars: &Bars) -> Outcome<Result> {
        let (languages, args) = (self.languages, self.args);
        let training = languages.device.clone().autodiff();
        let source = &languages.adapted()[0].name;
        let head = self.seed.derive("classifier");
        let encoder = languages.base.model().encoder().clone();
        let base = isogloss::transformer::Pretrained::new(encoder, languages.base.family())?;
        let classifier = base.into_classifier(&self.labels, head, &training)?.into_model();
        let heads = head_modules(&classifier);
        let config = match method {
            Method::MadX => Some(AdapterConfig::Bottleneck(BottleneckConfig::pfeiffer())),
            Method::Lora => Some(AdapterConfig::Lora(LoraConfig::new(8))),
            Method::BitFit => Some(AdapterConfig::BitFit(BitFitConfig::default())),
            Method::Full => None,
        };
        let mut model = classifier;
        if method == Method::MadX {
            model = load_adapter(model, source, &languages.dir(source), &training)?.0;
        }
        if let Some(config) = config {
            let config = config.with_saved_modules(heads);
            model = attach(model, TASK, &config, self.seed.derive(TASK), &training)?.0;
        }
        let parameters = trainable_parameter_count(&model);
        let (trained, seconds, mebibytes) = measured(|| self.train(method, &model, bars));
        let mut model = trained?;
        if method == Method::MadX {
            let title = format!("A task adapter over that of {source}");
            let card = ModelCard::new(title, &args.licence).with_summary(self.labels.join(", "));
            let card = AdapterCard::new(args.model.display().to_string(), card.to_markdown());
            save_adapter(&model, TASK, &card, &args.out.join("adapters/task"))?;
            // All languages stand ready on one model.
            for text in &languages.adapted()[1..] {
                let name = &text.name;
                model = load_adapter(model, name, &languages.dir(name), &languages.device)?.0;
            }
        }
        let mut scores = Vec::new();
        for (language, rows) in &self.tests {
            model = self.turned_to(method, model, language)?;
            scores.push((language.clone(), self.score(&model, rows)?));
        }
        let mut forgotten = BTreeMap::new();
        for text in languages.texts() {
            model = self.turned_to(method, model, source)?;
            let base = languages.base.model();
            let after = base.clone().with_encoder(model.clone().into_encoder())?;
            let rise = languages.losses(&after, text)?.rise(&languages.losses(base, text)?)?;
            forgotten.insert(text.name.clone(), rise);
        }
        Ok(Result { method, parameters, seconds, mebibytes, scores, forgotten })
    }

    /// With the adapter of that language under the task's; that of the source for one that has none.
    fn turned_to(
        &self,
        method: Method,
        model: SequenceClassifier,
        language: &str,
    ) -> Outcome<SequenceClassifier> {
        if method != Method::MadX {
            return Ok(model);
        }
        let adapted = self.languages.adapted();
        let own = adapted.iter().find(|text| text.name == language).unwrap_or(&adapted[0]);
        Ok(activate(model, &Composition::stack([own.name.as_str(), TASK]))?)
    }

    fn train(
        &self,
        method: Method,
        model: &SequenceClassifier,
        bars: &Bars,
    ) -> Outcome<SequenceClassifier> {
        let (args, device) = (self.args, self.languages.device.clone().autodiff());
        let rate =
            if method == Method::Full { args.full_learning_rate } else { args.learning_rate };
        let steps = args.task_steps;
        let rate = LearningRateConfig::new(rate).with_warmup_steps(steps / 10);
        let config = TrainingConfig::new(steps)
            .with_learning_rate(rate)
            .with_validate_every((steps / 5).max(1))
            .with_seed(self.seed);
        let task = |rows: &[Labelled<Class>], window: bool| -> Outcome<_> {
            let mut buckets = BucketConfig::new(args.batch_tokens);
            if !window {
                buckets.window = 1;
            }
            let seed = self.seed.derive("labels");
            let rows = Arc::new(rows.to_vec());
            let batches = LabelledBatches::try_new(rows, model.config(), buckets, seed)?;
            let task = ObjectiveTask::new("task", ClassificationObjective::default(), batches);
            Ok(Box::new(task))
        };
        let (train, dev) = (task(&self.train, true)?, task(&self.dev, false)?);
        let lengths: Vec<usize> = self.dev.iter().map(|row| row.input.len()).collect();
        let in_dev = batches_by_length(&lengths, args.batch_tokens).len();
        let stop = StopFlag::new();
        let monitor = Monitor::new(bars.stage(method.name()), &stop);
        let trainer = Trainer::try_new(config, model.clone(), vec![(train, 1.0)], &device)?
            .with_validation(dev, in_dev)?;
        let run = monitor.watching(trainer).run(&stop, &monitor)?;
        Ok(run.best.ok_or("no held-out loss was a number: try a lower rate")?.model)
    }

    fn score(&self, model: &SequenceClassifier, rows: &[Labelled<Class>]) -> Outcome<Estimate> {
        let (model, device) = (model.valid(), &self.languages.device);
        let lengths: Vec<usize> = rows.iter().map(|row| row.input.len()).collect();
        let mut predictions = Vec::with_capacity(rows.len());
        for batch in batches_by_length(&lengths, self.args.batch_tokens) {
            let inputs: Vec<_> = batch.iter().map(|&row| rows[row].input.clone()).collect();
            let input = EncoderBatch::try_new(model.encoder().config(), &inputs)?.to_device(device);
            let said: Vec<f32> = model.probabilities(&input).into_data().iter().collect();
            for (&row, scores) in batch.iter().zip(said.chunks_exact(self.labels.len())) {
                let best = (0..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b]));
                let gold = rows[row].label.0 as usize;
                predictions.push(Prediction { predicted: best.unwrap_or(0), gold });
            }
        }
        let bootstrap = BootstrapConfig::new(self.seed.derive("bootstrap"));
        Ok(bootstrap.estimate(&MacroF1 { n_classes: self.labels.len() }, &predictions)?)
    }
}

fn rows(path: &Path) -> Outcome<Vec<[String; 2]>> {
    let column = |column: &'static str| {
        // What language it is in does not matter here: a tag that is nobody's.
        let records = open_tsv(path, "qaa".parse()?, [column; 2], ReadOptions::default())?;
        records.map(|record| Ok(record?.text)).collect::<Outcome<Vec<String>>>()
    };
    let pairs = column("text")?.into_iter().zip(column("label")?);
    Ok(pairs.map(|(text, label)| [text, label]).collect())
}
