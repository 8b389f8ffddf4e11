//! What stands before the tokens.

use super::{not_negative, positive, rate};
use crate::{Activation, AdapterError, BottleneckConfig};

/// The size of a prefix: keys and values that stand before those of the tokens, in each layer.
///
/// ```text
/// softmax(q [P_k; k]ᵀ / √d_head) [P_v; v]
/// ```
///
/// They are learned as they are, which is P-tuning v2, or [through](Self::projection) a network that is
/// dropped after training. Both libraries have them, in different ways, and
/// [`counts_positions`](Self::counts_positions) tells which.
///
/// # Source
///
/// Li and Liang (2021), "Prefix-Tuning", <https://arxiv.org/abs/2101.00190>; Liu et al. (2022),
/// "P-Tuning v2", <https://arxiv.org/abs/2110.07602>.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PrefixConfig {
    /// The keys of a layer, at least 1.
    pub length: usize,
    /// The network that they are made by. Default: none.
    pub projection: Option<PrefixProjection>,
    /// Dropout on keys and values, in `[0, 1)`. Default: 0.
    pub dropout: f64,
    /// The deviation of what they begin with, where no network makes them; 0 for zeros. Default: 1, as in
    /// both libraries.
    pub init_std: f64,
    /// Layers of these numbers have none. Default: none such. Only without `counts_positions`.
    pub leave_out: Vec<usize>,
    /// Whether the first token has the position behind the prefix, as in `peft`, in whose files it is then
    /// kept; the `adapters` library lets it have the first. Default: yes.
    pub counts_positions: bool,
    /// Modules that are trained as a whole besides. Default: none.
    pub saved_modules: Vec<String>,
}

/// Two layers that make the keys and values of all layers of few numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct PrefixProjection {
    /// Of what stands between the two.
    pub width: usize,
    /// Between the two. Default: [`Activation::Tanh`].
    pub activation: Activation,
}

/// The size and the place of a prompt: vectors that layers read as they read tokens.
///
/// The tokens' own hidden states are what a model gives; what reads the first token of a row, such as the head
/// of a classifier, reads the first of the prompt where that comes first, as in both libraries.
///
/// # Source
///
/// Lester et al. (2021), "The Power of Scale for Parameter-Efficient Prompt Tuning",
/// <https://arxiv.org/abs/2104.08691>.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PromptConfig {
    /// The vectors, at least 1.
    pub length: usize,
    /// Where they stand.
    pub place: PromptPlace,
    /// What they begin with; see [`set_prompt`](crate::set_prompt) for words.
    pub init: PromptInit,
    /// Modules that are trained as a whole besides. Default: none.
    pub saved_modules: Vec<String>,
}

/// Where a prompt stands.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum PromptPlace {
    /// Before the words, in the place of the vectors of words: with positions, and normalised with them. As in
    /// `peft`, in whose files it is kept.
    #[default]
    Words,
    /// Before the output of the embeddings, which keep their positions. As in the `adapters` library.
    Embeddings,
    /// There, behind the first token.
    AfterFirst,
}

/// What a prompt begins with.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum PromptInit {
    /// Normal, of that deviation.
    Normal(f64),
    /// Uniform up to that bound.
    Uniform(f64),
}

/// A prefix in the files of the `adapters` library, and a bottleneck beside the feed-forward network.
///
/// # Source
///
/// He et al. (2022), "Towards a Unified View of Parameter-Efficient Transfer Learning",
/// <https://arxiv.org/abs/2110.04366>: the "mix-and-match" adapter.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MixAndMatchConfig {
    /// The prefix. Default: of 30 keys, through a network of 800.
    pub prefix: PrefixConfig,
    /// The bottleneck. Default: [`BottleneckConfig::parallel`].
    pub bottleneck: BottleneckConfig,
    /// Modules that are trained as a whole besides. Default: none.
    pub saved_modules: Vec<String>,
}

impl Default for MixAndMatchConfig {
    fn default() -> Self {
        Self::new(
            PrefixConfig::without_positions(30).with_projection(800),
            BottleneckConfig::parallel(),
        )
    }
}

impl MixAndMatchConfig {
    /// These two.
    pub fn new(prefix: PrefixConfig, bottleneck: BottleneckConfig) -> Self {
        Self { prefix, bottleneck, saved_modules: Vec::new() }
    }
}

impl PrefixConfig {
    /// A prefix that is learned as it is, and takes positions, as `peft` has it: P-tuning v2.
    pub fn new(length: usize) -> Self {
        Self {
            length,
            projection: None,
            dropout: 0.0,
            init_std: 1.0,
            leave_out: Vec::new(),
            counts_positions: true,
            saved_modules: Vec::new(),
        }
    }

    /// One that takes no positions, as the `adapters` library has it.
    pub fn without_positions(length: usize) -> Self {
        Self { counts_positions: false, ..Self::new(length) }
    }

    /// Lets a network of that width make it while it is trained.
    #[must_use]
    pub fn with_projection(mut self, width: usize) -> Self {
        self.projection = Some(PrefixProjection { width, activation: Activation::Tanh });
        self
    }

    /// Sets the deviation of what it begins with.
    #[must_use]
    pub fn with_init_std(mut self, init_std: f64) -> Self {
        self.init_std = init_std;
        self
    }

    /// Leaves layers of these numbers out.
    #[must_use]
    pub fn without_layers(mut self, layers: impl IntoIterator<Item = usize>) -> Self {
        self.leave_out = layers.into_iter().collect();
        self
    }
}

impl PromptConfig {
    /// A prompt in the place of words, normal with 1, as `peft` has it.
    pub fn new(length: usize) -> Self {
        Self {
            length,
            place: PromptPlace::Words,
            init: PromptInit::Normal(1.0),
            saved_modules: Vec::new(),
        }
    }

    /// One before the output of the embeddings, uniform up to 0.5, as the `adapters` library has it.
    pub fn before_embeddings(length: usize) -> Self {
        Self { place: PromptPlace::Embeddings, init: PromptInit::Uniform(0.5), ..Self::new(length) }
    }

    /// Sets where it stands.
    #[must_use]
    pub fn with_place(mut self, place: PromptPlace) -> Self {
        self.place = place;
        self
    }
}

impl PrefixConfig {
    pub(super) fn check(&self) -> Result<(), AdapterError> {
        positive("length", self.length)?;
        positive("projection", self.projection.map_or(1, |projection| projection.width))?;
        not_negative("init_std", self.init_std)?;
        if self.counts_positions && !(self.leave_out.is_empty() && self.dropout == 0.0) {
            let (field, found) = ("counts_positions", "true".to_owned());
            let expected = "false with layers left out or dropout, which `peft` has not";
            return Err(AdapterError::Config { field, found, expected });
        }
        let is_tanh = |it: &PrefixProjection| it.activation == Activation::Tanh;
        if self.counts_positions && !self.projection.as_ref().is_none_or(is_tanh) {
            let (field, found) = ("projection", "with another activation".to_owned());
            return Err(AdapterError::Config { field, found, expected: "tanh, as in `peft`" });
        }
        rate("dropout", self.dropout)
    }
}
