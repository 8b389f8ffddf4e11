//! Regression: its loss, its checks, and that it learns.

use burn::optim::{AdamWConfig, GradientsParams};
use isogloss_core::Seed;
use isogloss_transformer::{
    ClassifierConfig, Objective, Pooling, RegressionBatch, RegressionObjective, SequenceInput,
};

use crate::tiny::{self, values};

fn rows() -> Vec<SequenceInput> {
    [[5, 6], [7, 8], [6, 9]].map(|[a, b]| SequenceInput::new(vec![0, a, b, 2])).to_vec()
}

#[test]
fn the_loss_is_the_mean_of_squares() {
    let device = crate::device();
    let config = ClassifierConfig::new(tiny::config(), 2);
    let model = config.try_init(&device, Seed::new(4)).unwrap();
    let targets: [&[f32]; 3] = [&[0.5, -1.0], &[2.0, 0.0], &[1.5, 3.0]];
    let batch = RegressionBatch::try_new(&config, &rows(), &targets, &device).unwrap();
    let loss = RegressionObjective.loss(&model, &batch);
    assert_eq!(loss.count, 3);
    let found = values(model.forward(batch.input()));
    let squares = found.iter().zip(targets.concat()).map(|(z, t)| (z - t).powi(2));
    assert!((values(loss.mean())[0] - squares.sum::<f32>() / 6.0).abs() < 1e-6);
    // Rows add up.
    let sums = rows().into_iter().zip(targets).map(|(row, target)| {
        let batch = RegressionBatch::try_new(&config, &[row], &[target], &device).unwrap();
        values(RegressionObjective.loss(&model, &batch).sum)[0]
    });
    assert!((values(loss.sum)[0] - sums.sum::<f32>()).abs() < 1e-5);
}

#[test]
fn one_output_learns_a_batch_by_heart() {
    let device = crate::device().autodiff();
    let config = ClassifierConfig::new(tiny::config(), 1).with_pooling(Pooling::Mean);
    let mut model = config.try_init(&device, Seed::new(4)).unwrap();
    let targets: [&[f32]; 3] = [&[0.0], &[2.5], &[5.0]];
    let batch = RegressionBatch::try_new(&config, &rows(), &targets, &device).unwrap();
    let mut optimizer = AdamWConfig::new().init();
    for _ in 0..150 {
        let loss = RegressionObjective.loss(&model, &batch).mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(2e-2, model, gradients);
    }
    let loss = values(RegressionObjective.loss(&model, &batch).mean())[0];
    assert!(loss < 0.05, "loss {loss}");
}

#[test]
fn targets_are_checked() {
    let device = crate::device();
    let config = ClassifierConfig::new(tiny::config(), 2);
    let refusal = |targets: &[&[f32]]| {
        RegressionBatch::try_new(&config, &rows(), targets, &device).unwrap_err().to_string()
    };
    let good: &[f32] = &[1.0, 2.0];
    assert_eq!(refusal(&[good]), "targets: 1 rows, expected 3");
    assert_eq!(refusal(&[good, &[1.0], good]), "sequence 1: 1 targets, expected 2");
    assert_eq!(
        refusal(&[good, good, &[1.0, f32::NAN]]),
        "sequence 2, output 1: target NaN, expected a finite number"
    );
}
