//! That the models learn.

use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams};
use isogloss_transformer::{
    MlmObjective, Objective, RankingBatch, RankingConfig, SequenceInput, SequenceLayout,
};

use crate::tiny::{self, masked, values};

#[test]
fn a_masked_language_model_learns_a_batch_by_heart() {
    let device = crate::device().autodiff();
    let mut model = tiny::model(&device);
    let layout = SequenceLayout::xlm_roberta(0, 2, 10);
    let mut rows = tiny::rows();
    // A pair of sentences, with a word hidden on each side.
    let mut pair = masked(&[], &[1, 6], &[13, 15]);
    pair.input = layout.pair(&[19, 14], &[16, 19]).input;
    rows.push(pair);
    let batch = tiny::batch(&rows, &device);
    let mut optimizer = AdamWConfig::new().init();
    let before = values(model.loss(&batch).mean())[0];
    for _ in 0..80 {
        let loss = MlmObjective.loss(&model, &batch).mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(1e-2, model, gradients);
    }
    let after = values(model.loss(&batch).mean())[0];
    assert!(before > 1.0 && after < 0.05, "loss {before} before, {after} after");

    // On the plain device, as one evaluates.
    let batch = tiny::batch(&rows, &crate::device());
    assert_eq!(model.valid().score(&batch).is_first, [true; 5]);
}

#[test]
fn ranking_brings_translations_together() {
    let device = crate::device().autodiff();
    let mut encoder = tiny::model(&device).into_encoder();
    let [x, y] = [[5, 6, 7, 8], [9, 10, 11, 12]]
        .map(|ids| ids.map(|id| SequenceInput::new(vec![0, id, 2])).to_vec());
    let batch = RankingBatch::try_new(&tiny::config(), [&x, &y], None, &device).unwrap();
    let objective = RankingConfig::default().try_init().unwrap();
    let mut optimizer = AdamWConfig::new().init();
    let before = values(objective.loss(&encoder, &batch).mean())[0];
    for _ in 0..60 {
        let loss = objective.loss(&encoder, &batch).mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &encoder);
        encoder = optimizer.step(1e-2, encoder, gradients);
    }
    let after = values(objective.loss(&encoder, &batch).mean())[0];
    assert!(after < 0.1 * before, "loss {before} before, {after} after");
}

#[test]
fn dropout_acts_in_training_only() {
    let _alone = tiny::generator();
    let device = crate::device().autodiff();
    let config = tiny::config().with_dropout(0.5);
    let model =
        isogloss_transformer::MaskedLanguageModel::try_init(&config, &device, tiny::SEED).unwrap();
    let training = || values(model.loss(&tiny::batch(&tiny::rows(), &device)).sum)[0];
    assert_ne!(training().to_bits(), training().to_bits());
    let model = model.valid();
    let batch = tiny::batch(&tiny::rows(), &crate::device());
    let plain = values(tiny::model(&crate::device()).loss(&batch).sum)[0];
    assert_eq!(values(model.loss(&batch).sum)[0].to_bits(), plain.to_bits());
}
