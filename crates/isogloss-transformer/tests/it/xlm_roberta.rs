//! Parity with transformers, on a tiny random XLM-R (`fixtures/xlmr_tiny`).

use std::fs;
use std::path::PathBuf;

use burn::tensor::Tensor;
use isogloss_transformer::{
    CheckpointError, HasEncoder, MaskedLanguageModel, MaskedSequence, MlmBatch, Pretrained,
    SequenceInput,
};
use serde::Deserialize;

use crate::tiny::{largest_difference, values};

#[derive(Deserialize)]
struct Inputs {
    rows: Vec<Vec<u32>>,
    masked: Vec<Vec<usize>>,
    labels: Vec<Vec<u32>>,
}

#[derive(Deserialize)]
struct Expected {
    shape: [usize; 3],
    hidden_states: Vec<Vec<f32>>,
    masked_logits: Vec<f32>,
    loss: f32,
    grad_norm_weight: Vec<f32>,
    grad_word_row_31: Vec<f32>,
}

fn fixture() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/xlmr_tiny"))
}

fn load(
    dir: &std::path::Path,
    device: &burn::tensor::Device,
) -> Result<MaskedLanguageModel, CheckpointError> {
    Pretrained::open(dir, device).map(Pretrained::into_model)
}

fn rows(inputs: Inputs) -> Vec<MaskedSequence> {
    inputs
        .rows
        .into_iter()
        .zip(inputs.masked.into_iter().zip(inputs.labels))
        .map(|(ids, (positions, labels))| MaskedSequence {
            input: SequenceInput::new(ids),
            positions,
            labels,
        })
        .collect()
}

/// Largest difference over the tokens that are not padding.
fn difference(found: Tensor<3>, expected: &[f32], lengths: &[usize]) -> f32 {
    let [_, seq, d_model] = found.dims();
    let found = values(found);
    lengths
        .iter()
        .enumerate()
        .map(|(row, length)| {
            let tokens = row * seq * d_model..(row * seq + length) * d_model;
            largest_difference(&found[tokens.clone()], &expected[tokens])
        })
        .fold(0.0, f32::max)
}

#[test]
fn hidden_states_scores_loss_and_gradients_are_those_of_transformers() {
    let read = |name: &str| fs::read_to_string(fixture().join(name)).unwrap();
    let inputs: Inputs = serde_json::from_str(&read("inputs.json")).unwrap();
    let expected: Expected = serde_json::from_str(&read("expected.json")).unwrap();
    let rows = rows(inputs);
    // Both paths of attention; dropout 0.1 stands in the file, so no training-mode forward.
    let device = crate::device();
    let model = load(&fixture(), &device).unwrap();
    let config = model.encoder().config().clone();
    assert_eq!(config.max_positions, 16);
    let batch = MlmBatch::try_new(&config, &rows, &device).unwrap();
    let lengths = batch.input().lengths();
    for (layer, expected_states) in expected.hidden_states.iter().enumerate() {
        let hidden = model.encoder().forward_layers(batch.input(), layer);
        assert_eq!(hidden.dims(), expected.shape);
        let difference = difference(hidden, expected_states, lengths);
        assert!(difference < 1e-5, "layer {layer}: {difference}");
    }
    let difference = largest_difference(&values(model.logits(&batch)), &expected.masked_logits);
    assert!(difference < 1e-4, "logits: {difference}");
    assert!((values(model.loss(&batch).mean())[0] - expected.loss).abs() < 1e-5);

    let dir = tempfile::tempdir().unwrap();
    for name in ["config.json", "model.safetensors"] {
        fs::copy(fixture().join(name), dir.path().join(name)).unwrap();
    }
    let json = read("config.json").replace("prob\": 0.1", "prob\": 0.0");
    fs::write(dir.path().join("config.json"), json).unwrap();
    let device = device.autodiff();
    let model = load(dir.path(), &device).unwrap();
    let batch = MlmBatch::try_new(&config, &rows, &device).unwrap();
    let loss = model.loss(&batch).mean();
    let gradients = loss.backward();
    let word = values(model.encoder().word_embedding().grad(&gradients).unwrap());
    let row = &word[31 * config.d_model..32 * config.d_model];
    // On Flex the derivative of GELU is exact; Burn's default for other devices is that of the tanh
    // approximation, which is off by 1.1e-4 here, alike on NdArray and wgpu.
    let elsewhere = std::env::var("ISOGLOSS_TEST_DEVICE").is_ok_and(|name| name != "flex");
    let tolerance = if elsewhere { 2e-4 } else { 1e-5 };
    let difference = largest_difference(row, &expected.grad_word_row_31);
    assert!(difference < tolerance, "word gradient: {difference}");
    let gain = model.encoder().embeddings().norm_gain().unwrap();
    let gain = values(gain.grad(&gradients).unwrap());
    let difference = largest_difference(&gain, &expected.grad_norm_weight);
    assert!(difference < tolerance, "gain gradient: {difference}");
}

#[test]
fn a_config_of_another_model_is_refused_by_field() {
    let dir = tempfile::tempdir().unwrap();
    let json = fs::read_to_string(fixture().join("config.json")).unwrap();
    let other = json.replace("\"xlm-roberta\"", "\"llama\"");
    fs::write(dir.path().join("config.json"), other).unwrap();
    let message = load(dir.path(), &crate::device()).unwrap_err().to_string();
    assert!(
        message.ends_with(
            "`model_type` is `llama`, which is not supported; supported are bert, distilbert, xlm, \
             xlm-roberta, xlm-roberta-xl"
        ),
        "{message}"
    );
    let json = json.replace("\"hidden_act\": \"gelu\"", "\"hidden_act\": \"mish\"");
    fs::write(dir.path().join("config.json"), json).unwrap();
    let error = load(dir.path(), &crate::device()).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("`hidden_act` is `mish`, expected one of gelu, gelu_new"), "{source}");
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let json = fs::read_to_string(fixture().join("config.json")).unwrap();
    let json = json
        .replace("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1")
        .replace("\"vocab_size\": 32", "\"vocab_size\": 33");
    fs::write(dir.path().join("config.json"), json).unwrap();
    fs::copy(fixture().join("model.safetensors"), dir.path().join("model.safetensors")).unwrap();
    let message = load(dir.path(), &crate::device()).unwrap_err().to_string();
    for part in [
        "`roberta.embeddings.word_embeddings.weight` has shape [32, 16], expected [33, 16]",
        "`roberta.encoder.layer.1.attention.self.query.weight` is unexpected",
    ] {
        assert!(message.contains(part), "{message}");
    }
}
