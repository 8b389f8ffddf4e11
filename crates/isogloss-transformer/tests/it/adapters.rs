//! Sites: their paths, and that an adapter sits where its path says.

use std::collections::BTreeSet;

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::Tensor;
use isogloss_core::Seed;
use isogloss_peft::{
    AdapterConfig, AdapterHost, BottleneckConfig, LoraConfig, SiteMut, attach, detach, merge,
};
use isogloss_testing::assert_close;
use isogloss_transformer::{
    ClassifierConfig, Encoder, HasEncoder, MaskedLanguageModel, SequenceClassifier, save_checkpoint,
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
    let first: Vec<_> = found.iter().take(9).map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        first,
        [
            "embeddings.adapter",
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
    assert_eq!(found.len(), 17);
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
        assert_eq!(found.len(), 17);
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
