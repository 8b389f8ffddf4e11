//! Models and rows small enough to reason about.

use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor, TensorData};
use isogloss_core::Seed;
use isogloss_transformer::{
    EncoderConfig, HasEncoder, MaskedLanguageModel, MaskedSequence, MlmBatch, SequenceInput,
};

pub(crate) const SEED: Seed = Seed::new(3);

/// Dropout draws from one generator of the whole process, so tests that use it take turns.
pub(crate) fn generator() -> MutexGuard<'static, ()> {
    static GENERATOR: Mutex<()> = Mutex::new(());
    GENERATOR.lock().unwrap_or_else(PoisonError::into_inner)
}

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

/// The model with `step` added to one number of its word embedding.
pub(crate) fn with_step(
    model: MaskedLanguageModel,
    cell: [usize; 2],
    step: f32,
) -> MaskedLanguageModel {
    struct Change {
        path: Vec<String>,
        place: usize,
        step: f32,
    }
    impl ModuleMapper for Change {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.to_owned());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            if self.path.join(".") != "encoder.embeddings.word.weight" {
                return param;
            }
            let (place, step) = (self.place, self.step);
            param.map(|table| {
                let (shape, device) = (table.shape(), table.device());
                let mut numbers = values(table);
                numbers[place] += step;
                Tensor::from_data(TensorData::new(numbers, shape), &device)
            })
        }
    }
    let place = cell[0] * model.encoder().config().d_model + cell[1];
    model.map(&mut Change { path: Vec::new(), place, step })
}
