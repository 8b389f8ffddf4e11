//! One encoder, pre-trained in three ways on one budget.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use isogloss::burn::module::Module;
use isogloss::burn::tensor::Device;
use isogloss::core::{LanguageTag, Progress, Seed};
use isogloss::sampling::{
    ExponentConfig, LanguageSizes, LanguageWeighting, MixtureStream, SizeUnit, TextSource,
};
use isogloss::tokenization::{SpecialIds, SubwordTokenizer, TextEncoder};
use isogloss::training::{
    BucketConfig, Framing, LearningRateConfig, LossRecord, MlmBatches, ObjectiveTask,
    RankingBatches, StopFlag, Task, TlmBatches, TokenizedPairs, TokenizedTexts, Trainer,
    TrainingConfig,
};
use isogloss::transformer::{
    EncoderConfig, MaskedLanguageModel, Masking, MaskingConfig, MaskingVocabulary, MlmObjective,
    RankingConfig, SequenceLayout, save_checkpoint,
};

use crate::Outcome;
use crate::corpora::{Corpora, tag};
use crate::data::PIVOT;

/// Tokens of a text at most; longer ones are split.
pub(crate) const MAX_TOKENS: usize = 62;
/// Tokens of a batch at most.
const BATCH_TOKENS: usize = 512;
/// The share of tokens to predict. Small models on little text learn faster from more of them.
const MASK_RATE: f64 = 0.3;
/// The exponent of balanced sampling, that of XLM-R.
pub(crate) const ALPHA: f64 = 0.3;
/// The highest learning rate of pre-training.
const LEARNING_RATE: f64 = 2e-3;
/// How many times as many steps are on pairs as on single texts, where there are pairs.
const PAIR_WEIGHT: f64 = 3.0;
/// Steps of each model for a minute of the whole program, on an ordinary machine with two cores.
pub(crate) const STEPS_PER_MINUTE: f64 = 500.0;

/// What a model learns from.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Regime {
    /// Masked tokens of single texts.
    Mlm,
    /// Most steps on masked tokens of texts beside their translations.
    MlmTlm,
    /// Most steps on telling translations from other texts.
    MlmRanking,
}

impl Regime {
    pub(crate) const ALL: [Self; 3] = [Self::Mlm, Self::MlmTlm, Self::MlmRanking];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mlm => "MLM",
            Self::MlmTlm => "MLM + TLM",
            Self::MlmRanking => "MLM + ranking",
        }
    }

    /// The name of its directory.
    pub(crate) fn slug(self) -> &'static str {
        match self {
            Self::Mlm => "mlm",
            Self::MlmTlm => "mlm-tlm",
            Self::MlmRanking => "mlm-ranking",
        }
    }
}

/// How long to train.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// Steps of each pre-training.
    pub(crate) pretraining: u64,
    /// Steps of each adaptation.
    pub(crate) adaptation: u64,
    /// Steps of each classifier's head.
    pub(crate) classifier: u64,
}

impl Budget {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small, above 0")]
    pub(crate) fn for_minutes(minutes: f64) -> Self {
        let steps = (minutes * STEPS_PER_MINUTE).round().max(20.0) as u64;
        Self { pretraining: steps, adaptation: steps / 10, classifier: steps / 20 }
    }
}

/// How text becomes rows of ids, the same for every model.
#[derive(Clone)]
pub(crate) struct Shape {
    pub(crate) encoder: EncoderConfig,
    pub(crate) layout: SequenceLayout,
    pub(crate) masking: Masking,
}

impl Shape {
    pub(crate) fn of(tokenizer: &SubwordTokenizer) -> Outcome<Self> {
        let special = tokenizer.special_ids();
        let SpecialIds { bos: Some(bos), pad: Some(pad), eos: Some(eos), mask: Some(mask), .. } =
            special
        else {
            return Err("the vocabulary lacks a special token".into());
        };
        let vocab_size = tokenizer.vocab_size();
        let ids = MaskingVocabulary::new(vocab_size, mask, special.all().collect());
        let masking = MaskingConfig::default().with_rate(MASK_RATE).try_init(&ids)?;
        let encoder = EncoderConfig::new(vocab_size)
            .with_d_model(128)
            .with_d_ff(256)
            .with_initializer_std(0.05)
            .with_n_layers(2)
            .with_n_heads(4)
            .with_max_positions(MAX_TOKENS + 2)
            .with_dropout(0.0)
            .with_pad_id(pad);
        let layout = SequenceLayout::xlm_roberta(bos, eos, MAX_TOKENS);
        Ok(Self { encoder, layout, masking })
    }

    pub(crate) fn framing(&self) -> Framing {
        let buckets = BucketConfig::new(BATCH_TOKENS);
        Framing::new(self.encoder.clone(), self.layout, buckets)
    }

    /// Masked language modelling on texts by language, balanced.
    pub(crate) fn mlm(
        &self,
        texts: Arc<Vec<TokenizedTexts>>,
        seed: Seed,
    ) -> Outcome<Box<dyn Task<MaskedLanguageModel>>> {
        let seed = seed.derive("mlm");
        let stream = balanced(&texts, seed)?;
        let masking = self.masking.clone();
        let batches = MlmBatches::try_new(texts, stream, masking, self.framing(), seed)?;
        Ok(Box::new(ObjectiveTask::new("mlm", MlmObjective, batches)))
    }

    fn tlm(
        &self,
        pairs: Arc<Vec<TokenizedPairs>>,
        seed: Seed,
    ) -> Outcome<Box<dyn Task<MaskedLanguageModel>>> {
        let seed = seed.derive("tlm");
        let stream = balanced(&pairs, seed)?;
        let masking = self.masking.clone();
        let batches = TlmBatches::try_new(pairs, stream, masking, self.framing(), seed)?;
        Ok(Box::new(ObjectiveTask::new("tlm", MlmObjective, batches)))
    }

    fn ranking(
        &self,
        pairs: Arc<Vec<TokenizedPairs>>,
        seed: Seed,
    ) -> Outcome<Box<dyn Task<MaskedLanguageModel>>> {
        let seed = seed.derive("ranking");
        let stream = balanced(&pairs, seed)?;
        let batches = RankingBatches::try_new(pairs, stream, self.framing(), seed)?;
        let objective = RankingConfig::default().try_init()?;
        Ok(Box::new(ObjectiveTask::new("ranking", objective, batches)))
    }
}

/// A model, and how it came about.
pub(crate) struct Pretrained {
    pub(crate) regime: Regime,
    /// Ready to be measured; nothing is traced for gradients.
    pub(crate) model: MaskedLanguageModel,
    /// Where it was saved.
    pub(crate) dir: PathBuf,
    pub(crate) steps: u64,
    pub(crate) history: Vec<LossRecord>,
    pub(crate) seconds: f64,
}

/// The ids of everything that pre-training reads, once for all regimes.
pub(crate) struct Data {
    texts: Arc<Vec<TokenizedTexts>>,
    pairs: Arc<Vec<TokenizedPairs>>,
}

impl Data {
    pub(crate) fn encode(corpora: &Corpora, tokenizer: &SubwordTokenizer) -> Outcome<Self> {
        let encode = |language: &LanguageTag, texts: &[&str]| {
            TokenizedTexts::encode(language.clone(), texts, tokenizer)
        };
        let texts = corpora.pretraining_texts();
        let texts = texts
            .iter()
            .map(|(language, texts)| Ok(encode(language, texts)?.split_long(MAX_TOKENS)))
            .collect::<Outcome<Vec<_>>>()?;
        let mut pairs = Vec::new();
        for (language, both) in corpora.pairs() {
            let side = |side: usize| -> Vec<&str> {
                both.iter().map(|pair| pair[side].as_str()).collect()
            };
            let sides = (encode(&tag(PIVOT), &side(0))?, encode(&language, &side(1))?);
            let (both, too_long) =
                TokenizedPairs::try_new(sides.0, sides.1)?.without_long(MAX_TOKENS);
            if too_long > 0 {
                println!("   {too_long} pairs of {} are too long to be used", language.name());
            }
            pairs.push(both);
        }
        Ok(Self { texts: Arc::new(texts), pairs: Arc::new(pairs) })
    }
}

/// What every model of a run shares.
#[derive(Clone, Copy)]
pub(crate) struct Setting<'a> {
    pub(crate) corpora: &'a Corpora,
    pub(crate) vocabulary: &'a SubwordTokenizer,
    pub(crate) shape: &'a Shape,
    pub(crate) budget: Budget,
    pub(crate) seed: Seed,
    pub(crate) device: &'a Device,
    /// Where files go.
    pub(crate) out: &'a Path,
}

/// Trains one model and saves it, with where its text came from.
pub(crate) fn pretrain(
    regime: Regime,
    data: &Data,
    setting: Setting<'_>,
    progress: &dyn Progress,
) -> Outcome<Pretrained> {
    let start = Instant::now();
    let Setting { corpora, shape, budget, .. } = setting;
    let (device, steps) = (setting.device.clone().autodiff(), budget.pretraining);
    let seed = setting.seed.derive("pretraining");
    // The same first weights for all.
    let model = MaskedLanguageModel::try_init(&shape.encoder, &device, seed)?;
    let mut tasks = vec![(shape.mlm(data.texts.clone(), seed)?, 1.0)];
    match regime {
        Regime::Mlm => {}
        Regime::MlmTlm => tasks.push((shape.tlm(data.pairs.clone(), seed)?, PAIR_WEIGHT)),
        Regime::MlmRanking => tasks.push((shape.ranking(data.pairs.clone(), seed)?, PAIR_WEIGHT)),
    }
    let config = TrainingConfig::new(steps)
        .with_learning_rate(LearningRateConfig::new(LEARNING_RATE).with_warmup_steps(steps / 20))
        .with_record_every((steps / 20).max(1))
        .with_seed(seed);
    let run = Trainer::try_new(config, model, tasks, &device)?.run(&StopFlag::new(), progress)?;
    let model = run.model.valid();
    let dir = setting.out.join("models").join(regime.slug());
    save_checkpoint(&dir, &model)?;
    corpora.pretraining.provenance.to_toml_file(&dir.join("provenance.toml"))?;
    let seconds = start.elapsed().as_secs_f64();
    Ok(Pretrained { regime, model, dir, steps: run.steps, history: run.history, seconds })
}

/// Draws from what there is of each language, small languages more often than their size.
fn balanced<S: TextSource>(sources: &[S], seed: Seed) -> Outcome<MixtureStream> {
    let sizes = sources.iter().map(|source| (source.language().clone(), source.text_count()));
    let sizes = LanguageSizes::try_new(SizeUnit::Sentences, sizes)?;
    let distribution = ExponentConfig::new().with_alpha(ALPHA).distribution(&sizes)?;
    Ok(MixtureStream::try_new(&distribution, sources, seed)?)
}
