//! Layers that are computed again: the same gradients.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param, ParamGroup};
use burn::tensor::{Gradients, Tensor};
use isogloss_transformer::{
    HasEncoder, MaskedLanguageModel, MlmObjective, Objective, RankingBatch, RankingConfig,
    RecomputeTape, SequenceInput,
};

use crate::tiny::{self, largest_difference, values};

/// The gradients of all parameters, summed up, by their paths.
#[derive(Default)]
pub(crate) struct Sums {
    path: Vec<String>,
    pub(crate) of: BTreeMap<String, Vec<f32>>,
}

impl Sums {
    fn add(&mut self, model: &MaskedLanguageModel, gradients: &Gradients) {
        struct Visit<'a>(&'a mut Sums, &'a Gradients);
        impl ModuleVisitor for Visit<'_> {
            fn enter_module(&mut self, name: &str, _: &str) {
                self.0.path.push(name.to_owned());
            }
            fn exit_module(&mut self, _: &str, _: &str) {
                self.0.path.pop();
            }
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                let Some(gradient) = param.val().grad(self.1) else { return };
                let more = values(gradient);
                let sum =
                    self.0.of.entry(self.0.path.join(".")).or_insert_with(|| vec![0.0; more.len()]);
                sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
            }
        }
        model.visit(&mut Visit(self, gradients));
    }
}

/// The gradients of what `objective` hands on, with a tape and without.
pub(crate) fn gradients<O: Objective<MaskedLanguageModel>>(
    objective: &O,
    model: &MaskedLanguageModel,
    batch: &O::Batch,
    with_tape: bool,
) -> Sums {
    let tape = with_tape.then(RecomputeTape::begin);
    let mut sums = Sums::default();
    let loss = objective.accumulate(model, batch, tiny::SEED, &mut |loss| match &tape {
        Some(tape) => tape.backward(&loss, &mut |gradients| sums.add(model, &gradients)),
        None => sums.add(model, &loss.backward()),
    });
    assert!(loss.count > 0);
    sums
}

pub(crate) fn assert_equal(a: &Sums, b: &Sums) {
    assert_eq!(a.of.keys().collect::<Vec<_>>(), b.of.keys().collect::<Vec<_>>());
    assert!(!a.of.is_empty());
    for (path, a) in &a.of {
        let difference = largest_difference(a, &b.of[path]);
        assert!(difference < 2e-5 * isogloss_testing::slack(), "{path}: {difference}");
    }
}

#[test]
fn gradients_are_those_of_activations_that_were_kept() {
    let _alone = tiny::generator();
    let device = crate::device().autodiff();
    let model = tiny::model(&device);
    let batch = tiny::batch(&tiny::rows(), &device);
    let [kept, recomputed] =
        [false, true].map(|tape| gradients(&MlmObjective, &model, &batch, tape));
    assert_equal(&kept, &recomputed);
    assert!(kept.of.keys().any(|path| path.contains("layers.0.attention.query")));
}

#[test]
fn what_is_frozen_below_costs_nothing_and_has_no_gradient() {
    let _alone = tiny::generator();
    let device = crate::device().autodiff();
    for frozen in [r"embeddings\.", r"embeddings\.|layers\.0\.", "encoder"] {
        let group = ParamGroup::from_regex(frozen).unwrap();
        let model = tiny::model(&device).freeze_group(group);
        let batch = tiny::batch(&tiny::rows(), &device);
        let [kept, recomputed] =
            [false, true].map(|tape| gradients(&MlmObjective, &model, &batch, tape));
        assert_equal(&kept, &recomputed);
        assert!(!recomputed.of.keys().any(|path| path.contains("embeddings")));
    }
}

#[test]
fn objectives_that_read_twice_or_in_chunks_have_their_gradients_too() {
    let _alone = tiny::generator();
    let device = crate::device().autodiff();
    let objective = RankingConfig::default().try_init().unwrap();
    let rows = |first: u32| -> Vec<SequenceInput> {
        (0..5).map(|row| SequenceInput::new(vec![0, first + row, 5 + row, 2])).collect()
    };
    let [x, y] = [rows(8), rows(12)];
    // With dropout, too: chunks are read twice, with the same numbers.
    for (dropout, chunk) in [(0.0, 5), (0.0, 2), (0.3, 2)] {
        let config = tiny::config().with_dropout(dropout);
        let model = MaskedLanguageModel::try_init(&config, &device, tiny::SEED).unwrap();
        let rows = [x.as_slice(), y.as_slice()];
        let batch = RankingBatch::try_in_chunks(&config, rows, None, chunk, &device).unwrap();
        let recomputed = gradients(&objective, &model, &batch, true);
        if dropout > 0.0 {
            assert_equal(&recomputed, &gradients(&objective, &model, &batch, true));
        } else {
            assert_equal(&recomputed, &gradients(&objective, &model, &batch, false));
        }
    }
}

#[test]
fn with_dropout_the_gradient_is_the_slope_of_what_was_computed() {
    let _alone = tiny::generator();
    if isogloss_testing::slack() > 1.0 {
        // A slope of losses that are rounded so much says nothing.
        return;
    }
    let device = crate::device().autodiff();
    let config = tiny::config().with_dropout(0.2);
    let init = || MaskedLanguageModel::try_init(&config, &device, tiny::SEED).unwrap();
    let batch = tiny::batch(&tiny::rows(), &device);
    let loss = |step: f32| {
        let _tape = RecomputeTape::begin();
        device.seed(7);
        let model = tiny::with_step(init(), [5, 3], step);
        f64::from(values(model.loss(&batch).sum)[0])
    };
    let model = init();
    let tape = RecomputeTape::begin();
    device.seed(7);
    let sum = model.loss(&batch).sum;
    let mut found = 0.0;
    tape.backward(&sum, &mut |gradients| {
        if let Some(gradient) = model.encoder().word_embedding().grad(&gradients) {
            found += f64::from(values(gradient)[5 * config.d_model + 3]);
        }
    });
    drop(tape);
    let slope = (loss(1e-2) - loss(-1e-2)) / 2e-2;
    assert!((found - slope).abs() < 2e-2 * slope.abs().max(0.1), "{found}, expected {slope}");
    // It is not the slope without dropout.
    let plain = MaskedLanguageModel::try_init(&tiny::config(), &device, tiny::SEED).unwrap();
    assert!((values(plain.loss(&batch).sum)[0] - values(sum)[0]).abs() > 1e-3);
}
