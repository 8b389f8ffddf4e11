//! Methods on linear layers, and on parameters as they are.

use std::collections::BTreeMap;

use super::{not_negative, positive, rate, scale};
use crate::{AdapterError, ForeignNames, ModuleNames, Targets};

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

    pub(super) fn check(&self) -> Result<(), AdapterError> {
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
