//! Cross-entropy with weights and smoothing, against PyTorch 2.9.1.

use burn::tensor::{Int, Tensor};
use isogloss_transformer::{ClassificationObjective, CrossEntropyConfig, cross_entropy};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::tiny::{largest_difference, values};

const LOGITS: [[f32; 4]; 2] = [[2.0, 1.0, 0.0, -1.0], [0.0, 3.0, 0.0, 0.0]];

fn weighted() -> CrossEntropyConfig {
    CrossEntropyConfig::default().with_class_weights(vec![1.0, 0.5, 2.0, 0.0])
}

/// The sum of the losses of [`LOGITS`], and its gradient.
fn loss_of(objective: &ClassificationObjective) -> (f32, Vec<f32>) {
    let device = crate::device().autodiff();
    let logits = Tensor::<2>::from_floats(LOGITS, &device).require_grad();
    let targets = Tensor::<1, Int>::from_ints([0, 2], &device);
    let loss = objective.of_logits(logits.clone(), targets);
    assert_eq!(loss.count, 2);
    let gradient = logits.grad(&loss.sum.backward()).unwrap();
    (values(loss.sum)[0], values(gradient))
}

#[test]
fn sums_and_gradients_are_those_of_pytorch() {
    // torch.nn.functional.cross_entropy(…, reduction="sum") of PyTorch 2.9.1.
    let smooth = |config: CrossEntropyConfig| config.with_label_smoothing(0.1);
    let plain = CrossEntropyConfig::default();
    let cases = [
        (plain.clone(), 3.579_396, [-0.356_086, 0.236_883, 0.087_144, 0.032_059], -0.956_683),
        (smooth(plain), 3.654_396, [-0.281_086, 0.211_883, 0.062_144, 0.007_059], -0.881_683),
        (weighted(), 6.718_602, [-0.356_086, 0.236_883, 0.087_144, 0.032_059], -1.913_366),
        (smooth(weighted()), 6.434_939, [-0.289_135, 0.221_422, 0.036_055, 0.031_658], -1.768_239),
    ];
    for (config, sum, first_row, at_gold) in cases {
        let (found, gradient) = loss_of(&config.try_init(4).unwrap());
        assert!((found - sum).abs() < 1e-5, "{config:?}: {found}");
        assert!(largest_difference(&gradient[..4], &first_row) < 2e-6, "{config:?}: {gradient:?}");
        assert!((gradient[6] - at_gold).abs() < 2e-6, "{config:?}: {gradient:?}");
    }
}

proptest! {
    #[test]
    fn micro_batches_add_up(
        logits in vec(-3.0_f32..3.0, 12),
        targets in vec(0_i32..3, 4),
        smoothing in 0.0..0.9,
    ) {
        let config = CrossEntropyConfig::default().with_class_weights(vec![0.5, 3.0, 1.0]);
        let objective = config.with_label_smoothing(smoothing).try_init(3).unwrap();
        let device = crate::device();
        let logits = Tensor::<1>::from_floats(logits.as_slice(), &device).reshape([4, 3]);
        let targets = Tensor::<1, Int>::from_ints(targets.as_slice(), &device);
        let sum = |first, rows| {
            let part = (logits.clone().narrow(0, first, rows), targets.clone().narrow(0, first, rows));
            values(objective.of_logits(part.0, part.1).sum)[0]
        };
        prop_assert!((sum(0, 4) - sum(0, 1) - sum(1, 3)).abs() < 1e-4);
    }

    #[test]
    fn equal_weights_are_no_weights(logits in vec(-3.0_f32..3.0, 6), target in 0_i32..3) {
        let device = crate::device();
        let logits = Tensor::<1>::from_floats(logits.as_slice(), &device).reshape([2, 3]);
        let targets = Tensor::<1, Int>::from_ints([target, 0], &device);
        let ones = CrossEntropyConfig::default().with_class_weights(vec![1.0; 3]).try_init(3).unwrap();
        let [found, plain] =
            [ones.of_logits(logits.clone(), targets.clone()), cross_entropy(logits, targets)]
                .map(|loss| values(loss.sum)[0]);
        prop_assert!((found - plain).abs() < 1e-5);
    }
}

#[test]
fn weights_and_smoothing_are_checked() {
    let refusal = |weights: &[f32], smoothing| {
        let config = CrossEntropyConfig::default().with_class_weights(weights.to_vec());
        config.with_label_smoothing(smoothing).try_init(3).unwrap_err().to_string()
    };
    assert_eq!(
        refusal(&[1.0, f32::NAN], 1.0),
        "objective configuration: `class_weights` is `2 numbers`, expected one for each of 3 classes; \
         `class_weights` is `NaN`, expected finite numbers that are at least 0; `label_smoothing` is \
         `1`, expected at least 0 and less than 1"
    );
    let error = refusal(&[0.0; 3], 0.0);
    assert!(error.contains("`class_weights` is `all 0`"), "{error}");
}
