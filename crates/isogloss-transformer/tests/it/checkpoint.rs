//! Checkpoints: the same bits back, and faults by name.

use std::fs;

use burn::module::Module;
use isogloss_core::Seed;
use isogloss_transformer::{
    CheckpointError, ClassifierConfig, Encoder, HasEncoder, MaskedLanguageModel, Pooling,
    Pretrained, SequenceClassifier, load_checkpoint, save_checkpoint,
};

use crate::reference;
use crate::tiny::{self, values};

#[test]
fn a_model_comes_back_with_every_bit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model");
    let device = crate::device();
    let model = tiny::model(&device);
    save_checkpoint(&path, &model).unwrap();
    let loaded: MaskedLanguageModel = load_checkpoint(&path, &device).unwrap();
    let batch = tiny::batch(&tiny::rows(), &device);
    let bits = |model: &MaskedLanguageModel| {
        values(model.logits(&batch)).into_iter().map(f32::to_bits).collect::<Vec<_>>()
    };
    assert_eq!(bits(&loaded), bits(&model));
    assert_eq!(loaded.num_params(), model.num_params());

    // Saved again, over what is there, the file is the same.
    let before = fs::read(path.join("model.safetensors")).unwrap();
    save_checkpoint(&path, &loaded).unwrap();
    assert_eq!(fs::read(path.join("model.safetensors")).unwrap().len(), before.len());
    let mut names: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["model"]);
}

#[test]
fn a_loaded_model_can_be_trained() {
    let dir = tempfile::tempdir().unwrap();
    save_checkpoint(dir.path().join("m").as_path(), &tiny::model(&crate::device())).unwrap();
    let device = crate::device().autodiff();
    let model: MaskedLanguageModel = load_checkpoint(&dir.path().join("m"), &device).unwrap();
    let gradients = model.loss(&tiny::batch(&tiny::rows(), &device)).sum.backward();
    let table = model.into_encoder().word_embedding();
    assert!(table.grad(&gradients).is_some());
}

#[test]
fn encoders_and_classifiers_are_kept_alike() {
    let dir = tempfile::tempdir().unwrap();
    let device = crate::device();
    let encoder = tiny::model(&device).into_encoder();
    save_checkpoint(&dir.path().join("e"), &encoder).unwrap();
    let encoder: Encoder = load_checkpoint(&dir.path().join("e"), &device).unwrap();
    assert_eq!(encoder.config(), &tiny::config());

    let config = ClassifierConfig::new(tiny::config(), 3).with_pooling(Pooling::Max);
    let classifier = config.try_init(&device, Seed::new(1)).unwrap();
    save_checkpoint(&dir.path().join("c"), &classifier).unwrap();
    let loaded: SequenceClassifier = load_checkpoint(&dir.path().join("c"), &device).unwrap();
    assert_eq!(loaded.config(), config);

    let error = load_checkpoint::<Encoder>(&dir.path().join("c"), &device).unwrap_err();
    let place = dir.path().join("c/config.json");
    assert_eq!(
        error.to_string(),
        format!("{}: `model` is `sequence-classifier`, expected `encoder`", place.display())
    );
}

#[test]
fn every_tensor_that_differs_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model");
    let device = crate::device();
    save_checkpoint(&path, &tiny::model(&device)).unwrap();
    let json = fs::read_to_string(path.join("config.json")).unwrap();
    let json = json
        .replace("\"n_layers\": 2", "\"n_layers\": 1")
        .replace("\"n_languages\": 0", "\"n_languages\": 2")
        .replace("\"max_positions\": 12", "\"max_positions\": 13");
    fs::write(path.join("config.json"), json).unwrap();
    let error = load_checkpoint::<MaskedLanguageModel>(&path, &device).unwrap_err();
    let message = error.to_string();
    for part in [
        "model.safetensors: `encoder.embeddings.language.weight` is missing; ",
        "`encoder.embeddings.position.weight` has shape [12, 8], expected [13, 8]; ",
        "`encoder.layers.1.attention.key.base.bias` is unexpected; ",
    ] {
        assert!(message.contains(part), "{message}");
    }
    let CheckpointError::Mismatch { faults, .. } = error else { panic!("{message}") };
    // One missing, one of another shape, and the 16 tensors of the second layer.
    assert_eq!(faults.len(), 18);
}

#[test]
fn what_is_not_there_or_not_ours_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let device = crate::device();
    let place = dir.path().join("config.json");
    let error = load_checkpoint::<Encoder>(dir.path(), &device).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot read {}", place.display()));
    fs::write(&place, "{\"model\": \"encoder\", \"config\": {\"vocab\": 3}}").unwrap();
    let error = load_checkpoint::<Encoder>(dir.path(), &device).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{}: expected the configuration of `encoder`", place.display())
    );
}

#[test]
fn fixed_positions_are_never_trained() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model");
    let device = crate::device().autodiff();
    let config = tiny::config().with_fixed_positions(true);
    let model = MaskedLanguageModel::try_init(&config, &device, tiny::SEED).unwrap();
    save_checkpoint(&path, &model).unwrap();
    let loaded: MaskedLanguageModel = load_checkpoint(&path, &device).unwrap();
    let opened = Pretrained::<MaskedLanguageModel>::open(&reference::dir("xlm-tlm"), &device);
    let sines = Pretrained::<Encoder>::open(&reference::dir("xlm-encoder"), &device).unwrap();
    let trained = |encoder: &Encoder| encoder.embeddings().position_embedding().is_require_grad();
    assert!(!trained(model.encoder()));
    assert!(!trained(loaded.encoder()));
    assert!(!trained(sines.model()));
    assert!(trained(opened.unwrap().model().encoder()));
}
