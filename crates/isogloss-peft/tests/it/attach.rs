//! Attaching, training, merging, taking off.

use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams};
use isogloss_core::Seed;
use isogloss_peft::{
    AdapterConfig, BottleneckConfig, LoraConfig, attach, detach, merge_lora,
    trainable_parameter_count,
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

#[test]
fn an_adapter_begins_as_the_identity_and_counts_as_the_papers_do() {
    let device = device().autodiff();
    let x = rows(5, WIDTH, &device);
    let base = Block::new(WIDTH, &device);
    // LoRA: r(in + out) for each site. Bottleneck: down and up with their biases.
    for (config, sites, parameters) in [
        (lora(), vec!["up", "down"], 2 * 2 * (WIDTH + 2 * WIDTH)),
        (bottleneck(), vec!["end"], 2 * WIDTH * 2 + 2 + WIDTH),
    ] {
        let (adapted, report) = attach(base.clone(), &config, Seed::new(1), &device).unwrap();
        assert_eq!(
            (report.sites, report.parameters),
            (sites.iter().map(|s| (*s).to_owned()).collect(), parameters)
        );
        assert_eq!(trainable_parameter_count(&adapted), parameters);
        assert_eq!(adapted.num_params(), base.num_params() + parameters);
        // Exactly: what is added is zero.
        assert_eq!(values(base.forward(x.clone())), values(adapted.forward(x.clone())));
    }
}

#[test]
fn only_the_adapter_takes_gradients_and_training_changes_only_it() {
    let device = device().autodiff();
    let x = rows(16, WIDTH, &device);
    for (config, tensors) in [(lora(), 4), (bottleneck(), 4)] {
        let base = Block::new(WIDTH, &device);
        let before = values(base.forward(x.clone()));
        let (mut model, _) = attach(base.clone(), &config, Seed::new(1), &device).unwrap();
        let mut optimizer = AdamWConfig::new().init();
        let mut losses = Vec::new();
        for _ in 0..60 {
            let loss = model.forward(x.clone()).sub_scalar(1.0).square().mean();
            losses.push(loss.clone().into_scalar::<f32>());
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            assert!(gradients.len() <= tensors, "{} gradients", gradients.len());
            model = optimizer.step(2e-2, model, gradients);
        }
        assert!(losses[59] < 0.7 * losses[0], "{config:?}: {} -> {}", losses[0], losses[59]);
        let restored = detach(model).unwrap();
        assert_eq!(values(restored.forward(x.clone())), before);
        assert_eq!(trainable_parameter_count(&restored), base.num_params());
    }
}

#[test]
fn a_merged_lora_gives_the_same_outputs_at_no_cost() {
    let device = device().autodiff();
    let x = rows(5, WIDTH, &device);
    let base = Block::new(WIDTH, &device);
    let (mut adapted, _) = attach(base.clone(), &lora(), Seed::new(1), &device).unwrap();
    let mut optimizer = AdamWConfig::new().init();
    for _ in 0..5 {
        let loss = adapted.forward(x.clone()).square().sum();
        let gradients = GradientsParams::from_grads(loss.backward(), &adapted);
        adapted = optimizer.step(5e-2, adapted, gradients);
    }
    let expected = values(adapted.forward(x.clone()));
    let before = values(base.forward(x.clone()));
    assert!(expected.iter().zip(&before).any(|(a, b)| (a - b).abs() > 1e-2), "nothing was learned");
    let merged = merge_lora(adapted).unwrap();
    assert_eq!(merged.num_params(), base.num_params());
    // Sums of 16 products, in another order.
    assert_close(&values(merged.forward(x.clone())), &expected, 1e-5);
    assert_eq!(values(base.forward(x)), before);
}

#[test]
fn what_cannot_be_done_is_named() {
    let device = device();
    let base = || Block::new(WIDTH, &device);
    let message = |config: LoraConfig| {
        attach(base(), &AdapterConfig::Lora(config), Seed::new(1), &device).unwrap_err().to_string()
    };
    assert_eq!(
        message(LoraConfig::new(2).with_target("attention.*")),
        "adapter: `attention.*` matches no linear site, expected one of: up, down",
    );
    // A pattern is matched from end to end: `u` is not `up`.
    assert!(message(LoraConfig::new(2).with_target("u")).contains("matches no linear site"));
    assert_eq!(
        message(LoraConfig::new(9).with_target("up")),
        "adapter: `rank` is 9 at `up`, whose layer is [8, 16], expected at most 8",
    );
    assert_eq!(message(LoraConfig::new(0)), "adapter: `rank` is 0, expected at least 1");
    assert_eq!(
        message(LoraConfig::new(1).with_target("(")),
        "adapter: `target` is `(`, expected a regular expression",
    );
    let (adapted, _) = attach(base(), &lora(), Seed::new(1), &device).unwrap();
    assert_eq!(
        attach(adapted.clone(), &lora(), Seed::new(1), &device).unwrap_err().to_string(),
        "adapter: `up` has one already, expected a free site (detach or merge it first)",
    );
    let (both, _) = attach(adapted, &bottleneck(), Seed::new(1), &device).unwrap();
    assert_eq!(
        merge_lora(both).unwrap_err().to_string(),
        "`end` has a bottleneck adapter, which no weight can absorb, expected LoRA only",
    );
    assert_eq!(
        detach(base()).unwrap_err().to_string(),
        "the model has no adapter, expected at least one",
    );
}

#[test]
fn a_misspelt_key_of_a_configuration_is_an_error() {
    let read = serde_json::from_str::<AdapterConfig>;
    let lora = r#"{"type": "lora", "rank": 4, "alpha": 8.0, "dropout": 0.0, "target": "up"}"#;
    assert!(read(lora).is_ok());
    let error = read(&lora.replace("dropout", "droput")).unwrap_err();
    assert!(error.to_string().contains("unknown field `droput`"), "{error}");
}

#[test]
fn equal_seeds_give_equal_adapters() {
    let device = device();
    let delta = |seed| {
        let (adapted, _) =
            attach(Block::new(WIDTH, &device), &lora(), Seed::new(seed), &device).unwrap();
        // B is zero, so A is compared: the outputs of a fresh adapter do not show it.
        format!("{:?}", adapted.up.lora().map(|lora| lora.down_projection().into_data()))
    };
    assert_eq!(delta(1), delta(1));
    assert_ne!(delta(1), delta(2));
}
