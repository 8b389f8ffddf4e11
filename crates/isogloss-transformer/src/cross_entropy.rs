//! Cross-entropy, with the number of its targets.

use burn::tensor::{Int, Tensor, TensorData, activation};
use serde::{Deserialize, Serialize};

use crate::{ConfigFault, LossSum, ObjectiveConfigError};

/// What a mistake in each class costs, and how far a target is spread over all of them.
///
/// # Examples
///
/// ```
/// use isogloss_transformer::CrossEntropyConfig;
///
/// // The third class is rare, and counts ten times as much.
/// let config = CrossEntropyConfig::default().with_class_weights(vec![1.0, 1.0, 10.0]);
/// let objective = config.with_label_smoothing(0.1).try_init(3)?;
/// # let _ = objective;
/// # Ok::<(), isogloss_transformer::ObjectiveConfigError>(())
/// ```
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CrossEntropyConfig {
    /// What the loss of each class is multiplied by; `None`, the default, for 1.
    pub class_weights: Option<Vec<f32>>,
    /// The share of a target that is spread over all classes, the right one included. Default 0.
    pub label_smoothing: f64,
}

impl CrossEntropyConfig {
    /// Sets the weight of each class.
    #[must_use]
    pub fn with_class_weights(self, class_weights: Vec<f32>) -> Self {
        Self { class_weights: Some(class_weights), ..self }
    }

    /// Sets the share of a target that is spread over all classes.
    #[must_use]
    pub fn with_label_smoothing(self, label_smoothing: f64) -> Self {
        Self { label_smoothing, ..self }
    }

    /// Checks the numbers, for a model of `n_classes` classes.
    ///
    /// # Errors
    ///
    /// [`ObjectiveConfigError`], naming each number that is out of its range.
    pub fn try_init(
        &self,
        n_classes: usize,
    ) -> Result<ClassificationObjective, ObjectiveConfigError> {
        let mut faults = Vec::new();
        if let Some(weights) = &self.class_weights {
            let holds = weights.len() == n_classes;
            let found = format!("{} numbers", weights.len());
            let expected = format!("one for each of {n_classes} classes");
            ConfigFault::check(&mut faults, holds, "class_weights", &*found, expected);
            for &weight in weights {
                let holds = weight.is_finite() && weight >= 0.0;
                let expected = "finite numbers that are at least 0";
                ConfigFault::check(&mut faults, holds, "class_weights", weight, expected);
            }
            let holds = weights.iter().any(|&weight| weight > 0.0) || weights.is_empty();
            let expected = "at least one number above 0";
            ConfigFault::check(&mut faults, holds, "class_weights", "all 0", expected);
        }
        let (smoothing, expected) = (self.label_smoothing, "at least 0 and less than 1");
        let holds = (0.0..1.0).contains(&smoothing);
        ConfigFault::check(&mut faults, holds, "label_smoothing", smoothing, expected);
        if faults.is_empty() {
            Ok(ClassificationObjective { config: self.clone() })
        } else {
            Err(ObjectiveConfigError { faults })
        }
    }
}

/// Classification of sequences and of tokens, as an [`Objective`](crate::Objective) of the models
/// that tell as many classes apart as it was made for. The default is plain [`cross_entropy`].
///
/// ```text
/// L = Σᵢ (1 - ε) · w[tᵢ] · -log p[tᵢ]  +  ε / C · Σ_c w[c] · -log p[c]
/// ```
///
/// `w` the weights of the classes, `ε` the smoothing, `C` the number of classes. The sum is that of
/// PyTorch's `CrossEntropyLoss`. The count is the number of targets, and not, as in PyTorch's mean, the
/// sum of their weights: then the loss of a target would depend on the others of its micro-batch.
///
/// # Source
///
/// Smoothing: Szegedy et al. (2016), "Rethinking the Inception Architecture for Computer Vision",
/// section 7, <https://arxiv.org/abs/1512.00567>.
#[derive(Clone, Debug, Default)]
pub struct ClassificationObjective {
    // Invariant: the weights are finite and at least 0, the smoothing is at least 0 and less than 1.
    config: CrossEntropyConfig,
}

impl ClassificationObjective {
    /// The weights and the smoothing.
    pub fn config(&self) -> &CrossEntropyConfig {
        &self.config
    }

    /// The loss of logits, of which there are as many columns as the objective has weights.
    ///
    /// # Shapes
    ///
    /// - `logits`: `[n, classes]`
    /// - `targets`: `[n]`, below `classes`
    pub fn of_logits(&self, logits: Tensor<2>, targets: Tensor<1, Int>) -> LossSum {
        let CrossEntropyConfig { class_weights, label_smoothing } = &self.config;
        let ([count, n_classes], smoothing) = (logits.dims(), *label_smoothing);
        if count == 0 || (class_weights.is_none() && smoothing <= 0.0) {
            return cross_entropy(logits, targets);
        }
        let device = logits.device();
        let mut losses = activation::log_softmax(logits, 1).neg(); // [n, classes]
        if let Some(weights) = class_weights {
            let weights = TensorData::new(weights.clone(), [1, weights.len()]);
            losses = losses * Tensor::from_data(weights, &device);
        }
        let mut sum = losses.clone().gather(1, targets.unsqueeze_dim(1)).sum();
        if smoothing > 0.0 {
            sum = sum * (1.0 - smoothing) + losses.sum() * (smoothing / n_classes as f64);
        }
        LossSum::new(sum, count)
    }
}

/// Cross-entropy of logits that are at hand: few rows or few classes.
///
/// ```text
/// L = Σᵢ -log softmax(logitsᵢ)[targetᵢ]
/// ```
///
/// # Shapes
///
/// - `logits`: `[n, classes]`
/// - `targets`: `[n]`, below `classes`
pub fn cross_entropy(logits: Tensor<2>, targets: Tensor<1, Int>) -> LossSum {
    let count = targets.dims()[0];
    if count == 0 {
        return LossSum::zero(&logits.device());
    }
    let log_probabilities = activation::log_softmax(logits, 1).gather(1, targets.unsqueeze_dim(1));
    LossSum::new(log_probabilities.sum().neg(), count)
}

/// Cross-entropy of yes and no.
///
/// ```text
/// L = Σᵢ -tᵢ · log σ(zᵢ) - (1 - tᵢ) · log (1 - σ(zᵢ))
/// ```
///
/// # Shapes
///
/// - `logits`: `[n]`
/// - `targets`: `[n]`, 1 for yes and 0 for no
/// - returns: the loss of each. `[n]`
pub fn binary_cross_entropy(logits: Tensor<1>, targets: Tensor<1>) -> Tensor<1> {
    // log(1 + exp(-|z|)) is finite for every z.
    let rest = logits.clone().abs().neg().exp().log1p();
    activation::relu(logits.clone()) - logits * targets + rest
}

/// [`isogloss_kernels::decoder_cross_entropy`] of any number of targets, with their number: the loss of
/// the last layer of a language model, without its logits staying in memory.
///
/// # Shapes
///
/// - `hidden`: `[n, d_model]`
/// - `weight`: `[vocab_size, d_model]`
/// - `bias`: `[vocab_size]`
/// - `targets`: `[n]`, below `vocab_size`
pub fn decoder_cross_entropy(
    hidden: &Tensor<2>,
    weight: &Tensor<2>,
    bias: &Tensor<1>,
    targets: &Tensor<1, Int>,
) -> LossSum {
    let count = targets.dims()[0];
    if count == 0 {
        return LossSum::zero(&hidden.device());
    }
    LossSum::new(isogloss_kernels::decoder_cross_entropy(hidden, weight, bias, targets), count)
}
