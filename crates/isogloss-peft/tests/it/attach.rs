//! Attaching, training, merging, taking off.

use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::Tensor;
use isogloss_core::Seed;
use isogloss_peft::{
    AdaLoraConfig, AdapterCard, AdapterConfig, BiasMode, BitFitConfig, BottleneckConfig, Ia3Config,
    LoHaConfig, LoKrConfig, LoraConfig, LoraInit, Targets, VeraConfig, adapters, attach, detach,
    detach_all, effect, merge, trainable_parameter_count,
};
use isogloss_testing::{assert_close, device};

use crate::host::{Block, rows, values};

const WIDTH: usize = 8;

fn lora() -> AdapterConfig {
    AdapterConfig::Lora(LoraConfig::new(2).with_target("up|down"))
}

fn bottleneck() -> AdapterConfig {
    AdapterConfig::Bottleneck(BottleneckConfig::new(4))
}

/// Every method, with the sites and the numbers that it has on a block of width 8.
pub(crate) fn methods() -> Vec<(AdapterConfig, Vec<&'static str>, usize)> {
    let both = || Targets::list(["up", "down"]);
    let (narrow, wide) = (WIDTH, 2 * WIDTH);
    vec![
        // r(in + out) for each site.
        (lora(), vec!["up", "down"], 2 * 2 * (narrow + wide)),
        // And an output's length each.
        (
            AdapterConfig::Lora(LoraConfig::new(2).with_dora(true).with_targets(both())),
            vec!["up", "down"],
            2 * 2 * (narrow + wide) + wide + narrow,
        ),
        // And the biases of the two layers.
        (
            AdapterConfig::Lora(
                LoraConfig::new(2).with_bias(BiasMode::Adapted).with_targets(both()),
            ),
            vec!["up", "down"],
            2 * 2 * (narrow + wide) + wide + narrow,
        ),
        // r(in + 1 + out).
        (
            AdapterConfig::AdaLora(AdaLoraConfig::new(2, 1).with_targets(both())),
            vec!["up", "down"],
            2 * 2 * (narrow + 1 + wide),
        ),
        // What `up` gives, what `down` is given.
        (
            AdapterConfig::Ia3(Ia3Config::new(both(), Targets::list(["down"]))),
            vec!["up", "down"],
            2 * wide,
        ),
        // 2r(in + out).
        (
            AdapterConfig::LoHa(LoHaConfig::new(2).with_targets(both())),
            vec!["up", "down"],
            2 * 2 * 2 * (narrow + wide),
        ),
        // 8 = 2 · 4, 16 = 4 · 4: the first factor whole, the second of rank 1.
        (
            AdapterConfig::LoKr(LoKrConfig::new(1).with_targets(both())),
            vec!["up", "down"],
            2 * (2 * 4 + 4 + 4),
        ),
        // r + out.
        (
            AdapterConfig::Vera(VeraConfig::new(5).with_targets(both())),
            vec!["up", "down"],
            2 * 5 + narrow + wide,
        ),
        // The biases of both layers, of the normalisation and of the head.
        (AdapterConfig::BitFit(BitFitConfig::default()), vec![], wide + 2 * narrow + 3),
        // Down and up with their biases.
        (bottleneck(), vec!["end"], 2 * WIDTH * 2 + 2 + WIDTH),
    ]
}

fn trained(mut model: Block, x: &Tensor<2>, steps: usize, tensors: usize) -> (Block, Vec<f32>) {
    let mut optimizer = AdamWConfig::new().init();
    let mut losses = Vec::new();
    for _ in 0..steps {
        let loss = model.forward(x.clone()).sub_scalar(1.0).square().mean();
        losses.push(loss.clone().into_scalar::<f32>());
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        assert!(gradients.len() <= tensors, "{} gradients", gradients.len());
        model = optimizer.step(2e-2, model, gradients);
    }
    (model, losses)
}

#[test]
fn an_adapter_begins_as_the_identity_and_counts_as_the_papers_do() {
    let device = device().autodiff();
    let x = rows(5, WIDTH, &device);
    let base = Block::new(WIDTH, &device);
    for (config, sites, parameters) in methods() {
        let (adapted, report) = attach(base.clone(), "it", &config, Seed::new(1), &device).unwrap();
        assert_eq!(
            (report.sites, report.parameters),
            (sites.iter().map(|s| (*s).to_owned()).collect(), parameters)
        );
        assert_eq!(trainable_parameter_count(&adapted), parameters, "{config:?}");
        // What it has in full stands in the place of the model's own.
        let added = adapted.num_params() - base.num_params();
        let full: usize = adapters(&adapted).adapters[0].full.values().sum();
        assert_eq!(added + full, parameters, "{config:?}");
        // DoRA alone divides by a norm that it multiplies with.
        let (before, after) = (values(base.forward(x.clone())), values(adapted.forward(x.clone())));
        if config.method() == "dora" {
            assert_close(&after, &before, 1e-6);
        } else {
            assert_eq!(after, before, "{config:?}");
        }
    }
}

#[test]
fn only_the_adapter_takes_gradients_and_training_changes_only_it() {
    let device = device().autodiff();
    let x = rows(16, WIDTH, &device);
    for (config, ..) in methods() {
        let base = Block::new(WIDTH, &device);
        let before = values(base.forward(x.clone()));
        let (model, _) = attach(base.clone(), "it", &config, Seed::new(1), &device).unwrap();
        let mut count = Count(0);
        model.visit(&mut count);
        let (model, losses) = trained(model, &x, 60, count.0);
        assert!(losses[59] < 0.9 * losses[0], "{config:?}: {} -> {}", losses[0], losses[59]);
        assert!(effect(&model, "it", |model| model.forward(x.clone())).unwrap() > 1e-3);
        let restored = detach(model, "it").unwrap();
        assert_eq!(values(restored.forward(x.clone())), before, "{config:?}");
        assert_eq!(trainable_parameter_count(&restored), base.num_params());
    }
}

struct Count(usize);

impl burn::module::ModuleVisitor for Count {
    fn visit_float<const D: usize>(&mut self, param: &burn::module::Param<Tensor<D>>) {
        self.0 += usize::from(param.is_require_grad());
    }
}

#[test]
fn a_merged_adapter_gives_the_same_outputs_at_no_cost() {
    let device = device().autodiff();
    let x = rows(5, WIDTH, &device);
    for (config, ..) in methods().into_iter().filter(|(config, ..)| config.method() != "bottleneck")
    {
        let base = Block::new(WIDTH, &device);
        let (adapted, _) = attach(base.clone(), "it", &config, Seed::new(1), &device).unwrap();
        let (adapted, _) = trained(adapted, &x, 20, 99);
        let expected = values(adapted.forward(x.clone()));
        let before = values(base.forward(x.clone()));
        assert!(
            expected.iter().zip(&before).any(|(a, b)| (a - b).abs() > 1e-2),
            "nothing was learned"
        );
        let (merged, report) = merge(adapted).unwrap();
        assert_eq!((report.merged, report.dropped), (vec!["it".to_owned()], vec![]));
        assert_eq!(merged.num_params(), base.num_params());
        // Sums of 16 products, in another order.
        assert_close(&values(merged.forward(x.clone())), &expected, 1e-5);
        assert_eq!(values(base.forward(x.clone())), before);
    }
}

#[test]
fn several_adapters_are_merged_in_the_order_in_which_they_act() {
    let device = device().autodiff();
    let x = rows(5, WIDTH, &device);
    let base = Block::new(WIDTH, &device);
    let before = values(base.forward(x.clone()));
    let dora =
        |rank| AdapterConfig::Lora(LoraConfig::new(rank).with_dora(true).with_target("up|down"));
    let mut model = base.clone();
    for (name, config) in
        [("a", dora(2)), ("b", methods().remove(3).0), ("c", dora(3)), ("d", lora())]
    {
        let (next, _) = attach(model, name, &config, Seed::new(4), &device).unwrap();
        model = trained(next, &x, 5, 99).0;
    }
    let expected = values(model.forward(x.clone()));
    let (merged, _) = merge(model.clone()).unwrap();
    assert_close(&values(merged.forward(x.clone())), &expected, 2e-5);
    // Taken off in any order, the model is to the bit what it was.
    let model = ["c", "a"].iter().fold(model, |model, name| detach(model, name).unwrap());
    assert_eq!(values(detach_all(model).unwrap().forward(x)), before);
}

#[test]
fn what_cannot_be_done_is_named() {
    let device = device();
    let base = || Block::new(WIDTH, &device);
    let message = |config: LoraConfig| {
        attach(base(), "it", &AdapterConfig::Lora(config), Seed::new(1), &device)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        message(LoraConfig::new(2).with_target("attention.*")),
        "adapter: `attention.*` of `target_modules` matches no linear module, expected one of: up, down",
    );
    // A pattern is matched from end to end: `u` is not `up`.
    assert!(message(LoraConfig::new(2).with_target("u")).contains("matches no linear module"));
    assert_eq!(
        message(LoraConfig::new(9).with_target("up")),
        "adapter: `rank` is 9 at `up`, whose layer is [8, 16], expected at most 8",
    );
    assert_eq!(message(LoraConfig::new(0)), "adapter: `rank` is 0, expected at least 1");
    assert!(
        message(LoraConfig::new(1).with_target("(")).ends_with("expected a regular expression")
    );
    assert!(
        message(LoraConfig::new(1).with_target("up").with_saved_modules(["score"]))
            .starts_with("adapter: `score` of `modules_to_save` matches no whole module")
    );
    let named =
        |name| attach(base(), name, &lora(), Seed::new(1), &device).unwrap_err().to_string();
    assert!(named("a,b").starts_with("adapter: `name` is `a,b`"), "{}", named("a,b"));
    assert!(named("base").starts_with("adapter: `name` is `base`"));
    let (adapted, _) = attach(base(), "it", &lora(), Seed::new(1), &device).unwrap();
    assert_eq!(
        attach(adapted.clone(), "it", &lora(), Seed::new(1), &device).unwrap_err().to_string(),
        "adapter: `it` is attached already, expected another name (or detach it first)",
    );
    let (both, _) = attach(adapted, "and", &bottleneck(), Seed::new(1), &device).unwrap();
    assert_eq!(
        merge(both.clone()).unwrap_err().to_string(),
        "`end` has a bottleneck adapter, which no layer can absorb, expected adapters of linear layers alone",
    );
    assert_eq!(
        detach(both, "other").unwrap_err().to_string(),
        "adapter: `other` is not attached, expected one of: it, and",
    );
    assert_eq!(
        detach_all(base()).unwrap_err().to_string(),
        "the model has no adapter, expected at least one",
    );
    assert_eq!(
        merge(base()).unwrap_err().to_string(),
        "the model has no active adapter, expected at least one",
    );
}

#[test]
fn equal_seeds_give_equal_adapters() {
    let device = device();
    for init in [LoraInit::Kaiming, LoraInit::Gaussian] {
        let config = AdapterConfig::Lora(LoraConfig::new(2).with_target("up|down").with_init(init));
        let dir = tempfile::tempdir().unwrap();
        let bytes = |seed, name: &str| {
            let (adapted, _) =
                attach(Block::new(WIDTH, &device), "it", &config, Seed::new(seed), &device)
                    .unwrap();
            let path = dir.path().join(name);
            isogloss_peft::save_adapter(&adapted, "it", &AdapterCard::default(), &path).unwrap();
            std::fs::read(path.join("adapter_model.safetensors")).unwrap()
        };
        assert_eq!(bytes(1, "a"), bytes(1, "b"));
        assert_ne!(bytes(1, "c"), bytes(2, "d"));
    }
}

#[test]
fn what_is_attached_is_said_in_a_table() {
    let device = device().autodiff();
    let x = rows(5, WIDTH, &device);
    let (model, _) =
        attach(Block::new(WIDTH, &device), "lang:sw", &lora(), Seed::new(1), &device).unwrap();
    let (model, _) = trained(model, &x, 3, 99);
    let bitfit = AdapterConfig::BitFit(BitFitConfig::default());
    let (model, _) = attach(model, "ner", &bitfit, Seed::new(1), &device).unwrap();
    let model = isogloss_peft::activate(model, &"lang:sw".parse().unwrap()).unwrap();
    let report = adapters(&model);
    assert!(report.adapters[0].norm() > 0.0 && report.adapters[0].is_active);
    assert!(!report.adapters[1].is_active);
    let table = report.to_string();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines[0], "active: lang:sw");
    assert!(lines[2].starts_with("lang:sw  lora        yes         2          96"), "{table}");
    assert!(lines[2].ends_with("modules, up"), "{table}");
    assert!(lines[3].starts_with("ner      bitfit      no          0          35"), "{table}");
    assert!(lines[3].ends_with("4 parameters in full"), "{table}");
}
