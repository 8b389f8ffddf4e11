//! The classifier: checks, and that it learns.

use burn::optim::{AdamWConfig, GradientsParams};
use isogloss_core::Seed;
use isogloss_transformer::{
    ClassificationBatch, ClassificationObjective, ClassifierConfig, Objective, Pooling,
    SequenceInput, TokenClassifierConfig,
};

use crate::tiny::{self, values};

fn rows() -> Vec<SequenceInput> {
    [[5, 6], [7, 8], [6, 9], [8, 10]].map(|[a, b]| SequenceInput::new(vec![0, a, b, 2])).to_vec()
}

#[test]
fn it_learns_a_batch_by_heart() {
    let device = crate::device().autodiff();
    let config = ClassifierConfig::new(tiny::config(), 3).with_pooling(Pooling::Mean);
    let mut model = config.try_init(&device, Seed::new(4)).unwrap();
    let batch = ClassificationBatch::try_new(&config, &rows(), &[0, 1, 2, 1], &device).unwrap();
    let mut optimizer = AdamWConfig::new().init();
    for _ in 0..60 {
        let loss = ClassificationObjective::default().loss(&model, &batch).mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(1e-2, model, gradients);
    }
    let loss = values(ClassificationObjective::default().loss(&model, &batch).mean())[0];
    assert!(loss < 0.05, "loss {loss}");
    assert_eq!(model.predict(batch.input()), [0, 1, 2, 1]);
    let sums = values(model.probabilities(batch.input()).sum_dim(1));
    assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-5));
}

#[test]
fn classes_are_checked() {
    let config = ClassifierConfig::new(tiny::config(), 3);
    let device = crate::device();
    let refusal = |classes: &[u32]| {
        ClassificationBatch::try_new(&config, &rows(), classes, &device).unwrap_err().to_string()
    };
    assert_eq!(refusal(&[0, 1]), "classes: 2 rows, expected 4");
    assert_eq!(refusal(&[0, 1, 2, 3]), "sequence 3: class 3, expected less than 3");
    let error = ClassifierConfig::new(tiny::config(), 0).try_init(&device, Seed::new(1));
    assert_eq!(
        error.unwrap_err().to_string(),
        "encoder configuration: `n_classes` is `0`, expected at least 1"
    );
    let single = ClassifierConfig::new(tiny::config(), 1);
    assert_eq!(
        ClassificationBatch::try_new(&single, &rows(), &[0; 4], &device).unwrap_err().to_string(),
        "1 class, expected at least 2: a model of one output is for regression"
    );
    let error = TokenClassifierConfig::new(tiny::config(), 1).try_init(&device, Seed::new(1));
    assert_eq!(
        error.unwrap_err().to_string(),
        "encoder configuration: `n_classes` is `1`, expected at least 2"
    );
}
