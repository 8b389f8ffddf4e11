//! Prefixes and prompts: what stands before the tokens.

use burn::tensor::{Device, Tensor};
use isogloss_core::Seed;
use isogloss_peft::{
    AdapterConfig, AdapterError, BottleneckConfig, MixAndMatchConfig, PrefixConfig, PromptConfig,
    PromptPlace, activate, attach, detach_all, effect, merge, set_prompt,
    trainable_parameter_count,
};
use isogloss_testing::assert_close;
use isogloss_transformer::{
    Encoder, EncoderBatch, EncoderConfig, MaskedLanguageModel, MlmObjective, SequenceInput,
};

use crate::recompute::{assert_equal, gradients};
use crate::tiny::{self, SEED, values};

const D_MODEL: usize = 8;

fn prefix(length: usize) -> AdapterConfig {
    AdapterConfig::Prefix(PrefixConfig::new(length))
}

fn prompt(length: usize) -> AdapterConfig {
    AdapterConfig::Prompt(PromptConfig::new(length))
}

/// Every kind, each of two or three vectors.
fn kinds() -> Vec<AdapterConfig> {
    let without = PrefixConfig::without_positions(2);
    let place = |place| AdapterConfig::Prompt(PromptConfig::new(3).with_place(place));
    vec![
        prefix(2),
        AdapterConfig::Prefix(PrefixConfig::new(2).with_projection(5)),
        AdapterConfig::Prefix(without.clone().with_projection(5)),
        AdapterConfig::Prefix(without.without_layers([0])),
        prompt(3),
        place(PromptPlace::Embeddings),
        place(PromptPlace::AfterFirst),
        AdapterConfig::MixAndMatch(MixAndMatchConfig::default()),
    ]
}

fn encoder(device: &Device) -> Encoder {
    tiny::model(device).into_encoder()
}

fn rows() -> Vec<SequenceInput> {
    [vec![0, 5, 13, 7, 8, 9, 2], vec![0, 4, 11, 2], vec![0, 12, 2]].map(SequenceInput::new).to_vec()
}

fn batch(config: &EncoderConfig) -> EncoderBatch {
    EncoderBatch::try_new(config, &rows()).unwrap()
}

/// The hidden states of the tokens of each row.
fn hidden(encoder: &Encoder, batch: &EncoderBatch, device: &Device) -> Vec<Vec<f32>> {
    let found = encoder.forward(&batch.to_device(device));
    let row = |(row, &length): (usize, &usize)| {
        values(found.clone().narrow(0, row, 1).narrow(1, 0, length))
    };
    batch.lengths().iter().enumerate().map(row).collect()
}

#[test]
fn what_stands_before_tokens_is_counted_acts_and_goes_without_a_trace() {
    let device = crate::device().autodiff();
    let base = encoder(&device);
    let batch = batch(base.config());
    let before = hidden(&base, &batch, &device);
    // [length, 2 layers of keys and values], through a network, without one layer; vectors at the embeddings.
    let network = |length: usize, width: usize| {
        length * D_MODEL + D_MODEL * width + width + (width + 1) * 4 * D_MODEL
    };
    let bottlenecks = 2 * (2 * D_MODEL * 4 + 4 + D_MODEL);
    let expected = [
        2 * 4 * D_MODEL,
        network(2, 5),
        network(2, 5),
        2 * 2 * D_MODEL,
        3 * D_MODEL,
        3 * D_MODEL,
        3 * D_MODEL,
        network(30, 800) + bottlenecks,
    ];
    for (config, expected) in kinds().into_iter().zip(expected) {
        let (model, report) = attach(base.clone(), "it", &config, SEED, &device).unwrap();
        assert_eq!(report.parameters, expected, "{config:?}");
        assert_eq!(trainable_parameter_count(&model), expected, "{config:?}");
        let batch = batch.to_device(&device);
        assert!(effect(&model, "it", |model: &Encoder| model.forward(&batch)).unwrap() > 1e-3);
        let error = merge(model.clone()).unwrap_err();
        assert!(matches!(error, AdapterError::NotMergeable { .. }), "{error}");
        let bare = detach_all(model).unwrap();
        assert_eq!(hidden(&bare, &self::batch(base.config()), &device), before);
    }
}

#[test]
fn only_it_takes_gradients_which_are_those_of_activations_that_were_kept() {
    let _alone = tiny::generator();
    let device = crate::device().autodiff();
    let batch = tiny::batch(&tiny::rows(), &device);
    for config in kinds() {
        let (model, _) = attach(tiny::model(&device), "it", &config, SEED, &device).unwrap();
        let [kept, recomputed] =
            [false, true].map(|tape| gradients(&MlmObjective, &model, &batch, tape));
        assert_equal(&kept, &recomputed);
        for (path, gradient) in &kept.of {
            assert!(path.contains("adapters"), "{path} of {config:?}");
            // Keys of a prefix have none where all are given the same query; something has.
            assert!(gradient.iter().all(|number| number.is_finite()), "{path}");
        }
        assert!(kept.of.values().flatten().any(|number| number.abs() > 1e-6), "{config:?}");
    }
}

/// Along the gradient, the loss rises as it says.
#[test]
fn gradients_are_those_of_differences() {
    let device = crate::device().autodiff();
    let batch = tiny::batch(&tiny::rows(), &device);
    let (model, _) = attach(tiny::model(&device), "it", &prompt(3), SEED, &device).unwrap();
    let loss = |vectors: &Tensor<2>| {
        let model: MaskedLanguageModel = set_prompt(model.clone(), "it", vectors).unwrap();
        let loss = model.loss(&batch);
        (loss.sum.clone(), model)
    };
    let start = Tensor::<2>::random([3, D_MODEL], burn::tensor::Distribution::Default, &device);
    let (sum, moved) = loss(&start);
    let mut sums = Vec::new();
    let gradients = sum.backward();
    burn::module::Module::visit(&moved, &mut Found { gradients: &gradients, found: &mut sums });
    assert_eq!(sums.len(), 1);
    let gradient = Tensor::<1>::from_floats(sums[0].as_slice(), &device).reshape([3, D_MODEL]);
    let step = 1e-2 / gradient.clone().square().sum().sqrt().into_scalar::<f32>();
    let at = |sign: f32| {
        let moved = start.clone() + gradient.clone() * (sign * step);
        loss(&moved).0.into_scalar::<f32>()
    };
    let slope = (at(1.0) - at(-1.0)) / (2.0 * step);
    let expected = gradient.square().sum().into_scalar::<f32>();
    assert!((slope - expected).abs() < 0.02 * expected, "{slope} {expected}");
}

struct Found<'a> {
    gradients: &'a burn::tensor::Gradients,
    found: &'a mut Vec<Vec<f32>>,
}

impl burn::module::ModuleVisitor for Found<'_> {
    fn visit_float<const D: usize>(&mut self, param: &burn::module::Param<Tensor<D>>) {
        self.found.extend(param.val().grad(self.gradients).map(values));
    }
}

#[test]
fn packed_and_padded_rows_and_rows_by_themselves_are_the_same() {
    let device = crate::device();
    for causal in [false, true] {
        let config = tiny::config().with_causal(causal);
        let base = config.try_init(&device, Seed::new(3)).unwrap();
        for kind in kinds() {
            let (model, _) = attach(base.clone(), "it", &kind, SEED, &device).unwrap();
            let together = hidden(&model, &batch(&config), &device);
            let packed = hidden(&model, &batch(&config).packed(12), &device);
            for (row, input) in rows().into_iter().enumerate() {
                let alone = EncoderBatch::try_new(&config, &[input]).unwrap();
                let alone = hidden(&model, &alone, &device).concat();
                assert_close(&together[row], &alone, 1e-5);
                assert_close(&packed[row], &alone, 1e-5);
            }
        }
    }
}

#[test]
fn each_row_of_a_batch_has_its_own() {
    let device = crate::device();
    let base = encoder(&device);
    let batch = batch(base.config());
    for [a, b] in [[prefix(2), prefix(3)], [prompt(1), prompt(3)]] {
        let (both, _) = attach(base.clone(), "a", &a, Seed::new(1), &device).unwrap();
        let (both, _) = attach(both, "b", &b, Seed::new(2), &device).unwrap();
        let acting = |composition: &str| {
            let model = activate(both.clone(), &composition.parse().unwrap()).unwrap();
            hidden(&model, &batch, &device)
        };
        let mixed = acting("rows(b, base, a)");
        for (row, alone) in [acting("b"), acting("base"), acting("a")].iter().enumerate() {
            assert_close(&mixed[row], &alone[row], 1e-5);
        }
        // One on the other: both are there.
        let stacked = acting("stack(a, b)");
        assert!(tiny::largest_difference(&stacked[0], &acting("a")[0]) > 1e-3);
        let stacked_rows = acting("stack(a, rows(b, base, b))");
        assert_close(&stacked_rows[0], &stacked[0], 1e-5);
        assert_close(&stacked_rows[1], &acting("a")[1], 1e-5);
        for (composition, expected) in [
            ("average(a, b)", "outside of a mean"),
            ("stack(a, split(b*3, base*4))", "no split of tokens"),
        ] {
            let error = activate(both.clone(), &composition.parse().unwrap()).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
    let other = AdapterConfig::Prompt(PromptConfig::before_embeddings(2));
    let (model, _) = attach(base, "a", &prompt(2), Seed::new(1), &device).unwrap();
    let error = attach(model, "b", &other, Seed::new(1), &device).unwrap_err().to_string();
    assert!(error.contains("prompts of different places"), "{error}");
}

#[test]
fn what_reads_the_first_token_reads_the_first_of_a_prompt() {
    let device = crate::device();
    let base = encoder(&device);
    let batch = batch(base.config()).to_device(&device);
    let first = |model: &Encoder| values(model.read(&batch).first());
    let own = |model: &Encoder| values(model.forward(&batch).narrow(1, 0, 1));
    let (model, _) = attach(base.clone(), "it", &prompt(3), SEED, &device).unwrap();
    assert!(tiny::largest_difference(&first(&model), &own(&model)) > 1e-3);
    // The first row has none.
    let mixed = activate(model, &"rows(base, it, it)".parse().unwrap()).unwrap();
    let (read, tokens) = (first(&mixed), own(&mixed));
    assert_close(&read[..D_MODEL], &tokens[..D_MODEL], 1e-6);
    assert!(tiny::largest_difference(&read[D_MODEL..], &tokens[D_MODEL..]) > 1e-3);
    for kind in [prefix(2), kinds().remove(6)] {
        let (model, _) = attach(base.clone(), "it", &kind, SEED, &device).unwrap();
        assert_eq!(first(&model), own(&model));
    }
}

#[test]
fn positions_are_left_for_the_tokens() {
    let device = crate::device();
    let base = encoder(&device);
    assert_eq!(base.max_tokens(), 12);
    let (model, _) = attach(base.clone(), "a", &prefix(2), SEED, &device).unwrap();
    let (model, _) = attach(model, "b", &prompt(3), SEED, &device).unwrap();
    assert_eq!(model.max_tokens(), 7);
    let row = |length: usize| {
        let rows = [SequenceInput::new(vec![5; length])];
        EncoderBatch::try_new(base.config(), &rows).unwrap()
    };
    model.check(&row(7)).unwrap();
    model.forward(&row(7).to_device(&device));
    let error = model.check(&row(8)).unwrap_err();
    let too_long = std::panic::AssertUnwindSafe(|| model.forward(&row(8).to_device(&device)));
    let fault = std::panic::catch_unwind(too_long).unwrap_err();
    let fault = fault.downcast::<String>().unwrap();
    assert_eq!(*fault, error.to_string());
    assert!(
        fault.contains("behind 5 of prompts and prefixes, expected less than 12 together"),
        "{fault}"
    );
    let (model, _) = attach(
        base,
        "it",
        &AdapterConfig::Prompt(PromptConfig::before_embeddings(3)),
        SEED,
        &device,
    )
    .unwrap();
    assert_eq!(model.max_tokens(), 12);
}

#[test]
fn a_prompt_begins_with_words_where_that_is_asked_for() {
    let device = crate::device();
    let base = encoder(&device);
    let batch = batch(base.config()).to_device(&device);
    let (model, _) = attach(base.clone(), "it", &prompt(2), SEED, &device).unwrap();
    // A prompt of words is those words, before the others.
    let ids = Tensor::<1, burn::tensor::Int>::from_ints([6, 10], &device);
    let words = base.word_embedding().select(0, ids);
    let model = set_prompt(model, "it", &words).unwrap();
    let written: Vec<SequenceInput> =
        rows().into_iter().map(|row| SequenceInput::new([vec![6, 10], row.ids].concat())).collect();
    let written = EncoderBatch::try_new(base.config(), &written).unwrap().to_device(&device);
    let found = values(model.forward(&batch).narrow(0, 0, 1));
    let expected = values(base.forward(&written).narrow(0, 0, 1).narrow(1, 2, 7));
    assert_close(&found, &expected, 1e-5);
    let error = set_prompt(model.clone(), "it", &words.clone().narrow(0, 0, 1)).unwrap_err();
    assert!(error.to_string().contains("of vectors of [1, 8]"), "{error}");
    assert!(set_prompt(model, "other", &words).is_err());
}

#[test]
fn what_cannot_be_is_named() {
    let device = crate::device();
    let base = encoder(&device);
    let refused = |config: AdapterConfig| {
        attach(base.clone(), "it", &config, SEED, &device).unwrap_err().to_string()
    };
    assert!(refused(prefix(0)).contains("`length` is 0, expected at least 1"));
    assert!(refused(prompt(0)).contains("`length` is 0, expected at least 1"));
    let out = PrefixConfig::without_positions(2).without_layers([5]);
    assert!(refused(AdapterConfig::Prefix(out)).contains("`5` of `leave_out` matches no"));
    let out = PrefixConfig::new(2).without_layers([0]);
    assert!(refused(AdapterConfig::Prefix(out)).contains("`counts_positions` is true"));
    let mixed = MixAndMatchConfig::new(PrefixConfig::new(2), BottleneckConfig::parallel());
    assert!(refused(AdapterConfig::MixAndMatch(mixed)).contains("`counts_positions` is true"));
}
