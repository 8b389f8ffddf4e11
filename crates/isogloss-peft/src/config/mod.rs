//! Which adapter, how large, and where.

mod before_tokens;
mod bottleneck;
mod linear;

use burn::tensor::{Tensor, activation};
use isogloss_kernels::gelu;

pub use self::before_tokens::{
    MixAndMatchConfig, PrefixConfig, PrefixProjection, PromptConfig, PromptInit, PromptPlace,
};
pub(crate) use self::bottleneck::narrowed;
pub use self::bottleneck::{
    BottleneckConfig, BottleneckInit, BottleneckResidual, InvertibleConfig, PhmConfig, Scaling,
};
pub(crate) use self::linear::query_and_value;
pub use self::linear::{
    AdaLoraConfig, BiasMode, BitFitConfig, Ia3Config, LoHaConfig, LoKrConfig, LoraConfig, LoraInit,
    VeraConfig,
};
use crate::{AdapterError, Targets};

/// An adapter: the method, its sizes and its places.
///
/// Configurations are written and read in the formats of `peft` and `adapters`: see
/// [`from_json`](Self::from_json).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum AdapterConfig {
    /// Low-rank updates of linear layers, with DoRA and rsLoRA.
    Lora(LoraConfig),
    /// Low-rank updates whose ranks are shared out among the layers while they are trained.
    AdaLora(AdaLoraConfig),
    /// Learned scales of what linear layers give or are given.
    Ia3(Ia3Config),
    /// Updates that are products of two low-rank matrices, number by number.
    LoHa(LoHaConfig),
    /// Updates that are Kronecker products of small matrices.
    LoKr(LoKrConfig),
    /// Updates through random matrices that all layers share.
    Vera(VeraConfig),
    /// The biases of the model, and nothing else.
    BitFit(BitFitConfig),
    /// Narrow layers at the end of sub-layers.
    Bottleneck(BottleneckConfig),
    /// Keys and values before those of the tokens, in each layer.
    Prefix(PrefixConfig),
    /// Vectors before those of the tokens, at the embeddings.
    Prompt(PromptConfig),
    /// A prefix, and a bottleneck beside the feed-forward network.
    MixAndMatch(MixAndMatchConfig),
}

/// A non-linearity.
#[derive(Clone, Copy, Debug, serde::Deserialize, Eq, PartialEq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Activation {
    /// `max(0, x)`
    Relu,
    /// `x Φ(x)`, exactly.
    Gelu,
    /// `x Φ(x)` with its approximation by a hyperbolic tangent.
    GeluTanh,
    /// `x σ(x)`, also called swish.
    Silu,
    /// The hyperbolic tangent.
    Tanh,
    /// `x`, or a hundredth of it below zero.
    LeakyRelu,
}

impl Activation {
    /// Applies it to each number.
    pub fn forward<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Relu => activation::relu(x),
            Self::Gelu => gelu(x),
            Self::GeluTanh => activation::gelu_approximate(x),
            Self::Silu => activation::silu(x),
            Self::Tanh => x.tanh(),
            Self::LeakyRelu => activation::leaky_relu(x, 0.01),
        }
    }
}

macro_rules! saved {
    ($($config:ident),+) => {$(
        impl $config {
            /// Sets the modules that are trained as a whole besides, by the ends of their names.
            #[must_use]
            pub fn with_saved_modules<S: Into<String>>(
                mut self,
                names: impl IntoIterator<Item = S>,
            ) -> Self {
                self.saved_modules = names.into_iter().map(Into::into).collect();
                self
            }
        }
    )+};
}

saved!(LoraConfig, Ia3Config, LoHaConfig, LoKrConfig, VeraConfig, BitFitConfig, BottleneckConfig);
saved!(AdaLoraConfig, PrefixConfig, PromptConfig, MixAndMatchConfig);

/// The kind of site that a method sits on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SiteKind {
    Linear,
    Residual,
    Invertible,
    Embedding,
    Prefix,
    Prompt,
}

impl SiteKind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Residual => "residual",
            Self::Invertible => "invertible",
            Self::Embedding => "embedding",
            Self::Prefix => "prefix",
            Self::Prompt => "prompt",
        }
    }
}

impl AdapterConfig {
    /// What the method is called: `lora`, `dora`, `adalora`, `ia3`, `loha`, `lokr`, `vera`, `bitfit`, `bottleneck`,
    /// `prefix`, `prompt`, `mam`.
    pub fn method(&self) -> &'static str {
        match self {
            Self::Lora(lora) if lora.dora => "dora",
            Self::Lora(_) => "lora",
            Self::AdaLora(_) => "adalora",
            Self::Ia3(_) => "ia3",
            Self::LoHa(_) => "loha",
            Self::LoKr(_) => "lokr",
            Self::Vera(_) => "vera",
            Self::BitFit(_) => "bitfit",
            Self::Bottleneck(_) => "bottleneck",
            Self::Prefix(_) => "prefix",
            Self::Prompt(_) => "prompt",
            Self::MixAndMatch(_) => "mam",
        }
    }

    /// The bottlenecks of it.
    pub(crate) fn bottleneck(&self) -> Option<&BottleneckConfig> {
        match self {
            Self::Bottleneck(config) => Some(config),
            Self::MixAndMatch(config) => Some(&config.bottleneck),
            _ => None,
        }
    }

    /// The prefix of it.
    pub(crate) fn prefix(&self) -> Option<&PrefixConfig> {
        match self {
            Self::Prefix(config) => Some(config),
            Self::MixAndMatch(config) => Some(&config.prefix),
            _ => None,
        }
    }

    /// Whether it is kept in files of the `adapters` library.
    pub(crate) fn is_of_adapters(&self) -> bool {
        match self {
            Self::Bottleneck(_) | Self::MixAndMatch(_) => true,
            Self::Prefix(config) => !config.counts_positions,
            Self::Prompt(config) => config.place != PromptPlace::Words,
            _ => false,
        }
    }

    /// The linear modules that it adapts; `None` for a method that is on no such.
    pub(crate) fn targets(&self) -> Option<&Targets> {
        Some(match self {
            Self::Lora(config) => &config.targets,
            Self::AdaLora(config) => &config.targets,
            Self::Ia3(config) => &config.targets,
            Self::LoHa(config) => &config.targets,
            Self::LoKr(config) => &config.targets,
            Self::Vera(config) => &config.targets,
            _ => return None,
        })
    }

    /// The same, of which an entry may match nothing.
    pub(crate) fn lenient(mut self) -> Self {
        let targets = match &mut self {
            Self::Lora(config) => &mut config.targets,
            Self::AdaLora(config) => &mut config.targets,
            Self::Ia3(config) => {
                config.feedforward.allow_unmatched = true;
                &mut config.targets
            }
            Self::LoHa(config) => &mut config.targets,
            Self::LoKr(config) => &mut config.targets,
            Self::Vera(config) => &mut config.targets,
            _ => return self,
        };
        targets.allow_unmatched = true;
        self
    }

    /// The modules that are trained as a whole besides.
    pub fn saved_modules(&self) -> &[String] {
        match self {
            Self::Lora(config) => &config.saved_modules,
            Self::AdaLora(config) => &config.saved_modules,
            Self::Ia3(config) => &config.saved_modules,
            Self::LoHa(config) => &config.saved_modules,
            Self::LoKr(config) => &config.saved_modules,
            Self::Vera(config) => &config.saved_modules,
            Self::BitFit(config) => &config.saved_modules,
            Self::Bottleneck(config) => &config.saved_modules,
            Self::Prefix(config) => &config.saved_modules,
            Self::Prompt(config) => &config.saved_modules,
            Self::MixAndMatch(config) => &config.saved_modules,
        }
    }

    /// Sets the modules that are trained as a whole besides, such as a fresh head.
    #[must_use]
    pub fn with_saved_modules<S: Into<String>>(
        mut self,
        names: impl IntoIterator<Item = S>,
    ) -> Self {
        let saved = match &mut self {
            Self::Lora(config) => &mut config.saved_modules,
            Self::AdaLora(config) => &mut config.saved_modules,
            Self::Ia3(config) => &mut config.saved_modules,
            Self::LoHa(config) => &mut config.saved_modules,
            Self::LoKr(config) => &mut config.saved_modules,
            Self::Vera(config) => &mut config.saved_modules,
            Self::BitFit(config) => &mut config.saved_modules,
            Self::Bottleneck(config) => &mut config.saved_modules,
            Self::Prefix(config) => &mut config.saved_modules,
            Self::Prompt(config) => &mut config.saved_modules,
            Self::MixAndMatch(config) => &mut config.saved_modules,
        };
        *saved = names.into_iter().map(Into::into).collect();
        self
    }

    pub(crate) fn bias_mode(&self) -> BiasMode {
        match self {
            Self::Lora(config) => config.bias,
            Self::AdaLora(config) => config.bias,
            Self::Vera(config) => config.bias,
            Self::BitFit(config) if config.biases => BiasMode::All,
            _ => BiasMode::None,
        }
    }

    /// Every field is in its range.
    pub(crate) fn check(&self) -> Result<(), AdapterError> {
        let patterns = |ranks: &[(String, usize)], alphas: &[(String, f64)]| {
            ranks.iter().try_for_each(|(_, rank)| positive("rank_pattern", *rank))?;
            alphas.iter().try_for_each(|(_, alpha)| scale("alpha_pattern", *alpha))
        };
        match self {
            Self::Lora(config) => {
                positive("rank", config.rank)?;
                scale("alpha", config.alpha)?;
                rate("dropout", config.dropout)?;
                if config.b_bias && (config.dora || config.init != LoraInit::Kaiming) {
                    let (field, found) = ("lora_bias", "true".to_owned());
                    let expected = "false with DoRA or another beginning, as in `peft`";
                    return Err(AdapterError::Config { field, found, expected });
                }
                patterns(&config.rank_pattern, &config.alpha_pattern)
            }
            Self::LoHa(config) => {
                positive("rank", config.rank)?;
                scale("alpha", config.alpha)?;
                rate("rank_dropout", config.rank_dropout)?;
                rate("module_dropout", config.module_dropout)?;
                patterns(&config.rank_pattern, &config.alpha_pattern)
            }
            Self::LoKr(config) => {
                positive("rank", config.rank)?;
                scale("alpha", config.alpha)?;
                positive("decompose_factor", config.decompose_factor.unwrap_or(1))?;
                rate("rank_dropout", config.rank_dropout)?;
                rate("module_dropout", config.module_dropout)?;
                patterns(&config.rank_pattern, &config.alpha_pattern)
            }
            Self::Vera(config) => {
                positive("rank", config.rank)?;
                scale("d_initial", config.d_initial)?;
                rate("dropout", config.dropout)
            }
            Self::Bottleneck(config) => config.check(),
            Self::AdaLora(config) => config.check(),
            Self::Prefix(config) => config.check(),
            Self::Prompt(config) => {
                positive("length", config.length)?;
                match config.init {
                    PromptInit::Normal(spread) | PromptInit::Uniform(spread) => {
                        not_negative("init", spread)
                    }
                }
            }
            Self::MixAndMatch(config) => {
                config.prefix.check()?;
                config.bottleneck.check()?;
                let (field, found) = ("counts_positions", config.prefix.counts_positions);
                if found {
                    let expected = "false, as in the library that has it";
                    return Err(AdapterError::Config { field, found: found.to_string(), expected });
                }
                Ok(())
            }
            Self::Ia3(_) | Self::BitFit(_) => Ok(()),
        }
    }
}

fn positive(field: &'static str, size: usize) -> Result<(), AdapterError> {
    let (found, expected) = (size.to_string(), "at least 1");
    if size > 0 { Ok(()) } else { Err(AdapterError::Config { field, found, expected }) }
}

fn rate(field: &'static str, rate: f64) -> Result<(), AdapterError> {
    let (found, expected) = (rate.to_string(), "0 <= rate < 1");
    let is_one = (0.0..1.0).contains(&rate);
    if is_one { Ok(()) } else { Err(AdapterError::Config { field, found, expected }) }
}

fn scale(field: &'static str, scale: f64) -> Result<(), AdapterError> {
    let (found, expected) = (scale.to_string(), "a finite number above 0");
    let is_one = scale.is_finite() && scale > 0.0;
    if is_one { Ok(()) } else { Err(AdapterError::Config { field, found, expected }) }
}

fn not_negative(field: &'static str, spread: f64) -> Result<(), AdapterError> {
    let (found, expected) = (spread.to_string(), "a finite number of at least 0");
    let is_one = spread.is_finite() && spread >= 0.0;
    if is_one { Ok(()) } else { Err(AdapterError::Config { field, found, expected }) }
}
