//! Which adapter, how large, and where.

use std::collections::BTreeMap;

use burn::tensor::{Tensor, activation};
use isogloss_kernels::gelu;

use crate::{AdapterError, ForeignNames, ModuleNames, Targets};

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

/// The size and the places of a LoRA.
///
/// ```text
/// y = x W + b + s · drop(x) A B       s = alpha / rank, or alpha / √rank
/// ```
///
/// The low-rank part is a side path: no matrix of the size of `W` is made in a step, and `W` takes no
/// gradient.
///
/// With [`dora`](Self::dora), each output of `W + s A B` is brought to a length that is learned:
/// `y = b + m / ‖W + s A B‖ · (x W + s x A B)`, where the norm takes no gradient. In training `peft` takes
/// the first of these products of what dropout left of `x`; here it is of `x` itself, at the cost of one
/// product less.
///
/// # Source
///
/// Hu et al. (2022), "LoRA: Low-Rank Adaptation of Large Language Models",
/// <https://arxiv.org/abs/2106.09685>; Kalajdzievski (2023), "A Rank Stabilization Scaling Factor for
/// Fine-Tuning with LoRA", <https://arxiv.org/abs/2312.03732>; Liu et al. (2024), "DoRA: Weight-Decomposed
/// Low-Rank Adaptation", <https://arxiv.org/abs/2402.09353>. As `peft` 0.21 computes them.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LoraConfig {
    /// The rank of an update, at least 1 and at most the smaller side of its matrix.
    pub rank: usize,
    /// The update is scaled by `alpha / rank`. Default: twice the rank.
    pub alpha: f64,
    /// Dropout on what enters the side path, in `[0, 1)`. Default: 0.
    pub dropout: f64,
    /// Whether the update is scaled by `alpha / √rank` instead. Default: no.
    pub rs_lora: bool,
    /// Whether lengths are learned apart from directions. Default: no.
    pub dora: bool,
    /// Whether B has a bias, which is scaled with it. Default: no.
    pub b_bias: bool,
    /// What A begins with. Default: [`LoraInit::Kaiming`].
    pub init: LoraInit,
    /// Other ranks for some modules, by regular expressions of the ends of their names.
    pub rank_pattern: Vec<(String, usize)>,
    /// Other alphas for some modules.
    pub alpha_pattern: Vec<(String, f64)>,
    /// Which biases of the model are trained with it. Default: none.
    pub bias: BiasMode,
    /// The modules: linear ones and, where they are named, tables of embeddings. Default: the query and value
    /// projections, `.*(query|value|q_lin|v_lin)`.
    pub targets: Targets,
    /// Modules that are trained as a whole besides, such as a head. Default: none.
    pub saved_modules: Vec<String>,
}

/// What the matrix A of a LoRA begins with; B begins with zeros.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum LoraInit {
    /// Uniform up to `1 / √in`, as the layers of PyTorch.
    #[default]
    Kaiming,
    /// Normal with the standard deviation `1 / rank`.
    Gaussian,
}

/// Which biases of a model are trained with an adapter.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum BiasMode {
    /// None.
    #[default]
    None,
    /// Those of all its modules, normalisations included.
    All,
    /// Those of the modules that are adapted.
    Adapted,
}

/// The size and the places of AdaLoRA: `y = x W + b + s · drop(x) A diag(e) B`, with
/// `s = alpha / initial_rank`.
///
/// It begins with a rank for all layers. While it is trained, a [`RankAllocation`](crate::RankAllocation) takes
/// ranks from where they matter little, until so many are left as all layers with `target_rank` would have; and
/// a [penalty](crate::penalty) holds A and B near orthonormal.
///
/// # Source
///
/// Zhang et al. (2023), "AdaLoRA: Adaptive Budget Allocation for Parameter-Efficient Fine-Tuning",
/// <https://arxiv.org/abs/2303.10512>. As `peft` 0.21 computes it, whose penalty is a mean of norms where the
/// paper has a sum of squares.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AdaLoraConfig {
    /// The rank of each layer at first, at least 1. Default: 12.
    pub initial_rank: usize,
    /// The rank that is left to a layer in the mean. Default: 8.
    pub target_rank: usize,
    /// The update is scaled by `alpha / initial_rank`. Default: 8.
    pub alpha: f64,
    /// Dropout on what enters the side path, in `[0, 1)`. Default: 0.
    pub dropout: f64,
    /// Steps at the beginning in which no rank is taken. Default: 0.
    pub initial_steps: u64,
    /// Steps at the end in which no rank is taken any more. Default: 0.
    pub final_steps: u64,
    /// Ranks are taken once in so many steps, at least 1. Default: 1.
    pub interval: u64,
    /// How slowly importance, and its spread, follow the steps, in `(0, 1)`. Default: 0.85 and 0.85.
    pub betas: [f64; 2],
    /// The weight of the penalty. Default: 0.5.
    pub orthogonal_weight: f64,
    /// The steps that it is trained for. Default: those of the run.
    pub total_steps: Option<u64>,
    /// Which ranks are left, by the names of the modules, of one that was trained. Default: all.
    pub kept: BTreeMap<String, Vec<bool>>,
    /// Which biases of the model are trained with it. Default: none.
    pub bias: BiasMode,
    /// The modules. Default: the query and value projections.
    pub targets: Targets,
    /// Modules that are trained as a whole besides. Default: none.
    pub saved_modules: Vec<String>,
}

impl Default for AdaLoraConfig {
    fn default() -> Self {
        Self::new(12, 8)
    }
}

impl AdaLoraConfig {
    /// From one rank to another, with the defaults that stand beside the fields.
    pub fn new(initial_rank: usize, target_rank: usize) -> Self {
        Self {
            initial_rank,
            target_rank,
            alpha: 8.0,
            dropout: 0.0,
            initial_steps: 0,
            final_steps: 0,
            interval: 1,
            betas: [0.85; 2],
            orthogonal_weight: 0.5,
            total_steps: None,
            kept: BTreeMap::new(),
            bias: BiasMode::None,
            targets: query_and_value(),
            saved_modules: Vec::new(),
        }
    }

    /// Sets the steps at the beginning and at the end in which no rank is taken.
    #[must_use]
    pub fn with_steps_around(mut self, initial_steps: u64, final_steps: u64) -> Self {
        (self.initial_steps, self.final_steps) = (initial_steps, final_steps);
        self
    }

    fn check(&self) -> Result<(), AdapterError> {
        positive("initial_rank", self.initial_rank)?;
        positive("target_rank", self.target_rank)?;
        let fault =
            |field, found: String, expected| Err(AdapterError::Config { field, found, expected });
        if self.target_rank > self.initial_rank {
            let (found, expected) = (self.target_rank.to_string(), "at most `initial_rank`");
            return fault("target_rank", found, expected);
        }
        if self.interval == 0 {
            return fault("interval", "0".to_owned(), "at least 1");
        }
        if let Some(beta) = self.betas.iter().find(|beta| !(**beta > 0.0 && **beta < 1.0)) {
            return fault("betas", beta.to_string(), "above 0 and below 1");
        }
        let around = self.initial_steps.saturating_add(self.final_steps);
        if let Some(total) = self.total_steps.filter(|total| *total <= around) {
            let expected = "more than the first and the last steps, between which ranks are taken";
            return fault("total_steps", total.to_string(), expected);
        }
        if let Some(kept) = self.kept.values().find(|kept| kept.len() != self.initial_rank) {
            return fault("rank_pattern", format!("of {} ranks", kept.len()), "`init_r` of them");
        }
        scale("alpha", self.alpha)?;
        not_negative("orthogonal_weight", self.orthogonal_weight)?;
        rate("dropout", self.dropout)
    }
}

/// The places of (IA)³.
///
/// ```text
/// y = l ∘ (x W + b)        y = (l ∘ x) W + b, in feed-forward modules
/// ```
///
/// # Source
///
/// Liu et al. (2022), "Few-Shot Parameter-Efficient Fine-Tuning is Better and Cheaper than In-Context
/// Learning", <https://arxiv.org/abs/2205.05638>: keys, values, and what enters the second matrix of the
/// feed-forward network.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Ia3Config {
    /// The modules, feed-forward ones included.
    pub targets: Targets,
    /// Those of them whose inputs are scaled in the place of their outputs.
    pub feedforward: Targets,
    /// Modules that are trained as a whole besides. Default: none.
    pub saved_modules: Vec<String>,
}

/// The size and the places of LoHa: `y = x W + b + s · x ((A₁ B₁) ∘ (A₂ B₂))`.
///
/// The rank of an update is up to the square of [`rank`](Self::rank). Its matrix is made in each step.
///
/// # Source
///
/// Hyeon-Woo et al. (2022), "FedPara", <https://arxiv.org/abs/2108.06098>; Yeh et al. (2024), "LyCORIS",
/// <https://arxiv.org/abs/2309.14859>.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LoHaConfig {
    /// The rank of each of the two products, at least 1.
    pub rank: usize,
    /// The update is scaled by `alpha / rank`. Default: 8, as in `peft`.
    pub alpha: f64,
    /// The share of outputs that a step leaves out. Default: 0.
    pub rank_dropout: f64,
    /// The share of steps in which a module is left as it is. Default: 0.
    pub module_dropout: f64,
    /// Other ranks for some modules.
    pub rank_pattern: Vec<(String, usize)>,
    /// Other alphas for some modules.
    pub alpha_pattern: Vec<(String, f64)>,
    /// The modules. Default: the query and value projections.
    pub targets: Targets,
    /// Modules that are trained as a whole besides. Default: none.
    pub saved_modules: Vec<String>,
}

/// The size and the places of LoKr: `y = x W + b + s · x (W₁ ⊗ W₂)`.
///
/// The Kronecker product is never made: two products with the small matrices come to the same.
///
/// # Source
///
/// Yeh et al. (2024), "LyCORIS", <https://arxiv.org/abs/2309.14859>.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LoKrConfig {
    /// The rank of a factor that is itself a product, at least 1. A factor that would be no smaller so is
    /// kept whole, and the rank then is a scale and nothing else.
    pub rank: usize,
    /// The update is scaled by `alpha / rank`. Default: 8, as in `peft`.
    pub alpha: f64,
    /// Whether the first factor may be a product, too. Default: no.
    pub decompose_both: bool,
    /// The size of the first factor. Default: as near to that of the second as can be.
    pub decompose_factor: Option<usize>,
    /// The share of outputs that a step leaves out. Default: 0.
    pub rank_dropout: f64,
    /// Whether what is left is then scaled up. Default: no.
    pub rank_dropout_scale: bool,
    /// The share of steps in which a module is left as it is. Default: 0.
    pub module_dropout: f64,
    /// Other ranks for some modules.
    pub rank_pattern: Vec<(String, usize)>,
    /// Other alphas for some modules.
    pub alpha_pattern: Vec<(String, f64)>,
    /// The modules. Default: the query and value projections.
    pub targets: Targets,
    /// Modules that are trained as a whole besides. Default: none.
    pub saved_modules: Vec<String>,
}

/// The size and the places of VeRA: `y = x W + b + λ_b ∘ ((λ_d ∘ (x A)) B)`.
///
/// `A` and `B` are random, the same in all layers, and never learn; they are saved with the adapter.
///
/// # Source
///
/// Kopiczko et al. (2024), "VeRA: Vector-based Random Matrix Adaptation",
/// <https://arxiv.org/abs/2310.11454>.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct VeraConfig {
    /// The rank of the random matrices, at least 1.
    pub rank: usize,
    /// What λ_d begins with. Default: 0.1.
    pub d_initial: f64,
    /// Dropout on what enters the side path, in `[0, 1)`. Default: 0.
    pub dropout: f64,
    /// Which biases of the model are trained with it. Default: none.
    pub bias: BiasMode,
    /// The modules. Default: the query and value projections.
    pub targets: Targets,
    /// Modules that are trained as a whole besides. Default: none.
    pub saved_modules: Vec<String>,
}

/// The biases of a model, and modules that are trained as a whole besides.
///
/// # Source
///
/// Ben Zaken et al. (2022), "BitFit", <https://arxiv.org/abs/2106.10199>: all biases, those of
/// normalisations included, and a head.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BitFitConfig {
    /// Whether biases are trained; if not, modules alone are, such as a head. Default: yes.
    pub biases: bool,
    /// Modules that are trained as a whole besides, such as a head. Default: none.
    pub saved_modules: Vec<String>,
}

impl Default for BitFitConfig {
    fn default() -> Self {
        Self { biases: true, saved_modules: Vec::new() }
    }
}

impl BitFitConfig {
    /// No biases: what is named besides, and nothing else.
    pub fn without_biases() -> Self {
        Self { biases: false, ..Self::default() }
    }
}

/// The size, the places and the wiring of bottleneck adapters.
///
/// ```text
/// z = scaling · up(f(down(h_in)))                  a narrow layer and back
/// sequential   h' = residual + z                   h_in = N(h + x) or h
/// parallel     h' = h + z                          h_in = x
/// ```
///
/// where `h` is the output of a sub-layer, `x` its residual and `N` the model's normalisation. See
/// [`pfeiffer`](Self::pfeiffer), [`houlsby`](Self::houlsby), [`parallel`](Self::parallel) and
/// [`mad_x`](Self::mad_x).
///
/// # Source
///
/// Houlsby et al. (2019), "Parameter-Efficient Transfer Learning for NLP",
/// <https://arxiv.org/abs/1902.00751>; Pfeiffer et al. (2020), "MAD-X",
/// <https://arxiv.org/abs/2005.00052>; Pfeiffer et al. (2021), "AdapterFusion",
/// <https://arxiv.org/abs/2005.00247>; He et al. (2022), "Towards a Unified View of Parameter-Efficient
/// Transfer Learning", <https://arxiv.org/abs/2110.04366>. As the `adapters` library 1.3 computes them.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct BottleneckConfig {
    /// Whether there is one after attention.
    pub after_attention: bool,
    /// Whether there is one after the feed-forward network.
    pub after_feedforward: bool,
    /// The width of the hidden states over that of the bottleneck. Below 1, the bottleneck is wider.
    pub reduction_factor: f64,
    /// The same, for layers of these numbers. Default: none.
    pub reduction_factors: BTreeMap<usize, f64>,
    /// What stands between the two layers.
    pub activation: Activation,
    /// Dropout on the adapter's output, in `[0, 1)`. Default: 0.
    pub dropout: f64,
    /// What the output is multiplied with. Default: 1.
    pub scaling: Scaling,
    /// What the layers begin with. Default: [`BottleneckInit::Identity`].
    pub init: BottleneckInit,
    /// Whether its layers are sums of Kronecker products. Default: no.
    pub phm: Option<PhmConfig>,
    /// Whether it is given the residual in the place of the sub-layer's output.
    pub parallel: bool,
    /// Whether the model's normalisation of `h + x` comes before it.
    pub model_norm_before: bool,
    /// Whether `x` is added and the model's normalisation comes after it.
    pub model_norm_after: bool,
    /// Whether it has a normalisation of its own before it. Default: no.
    pub norm_before: bool,
    /// Whether it has one of its own after it. Default: no.
    pub norm_after: bool,
    /// What its output is added to.
    pub residual: BottleneckResidual,
    /// Whether that is added before its own normalisation. Default: no.
    pub residual_before_norm: bool,
    /// Layers of these numbers have none. Default: none such.
    pub leave_out: Vec<usize>,
    /// The invertible adapter at the embeddings. Default: none.
    pub invertible: Option<InvertibleConfig>,
    /// Modules that are trained as a whole besides. Default: none.
    pub saved_modules: Vec<String>,
}

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

/// An invertible adapter: embeddings are mapped by a function that is undone before tokens are predicted.
///
/// `y₁ = x₁ + F(x₂)`, `y₂ = x₂ + G(y₁)`, of the two halves of a hidden state, where F and G are narrow
/// layers with the adapter's activation between them.
///
/// # Source
///
/// Pfeiffer et al. (2020), "MAD-X", section 4.2, <https://arxiv.org/abs/2005.00052>; Dinh et al. (2015),
/// "NICE", <https://arxiv.org/abs/1410.8516>.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct InvertibleConfig {
    /// Half the width of the hidden states over that of F and G. Default: 2.
    pub reduction_factor: f64,
    /// Whether the head that predicts tokens undoes it. Default: yes. Adapters that the `adapters`
    /// library trained under a head of transformers never saw that, and are read without it.
    pub inverse_at_head: bool,
}

impl Default for InvertibleConfig {
    fn default() -> Self {
        Self { reduction_factor: 2.0, inverse_at_head: true }
    }
}

/// The layers of a [Compacter](BottleneckConfig::compacter).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct PhmConfig {
    /// The products of a sum, a divisor of the widths. Default: 4.
    pub dim: usize,
    /// The rank of the larger factors, at least 1. Default: 1.
    pub rank: usize,
}

impl PhmConfig {
    /// Sums of so many products, whose larger factors have that rank.
    pub const fn new(dim: usize, rank: usize) -> Self {
        Self { dim, rank }
    }
}

impl Default for PhmConfig {
    fn default() -> Self {
        Self { dim: 4, rank: 1 }
    }
}

/// What the output of a bottleneck is multiplied with.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Scaling {
    /// A number.
    Fixed(f64),
    /// One that is learned, from 1 on.
    Learned,
    /// One for each channel, learned, from 1 on.
    Channels,
}

/// What the layers of a bottleneck begin with; biases begin with 0.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum BottleneckInit {
    /// Down normal with 0.02, up zero: it changes nothing at first.
    Identity,
    /// Both normal with 0.02: the default of the `adapters` library. It changes something at first.
    Bert,
    /// Down uniform up to `1 / √d_model`, up zero: He et al. (2022).
    Mam,
    /// Both normal with 0.01, without what is beyond two standard deviations.
    Houlsby,
}

/// What the output of a bottleneck is added to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum BottleneckResidual {
    /// The sub-layer's output `h`.
    SubLayer,
    /// `h + x`.
    Sum,
    /// What the adapter is given: the model's normalisation of `h + x`.
    Normalized,
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

/// By the names that they have in most encoders.
pub(crate) fn query_and_value() -> Targets {
    Targets::pattern(".*(query|value|q_lin|v_lin)")
}

macro_rules! places {
    ($($config:ident),+) => {$(
        impl $config {
            /// Sets the modules.
            #[must_use]
            pub fn with_targets(mut self, targets: Targets) -> Self {
                self.targets = targets;
                self
            }

            /// Sets the modules, by a regular expression that matches whole names.
            #[must_use]
            pub fn with_target(self, pattern: impl Into<String>) -> Self {
                self.with_targets(Targets::pattern(pattern))
            }
        }
    )+};
}

places!(LoraConfig, AdaLoraConfig, LoHaConfig, LoKrConfig, VeraConfig);

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

impl LoraConfig {
    /// A LoRA of a rank, with the defaults that stand beside the fields.
    pub fn new(rank: usize) -> Self {
        Self {
            rank,
            alpha: 2.0 * rank as f64,
            dropout: 0.0,
            rs_lora: false,
            dora: false,
            b_bias: false,
            init: LoraInit::Kaiming,
            rank_pattern: Vec::new(),
            alpha_pattern: Vec::new(),
            bias: BiasMode::None,
            targets: query_and_value(),
            saved_modules: Vec::new(),
        }
    }

    /// What an update of a rank is scaled by.
    pub(crate) fn scale(&self, rank: usize, alpha: f64) -> f64 {
        if self.rs_lora { alpha / (rank as f64).sqrt() } else { alpha / rank as f64 }
    }

    /// Sets alpha.
    #[must_use]
    pub fn with_alpha(mut self, alpha: f64) -> Self {
        self.alpha = alpha;
        self
    }

    /// Sets dropout.
    #[must_use]
    pub fn with_dropout(mut self, dropout: f64) -> Self {
        self.dropout = dropout;
        self
    }

    /// Sets whether lengths are learned apart from directions.
    #[must_use]
    pub fn with_dora(mut self, dora: bool) -> Self {
        self.dora = dora;
        self
    }

    /// Sets whether the scale is `alpha / √rank`.
    #[must_use]
    pub fn with_rs_lora(mut self, rs_lora: bool) -> Self {
        self.rs_lora = rs_lora;
        self
    }

    /// Sets which biases of the model are trained besides.
    #[must_use]
    pub fn with_bias(mut self, bias: BiasMode) -> Self {
        self.bias = bias;
        self
    }

    /// Sets what A begins with.
    #[must_use]
    pub fn with_init(mut self, init: LoraInit) -> Self {
        self.init = init;
        self
    }
}

impl Default for Ia3Config {
    /// The modules of the paper, by the names that they have in most encoders.
    fn default() -> Self {
        const SECOND: &str = r"(.*\.)?(\d+\.output\.dense|(ffn|ffns\.\d+)\.lin2|\d+\.down)";
        const KEYS_AND_VALUES: &str = r".*(key|value|k_lin|v_lin)";
        Self::new(Targets::pattern(format!("{KEYS_AND_VALUES}|{SECOND}")), Targets::pattern(SECOND))
    }
}

impl Ia3Config {
    /// Scales of what these modules give and, in the feed-forward ones among them, are given.
    pub fn new(targets: Targets, feedforward: Targets) -> Self {
        Self { targets, feedforward, saved_modules: Vec::new() }
    }

    /// Which of the adapted modules are feed-forward ones; an empty list says that none is.
    pub(crate) fn feedforward_among(
        &self,
        names: &[String],
        foreign: &ForeignNames,
    ) -> Result<Vec<usize>, AdapterError> {
        if matches!(&self.feedforward.modules, ModuleNames::List(names) if names.is_empty()) {
            return Ok(Vec::new());
        }
        match self.feedforward.choose("feedforward_modules", names, &[], foreign) {
            Err(AdapterError::Unmatched { .. }) if self.feedforward.allow_unmatched => {
                Ok(Vec::new())
            }
            chosen => chosen,
        }
    }
}

impl LoHaConfig {
    /// LoHa of a rank, with the defaults that stand beside the fields.
    pub fn new(rank: usize) -> Self {
        Self {
            rank,
            alpha: 8.0,
            rank_dropout: 0.0,
            module_dropout: 0.0,
            rank_pattern: Vec::new(),
            alpha_pattern: Vec::new(),
            targets: query_and_value(),
            saved_modules: Vec::new(),
        }
    }
}

impl LoKrConfig {
    /// LoKr of a rank, with the defaults that stand beside the fields.
    pub fn new(rank: usize) -> Self {
        Self {
            rank,
            alpha: 8.0,
            decompose_both: false,
            decompose_factor: None,
            rank_dropout: 0.0,
            rank_dropout_scale: false,
            module_dropout: 0.0,
            rank_pattern: Vec::new(),
            alpha_pattern: Vec::new(),
            targets: query_and_value(),
            saved_modules: Vec::new(),
        }
    }
}

impl VeraConfig {
    /// VeRA of a rank, with the defaults that stand beside the fields.
    pub fn new(rank: usize) -> Self {
        Self {
            rank,
            d_initial: 0.1,
            dropout: 0.0,
            bias: BiasMode::None,
            targets: query_and_value(),
            saved_modules: Vec::new(),
        }
    }
}

impl BottleneckConfig {
    /// As [`pfeiffer`](Self::pfeiffer), with another reduction.
    pub fn new(reduction_factor: usize) -> Self {
        Self { reduction_factor: reduction_factor as f64, ..Self::pfeiffer() }
    }

    /// After the feed-forward network, with ReLU and a reduction of 16: `seq_bn`.
    pub fn pfeiffer() -> Self {
        Self {
            after_attention: false,
            after_feedforward: true,
            reduction_factor: 16.0,
            reduction_factors: BTreeMap::new(),
            activation: Activation::Relu,
            dropout: 0.0,
            scaling: Scaling::Fixed(1.0),
            init: BottleneckInit::Identity,
            phm: None,
            parallel: false,
            model_norm_before: true,
            model_norm_after: true,
            norm_before: false,
            norm_after: false,
            residual: BottleneckResidual::SubLayer,
            residual_before_norm: false,
            leave_out: Vec::new(),
            invertible: None,
            saved_modules: Vec::new(),
        }
    }

    /// After attention and after the feed-forward network, with SiLU and a reduction of 16:
    /// `double_seq_bn`.
    pub fn houlsby() -> Self {
        Self {
            after_attention: true,
            activation: Activation::Silu,
            model_norm_before: false,
            ..Self::pfeiffer()
        }
    }

    /// As [`houlsby`](Self::houlsby), of layers that are sums of Kronecker products, with GELU and a reduction of
    /// 32: Compacter. Each layer learns the small factors for itself, where the paper's layers share them; the
    /// `adapters` library, which can do both, does not keep shared ones in its files.
    ///
    /// # Source
    ///
    /// Mahabadi et al. (2021), "Compacter", <https://arxiv.org/abs/2106.04647>.
    pub fn compacter() -> Self {
        Self {
            activation: Activation::Gelu,
            reduction_factor: 32.0,
            phm: Some(PhmConfig::default()),
            init: BottleneckInit::Bert,
            ..Self::houlsby()
        }
    }

    /// The same after the feed-forward network alone, as [`pfeiffer`](Self::pfeiffer): Compacter++.
    pub fn compacter_plus_plus() -> Self {
        Self { after_attention: false, model_norm_before: true, ..Self::compacter() }
    }

    /// Beside the feed-forward network, with ReLU, a reduction of 2 and a scale of 4: `par_bn`.
    pub fn parallel() -> Self {
        Self {
            reduction_factor: 2.0,
            scaling: Scaling::Fixed(4.0),
            init: BottleneckInit::Mam,
            parallel: true,
            model_norm_before: false,
            ..Self::pfeiffer()
        }
    }

    /// A language adapter of MAD-X: as [`pfeiffer`](Self::pfeiffer) with a reduction of 2, and invertible
    /// adapters at the embeddings: `seq_bn_inv`. Its task adapters are [`pfeiffer`](Self::pfeiffer)'s.
    pub fn mad_x() -> Self {
        Self {
            reduction_factor: 2.0,
            invertible: Some(InvertibleConfig::default()),
            ..Self::pfeiffer()
        }
    }

    /// Sets the activation.
    #[must_use]
    pub fn with_activation(mut self, activation: Activation) -> Self {
        self.activation = activation;
        self
    }

    /// Sets dropout.
    #[must_use]
    pub fn with_dropout(mut self, dropout: f64) -> Self {
        self.dropout = dropout;
        self
    }

    /// Sets the reduction.
    #[must_use]
    pub fn with_reduction_factor(mut self, reduction_factor: f64) -> Self {
        self.reduction_factor = reduction_factor;
        self
    }

    /// Sets what the layers begin with.
    #[must_use]
    pub fn with_init(mut self, init: BottleneckInit) -> Self {
        self.init = init;
        self
    }

    /// Leaves layers of these numbers out. Without the last, adapters of languages transfer better:
    /// Pfeiffer et al. (2021), "UNKs Everywhere", <https://arxiv.org/abs/2012.15562>.
    #[must_use]
    pub fn without_layers(mut self, layers: impl IntoIterator<Item = usize>) -> Self {
        self.leave_out = layers.into_iter().collect();
        self
    }

    /// Whether the layers of a bottleneck can be what they are to be.
    pub(crate) fn check_width(
        &self,
        d_model: usize,
        layer: Option<usize>,
    ) -> Result<(), AdapterError> {
        let (Some(phm), width) = (self.phm, self.width(d_model, layer)) else { return Ok(()) };
        if d_model.is_multiple_of(phm.dim) && width.is_multiple_of(phm.dim) {
            return Ok(());
        }
        let (field, expected) = ("phm_dim", "a divisor of both widths of a bottleneck");
        let found = format!("{} of {d_model} and {width}", phm.dim);
        Err(AdapterError::Config { field, found, expected })
    }

    /// The width of the bottleneck in a layer, at least 1.
    pub(crate) fn width(&self, d_model: usize, layer: Option<usize>) -> usize {
        let factor = layer.and_then(|layer| self.reduction_factors.get(&layer));
        narrowed(d_model, *factor.unwrap_or(&self.reduction_factor))
    }
}

/// A width over a factor, rounded down, at least 1. As Python divides: 768 over 1.6 is 479, since 1.6 is a
/// little more than that.
pub(crate) fn narrowed(width: usize, factor: f64) -> usize {
    let width = width as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a quotient of numbers above 0, rounded down"
    )]
    let narrow = ((width - width % factor) / factor).round() as usize;
    narrow.max(1)
}

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

impl BottleneckConfig {
    fn check(&self) -> Result<(), AdapterError> {
        scale("reduction_factor", self.reduction_factor)?;
        let mut factors = self.reduction_factors.values();
        factors.try_for_each(|factor| scale("reduction_factor", *factor))?;
        if let Some(invertible) = &self.invertible {
            scale("inv_adapter_reduction_factor", invertible.reduction_factor)?;
        }
        if let Some(PhmConfig { dim, rank }) = self.phm {
            positive("phm_dim", dim)?;
            positive("phm_rank", rank)?;
        }
        if !(self.after_attention || self.after_feedforward) {
            let (field, found) = ("after_feedforward", "false".to_owned());
            let expected = "true, or `after_attention`";
            return Err(AdapterError::Config { field, found, expected });
        }
        rate("dropout", self.dropout)
    }
}

impl PrefixConfig {
    fn check(&self) -> Result<(), AdapterError> {
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
