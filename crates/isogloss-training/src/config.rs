//! What a training run does, in numbers.

use isogloss_core::Seed;
use serde::{Deserialize, Serialize};

use crate::{AveragingConfig, LearningRateConfig, TrainingError};

/// The hyperparameters of a run that do not depend on what it trains on.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct TrainingConfig {
    /// Optimizer steps. Default: 1,000.
    pub steps: u64,
    /// Batches whose gradients make one step. Their losses are summed and divided once by the
    /// number of their targets, so a short batch weighs no more than it holds. Default: 1.
    pub accumulation: usize,
    /// The learning rate at each step.
    pub learning_rate: LearningRateConfig,
    /// The optimizer.
    pub optimizer: AdamWSettings,
    /// By what the learning rate of some parameters is multiplied. Default: of none.
    pub rate_factors: RateFactors,
    /// The L2 norm, over all gradients together, to which a larger one is scaled down. `None`
    /// leaves it. Default: 1.
    pub max_grad_norm: Option<f64>,
    /// Steps between checkpoints. `None` writes one at the end only. Default: `None`.
    pub checkpoint_every: Option<u64>,
    /// How many checkpoints stay on disk; the newest always does, and so does, for each that stays, that of the
    /// least held-out loss by then, which a run that goes on from there reads as well. Default: 2.
    pub keep_checkpoints: usize,
    /// Steps between validations, where the run has some to do. `None` validates at the end only.
    /// Default: `None`.
    pub validate_every: Option<u64>,
    /// Validations in a row without a new least loss after which the run ends. `None` takes all steps.
    /// Default: `None`.
    pub patience: Option<u64>,
    /// Whether activations of layers are computed again on the way backwards and not kept: less memory for one forward
    /// pass more; see [`RecomputeTape`](isogloss_transformer::RecomputeTape). Default: false.
    pub recompute_layers: bool,
    /// Gradual unfreezing: heads learn from the first step on, the highest layer this many steps later, and so on
    /// down to the embeddings; what does not learn yet costs no gradient. Default: `None`, where all learn from
    /// the first step on.
    ///
    /// Howard and Ruder (2018), "ULMFiT", section 3.3, <https://arxiv.org/abs/1801.06146>.
    pub unfreeze_every: Option<u64>,
    /// A moving average of the parameters, which held-out losses are then of. Default: `None`.
    pub averaging: Option<AveragingConfig>,
    /// Steps over which a loss is averaged before it enters the history. Default: 20.
    pub record_every: u64,
    /// The seed of dropout; data has its own. Default: 0.
    pub seed: Seed,
}

/// AdamW with weight decay on matrices and embeddings, and none on biases and normalisations.
///
/// ```text
/// m ← β₁m + (1-β₁)g     v ← β₂v + (1-β₂)g²     θ ← θ(1 - lr·λ) - lr · m̂ / (√v̂ + ε)
/// ```
///
/// # Source
///
/// Loshchilov and Hutter (2019), <https://arxiv.org/abs/1711.05101>.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct AdamWSettings {
    /// β₁, in `[0, 1)`. Default: 0.9.
    pub beta_1: f32,
    /// β₂, in `[0, 1)`. Default: 0.98, that of RoBERTa.
    pub beta_2: f32,
    /// ε, above 0. Default: 1e-8.
    pub epsilon: f32,
    /// λ, at least 0. Default: 0.01.
    pub weight_decay: f32,
}

/// By what the learning rate of some parameters is multiplied.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RateFactors {
    /// `d`, above 0 and at most 1: the rate of layer `l` of `L`, counted from 1, is multiplied by `d^(L + 1 - l)`, so
    /// that lower layers keep more of what they know. Embeddings count as layer 0, heads as `L + 1`. A layer is
    /// what has the path `…layers.N.…`. Default: `None`.
    ///
    /// Howard and Ruder (2018), "ULMFiT", <https://arxiv.org/abs/1801.06146>; ELECTRA's code has one power more.
    pub layer_decay: Option<f64>,
    /// `λ`, above 0: that of the matrix B of a LoRA. LoRA+ has 16. Default: `None`.
    ///
    /// Hayou et al. (2024), "LoRA+", <https://arxiv.org/abs/2402.12354>.
    pub lora_up: Option<f64>,
}

impl RateFactors {
    /// Sets what is lost from layer to layer.
    #[must_use]
    pub fn with_layer_decay(self, layer_decay: f64) -> Self {
        Self { layer_decay: Some(layer_decay), ..self }
    }

    /// Sets the factor of the matrix B of a LoRA.
    #[must_use]
    pub fn with_lora_up(self, lora_up: f64) -> Self {
        Self { lora_up: Some(lora_up), ..self }
    }
}

impl TrainingConfig {
    /// The defaults, for a number of steps.
    pub fn new(steps: u64) -> Self {
        Self { steps, ..Self::default() }
    }

    /// Sets the learning rate.
    #[must_use]
    pub fn with_learning_rate(mut self, learning_rate: LearningRateConfig) -> Self {
        self.learning_rate = learning_rate;
        self
    }

    /// Sets how many batches make one step.
    #[must_use]
    pub fn with_accumulation(mut self, accumulation: usize) -> Self {
        self.accumulation = accumulation;
        self
    }

    /// Sets the steps between checkpoints.
    #[must_use]
    pub fn with_checkpoint_every(mut self, steps: u64) -> Self {
        self.checkpoint_every = Some(steps);
        self
    }

    /// Sets the steps between validations.
    #[must_use]
    pub fn with_validate_every(mut self, steps: u64) -> Self {
        self.validate_every = Some(steps);
        self
    }

    /// Sets the steps over which a loss is averaged for the history.
    #[must_use]
    pub fn with_record_every(mut self, steps: u64) -> Self {
        self.record_every = steps;
        self
    }

    /// Sets the optimizer's settings.
    #[must_use]
    pub fn with_optimizer(mut self, optimizer: AdamWSettings) -> Self {
        self.optimizer = optimizer;
        self
    }

    /// Sets by what the learning rate of some parameters is multiplied.
    #[must_use]
    pub fn with_rate_factors(mut self, factors: RateFactors) -> Self {
        self.rate_factors = factors;
        self
    }

    /// Sets the validations in a row without a new least loss after which the run ends.
    #[must_use]
    pub fn with_patience(mut self, validations: u64) -> Self {
        self.patience = Some(validations);
        self
    }

    /// Computes activations of layers again in the place of keeping them.
    #[must_use]
    pub fn with_recompute_layers(mut self, recompute: bool) -> Self {
        self.recompute_layers = recompute;
        self
    }

    /// Lets one layer more learn every so many steps, from the top down.
    #[must_use]
    pub fn with_unfreeze_every(mut self, steps: u64) -> Self {
        self.unfreeze_every = Some(steps);
        self
    }

    /// Averages the parameters.
    #[must_use]
    pub fn with_averaging(mut self, averaging: AveragingConfig) -> Self {
        self.averaging = Some(averaging);
        self
    }

    /// Sets the seed of dropout.
    #[must_use]
    pub fn with_seed(mut self, seed: Seed) -> Self {
        self.seed = seed;
        self
    }

    /// Refuses what no run can be made of.
    pub(crate) fn check(&self) -> Result<(), TrainingError> {
        let fault =
            |field, found: String, expected| Err(TrainingError::Config { field, found, expected });
        if self.accumulation == 0 {
            return fault("accumulation", "0".into(), "at least 1");
        }
        if self.checkpoint_every == Some(0) {
            return fault("checkpoint_every", "0".into(), "at least 1");
        }
        if self.validate_every == Some(0) {
            return fault("validate_every", "0".into(), "at least 1");
        }
        if self.patience == Some(0) {
            return fault("patience", "0".into(), "at least 1");
        }
        if self.unfreeze_every == Some(0) {
            return fault("unfreeze_every", "0".into(), "at least 1");
        }
        if let Some(averaging) = self.averaging {
            averaging.check()?;
        }
        let RateFactors { layer_decay, lora_up } = self.rate_factors;
        if let Some(decay) = layer_decay.filter(|decay| !(*decay > 0.0 && *decay <= 1.0)) {
            let expected = "above 0 and at most 1";
            return fault("rate_factors.layer_decay", decay.to_string(), expected);
        }
        if let Some(factor) = lora_up.filter(|factor| !(factor.is_finite() && *factor > 0.0)) {
            let expected = "a finite number above 0";
            return fault("rate_factors.lora_up", factor.to_string(), expected);
        }
        if self.keep_checkpoints == 0 {
            return fault("keep_checkpoints", "0".into(), "at least 1");
        }
        if self.record_every == 0 {
            return fault("record_every", "0".into(), "at least 1");
        }
        if let Some(norm) = self.max_grad_norm.filter(|norm| !(norm.is_finite() && *norm > 0.0)) {
            return fault("max_grad_norm", norm.to_string(), "a finite number above 0");
        }
        let AdamWSettings { beta_1, beta_2, epsilon, weight_decay } = self.optimizer;
        for (field, beta) in [("optimizer.beta_1", beta_1), ("optimizer.beta_2", beta_2)] {
            if !(0.0..1.0).contains(&beta) {
                return fault(field, beta.to_string(), "0 <= beta < 1");
            }
        }
        if !(epsilon.is_finite() && epsilon > 0.0) {
            return fault("optimizer.epsilon", epsilon.to_string(), "a finite number above 0");
        }
        if !(weight_decay.is_finite() && weight_decay >= 0.0) {
            return fault("optimizer.weight_decay", weight_decay.to_string(), "at least 0");
        }
        self.learning_rate.check(self.steps)
    }
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            steps: 1_000,
            accumulation: 1,
            learning_rate: LearningRateConfig::default(),
            optimizer: AdamWSettings::default(),
            rate_factors: RateFactors::default(),
            max_grad_norm: Some(1.0),
            checkpoint_every: None,
            keep_checkpoints: 2,
            validate_every: None,
            patience: None,
            recompute_layers: false,
            unfreeze_every: None,
            averaging: None,
            record_every: 20,
            seed: Seed::new(0),
        }
    }
}

impl AdamWSettings {
    /// Sets λ.
    #[must_use]
    pub fn with_weight_decay(mut self, weight_decay: f32) -> Self {
        self.weight_decay = weight_decay;
        self
    }
}

impl Default for AdamWSettings {
    fn default() -> Self {
        Self { beta_1: 0.9, beta_2: 0.98, epsilon: 1e-8, weight_decay: 0.01 }
    }
}
