//! Sites: their paths, and that an adapter sits where its path says.

use std::collections::BTreeSet;

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, Tensor};
use isogloss_core::Seed;
use isogloss_peft::{
    AdapterConfig, AdapterHost, BitFitConfig, BottleneckConfig, Composition, LoraConfig, SiteMut,
    Targets, activate, attach, detach, merge,
};
use isogloss_testing::assert_close;
use isogloss_transformer::{
    ClassifierConfig, Encoder, EncoderBatch, ExtendVocabulary, HasEncoder, MaskedLanguageModel,
    MlmBatch, SequenceClassifier, SequenceInput, VocabularyRows, save_checkpoint,
};

use crate::tiny::{self, values};

fn sites(host: &mut impl AdapterHost) -> Vec<(String, bool)> {
    let mut sites = Vec::new();
    host.for_each_site(&mut |path, site| {
        if !matches!(site, SiteMut::Full(_)) {
            sites.push((path.to_owned(), matches!(site, SiteMut::Linear(_))));
        }
    });
    sites
}

/// The paths of all modules, parameters aside.
fn module_paths(module: &impl Module) -> BTreeSet<String> {
    #[derive(Default)]
    struct Paths {
        path: Vec<String>,
        paths: BTreeSet<String>,
    }
    impl ModuleVisitor for Paths {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.to_owned());
            self.paths.insert(self.path.join("."));
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, _: &Param<Tensor<D>>) {}
    }
    let mut visitor = Paths::default();
    module.visit(&mut visitor);
    visitor.paths
}

#[test]
fn sites_have_the_paths_of_their_modules() {
    let device = crate::device();
    let mut encoder: Encoder = tiny::model(&device).into_encoder();
    let found = sites(&mut encoder);
    let first: Vec<_> = found.iter().take(12).map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        first,
        [
            "embeddings.word_adapter",
            "embeddings.adapter",
            "embeddings.prompt",
            "prefix",
            "layers.0.attention.query",
            "layers.0.attention.key",
            "layers.0.attention.value",
            "layers.0.attention.output",
            "layers.0.attention_adapter",
            "layers.0.up",
            "layers.0.down",
            "layers.0.adapter",
        ]
    );
    assert_eq!(found.len(), 20);
    let paths = module_paths(&encoder);
    for (path, _) in found {
        assert!(paths.contains(&path), "{path} is not among {paths:?}");
    }
}

#[test]
fn models_with_a_head_show_the_encoder_s_sites() {
    let device = crate::device();
    let mut model: MaskedLanguageModel = tiny::model(&device);
    let config = ClassifierConfig::new(tiny::config(), 2);
    let mut classifier: SequenceClassifier = config.try_init(&device, Seed::new(1)).unwrap();
    for (found, paths) in [
        (sites(&mut model), module_paths(&model)),
        (sites(&mut classifier), module_paths(&classifier)),
    ] {
        assert_eq!(found.len(), 20);
        for (path, _) in found {
            assert!(path.starts_with("encoder."), "{path}");
            assert!(paths.contains(&path), "{path} is not among {paths:?}");
        }
    }
}

fn adapters() -> [AdapterConfig; 2] {
    [
        AdapterConfig::Lora(LoraConfig::new(2).with_target(".*(query|value|up|down)")),
        AdapterConfig::Bottleneck(BottleneckConfig::new(2)),
    ]
}

#[test]
fn an_adapter_learns_while_the_model_under_it_stays() {
    let device = crate::device().autodiff();
    let batch = tiny::batch(&tiny::rows(), &device);
    for config in adapters() {
        let base = tiny::model(&device);
        let logits = values(base.logits(&batch));
        let before = values(base.loss(&batch).mean())[0];
        let (mut model, _) = attach(base, "it", &config, tiny::SEED, &device).unwrap();
        assert_eq!(values(model.logits(&batch)), logits);
        let mut optimizer = AdamWConfig::new().init();
        for _ in 0..150 {
            let gradients = model.loss(&batch).mean().backward();
            assert!(model.encoder().word_embedding().grad(&gradients).is_none());
            let gradients = GradientsParams::from_grads(gradients, &model);
            model = optimizer.step(3e-2, model, gradients);
        }
        let after = values(model.loss(&batch).mean())[0];
        // The head is frozen, so the loss falls without reaching zero.
        assert!(after < 0.75 * before, "{config:?}: {before} before, {after} after");
        assert_eq!(values(detach(model, "it").unwrap().logits(&batch)), logits);
    }
}

#[test]
fn a_model_with_adapters_is_saved_once_they_are_merged() {
    let device = crate::device();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model");
    let [lora, _] = adapters();
    // One that has no tensors beside the model's.
    let biases = AdapterConfig::BitFit(BitFitConfig::default());
    let (model, _) = attach(tiny::model(&device), "b", &biases, tiny::SEED, &device).unwrap();
    let message = save_checkpoint(&path, &model).unwrap_err().to_string();
    assert!(message.contains("biases or heads of b in the place of its own"), "{message}");
    save_checkpoint(&path, &activate(model, &Composition::base()).unwrap()).unwrap();
    std::fs::remove_dir_all(&path).unwrap();

    let (model, report) = attach(tiny::model(&device), "it", &lora, tiny::SEED, &device).unwrap();
    assert_eq!(report.sites.len(), 8);
    let message = save_checkpoint(&path, &model).unwrap_err().to_string();
    assert!(message.contains("encoder.layers.0.attention.query.adapters."), "{message}");
    assert!(message.ends_with("(merge or detach adapters first)"), "{message}");
    assert!(!path.exists());

    let batch = tiny::batch(&tiny::rows(), &device);
    let logits = values(model.logits(&batch));
    let (merged, _) = merge(model).unwrap();
    save_checkpoint(&path, &merged).unwrap();
    // One product instead of two, in f32.
    assert_close(&values(merged.logits(&batch)), &logits, 1e-5);
}

/// A model with an adapter of words that has learned.
fn with_words(
    base: &MaskedLanguageModel,
    batch: &MlmBatch,
    device: &Device,
) -> MaskedLanguageModel {
    let lora = |targets| AdapterConfig::Lora(LoraConfig::new(2).with_targets(targets));
    // Tables are adapted by name only.
    let all = lora(Targets::all());
    let (_, report) = attach(base.clone(), "it", &all, tiny::SEED, device).unwrap();
    assert!(!report.sites.contains(&WORDS.to_owned()), "{:?}", report.sites);
    let named = lora(Targets::list(["word_adapter"]));
    let (mut model, report) = attach(base.clone(), "it", &named, tiny::SEED, device).unwrap();
    assert_eq!(report.sites, [WORDS]);
    assert_eq!(values(model.logits(batch)), values(base.logits(batch)));
    let mut optimizer = AdamWConfig::new().init();
    for _ in 0..100 {
        let gradients = model.loss(batch).mean().backward();
        let gradients = GradientsParams::from_grads(gradients, &model);
        model = optimizer.step(3e-2, model, gradients);
    }
    let [before, after] = [base, &model].map(|model| values(model.loss(batch).mean())[0]);
    assert!(after < 0.95 * before, "{before} before, {after} after");
    model
}

const WORDS: &str = "encoder.embeddings.word_adapter";

#[test]
fn an_adapter_of_words_grows_with_them_and_is_not_merged() {
    let device = crate::device().autodiff();
    let batch = tiny::batch(&tiny::rows(), &device);
    let base = tiny::model(&device);
    let model = with_words(&base, &batch, &device);
    let rows = VocabularyRows::new(Tensor::ones([3, 8], &device));
    let rows = rows.with_bias(Tensor::zeros([3], &device));
    let grown = model.clone().extend_vocabulary(20, rows).unwrap();
    assert_eq!(values(grown.logits(&batch).narrow(1, 0, 20)), values(model.logits(&batch)),);
    // It adds nothing to words that it has not seen.
    let off = activate(grown.clone(), &Composition::base()).unwrap();
    let states = |model: &MaskedLanguageModel, ids: &[u32]| {
        let input = SequenceInput::new(ids.to_vec());
        let batch = EncoderBatch::try_new(model.encoder().config(), &[input]).unwrap();
        values(model.encoder().forward(&batch.to_device(&device)))
    };
    assert_eq!(states(&grown, &[20, 21, 22]), states(&off, &[20, 21, 22]));
    assert_ne!(states(&grown, &[20, 5, 22]), states(&off, &[20, 5, 22]));

    let error = merge(model).unwrap_err().to_string();
    assert!(error.contains(WORDS) && error.contains("share"), "{error}");
}

#[test]
fn rows_of_a_batch_have_words_of_their_own() {
    let device = crate::device().autodiff();
    let base = tiny::model(&device);
    let model = with_words(&base, &tiny::batch(&tiny::rows(), &device), &device);
    let rows = [SequenceInput::new(vec![0, 5, 13, 2]), SequenceInput::new(vec![0, 7, 2])];
    let batch = EncoderBatch::try_new(base.encoder().config(), &rows).unwrap().to_device(&device);
    let states = |model: &MaskedLanguageModel| model.encoder().forward(&batch);
    let mixed = activate(model.clone(), &"rows(it, base)".parse().unwrap()).unwrap();
    for (row, alone) in [(0, &model), (1, &base)] {
        let [found, expected] = [&mixed, alone].map(|model| states(model).narrow(0, row, 1));
        assert_close(&values(found), &values(expected), 1e-6);
    }
    assert_ne!(values(states(&base)), values(states(&mixed)));
}

#[test]
fn adapters_in_parallel_each_have_a_copy_of_the_rows() {
    let device = crate::device();
    let base: Encoder = tiny::model(&device).into_encoder();
    let bottleneck = BottleneckConfig::mad_x().with_init(isogloss_peft::BottleneckInit::Bert);
    let lora = AdapterConfig::Lora(LoraConfig::new(2).with_bias(isogloss_peft::BiasMode::None));
    let (model, _) =
        attach(base.clone(), "a", &AdapterConfig::Bottleneck(bottleneck), tiny::SEED, &device)
            .unwrap();
    let (model, _) = attach(model, "b", &lora, tiny::SEED, &device).unwrap();
    let rows = [vec![0, 5, 13, 7, 2], vec![0, 4, 2]].map(SequenceInput::new);
    let batch = EncoderBatch::try_new(base.config(), &rows).unwrap();
    let acting = |composition: &str, batch: &EncoderBatch| {
        let model = activate(model.clone(), &composition.parse().unwrap()).unwrap();
        values(model.forward(&batch.to_device(&device)))
    };
    let composition = "parallel(a, base, stack(a, b))";
    assert_eq!(composition.parse::<Composition>().unwrap().copies(), Some(3));
    let found = acting(composition, &batch.repeated(3));
    let expected = ["a", "base", "stack(a, b)"].map(|alone| acting(alone, &batch)).concat();
    assert_close(&found, &expected, 1e-5);
    let one = AdapterConfig::Prompt(isogloss_peft::PromptConfig::new(2));
    let (prompted, _) = attach(model.clone(), "c", &one, tiny::SEED, &device).unwrap();
    let error = activate(prompted, &"parallel(a, c)".parse().unwrap()).unwrap_err().to_string();
    assert!(error.contains("nothing in parallel beside it"), "{error}");
    for wrong in ["parallel()", "rows(parallel(a, b))", "stack(rows(a, b), parallel(a, b))"] {
        assert!(wrong.parse::<Composition>().is_err(), "{wrong}");
    }
}
