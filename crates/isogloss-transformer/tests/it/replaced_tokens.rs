//! Replaced token detection: what is sampled, what it costs, and that it learns.

use std::path::Path;

use burn::optim::{AdamWConfig, GradientsParams, SgdConfig};
use burn::tensor::Tensor;
use isogloss_core::Seed;
use isogloss_transformer::{
    HasEncoder, MlmBatch, Objective, ReplacedTokenConfig, ReplacedTokenModel,
    ReplacedTokenObjective, binary_cross_entropy, load_checkpoint, save_checkpoint,
};

use crate::reference::Tensors;
use crate::tiny::{self, values};

fn config() -> ReplacedTokenConfig {
    ReplacedTokenConfig::new(tiny::config())
}

#[test]
fn the_cross_entropy_of_yes_and_no_is_that_of_pytorch() {
    let device = crate::device();
    let vector = |numbers: &[f32]| Tensor::<1>::from_floats(numbers, &device);
    // torch.nn.functional.binary_cross_entropy_with_logits of PyTorch 2.9.1: .471422.
    let loss = binary_cross_entropy(vector(&[2.0, -1.0, 0.5]), vector(&[1.0, 0.0, 0.0]));
    assert!((values(loss.mean())[0] - 0.471_422).abs() < 1e-6);
    let far = binary_cross_entropy(vector(&[200.0, -200.0]), vector(&[0.0, 0.0]));
    assert_eq!(values(far), [200.0, 0.0]);
}

#[test]
fn a_step_of_training_is_that_of_transformers() {
    // Samples are the same whoever draws: the generator is sure of one token (`generate.py`).
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/replaced_tokens");
    let [given, stepped] =
        ["expected", "stepped"].map(|name| Tensors::read(&dir.join(format!("{name}.safetensors"))));
    let device = crate::device().autodiff();
    let model: ReplacedTokenModel = load_checkpoint(&dir, &device).unwrap();
    let config = model.config();
    let (shape, ids) = &given.ints["ids"];
    let rows = ids.chunks(shape[1]).zip(given.ints["labels"].1.chunks(shape[1]));
    let unsigned = |id: i64| u32::try_from(id).ok();
    let rows: Vec<_> = rows
        .map(|(ids, labels)| {
            let ids = ids.iter().filter_map(|&id| unsigned(id));
            let ids: Vec<u32> = ids.filter(|&id| id != config.encoder.pad_id).collect();
            let gaps = labels.iter().enumerate();
            let (positions, labels): (Vec<usize>, Vec<u32>) =
                gaps.filter_map(|(place, &label)| Some((place, unsigned(label)?))).unzip();
            tiny::masked(&ids, &positions, &labels)
        })
        .collect();
    let batch = MlmBatch::try_new(&config.encoder, &rows, &device).unwrap();
    let loss = ReplacedTokenObjective.loss(&model, &batch).mean();
    let (value, expected) = (values(loss.clone())[0], given.floats("loss")[0]);
    assert!((value - expected).abs() < 1e-5 * expected, "{value}, expected {expected}");
    let gradients = GradientsParams::from_grads(loss.backward(), &model);
    let model = SgdConfig::new().init().step(0.01, model, gradients);
    let out = tempfile::tempdir().unwrap();
    let out = out.path().join("stepped");
    save_checkpoint(&out, &model).unwrap();
    let found = Tensors::read(&out.join("model.safetensors"));
    assert!(found.floats.keys().eq(stepped.floats.keys()));
    for (name, (shape, expected)) in &stepped.floats {
        assert_eq!(&found.floats[name].0, shape, "{name}");
        let difference = tiny::largest_difference(found.floats(name), expected);
        assert!(difference < 1e-4, "{name}: {difference}");
    }
}

#[test]
fn gaps_are_filled_and_nothing_else_is_changed() {
    let device = crate::device();
    let model = config().try_init(&device, tiny::SEED).unwrap();
    let batch = tiny::batch(&tiny::rows(), &device);
    let ids =
        |tensor: Tensor<2, burn::tensor::Int>| tensor.into_data().iter::<i64>().collect::<Vec<_>>();
    let original = [0, 5, 6, 7, 8, 9, 2, 0, 10, 11, 2, 1, 1, 1, 0, 12, 2, 1, 1, 1, 1];
    let mut lucky = 0;
    for seed in 0..60 {
        let replaced = model.replace(&batch, Seed::new(seed));
        let found = ids(replaced.input.ids());
        let is_replaced = values(replaced.is_replaced);
        for place in 0..original.len() {
            let is_gap = [2, 4, 8].contains(&place);
            assert!(is_gap || found[place] == original[place], "{place}");
            assert!((0..20).contains(&found[place]));
            let is_original = found[place] == original[place];
            assert_eq!(is_replaced[place] < 0.5, is_original, "{place}");
            lucky += usize::from(is_gap && is_original);
        }
        assert_eq!(found, ids(model.replace(&batch, Seed::new(seed)).input.ids()));
    }
    // Of 180 samples over 20 tokens, some are what stood there.
    assert!((1..60).contains(&lucky), "{lucky}");
}

#[test]
fn packed_rows_have_the_samples_and_the_loss_of_padded_ones() {
    let device = crate::device().autodiff();
    let model = config().try_init(&device, tiny::SEED).unwrap();
    let result = |batch: &MlmBatch| {
        let loss = ReplacedTokenObjective.loss(&model, batch);
        let word = model.encoder().word_embedding().grad(&loss.sum.backward()).unwrap();
        (values(loss.mean())[0], values(word))
    };
    let padded = result(&tiny::batch(&tiny::rows(), &device));
    // Of rows of 7, of which the generator makes few tokens, and of all by themselves.
    for row in [7, 14, 40] {
        let packed = MlmBatch::try_packed(&tiny::config(), &tiny::rows(), row, &device).unwrap();
        let packed = result(&packed);
        let slack = isogloss_testing::slack();
        assert!((packed.0 - padded.0).abs() < 2e-5 * slack, "{} {}", packed.0, padded.0);
        assert!(tiny::largest_difference(&packed.1, &padded.1) < 2e-4 * slack, "{row}");
    }
}

#[test]
fn samples_have_the_probabilities_of_the_generator() {
    let device = crate::device();
    let model = config().try_init(&device, tiny::SEED).unwrap();
    // Equal rows, so that each batch gives many samples of one distribution.
    let rows = vec![tiny::masked(&[0, 5, 19, 7, 2], &[2], &[6]); 400];
    let batch = tiny::batch(&rows, &device);
    let mut counts = [0.0_f32; 20];
    for seed in 0..10 {
        let ids = model.replace(&batch, Seed::new(seed)).input.ids().narrow(1, 2, 1).into_data();
        for id in ids.iter::<i64>() {
            counts[usize::try_from(id).unwrap()] += 1.0 / 4_000.0;
        }
    }
    // The probabilities, by the loss of each label.
    for (label, share) in (0..20).zip(counts) {
        let batch = tiny::batch(&[tiny::masked(&[0, 5, 19, 7, 2], &[2], &[label])], &device);
        let total = values(ReplacedTokenObjective.loss(&model, &batch).mean())[0];
        let detection = detector_mean(&model, &batch);
        let probability = (-(total - 50.0 * detection)).exp();
        // Five standard errors, and what rounding leaves of a difference of large numbers.
        let error = 5.0 * (probability * (1.0 - probability) / 4_000.0).sqrt() + 1e-3;
        assert!((share - probability).abs() < error, "{label}: {share}, expected {probability}");
    }
}

/// The discriminator's mean loss on the samples that evaluation draws.
fn detector_mean(model: &ReplacedTokenModel, batch: &MlmBatch) -> f32 {
    let replaced = model.replace(batch, Seed::new(0).derive("replaced tokens"));
    let scores = values(model.detect(&replaced.input));
    let labels = values(replaced.is_replaced);
    let is_padding = replaced.input.mask_pad().into_data().iter::<bool>().collect::<Vec<_>>();
    let losses = scores.iter().zip(labels).zip(&is_padding).filter(|(_, is_padding)| !**is_padding);
    let losses: Vec<f32> = losses
        .map(|((z, label), _)| {
            let probability = 1.0 / (1.0 + (-z).exp());
            -(if label > 0.5 { probability } else { 1.0 - probability }).ln()
        })
        .collect();
    losses.iter().sum::<f32>() / losses.len() as f32
}

#[test]
fn the_loss_is_the_generators_and_fifty_times_the_discriminators() {
    let device = crate::device();
    let batch = tiny::batch(&tiny::rows(), &device);
    let loss = |weight: f64| {
        let model = config().with_weight(weight).try_init(&device, tiny::SEED).unwrap();
        let loss = ReplacedTokenObjective.loss(&model, &batch);
        // Of 7, 4 and 3 tokens.
        assert_eq!(loss.count, 14);
        (values(loss.mean())[0], detector_mean(&model, &batch))
    };
    let ((one, detection), (fifty, _)) = (loss(1.0), loss(50.0));
    assert!((fifty - one - 49.0 * detection).abs() < 1e-3, "{fifty} {one} {detection}");
    assert!(one - detection > 0.5, "{one} {detection}");
    // Rows without a gap teach the discriminator only.
    let batch = tiny::batch(&[tiny::masked(&[0, 12, 2], &[], &[])], &device);
    let model = config().try_init(&device, tiny::SEED).unwrap();
    let scores = values(model.detect(batch.input()));
    let expected: f32 = scores.iter().map(|z| (1.0 + z.exp()).ln()).sum::<f32>() / 3.0;
    let found = values(ReplacedTokenObjective.loss(&model, &batch).mean())[0];
    assert!((found - 50.0 * expected).abs() < 1e-3, "{found} {expected}");
}

#[test]
fn both_losses_reach_the_shared_embeddings() {
    let device = crate::device().autodiff();
    let model = config().try_init(&device, tiny::SEED).unwrap();
    let mut losses = Vec::new();
    for rows in [tiny::rows(), vec![tiny::masked(&[0, 12, 2], &[], &[])]] {
        let batch = tiny::batch(&rows, &device);
        let value = ReplacedTokenObjective.accumulate(&model, &batch, Seed::new(1), &mut |loss| {
            let gradients = loss.backward();
            assert!(model.encoder().word_embedding().grad(&gradients).is_some());
            losses.push(gradients);
        });
        assert!(value.sum > 0.0);
    }
    assert_eq!(losses.len(), 2);
}

#[test]
fn it_learns_a_batch_by_heart() {
    let device = crate::device().autodiff();
    let mut model = config().try_init(&device, tiny::SEED).unwrap();
    let batch = tiny::batch(&tiny::rows(), &device);
    let mut optimizer = AdamWConfig::new().init();
    let before = values(ReplacedTokenObjective.loss(&model, &batch).mean())[0];
    for step in 0..100 {
        let mut gradients = None;
        ReplacedTokenObjective.accumulate(&model, &batch, Seed::new(2).at(step), &mut |loss| {
            gradients = Some(GradientsParams::from_grads(loss.backward(), &model));
        });
        model = optimizer.step(1e-2, model, gradients.unwrap());
    }
    let after = values(ReplacedTokenObjective.loss(&model, &batch).mean())[0];
    assert!(after < 0.3 * before, "{before} before, {after} after");
}

#[test]
fn it_is_kept_and_gives_its_encoder() {
    let (dir, device) = (tempfile::tempdir().unwrap(), crate::device());
    let path = dir.path().join("model");
    let config = config().with_generator_layers(1).with_weight(20.0);
    let model = config.try_init(&device, tiny::SEED).unwrap();
    save_checkpoint(&path, &model).unwrap();
    let loaded: ReplacedTokenModel = load_checkpoint(&path, &device).unwrap();
    assert_eq!(loaded.config(), config);
    let batch = tiny::batch(&tiny::rows(), &device);
    let [found, expected] =
        [&loaded, &model].map(|model| values(ReplacedTokenObjective.loss(model, &batch).sum));
    assert_eq!(found, expected);
    assert_eq!(loaded.into_encoder().config(), &tiny::config());
    let error = config.with_generator_layers(0).with_weight(0.0).try_init(&device, tiny::SEED);
    assert_eq!(
        error.unwrap_err().to_string(),
        "encoder configuration: `generator_layers` is `0`, expected at least 1; `weight` is `0`, \
         expected a finite number above 0"
    );
}
