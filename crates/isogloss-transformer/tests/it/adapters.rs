//! Sites: their paths, and that an adapter sits where its path says.

use std::collections::BTreeSet;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use isogloss_core::Seed;
use isogloss_peft::{AdapterHost, SiteMut};
use isogloss_transformer::{ClassifierConfig, Encoder, MaskedLanguageModel, SequenceClassifier};

use crate::tiny;

fn sites(host: &mut impl AdapterHost) -> Vec<(String, bool)> {
    let mut sites = Vec::new();
    host.for_each_site(&mut |path, site| {
        sites.push((path.to_owned(), matches!(site, SiteMut::Linear(_))));
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
    let first: Vec<_> = found.iter().take(7).map(|(path, _)| path.as_str()).collect();
    assert_eq!(first, [
        "layers.0.attention.query",
        "layers.0.attention.key",
        "layers.0.attention.value",
        "layers.0.attention.output",
        "layers.0.up",
        "layers.0.down",
        "layers.0.adapter",
    ]);
    assert_eq!(found.len(), 14);
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
        assert_eq!(found.len(), 14);
        for (path, _) in found {
            assert!(path.starts_with("encoder.layers."), "{path}");
            assert!(paths.contains(&path), "{path} is not among {paths:?}");
        }
    }
}
