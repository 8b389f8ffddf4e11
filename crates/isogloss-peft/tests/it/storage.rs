//! Adapters on disk.

use std::fs;

use burn::optim::{AdamWConfig, GradientsParams};
use isogloss_core::Seed;
use isogloss_peft::{
    AdapterConfig, BottleneckConfig, LoraConfig, attach, load_adapter, save_adapter,
};
use isogloss_testing::device;

use crate::host::{Block, rows, values};

#[test]
fn a_saved_adapter_gives_the_same_outputs_on_its_base_and_holds_nothing_else() {
    let device = device().autodiff();
    let x = rows(5, 8, &device);
    for config in [
        AdapterConfig::Lora(LoraConfig::new(2).with_target("up")),
        AdapterConfig::Bottleneck(BottleneckConfig::new(4)),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("adapter");
        let base = Block::new(8, &device);
        let (mut adapted, report) = attach(base.clone(), &config, Seed::new(1), &device).unwrap();
        let mut optimizer = AdamWConfig::new().init();
        for _ in 0..3 {
            let loss = adapted.forward(x.clone()).square().sum();
            let gradients = GradientsParams::from_grads(loss.backward(), &adapted);
            adapted = optimizer.step(5e-2, adapted, gradients);
        }
        save_adapter(&adapted, &config, &path).unwrap();
        let (loaded, loaded_report) = load_adapter(base, &path, &device).unwrap();
        assert_eq!(report, loaded_report);
        assert_eq!(values(adapted.forward(x.clone())), values(loaded.forward(x.clone())));
        let bytes = fs::metadata(path.join("adapter.safetensors")).unwrap().len();
        let numbers = 4 * report.parameters as u64;
        assert!((numbers..numbers + 2_000).contains(&bytes), "{bytes} bytes");
    }
}

#[test]
fn another_base_and_a_broken_file_are_refused_by_name() {
    let device = device();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("adapter");
    let config = AdapterConfig::Lora(LoraConfig::new(2).with_target("up"));
    let (adapted, _) = attach(Block::new(8, &device), &config, Seed::new(1), &device).unwrap();
    save_adapter(&adapted, &config, &path).unwrap();
    let error = load_adapter(Block::new(6, &device), &path, &device).unwrap_err().to_string();
    assert!(
        error.contains("made for another base: `down.base.bias` is [8] there and [6] here"),
        "{error}"
    );

    let tensors = path.join("adapter.safetensors");
    fs::write(&tensors, b"not tensors").unwrap();
    let error = load_adapter(Block::new(8, &device), &path, &device).unwrap_err().to_string();
    assert!(error.starts_with(&tensors.display().to_string()), "{error}");

    let missing = load_adapter(Block::new(8, &device), dir.path(), &device).unwrap_err();
    assert!(missing.to_string().starts_with("cannot read "), "{missing}");
    let bare = save_adapter(&Block::new(8, &device), &config, &path).unwrap_err();
    assert_eq!(bare.to_string(), "the model has no adapter, expected at least one");
}
