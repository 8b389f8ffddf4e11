//! What adapters have in full: heads and biases.

use burn::module::{Module, ParamGroup};
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Tensor};
use isogloss_core::Seed;
use isogloss_peft::{
    AdapterCard, AdapterConfig, BitFitConfig, LoraConfig, activate, attach, detach, load_adapter,
    merge, save_adapter, trainable_parameter_count,
};
use isogloss_testing::device;

use crate::host::{Block, rows, values};

fn trained(mut model: Block, target: f32, device: &Device) -> Block {
    let x = rows(9, 8, device);
    for _ in 0..8 {
        let loss = (model.forward(x.clone()) - target).square().sum();
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = SgdConfig::new().init().step(0.02, model, gradients);
    }
    model
}

fn with_head(rank: usize) -> AdapterConfig {
    AdapterConfig::Lora(LoraConfig::new(rank).with_target("up").with_saved_modules(["head"]))
}

fn output(model: &Block, x: &Tensor<2>) -> Vec<f32> {
    values(model.forward(x.clone()))
}

#[test]
fn each_adapter_has_its_head_and_the_model_keeps_its_own() {
    let device = device().autodiff();
    let x = rows(5, 8, &device);
    let base = Block::new(8, &device);
    let before = output(&base, &x);
    let (model, report) = attach(base, "en", &with_head(2), Seed::new(1), &device).unwrap();
    assert_eq!(report.full, ["head.bias", "head.weight"]);
    let model = trained(model, 1.0, &device);
    let en = output(&model, &x);
    // Another one beginning from the model, not from what the first made of it.
    let model = activate(model, &"base".parse().unwrap()).unwrap();
    assert_eq!(output(&model, &x), before);
    let (model, _) = attach(model, "sw", &with_head(3), Seed::new(2), &device).unwrap();
    assert_eq!(output(&model, &x), before);
    let model = trained(model, -1.0, &device);
    let sw = output(&model, &x);
    assert!(en != before && sw != before && en != sw);
    // Back and forth, to the bit.
    let mut model = model;
    for (name, expected) in [("en", &en), ("base", &before), ("sw", &sw), ("en", &en), ("sw", &sw)]
    {
        model = activate(model, &name.parse().unwrap()).unwrap();
        assert_eq!(output(&model, &x), *expected, "{name}");
    }
    // Two heads at once are none.
    let error = activate(model.clone(), &"stack(en, sw)".parse().unwrap()).unwrap_err().to_string();
    assert!(error.contains("`en` and `sw` both have `head.bias` in full"), "{error}");
    let error =
        activate(model.clone(), &"rows(en, base)".parse().unwrap()).unwrap_err().to_string();
    assert!(error.contains("`en` has parameters of the model in full"), "{error}");
    // What was taken off leaves no trace.
    let model = detach(model, "sw").unwrap();
    assert_eq!(output(&model, &x), before);
    let model = activate(model, &"en".parse().unwrap()).unwrap();
    assert_eq!(output(&model, &x), en);
    assert_eq!(output(&detach(model, "en").unwrap(), &x), before);
}

#[test]
fn an_adapter_is_saved_whether_it_acts_or_not() {
    let device = device().autodiff();
    let x = rows(5, 8, &device);
    let dir = tempfile::tempdir().unwrap();
    for (name, config) in
        [("head", with_head(2)), ("bits", AdapterConfig::BitFit(BitFitConfig::default()))]
    {
        let (model, _) =
            attach(Block::new(8, &device), name, &config, Seed::new(1), &device).unwrap();
        let model = trained(model, 1.0, &device);
        let expected = output(&model, &x);
        let [awake, asleep] =
            ["awake", "asleep"].map(|kind| dir.path().join(format!("{name}-{kind}")));
        let card = AdapterCard::new("block", "# A block\n");
        save_adapter(&model, name, &card, &awake).unwrap();
        let model = activate(model, &"base".parse().unwrap()).unwrap();
        save_adapter(&model, name, &card, &asleep).unwrap();
        let bytes =
            |path: &std::path::Path| std::fs::read(path.join("adapter_model.safetensors")).unwrap();
        assert_eq!(bytes(&awake), bytes(&asleep));
        let (again, read) = load_adapter(Block::new(8, &device), "other", &awake, &device).unwrap();
        assert_eq!(output(&again, &x), expected);
        let mut card = card;
        card.other = read_other(&awake);
        assert_eq!((read.config, read.card), (config, card));
        assert_eq!(trainable_parameter_count(&again), 0);
    }
}

/// The version of `peft` whose rules the file follows.
fn read_other(dir: &std::path::Path) -> serde_json::Map<String, serde_json::Value> {
    let text = std::fs::read_to_string(dir.join("adapter_config.json")).unwrap();
    let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
    let kept = ["peft_version", "inference_mode", "fan_in_fan_out"];
    fields.into_iter().filter(|(field, _)| kept.contains(&field.as_str())).collect()
}

#[test]
fn a_head_learns_where_its_adapter_does_and_nowhere_else() {
    let device = device().autodiff();
    let (model, en) =
        attach(Block::new(8, &device), "en", &with_head(2), Seed::new(1), &device).unwrap();
    let count = |model: &Block| trainable_parameter_count(model);
    assert_eq!(count(&model), en.parameters);
    // The model's own head is frozen under it, and its own is thawed once more.
    let heads = 8 * 3 + 3;
    let base = activate(model.clone(), &"base".parse().unwrap()).unwrap();
    assert_eq!(count(&base), en.parameters - heads);
    let again = activate(base, &"en".parse().unwrap()).unwrap();
    assert_eq!(count(&again), en.parameters);
    // Another one's learns only with it.
    let (model, sw) = attach(
        activate(model, &"base".parse().unwrap()).unwrap(),
        "sw",
        &with_head(3),
        Seed::new(2),
        &device,
    )
    .unwrap();
    assert_eq!(count(&model), sw.parameters);
    let en_again = activate(model, &"en".parse().unwrap()).unwrap();
    assert_eq!(count(&en_again), sw.parameters - heads);
}

#[test]
fn what_was_frozen_before_is_frozen_afterwards() {
    let device = device().autodiff();
    let base = Block::new(8, &device);
    let frozen = 2 * 8;
    let partly = base.clone().freeze_group(ParamGroup::from_regex("^norm").unwrap());
    for config in [with_head(2), AdapterConfig::BitFit(BitFitConfig::default())] {
        let (model, _) = attach(partly.clone(), "it", &config, Seed::new(1), &device).unwrap();
        let (merged, _) = merge(model.clone()).unwrap();
        for bare in [merged, detach(model, "it").unwrap()] {
            assert_eq!(trainable_parameter_count(&bare), base.num_params() - frozen);
        }
    }
}

#[test]
fn what_a_layer_has_in_full_counts_for_the_lengths_of_another_adapter() {
    let device = device().autodiff();
    let x = rows(5, 8, &device);
    let whole = AdapterConfig::BitFit(BitFitConfig::default().with_saved_modules(["up"]));
    let (model, _) = attach(Block::new(8, &device), "up", &whole, Seed::new(1), &device).unwrap();
    let model = trained(model, 1.0, &device);
    let dora = AdapterConfig::Lora(LoraConfig::new(2).with_dora(true).with_target("up"));
    let (model, _) = attach(model, "dora", &dora, Seed::new(1), &device).unwrap();
    // On the layer that it began on it changes nothing; on another its lengths are those of before.
    let both = output(&model, &x);
    let without = output(&activate(model.clone(), &"up".parse().unwrap()).unwrap(), &x);
    isogloss_testing::assert_close(&both, &without, 1e-6);
    let alone = activate(model, &"dora".parse().unwrap()).unwrap();
    let expected = output(&alone, &x);
    let (merged, report) = merge(alone).unwrap();
    assert!(report.error < 1e-5);
    isogloss_testing::assert_close(&output(&merged, &x), &expected, 1e-5);
}

#[test]
fn a_head_stays_when_it_is_merged() {
    let device = device().autodiff();
    let x = rows(5, 8, &device);
    let (model, _) =
        attach(Block::new(8, &device), "en", &with_head(2), Seed::new(1), &device).unwrap();
    let model = trained(model, 1.0, &device);
    let expected = output(&model, &x);
    let (merged, _) = merge(model).unwrap();
    isogloss_testing::assert_close(&output(&merged, &x), &expected, 1e-5);
    assert_eq!(merged.num_params(), Block::new(8, &device).num_params());
}

#[test]
fn another_base_and_a_broken_file_are_refused_by_name() {
    let device = device();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("adapter");
    let config = AdapterConfig::Lora(LoraConfig::new(2).with_target("up"));
    let (adapted, _) =
        attach(Block::new(8, &device), "it", &config, Seed::new(1), &device).unwrap();
    save_adapter(&adapted, "it", &AdapterCard::default(), &path).unwrap();
    let error = load_adapter(Block::new(6, &device), "it", &path, &device).unwrap_err().to_string();
    assert!(
        error.contains("made for another base: `down.bias` is [8] there and [6] here"),
        "{error}"
    );

    let tensors = path.join("adapter_model.safetensors");
    std::fs::write(&tensors, b"not tensors").unwrap();
    let error = load_adapter(Block::new(8, &device), "it", &path, &device).unwrap_err().to_string();
    assert!(error.starts_with(&tensors.display().to_string()), "{error}");

    let missing = load_adapter(Block::new(8, &device), "it", dir.path(), &device).unwrap_err();
    assert!(missing.to_string().starts_with("cannot read "), "{missing}");
    let bare =
        save_adapter(&Block::new(8, &device), "it", &AdapterCard::default(), &path).unwrap_err();
    assert_eq!(
        bare.to_string(),
        "adapter: `it` is not attached, expected one of: none (the model has no adapter)"
    );
}

#[test]
fn a_head_alone_is_an_adapter() {
    let device = device().autodiff();
    let x = rows(5, 8, &device);
    let base = Block::new(8, &device);
    let before = output(&base, &x);
    let alone = |saved: &[&str]| {
        let config = BitFitConfig::without_biases().with_saved_modules(saved.iter().copied());
        AdapterConfig::BitFit(config)
    };
    let attached = attach(base.clone(), "it", &alone(&["head"]), Seed::new(1), &device);
    let (model, report) = attached.unwrap();
    assert_eq!(report.full, ["head.bias", "head.weight"]);
    assert_eq!(trainable_parameter_count(&model), 8 * 3 + 3);
    let model = trained(model, 1.0, &device);
    let out = tempfile::tempdir().unwrap();
    let dir = out.path().join("it");
    save_adapter(&model, "it", &AdapterCard::default(), &dir).unwrap();
    let (again, read) = load_adapter(base.clone(), "it", &dir, &device).unwrap();
    assert_eq!((read.config, output(&again, &x)), (alone(&["head"]), output(&model, &x)));
    assert_ne!(output(&again, &x), before);
    let error = attach(base, "it", &alone(&[]), Seed::new(1), &device).unwrap_err().to_string();
    assert!(error.contains("no module that is named"), "{error}");
}
