//! Hidden states of some tokens: those of a pass that computes all.

use burn::tensor::{Distribution, Int, Tensor};
use isogloss_peft::{
    AdapterConfig, BottleneckConfig, PrefixConfig, PromptConfig, activate, attach,
};
use isogloss_transformer::{
    DeviceBatch, EncoderBatch, HasEncoder as _, LossSum, MaskedLanguageModel, NormOrder, Objective,
    Pooling,
};

use crate::recompute::{assert_equal, gradients};
use crate::tiny::{self, SEED, largest_difference, values};

/// The hidden states of tokens, each times a number of its own.
struct Weighted {
    places: Vec<i32>,
    weights: Tensor<2>,
    is_alone: bool,
}

impl Objective<MaskedLanguageModel> for Weighted {
    type Batch = DeviceBatch;

    fn loss(&self, model: &MaskedLanguageModel, batch: &DeviceBatch) -> LossSum {
        let encoder = model.encoder();
        let places = Tensor::<1, Int>::from_ints(self.places.as_slice(), &self.weights.device());
        let states = if self.is_alone {
            encoder.forward_at(batch, &places)
        } else {
            encoder.forward(batch).flatten::<2>(0, 1).select(0, places)
        };
        LossSum::new((states * self.weights.clone()).sum(), self.places.len())
    }
}

fn batch(model: &MaskedLanguageModel) -> EncoderBatch {
    let rows: Vec<_> = tiny::rows().into_iter().map(|row| row.input).collect();
    EncoderBatch::try_new(&model.config().encoder, &rows).unwrap()
}

#[test]
fn states_of_some_tokens_and_their_gradients_are_those_of_a_pass_over_all() {
    let _alone = tiny::generator();
    let device = crate::device().autodiff();
    let pre = tiny::config().with_norm(NormOrder::Pre);
    let bare = [tiny::config(), pre, tiny::config().with_causal(true)]
        .map(|config| MaskedLanguageModel::try_init(&config, &device, SEED).unwrap());
    let adapted = [
        AdapterConfig::Bottleneck(BottleneckConfig::houlsby()),
        AdapterConfig::Prefix(PrefixConfig::new(2)),
        AdapterConfig::Prompt(PromptConfig::new(2)),
    ]
    .map(|config| attach(tiny::model(&device), "it", &config, SEED, &device).unwrap().0);
    for (case, model) in bare.iter().chain(&adapted).enumerate() {
        // Few, one of them twice; and more than half of the 21, where all is computed, as it is with a prompt.
        for places in [vec![2, 8, 4, 8, 14], (0..18).collect()] {
            let shape = [places.len(), 8];
            let weights = Tensor::<2>::random(shape, Distribution::Default, &device);
            let [alone, all] = [true, false].map(|is_alone| Weighted {
                places: places.clone(),
                weights: weights.clone(),
                is_alone,
            });
            for packing in [None, Some(11)] {
                let batch = batch(model);
                let batch = match packing {
                    // A prompt is refused in packed rows.
                    Some(row) if case != 5 => batch.packed(row),
                    _ => batch,
                };
                let batch = batch.to_device(&device);
                let [a, b] = [&alone, &all].map(|it| values(it.loss(model, &batch).sum));
                assert!((a[0] - b[0]).abs() < 2e-5 * isogloss_testing::slack(), "{case}");
                for tape in [false, true] {
                    let [a, b] = [&alone, &all].map(|it| gradients(it, model, &batch, tape));
                    assert_equal(&a, &b);
                }
            }
        }
    }
}

#[test]
fn vectors_of_first_tokens_are_those_of_every_layer() {
    let device = crate::device();
    for norm in [NormOrder::Post, NormOrder::Pre] {
        let config = tiny::config().with_norm(norm);
        let model = MaskedLanguageModel::try_init(&config, &device, SEED).unwrap();
        let encoder = model.encoder();
        for batch in [batch(&model), batch(&model).packed(11)] {
            let batch = batch.to_device(&device);
            for n_layers in 0..=3 {
                let all = encoder.forward_layers(&batch, n_layers);
                let first = all.narrow(1, 0, 1).flatten::<2>(0, 1);
                let found = encoder.embed(&batch, Pooling::Cls, Some(n_layers));
                assert_eq!(found.dims(), [3, 8]);
                let difference = largest_difference(&values(found), &values(first));
                assert!(difference < 1e-5 * isogloss_testing::slack(), "{difference}");
            }
        }
    }
}

#[test]
fn adapters_that_differ_by_rows_read_everything() {
    let device = crate::device();
    let mut model = tiny::model(&device);
    for name in ["a", "b"] {
        let config = AdapterConfig::Bottleneck(BottleneckConfig::pfeiffer());
        model = attach(model, name, &config, SEED, &device).unwrap().0;
    }
    let model = activate(model, &"rows(a, b, a)".parse().unwrap()).unwrap();
    let encoder = model.encoder();
    let batch = batch(&model).to_device(&device);
    let places = Tensor::<1, Int>::from_ints([1, 9], &device);
    let all = encoder.forward(&batch).flatten::<2>(0, 1).select(0, places.clone());
    let difference = largest_difference(&values(encoder.forward_at(&batch, &places)), &values(all));
    assert!(difference < 1e-6, "{difference}");
}
