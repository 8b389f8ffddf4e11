//! Adapters on the command line.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use isogloss::burn::module::Module;
use isogloss::burn::tensor::Device;
use isogloss::core::Seed;
use isogloss::governance::Purpose;
use isogloss::peft::{
    AdaLoraConfig, AdapterCard, AdapterConfig, AdapterHost, BitFitConfig, BottleneckConfig,
    Composition, FusionConfig, Ia3Config, LoHaConfig, LoKrConfig, LoadedAdapter, LoraConfig,
    MixAndMatchConfig, PrefixConfig, PromptConfig, VeraConfig, activate, adapter_names, attach,
    attach_fusion, load_adapter, load_fusion, save_adapter, save_fusion, train_only,
};
use isogloss::transformer::Encoder;

use crate::{Outcome, check_terms};

/// The options of a program that trains adapters.
#[derive(Clone, Debug, clap::Args)]
pub struct PeftArgs {
    /// Train an adapter, and freeze the rest
    #[arg(long, value_enum, value_name = "METHOD")]
    pub peft: Option<Method>,

    /// The adapter in every detail: an adapter_config.json of peft or of adapters
    #[arg(long, value_name = "FILE")]
    pub peft_config: Option<PathBuf>,

    /// The rank of --peft lora, dora, loha, lokr or vera, and what adalora leaves in the mean, of half as much again
    /// [default: 8; of vera 256]
    #[arg(long, requires = "peft", conflicts_with = "peft_config")]
    pub rank: Option<usize>,

    /// The alpha of --peft lora, dora, adalora, loha or lokr [default: twice the rank; of the last three 8]
    #[arg(long, requires = "peft", conflicts_with = "peft_config")]
    pub alpha: Option<f64>,

    /// The length of --peft prefix, prompt or mam [default: 20; of mam 30]
    #[arg(long, requires = "peft", conflicts_with = "peft_config", value_name = "TOKENS")]
    pub prompt_length: Option<usize>,

    /// Words that a prompt begins with, repeated or cut to its length
    #[arg(long, value_name = "TEXT")]
    pub prompt_text: Option<String>,

    /// Leave the adapters of the lowest layers out, of as many as are drawn for each batch up to this: AdapterDrop
    #[arg(long, value_name = "LAYERS", default_value_t = 0)]
    pub drop_layers: usize,

    /// An adapter that acts, frozen, under the one that is trained; several times, the first at the bottom. Of --peft
    /// fusion, those that it is over, without their heads
    #[arg(long = "adapter", value_name = "DIR")]
    pub adapters: Vec<PathBuf>,
}

/// A way to train few parameters.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Method {
    /// Low-rank updates of queries and values
    Lora,
    /// The same, with lengths apart from directions
    Dora,
    /// Low-rank updates whose ranks are shared out while they are trained
    Adalora,
    /// Scales of keys, values, and what enters the second feed-forward matrix
    Ia3,
    /// Products of two low-rank updates of queries and values
    Loha,
    /// Kronecker products, of queries and values
    Lokr,
    /// Random matrices that queries and values share
    Vera,
    /// The biases
    Bitfit,
    /// Bottlenecks after feed-forward networks
    Pfeiffer,
    /// Bottlenecks after attention and feed-forward networks
    Houlsby,
    /// Bottlenecks beside feed-forward networks
    Parallel,
    /// As houlsby, of layers that are sums of Kronecker products
    Compacter,
    /// A language's adapter of MAD-X: bottlenecks, and invertible ones at the embeddings
    Madx,
    /// Keys and values before those of the tokens, in each layer: P-tuning v2
    Prefix,
    /// Vectors before those of the words
    Prompt,
    /// Mix-and-match: a prefix, and bottlenecks beside feed-forward networks
    Mam,
    /// Attention over the bottlenecks that --adapter names: AdapterFusion
    Fusion,
}

impl PeftArgs {
    /// The name of the adapter that is trained.
    pub const NAME: &str = "trained";

    /// Whether an adapter is trained in the place of the model.
    pub fn is_asked_for(&self) -> bool {
        self.peft.is_some() || self.peft_config.is_some()
    }

    /// The learning rate that the literature begins with.
    pub fn learning_rate(&self) -> f64 {
        match self.peft {
            None | Some(Method::Lora | Method::Dora | Method::Loha | Method::Lokr) => 5e-4,
            Some(Method::Ia3 | Method::Vera) => 5e-3,
            Some(Method::Bitfit | Method::Prefix | Method::Adalora | Method::Compacter) => 1e-3,
            Some(Method::Prompt) => 1e-2,
            Some(Method::Fusion) => 5e-5,
            Some(
                Method::Pfeiffer | Method::Houlsby | Method::Parallel | Method::Madx | Method::Mam,
            ) => 1e-4,
        }
    }

    /// Attaches what was asked for: those that are there, then the one that is trained, with these modules
    /// of a fresh head in full.
    ///
    /// # Errors
    ///
    /// A file that does not fit, options that contradict each other.
    pub fn attach<M: AdapterHost + Module>(
        &self,
        model: M,
        head: &[String],
        seed: Seed,
        device: &Device,
    ) -> Outcome<M> {
        if self.peft == Some(Method::Fusion) {
            return self.attach_fusion(model, head, seed, device);
        }
        let model = load_adapters(model, &self.adapters, device)?;
        let Some(config) = self.config()? else {
            if !self.adapters.is_empty() {
                return Err("--adapter: expected --peft or --peft-config with it".into());
            }
            return Ok(model);
        };
        let saved = config.saved_modules().iter().chain(head).cloned().collect::<Vec<_>>();
        let config = config.with_saved_modules(saved);
        Ok(attach(model, Self::NAME, &config, seed.derive("adapter"), device)?.0)
    }

    /// An encoder, before a head is put on it, with the adapters that attention is to be over. Their heads stay where
    /// they are: they may be for other labels.
    ///
    /// # Errors
    ///
    /// A directory that is none of an adapter, fewer than two of them.
    pub fn prepared(&self, mut encoder: Encoder, device: &Device) -> Outcome<Encoder> {
        if self.peft != Some(Method::Fusion) {
            return Ok(encoder);
        }
        if self.adapters.len() < 2 {
            return Err("--peft fusion: expected --adapter twice with it, or more often".into());
        }
        for (name, dir) in self.fused_names().iter().zip(&self.adapters) {
            check_terms(dir, Purpose::Evaluate)?;
            let loaded;
            (encoder, loaded) = load_adapter(encoder, name, dir, device)?;
            println!("{}: {}", dir.display(), described(&loaded));
            encoder = activate(encoder, &Composition::base())?;
        }
        Ok(encoder)
    }

    /// What the adapters are called that attention is over, in its files, too.
    fn fused_names(&self) -> Vec<String> {
        let name = |(place, dir): (usize, &PathBuf)| format!("{}-{place}", plain_name(dir));
        self.adapters.iter().enumerate().map(name).collect()
    }

    fn attach_fusion<M: AdapterHost + Module>(
        &self,
        mut model: M,
        head: &[String],
        seed: Seed,
        device: &Device,
    ) -> Outcome<M> {
        let names = self.fused_names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let fused = names.join(",");
        let mut trained = vec![fused.as_str()];
        if !head.is_empty() {
            let config = BitFitConfig::without_biases().with_saved_modules(head.iter().cloned());
            let config = AdapterConfig::BitFit(config);
            (model, _) = attach(model, Self::NAME, &config, seed.derive("adapter"), device)?;
            trained.push(Self::NAME);
        }
        let seed = seed.derive("fusion");
        let model = attach_fusion(model, &names, &FusionConfig::default(), seed, device)?;
        Ok(train_only(model, &trained)?)
    }

    /// The tokens that a row may have beside the prompts and prefixes that are asked for.
    ///
    /// # Errors
    ///
    /// Those of [`attach`](Self::attach).
    pub fn max_tokens(&self, encoder: &Encoder, device: &Device) -> Outcome<usize> {
        let config = self.config()?;
        let is_fusion = self.peft == Some(Method::Fusion);
        if is_fusion || (config.is_none() && self.adapters.is_empty()) {
            return Ok(encoder.max_tokens());
        }
        let mut encoder = encoder.clone();
        for (place, dir) in self.adapters.iter().enumerate() {
            (encoder, _) = load_adapter(encoder, &place.to_string(), dir, device)?;
        }
        if let Some(config) = config {
            // A head is of no matter here.
            let config = config.with_saved_modules(Vec::<String>::new());
            (encoder, _) = attach(encoder, Self::NAME, &config, Seed::new(0), device)?;
        }
        Ok(encoder.max_tokens())
    }

    fn config(&self) -> Outcome<Option<AdapterConfig>> {
        if let Some(path) = &self.peft_config {
            let text = std::fs::read_to_string(path)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            let (config, _) = AdapterConfig::from_json(&text, path)?;
            let (found, path) = (config.method(), path.display());
            if let Some(method) = self.peft
                && method.config_name() != found
            {
                let expected = method.config_name();
                return Err(format!("{path}: it is of {found}, expected {expected}").into());
            }
            return Ok(Some(config));
        }
        let Some(method) = self.peft.filter(|method| *method != Method::Fusion) else {
            return Ok(None);
        };
        let has_alpha = matches!(
            method,
            Method::Lora | Method::Dora | Method::Adalora | Method::Loha | Method::Lokr
        );
        let has_length = matches!(method, Method::Prefix | Method::Prompt | Method::Mam);
        for (option, is_given, is_there) in [
            ("--rank", self.rank.is_some(), has_alpha || method == Method::Vera),
            ("--alpha", self.alpha.is_some(), has_alpha),
            ("--prompt-length", self.prompt_length.is_some(), has_length),
            ("--prompt-text", self.prompt_text.is_some(), method == Method::Prompt),
        ] {
            if is_given && !is_there {
                return Err(format!("{option}: {} has none", method.config_name()).into());
            }
        }
        Ok(Some(method.config(self)))
    }

    /// Writes the adapter that was trained, as its library does; attention over several apart from its head, which
    /// comes beside it. Says what was written.
    ///
    /// # Errors
    ///
    /// Those of writing.
    pub fn save<M: AdapterHost + Module>(
        &self,
        model: &M,
        card: &AdapterCard,
        dir: &Path,
    ) -> Outcome<Vec<PathBuf>> {
        let mut written = vec![dir.to_owned()];
        if self.peft != Some(Method::Fusion) {
            save_adapter(model, Self::NAME, card, dir)?;
            return Ok(written);
        }
        let names = self.fused_names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        save_fusion(model, &names, dir)?;
        if adapter_names(model).iter().any(|name| name == Self::NAME) {
            let head = dir.with_file_name("head");
            save_adapter(model, Self::NAME, card, &head)?;
            written.push(head);
        }
        Ok(written)
    }
}

impl Method {
    fn config(self, args: &PeftArgs) -> AdapterConfig {
        let PeftArgs { rank, alpha, prompt_length, .. } = *args;
        let (small, length) = (rank.unwrap_or(8), prompt_length.unwrap_or(20));
        let lora = || {
            let lora = LoraConfig::new(small);
            match alpha {
                Some(alpha) => lora.with_alpha(alpha),
                None => lora,
            }
        };
        match self {
            Self::Lora => AdapterConfig::Lora(lora()),
            Self::Dora => AdapterConfig::Lora(lora().with_dora(true)),
            Self::Adalora => {
                let mut config = AdaLoraConfig::new(small + small.div_ceil(2), small);
                config.alpha = alpha.unwrap_or(config.alpha);
                AdapterConfig::AdaLora(config)
            }
            Self::Ia3 => AdapterConfig::Ia3(Ia3Config::default()),
            Self::Loha => {
                let mut config = LoHaConfig::new(small);
                config.alpha = alpha.unwrap_or(config.alpha);
                AdapterConfig::LoHa(config)
            }
            Self::Lokr => {
                let mut config = LoKrConfig::new(small);
                config.alpha = alpha.unwrap_or(config.alpha);
                AdapterConfig::LoKr(config)
            }
            Self::Vera => AdapterConfig::Vera(VeraConfig::new(rank.unwrap_or(256))),
            Self::Bitfit => AdapterConfig::BitFit(BitFitConfig::default()),
            Self::Pfeiffer => AdapterConfig::Bottleneck(BottleneckConfig::pfeiffer()),
            Self::Houlsby => AdapterConfig::Bottleneck(BottleneckConfig::houlsby()),
            Self::Parallel => AdapterConfig::Bottleneck(BottleneckConfig::parallel()),
            Self::Compacter => AdapterConfig::Bottleneck(BottleneckConfig::compacter()),
            Self::Madx => AdapterConfig::Bottleneck(BottleneckConfig::mad_x()),
            Self::Prefix => AdapterConfig::Prefix(PrefixConfig::new(length)),
            Self::Prompt => AdapterConfig::Prompt(PromptConfig::new(length)),
            // It is put over others, and has no configuration of this kind.
            Self::Fusion => AdapterConfig::BitFit(BitFitConfig::without_biases()),
            Self::Mam => {
                let mut config = MixAndMatchConfig::default();
                config.prefix.length = prompt_length.unwrap_or(config.prefix.length);
                AdapterConfig::MixAndMatch(config)
            }
        }
    }

    const fn config_name(self) -> &'static str {
        match self {
            Self::Lora => "lora",
            Self::Dora => "dora",
            Self::Adalora => "adalora",
            Self::Prefix => "prefix",
            Self::Prompt => "prompt",
            Self::Mam => "mam",
            Self::Fusion => "fusion",
            Self::Ia3 => "ia3",
            Self::Loha => "loha",
            Self::Lokr => "lokr",
            Self::Vera => "vera",
            Self::Bitfit => "bitfit",
            Self::Pfeiffer | Self::Houlsby | Self::Parallel | Self::Compacter | Self::Madx => {
                "bottleneck"
            }
        }
    }
}

/// Attaches adapters that are there, each named as its directory, the first at the bottom.
///
/// # Errors
///
/// A directory that is none of an adapter, or of one for another model.
pub fn load_adapters<M: AdapterHost + Module>(
    mut model: M,
    dirs: &[PathBuf],
    device: &Device,
) -> Outcome<M> {
    let mut bottlenecks: Vec<String> = Vec::new();
    for (place, dir) in dirs.iter().enumerate() {
        check_terms(dir, Purpose::Evaluate)?;
        if dir.join(FUSION_FILE).exists() {
            // Over the bottlenecks before it, in their order.
            let below: Vec<&str> = bottlenecks.iter().map(String::as_str).collect();
            model = load_fusion(model, &below, dir, device)?;
            println!("{}: attention over {}", dir.display(), below.join(", "));
            continue;
        }
        let name = format!("{place}:{}", plain_name(dir));
        let loaded;
        (model, loaded) = load_adapter(model, &name, dir, device)?;
        println!("{}: {}", dir.display(), described(&loaded));
        if matches!(loaded.config, AdapterConfig::Bottleneck(_)) {
            bottlenecks.push(name);
        }
    }
    Ok(model)
}

/// By this a directory is one of attention over adapters.
pub const FUSION_FILE: &str = "adapter_fusion_config.json";

/// What was put on, and what was not.
fn described(loaded: &LoadedAdapter) -> String {
    let LoadedAdapter { config, attached, left_out, .. } = loaded;
    let (method, sites) = (config.method(), attached.sites.len());
    let mut parts =
        vec![format!("{method}, {} parameters on {sites} modules", attached.parameters)];
    if !left_out.is_empty() {
        parts.push(format!("left out, the head of another task: {}", left_out.join(", ")));
    }
    parts.join("; ")
}

/// The last part of a path, with what a name may consist of.
fn plain_name(dir: &Path) -> String {
    let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect()
}
