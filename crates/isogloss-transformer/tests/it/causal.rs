//! Causal language modelling: what is predicted, and from what.

use burn::tensor::activation::log_softmax;
use isogloss_transformer::{
    BatchError, EncoderBatch, EncoderConfig, HasEncoder, MaskedLanguageModel, MlmBatch, MlmConfig,
    MlmObjective, Objective, SequenceInput,
};

use crate::tiny::{self, values};

fn config() -> EncoderConfig {
    tiny::config().with_causal(true)
}

fn rows() -> Vec<SequenceInput> {
    [&[0, 5, 6, 7, 2][..], &[0, 8, 2], &[0]].map(|ids| SequenceInput::new(ids.to_vec())).to_vec()
}

fn model() -> MaskedLanguageModel {
    MaskedLanguageModel::try_init(&config(), &crate::device(), tiny::SEED).unwrap()
}

#[test]
fn each_token_is_predicted_from_those_before_it() {
    let (model, device) = (model(), crate::device());
    let batch = MlmBatch::next_tokens(&config(), &rows(), &device).unwrap();
    assert_eq!(batch.masked_per_row(), [4, 2, 0]);
    let loss = MlmObjective.loss(&model, &batch);
    assert_eq!(loss.count, 6);
    let sum = values(loss.sum)[0];
    // By hand: the last hidden state of each beginning of a row predicts what comes next.
    let mut expected = 0.0;
    for row in rows() {
        for length in 1..row.len() {
            let beginning = [SequenceInput::new(row.ids[..length].to_vec())];
            let input = EncoderBatch::try_new(&config(), &beginning).unwrap().to_device(&device);
            let hidden = model.encoder().forward(&input);
            let last =
                burn::tensor::Tensor::from_ints([i32::try_from(length).unwrap() - 1], &device);
            let logits = model.logits_at(hidden, &last);
            expected -= values(log_softmax(logits, 1))[row.ids[length] as usize];
        }
    }
    assert!((sum - expected).abs() < 1e-4, "{sum} {expected}");
    let alone = rows().into_iter().map(|row| {
        let batch = MlmBatch::next_tokens(&config(), &[row], &device).unwrap();
        values(MlmObjective.loss(&model, &batch).sum)[0]
    });
    assert!((sum - alone.sum::<f32>()).abs() < 1e-4);
}

#[test]
fn xlm_without_a_transform_is_trained_alike() {
    let device = crate::device().autodiff();
    let model =
        MlmConfig::new(config()).with_transform(false).try_init(&device, tiny::SEED).unwrap();
    let batch = MlmBatch::next_tokens(&config(), &rows(), &device).unwrap();
    let gradients = MlmObjective.loss(&model, &batch).mean().backward();
    assert!(model.encoder().word_embedding().grad(&gradients).is_some());
}

#[test]
fn a_model_that_sees_the_answer_is_refused() {
    let error = MlmBatch::next_tokens(&tiny::config(), &rows(), &crate::device()).unwrap_err();
    assert_eq!(error, BatchError::NotCausal);
    assert!(error.to_string().ends_with("expected `causal` true"), "{error}");
}
