//! A language that pre-training never saw: adapted to in three ways, and not at all.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use isogloss::burn::module::{Module, ModuleMapper, Param};
use isogloss::burn::tensor::Tensor;
use isogloss::core::Progress;
use isogloss::governance::Provenance;
use isogloss::peft::{
    AdapterCard, AdapterConfig, BottleneckConfig, LoraConfig, attach, parameter_count,
    save_adapter, trainable_parameter_count,
};
use isogloss::training::{LearningRateConfig, StopFlag, TokenizedTexts, Trainer, TrainingConfig};
use isogloss::transformer::{MaskedLanguageModel, load_checkpoint, save_checkpoint};

use crate::Outcome;
use crate::corpora::tag;
use crate::data::HELD_OUT;
use crate::measures::ByLanguage;
use crate::memory;
use crate::pretraining::{MAX_TOKENS, Pretrained, Setting};

/// The name of the one adapter that a model has.
pub(crate) const ADAPTER: &str = "adapted";

/// How a model is adapted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Method {
    /// Not at all.
    Nothing,
    /// A narrow layer at the end of each layer, the rest frozen.
    Bottleneck,
    /// Low-rank updates of every matrix of the layers, the rest frozen.
    Lora,
    /// All weights but the embeddings.
    Layers,
    /// All weights.
    Full,
}

impl Method {
    pub(crate) const ALL: [Self; 5] =
        [Self::Nothing, Self::Bottleneck, Self::Lora, Self::Layers, Self::Full];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nothing => "none",
            Self::Bottleneck => "bottleneck adapter",
            Self::Lora => "LoRA",
            Self::Layers => "all but the embeddings",
            Self::Full => "full fine-tuning",
        }
    }

    /// Where it is saved under `--out`, if it is something to save.
    fn dir(self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Bottleneck => Some("adapters/bottleneck"),
            Self::Lora => Some("adapters/lora"),
            Self::Layers => Some("models/mlm-tlm-adapted-layers"),
            Self::Full => Some("models/mlm-tlm-adapted"),
        }
    }

    pub(crate) fn config(self) -> Option<AdapterConfig> {
        match self {
            Self::Nothing | Self::Layers | Self::Full => None,
            Self::Bottleneck => Some(AdapterConfig::Bottleneck(BottleneckConfig::new(2))),
            Self::Lora => {
                let target = ".*(query|key|value|output|up|down)";
                Some(AdapterConfig::Lora(LoraConfig::new(11).with_alpha(44.0).with_target(target)))
            }
        }
    }

    /// The highest learning rate, chosen for each on the dev split.
    fn learning_rate(self) -> f64 {
        match self {
            Self::Nothing | Self::Layers | Self::Full => 3e-3,
            Self::Lora => 5e-3,
            Self::Bottleneck => 1e-2,
        }
    }
}

/// What a method gave, and what it took.
pub(crate) struct Adapted {
    pub(crate) method: Method,
    /// Ready to be measured, its adapter in place.
    pub(crate) model: MaskedLanguageModel,
    /// Where the adapter, or the whole model, was saved.
    pub(crate) dir: Option<PathBuf>,
    pub(crate) trainable: usize,
    /// Parameters of the model without its adapter.
    pub(crate) of: usize,
    /// The most memory that training held beside what was held before, model and data included.
    pub(crate) mebibytes: f64,
    pub(crate) seconds: f64,
    pub(crate) steps: u64,
    pub(crate) scores: ByLanguage,
}

/// What all adaptations share.
pub(crate) struct Adaptation<'a> {
    setting: Setting<'a>,
    base: &'a Path,
    texts: Arc<Vec<TokenizedTexts>>,
    /// Where the text of the base and of the adaptation came from.
    provenance: Provenance,
}

impl<'a> Adaptation<'a> {
    pub(crate) fn new(setting: Setting<'a>, base: &'a Pretrained) -> Outcome<Self> {
        let Setting { corpora, vocabulary, .. } = setting;
        let language = tag(HELD_OUT);
        let texts = &corpora.adaptation.texts[&language];
        let texts = TokenizedTexts::encode(language, texts, vocabulary)?.split_long(MAX_TOKENS);
        let mut provenance = corpora.pretraining.provenance.clone();
        provenance.merge(corpora.adaptation.provenance.clone());
        Ok(Self { setting, base: &base.dir, texts: Arc::new(vec![texts]), provenance })
    }

    /// Adapts a copy of the model in one way and saves it; its scores are still to be measured.
    pub(crate) fn run(&self, method: Method, progress: &dyn Progress) -> Outcome<Adapted> {
        let (trained, mebibytes) = memory::peak_during(|| self.train(method, progress));
        let Trained { model, trainable, of, seconds } = trained?;
        let dir = method.dir().map(|dir| self.setting.out.join(dir));
        match (&dir, method.config()) {
            (Some(dir), Some(_)) => {
                save_adapter(&model, ADAPTER, &AdapterCard::default(), dir)?;
            }
            (Some(dir), None) => save_checkpoint(dir, &model)?,
            (None, _) => {}
        }
        if let Some(dir) = &dir {
            self.provenance.to_toml_file(&dir.join("provenance.toml"))?;
        }
        let scores = ByLanguage::new();
        Ok(Adapted {
            method,
            model,
            dir,
            trainable,
            of,
            mebibytes,
            seconds,
            steps: self.setting.budget.adaptation,
            scores,
        })
    }

    fn train(&self, method: Method, progress: &dyn Progress) -> Outcome<Trained> {
        if method == Method::Nothing {
            let model: MaskedLanguageModel = load_checkpoint(self.base, self.setting.device)?;
            let of = parameter_count(&model);
            return Ok(Trained { model, trainable: 0, of, seconds: 0.0 });
        }
        let start = Instant::now();
        let (seed, steps) =
            (self.setting.seed.derive("adaptation"), self.setting.budget.adaptation);
        let device = self.setting.device.clone().autodiff();
        let mut model: MaskedLanguageModel = load_checkpoint(self.base, &device)?;
        let of = parameter_count(&model);
        if let Some(config) = method.config() {
            (model, _) = attach(model, ADAPTER, &config, seed, &device)?;
        }
        if method == Method::Layers {
            model = model.map(&mut FreezeEmbeddings::default());
        }
        let trainable = trainable_parameter_count(&model);
        let task = self.setting.shape.mlm(self.texts.clone(), seed)?;
        let peak = LearningRateConfig::new(method.learning_rate());
        let config = TrainingConfig::new(steps)
            .with_learning_rate(peak.with_warmup_steps(steps / 10))
            .with_seed(seed);
        let run = Trainer::try_new(config, model, vec![(task, 1.0)], &device)?
            .run(&StopFlag::new(), progress)?;
        let seconds = start.elapsed().as_secs_f64();
        Ok(Trained { model: run.model.valid(), trainable, of, seconds })
    }
}

/// Takes the parameters of the embeddings, with which the decoder is tied, out of training.
#[derive(Default)]
struct FreezeEmbeddings {
    path: Vec<String>,
}

impl ModuleMapper for FreezeEmbeddings {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.path.iter().any(|name| name == "embeddings") {
            parameter.set_require_grad(false)
        } else {
            parameter
        }
    }
}

struct Trained {
    model: MaskedLanguageModel,
    trainable: usize,
    of: usize,
    seconds: f64,
}
