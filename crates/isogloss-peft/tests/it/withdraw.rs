//! What a community withdraws is gone: from what a model holds, from what it says, from what is made of it.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, Tensor, TensorData};
use isogloss_core::Seed;
use isogloss_peft::{
    AdapterCard, AdapterConfig, BiasMode, BottleneckConfig, Combination, LoraConfig, activate,
    adapter_names, adapters, attach, combine, detach_all, load_adapter, save_adapter, train_only,
    withdraw,
};
use isogloss_testing::device;

use crate::host::{Block, rows, values};

/// Every number of a model with its path, and whether it is trained.
fn everything(model: &Block) -> Vec<(String, TensorData, bool)> {
    #[derive(Default)]
    struct All {
        path: Vec<String>,
        found: Vec<(String, TensorData, bool)>,
    }
    impl ModuleVisitor for All {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.to_owned());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let data = param.val().into_data();
            self.found.push((self.path.join("."), data, param.is_require_grad()));
        }
    }
    let mut all = All::default();
    model.visit(&mut all);
    all.found
}

/// One adapter for each community, of a kind of its own, that learned from its text alone.
fn learned(model: Block, community: &str, device: &Device) -> Block {
    let lora = LoraConfig::new(2).with_target("up|down");
    let config = match community {
        "kichwa" => AdapterConfig::Bottleneck(BottleneckConfig::new(2)),
        "sami" => {
            AdapterConfig::Lora(lora.with_dora(true)).with_saved_modules(vec!["head".to_owned()])
        }
        "yoruba" => AdapterConfig::Lora(lora.with_bias(BiasMode::All)),
        _ => AdapterConfig::Lora(lora),
    };
    let seed = Seed::new(1).derive(community);
    let model = activate(model, &"base".parse().unwrap()).unwrap();
    let (mut model, _) = attach(model, community, &config, seed, device).unwrap();
    let x = rows(community.len(), 6, device);
    let mut optimizer = AdamWConfig::new().init();
    for _ in 0..5 {
        let gradients = model.forward(x.clone()).square().mean().backward();
        let gradients = GradientsParams::from_grads(gradients, &model);
        model = optimizer.step(0.05, model, gradients);
    }
    model
}

#[test]
fn what_is_withdrawn_leaves_no_trace() {
    let device = device().autodiff();
    let x = rows(4, 6, &device);
    let base = Block::new(6, &device);
    let alone = everything(&base);
    let others = ["kichwa", "sami", "maori"];
    let without = others.iter().fold(base, |model, it| learned(model, it, &device));
    let with = learned(without.clone(), "yoruba", &device);
    let acts = activate(with.clone(), &"yoruba".parse().unwrap()).unwrap();
    assert_ne!(values(acts.forward(x.clone())), values(without.forward(x.clone())));

    // Whether it acts, acts with others or is trained when it goes.
    for (active, trained) in [
        ("maori", &[][..]),
        ("yoruba", &["yoruba"]),
        ("stack(yoruba, maori)", &["maori", "yoruba"]),
        ("stack(kichwa, yoruba)", &["yoruba"]),
    ] {
        let model = activate(with.clone(), &active.parse().unwrap()).unwrap();
        let model = train_only(model, trained).unwrap();
        let (rest, gone) = withdraw(model, "yoruba").unwrap();
        assert_eq!(gone, ["yoruba"]);
        assert_eq!(adapter_names(&rest), adapter_names(&without));
        assert!(!adapters(&rest).to_string().contains("yoruba"), "{active}");
        for composition in ["base", "kichwa", "sami", "maori", "rows(maori, base, kichwa, maori)"] {
            let [found, expected] = [&rest, &without]
                .map(|model| activate(model.clone(), &composition.parse().unwrap()).unwrap());
            let [found, expected] = [found, expected].map(|it| train_only(it, &[]).unwrap());
            assert_eq!(everything(&found), everything(&expected), "{active}, {composition}");
            let [found, expected] = [found, expected].map(|it| values(it.forward(x.clone())));
            assert_eq!(found, expected, "{active}, {composition}");
        }
        let error = activate(rest.clone(), &"yoruba".parse().unwrap()).unwrap_err().to_string();
        assert!(error.contains("yoruba"), "{error}");
        assert_eq!(everything(&detach_all(rest).unwrap()), alone, "{active}");
    }
}

#[test]
fn what_was_made_of_it_goes_with_it_even_from_a_file() {
    let device = device().autodiff();
    let base = Block::new(6, &device);
    let ours = ["maori", "tonga", "fiji"];
    let model = ours.iter().fold(base.clone(), |model, it| learned(model, it, &device));
    let sum = |model, name, parts: [&str; 2]| {
        let parts = parts.map(|part| (part, 0.5));
        combine(model, name, &parts, Combination::Exact).unwrap()
    };
    let model = sum(model, "both", ["tonga", "maori"]);
    let model = sum(model, "all", ["both", "fiji"]);
    let report = adapters(&model);
    let made_of =
        |name: &str| &report.adapters.iter().find(|adapter| adapter.name == name).unwrap().made_of;
    assert_eq!(made_of("both"), &["maori", "tonga"]);
    assert_eq!(made_of("all"), &["both", "fiji", "maori", "tonga"]);
    assert!(made_of("maori").is_empty());
    assert!(report.to_string().contains("made of maori and tonga"), "{report}");

    let (rest, gone) = withdraw(model.clone(), "maori").unwrap();
    assert_eq!(gone, ["maori", "both", "all"]);
    assert_eq!(adapter_names(&rest), ["tonga", "fiji"]);

    // Saved, and put on a base beside the one that is withdrawn.
    let out = tempfile::tempdir().unwrap();
    let mut again = base;
    for name in ["maori", "fiji", "all"] {
        let path = out.path().join(name);
        save_adapter(&model, name, &AdapterCard::default(), &path).unwrap();
        again = load_adapter(again, name, &path, &device).unwrap().0;
    }
    // "tonga" is not there itself.
    assert_eq!(withdraw(again.clone(), "tonga").unwrap().1, ["all"]);
    assert!(withdraw(again.clone(), "samoa").is_err());
    let (rest, gone) = withdraw(again, "maori").unwrap();
    assert_eq!(
        (gone.join(" "), adapter_names(&rest).join(" ")),
        ("maori all".into(), "fiji".into())
    );
}
