//! Text of languages, and an adapter for each.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use isogloss::burn::module::Module as _;
use isogloss::burn::tensor::Device;
use isogloss::core::{LanguageTag, Seed};
use isogloss::evaluation::{Estimate, JackknifeConfig, Metric as _, RatioOfSums};
use isogloss::governance::{ModelCard, Provenance};
use isogloss::peft::{
    AdapterCard, AdapterConfig, BottleneckConfig, attach, save_adapter, trainable_parameter_count,
};
use isogloss::sampling::{
    ExponentConfig, LanguageSizes, LanguageWeighting as _, MixtureStream, SizeUnit,
};
use isogloss::tokenization::{TextEncoder as _, Vocabulary};
use isogloss::training::{
    BucketConfig, Framing, LearningRateConfig, MlmBatches, ObjectiveTask, StopFlag, Task,
    TokenizedTexts, Trainer, TrainingConfig,
};
use isogloss::transformer::{
    Encoder, HasEncoder as _, MaskedLanguageModel, Masking, MaskingConfig, MaskingVocabulary,
    MlmObjective, Pretrained, SequenceLayout, head_modules,
};
use isogloss_examples::{Bars, Monitor, Outcome, TextTerms, read_lines};

use crate::{Args, measured, named};

/// The text of a language.
pub(crate) struct Text {
    pub(crate) name: String,
    learned: Arc<Vec<TokenizedTexts>>,
    /// In parts, by which the losses of models are compared.
    held_out: Vec<Arc<Vec<TokenizedTexts>>>,
    /// The terms of it, and where it is from.
    terms: Option<(TextTerms, Provenance)>,
}

/// A model, and the text of languages that it reads.
pub(crate) struct Languages<'a> {
    args: &'a Args,
    pub(crate) device: Device,
    pub(crate) vocabulary: Vocabulary,
    pub(crate) base: Pretrained<MaskedLanguageModel>,
    /// Whether the head that predicts tokens is new.
    is_fresh: bool,
    masking: Masking,
    layout: SequenceLayout,
    seed: Seed,
    /// The source, the targets, then the others.
    texts: Vec<Text>,
    n_adapted: usize,
}

/// What an adapter has learned.
pub(crate) struct Learned {
    pub(crate) name: String,
    pub(crate) dir: PathBuf,
    /// Losses of held-out text.
    pub(crate) before: Estimate,
    pub(crate) after: Estimate,
    pub(crate) parameters: usize,
    pub(crate) seconds: f64,
    pub(crate) mebibytes: f64,
}

impl<'a> Languages<'a> {
    pub(crate) fn open(args: &'a Args, seed: Seed) -> Outcome<Self> {
        let device = isogloss::device(&args.device)?;
        let training = device.clone().autodiff();
        let vocabulary = Vocabulary::open(args.tokenizer.as_ref().unwrap_or(&args.model))?;
        let opened = Pretrained::<MaskedLanguageModel>::open(&args.model, &training);
        let (base, is_fresh) = match opened {
            Ok(base) => (base, false),
            Err(fault) => {
                let encoder =
                    Pretrained::<Encoder>::open(&args.model, &training).map_err(|_| fault)?;
                (encoder.into_language_model(seed.derive("head"), &training)?, true)
            }
        };
        let special = vocabulary.special_ids();
        // Some files name another padding than their tokenizer has.
        let pad = special.pad.unwrap_or(base.model().encoder().config().pad_id);
        let encoder = base.model().encoder().clone().with_pad_id(pad)?;
        let model = base.model().clone().with_encoder(encoder)?;
        let base = base.with_model(model);
        let (Some(mask), Some(bos), Some(eos)) = (special.mask, special.bos, special.eos) else {
            return Err("the vocabulary lacks a token for masks, beginnings or ends".into());
        };
        let known = MaskingVocabulary::new(vocabulary.vocab_size(), mask, special.all().collect());
        let masking = MaskingConfig::default().try_init(&known)?;
        let room = args.max_length.saturating_sub(2);
        let layout = SequenceLayout::xlm_roberta(bos, eos, room);
        let named = |option, list: &[String]| {
            list.iter().map(|text| named(option, text)).collect::<Outcome<Vec<_>>>()
        };
        let source = named("--source", std::slice::from_ref(&args.source))?;
        let targets = named("--target", &args.target)?;
        let n_adapted = source.len() + targets.len();
        let terms = named("--terms", &args.terms)?;
        let terms = terms.into_iter().map(|(name, file)| Ok((name, TextTerms::open(&file)?)));
        let mut terms = terms.collect::<Outcome<BTreeMap<String, TextTerms>>>()?;
        let others = named("--other", &args.other)?;
        let texts = source.into_iter().chain(targets).chain(others).map(|(name, path)| {
            let lines = read_lines(&path)?;
            let (share, limit) = Text::HELD_OUT;
            let held_out = (lines.len() / share).min(limit);
            if held_out < 2 {
                let (path, found, least) = (path.display(), lines.len(), 2 * share);
                return Err(format!("{path}: {found} lines, expected at least {least}").into());
            }
            let language: LanguageTag = name.parse()?;
            let encode = |lines: &[String]| {
                let texts = TokenizedTexts::encode(language.clone(), lines, &vocabulary)?;
                Ok::<_, isogloss::training::TrainingError>(Arc::new(vec![texts.split_long(room)]))
            };
            let (learned, rest) = lines.split_at(lines.len() - held_out);
            let terms = terms.remove(&name).map(|terms| {
                let provenance = terms.provenance(Some(&language), &path, learned.len());
                (terms, provenance)
            });
            let learned = encode(learned)?;
            let parts = rest.chunks(held_out.div_ceil(Text::PARTS));
            let held_out = parts.map(encode).collect::<Result<Vec<_>, _>>()?;
            Ok(Text { name, learned, held_out, terms })
        });
        let texts = texts.collect::<Outcome<Vec<_>>>()?;
        if let Some(name) = terms.keys().next() {
            return Err(format!("--terms {name}: there is no text of that language").into());
        }
        Ok(Self {
            args,
            device,
            vocabulary,
            base,
            is_fresh,
            masking,
            layout,
            seed,
            texts,
            n_adapted,
        })
    }

    /// The languages that get an adapter, that of the labels first.
    pub(crate) fn adapted(&self) -> &[Text] {
        &self.texts[..self.n_adapted]
    }

    pub(crate) fn texts(&self) -> &[Text] {
        &self.texts
    }

    pub(crate) fn dir(&self, language: &str) -> PathBuf {
        self.args.out.join("adapters").join(language)
    }

    fn batches(
        &self,
        texts: &Arc<Vec<TokenizedTexts>>,
        bucket: BucketConfig,
    ) -> Outcome<MlmBatches> {
        let sizes = texts.iter().map(|it| (it.language().clone(), it.len() as u64));
        let sizes = LanguageSizes::try_new(SizeUnit::Sentences, sizes)?;
        let distribution = ExponentConfig::new().distribution(&sizes)?;
        let stream = MixtureStream::try_new(&distribution, texts, self.seed.derive("texts"))?;
        let config = self.base.model().encoder().config().clone();
        let framing = Framing::new(config, self.layout, bucket);
        let masking = self.masking.clone();
        Ok(MlmBatches::try_new(Arc::clone(texts), stream, masking, framing, self.seed)?)
    }

    /// Trains the adapter of a language on its text, and writes it.
    pub(crate) fn learn(&self, text: &Text, bars: &Bars) -> Outcome<Learned> {
        let training = self.device.clone().autodiff();
        let before = self.losses(self.base.model(), text)?;
        let mut config = AdapterConfig::Bottleneck(BottleneckConfig::mad_x());
        if self.is_fresh {
            // Nobody has trained it; each language's adapter has its own.
            config = config.with_saved_modules(head_modules(self.base.model()));
        }
        let seed = self.seed.derive(&text.name);
        let (model, _) = attach(self.base.model().clone(), &text.name, &config, seed, &training)?;
        let parameters = trainable_parameter_count(&model);
        let bucket = BucketConfig::new(self.args.batch_tokens);
        let task: Box<dyn Task<_>> =
            Box::new(ObjectiveTask::new("mlm", MlmObjective, self.batches(&text.learned, bucket)?));
        let steps = self.args.language_steps;
        let rate = LearningRateConfig::new(self.args.learning_rate).with_warmup_steps(steps / 10);
        let config = TrainingConfig::new(steps).with_learning_rate(rate).with_seed(seed);
        let title = format!("text of {}", text.name);
        let (run, seconds, mebibytes) = measured(|| -> Outcome<_> {
            let stop = StopFlag::new();
            let monitor = Monitor::new(bars.stage(&title), &stop);
            let trainer = Trainer::try_new(config, model, vec![(task, 1.0)], &training)?;
            Ok(monitor.watching(trainer).run(&stop, &monitor)?)
        });
        let model = run?.model;
        let after = self.losses(&model, text)?;
        let dir = self.dir(&text.name);
        let title = format!("A language adapter for {}", text.name);
        let mut card = ModelCard::new(title, &self.args.licence)
            .with_base(self.args.model.display().to_string())
            .with_summary(format!(
                "Held-out loss {:.4} before, {:.4} after.",
                before.value(),
                after.value()
            ));
        if let Some((_, provenance)) = &text.terms {
            card = card.with_provenance(provenance.clone());
        }
        let mut card = AdapterCard::new(self.args.model.display().to_string(), card.to_markdown());
        if let Some((terms, provenance)) = &text.terms {
            let path = self.args.out.join(format!("provenance.{}.toml", text.name));
            card = terms.beside(card, provenance, &path)?;
        }
        save_adapter(&model, &text.name, &card, &dir)?;
        let (name, before, after) = (text.name.clone(), before.mean()?, after.mean()?);
        Ok(Learned { name, dir, before, after, parameters, seconds, mebibytes })
    }

    /// The losses of held-out text, with the same masks for every model.
    pub(crate) fn losses(&self, model: &MaskedLanguageModel, text: &Text) -> Outcome<Losses> {
        let model = model.valid();
        let loss = |part: &Arc<Vec<TokenizedTexts>>| {
            // As they are drawn, all of the part, and not those of like lengths.
            let mut bucket = BucketConfig::new(self.args.batch_tokens);
            bucket.window = 1;
            let batches = self.batches(part, bucket)?;
            let mut task = ObjectiveTask::new("held out", MlmObjective, batches);
            let batch = Task::<MaskedLanguageModel>::next_batch(&mut task, &self.device)?;
            let loss = batch.loss(&model);
            Ok([f64::from(loss.sum.into_scalar::<f32>()), loss.count as f64])
        };
        let of_parts = text.held_out.iter().map(loss).collect::<Outcome<_>>()?;
        Ok(Losses { of_parts, seed: self.seed })
    }
}

/// What a model loses on each part of a held-out text.
pub(crate) struct Losses {
    /// The sum over hidden tokens, and how many there are.
    of_parts: Vec<[f64; 2]>,
    seed: Seed,
}

impl Losses {
    fn value(&self) -> f64 {
        mean_loss(&self.of_parts, &(0..self.of_parts.len()).collect::<Vec<_>>())
    }

    /// The mean over hidden tokens.
    pub(crate) fn mean(&self) -> Outcome<Estimate> {
        self.estimate(|parts| mean_loss(&self.of_parts, parts))
    }

    /// What the mean rose by since `before`, on the same hidden tokens.
    pub(crate) fn rise(&self, before: &Self) -> Outcome<Estimate> {
        self.estimate(|parts| mean_loss(&self.of_parts, parts) - mean_loss(&before.of_parts, parts))
    }

    fn estimate(&self, of: impl Fn(&[usize]) -> f64) -> Outcome<Estimate> {
        let parts = self.of_parts.len();
        let jackknife = JackknifeConfig::new(self.seed).with_groups(parts);
        Ok(jackknife.estimate(parts, |kept| Ok(of(kept)))?.estimate())
    }
}

/// 0 where nothing is hidden.
fn mean_loss(of_parts: &[[f64; 2]], kept: &[usize]) -> f64 {
    RatioOfSums.aggregate(&mut kept.iter().map(|part| &of_parts[*part])).unwrap_or(0.0)
}
