//! Adapters that need more of training than a loss.

use std::path::Path;

use burn::tensor::Tensor;
use isogloss_core::{Progress, Seed};
use isogloss_peft::{
    AdaLoraConfig, AdapterCard, AdapterConfig, AdapterError, BottleneckConfig, LoraConfig,
    PrefixConfig, PromptConfig, RankAllocation, activate, adapters, attach, penalty, save_adapter,
    skip_layers,
};
use isogloss_testing::device;
use isogloss_training::{
    AdapterObjective, Decay, LearningRateConfig, ObjectiveTask, Outcome, RateFactors, StopFlag,
    Task, TrainedRun, Trainer, TrainingConfig, TrainingError,
};
use isogloss_transformer::{LossValue, MaskedLanguageModel, MlmBatch, MlmObjective, Objective};

use crate::batches::{framing, mlm};
use crate::regression::{bits, turn};
use crate::resume::StopAfter;

const STEPS: u64 = 12;

fn model(config: &AdapterConfig) -> MaskedLanguageModel {
    let device = device().autodiff();
    let encoder = framing().encoder.with_dropout(0.0).with_n_layers(3).with_initializer_std(0.2);
    let model = MaskedLanguageModel::try_init(&encoder, &device, Seed::new(4)).unwrap();
    attach(model, "it", config, Seed::new(5), &device).unwrap().0
}

fn adalora() -> AdapterConfig {
    AdapterConfig::AdaLora(AdaLoraConfig::new(3, 1).with_steps_around(2, 3))
}

fn run(dir: &Path, stop: &StopFlag, progress: &dyn Progress) -> TrainedRun<MaskedLanguageModel> {
    let device = device().autodiff();
    let model = model(&adalora());
    let allocation = RankAllocation::try_new(&model, "it", STEPS).unwrap().unwrap();
    let config = TrainingConfig::new(STEPS)
        .with_learning_rate(LearningRateConfig::new(2e-2))
        .with_accumulation(2)
        .with_checkpoint_every(4)
        .with_validate_every(3);
    let objective = AdapterObjective::new(MlmObjective).with_dropped_layers(2);
    let train: Box<dyn Task<MaskedLanguageModel>> =
        Box::new(ObjectiveTask::new("mlm", objective, mlm(0.15)));
    let held_out = Box::new(ObjectiveTask::new("dev", MlmObjective, mlm(0.15)));
    let (trainer, _) = Trainer::try_new(config, model, vec![(train, 1.0)], &device)
        .unwrap()
        .with_hook(Box::new(allocation))
        .with_validation(held_out, 2)
        .unwrap()
        .with_checkpoints(dir)
        .resume()
        .unwrap();
    trainer.run(stop, progress).unwrap()
}

/// The numbers of the adapter as a file has them, with which ranks are left.
fn written(model: &MaskedLanguageModel) -> (Vec<u8>, String) {
    let out = tempfile::tempdir().unwrap();
    let dir = out.path().join("it");
    save_adapter(model, "it", &AdapterCard::default(), &dir).unwrap();
    let tensors = std::fs::read(dir.join("adapter_model.safetensors")).unwrap();
    (tensors, std::fs::read_to_string(dir.join("adapter_config.json")).unwrap())
}

#[test]
fn ranks_are_taken_while_a_run_goes_on_and_when_it_is_taken_up_again() {
    let _turn = turn();
    let whole = tempfile::tempdir().unwrap();
    let whole = run(whole.path(), &StopFlag::new(), &());
    let (tensors, config) = written(&whole.model);
    // Of 3 ranks for each of 6 modules, 1 each is left in the mean.
    let flags: serde_json::Value = serde_json::from_str(&config).unwrap();
    let flags = flags["rank_pattern"].as_object().unwrap().values();
    let ranks = flags.flat_map(|flags| flags.as_array().unwrap()).filter(|it| **it == true);
    assert_eq!(ranks.count(), 6, "{config}");
    if isogloss_testing::slack() > 1.0 {
        // On CUDA, sums depend on timing.
        return;
    }
    for cut in [3, 6, 11] {
        let dir = tempfile::tempdir().unwrap();
        let flag = StopFlag::new();
        let half = run(dir.path(), &flag, &StopAfter(cut, flag.clone()));
        assert_eq!((half.outcome, half.steps), (Outcome::Interrupted, cut));
        let resumed = run(dir.path(), &StopFlag::new(), &());
        assert_eq!(bits(&resumed.model), bits(&whole.model), "{cut}");
        assert_eq!(written(&resumed.model), (tensors.clone(), config.clone()), "{cut}");
        let (best, expected) = (resumed.best.unwrap(), whole.best.as_ref().unwrap());
        assert_eq!(written(&best.model), written(&expected.model), "{cut}");
    }
}

#[test]
fn a_run_without_a_step_for_ranks_is_refused() {
    let error = RankAllocation::try_new(&model(&adalora()), "it", 5).unwrap_err();
    assert!(matches!(error, AdapterError::Config { field: "total_steps", .. }), "{error}");
    let other = model(&AdapterConfig::Bottleneck(BottleneckConfig::new(4)));
    assert!(RankAllocation::try_new(&other, "it", 5).unwrap().is_none());
}

/// What goes backwards of a batch.
fn backwards(
    objective: &impl Objective<MaskedLanguageModel, Batch = MlmBatch>,
    model: &MaskedLanguageModel,
    seed: Seed,
) -> (LossValue, Vec<f32>) {
    let batch = isogloss_training::Batches::next_batch(&mut mlm(0.5), &device().autodiff());
    let mut parts = Vec::new();
    let mut backward = |loss: Tensor<1>| parts.push(loss.into_scalar::<f32>());
    let value = objective.accumulate(model, &batch.unwrap(), seed, &mut backward);
    (value, parts)
}

#[test]
fn a_penalty_counts_once_in_the_mean_of_a_step_and_not_in_what_is_reported() {
    let seed = Seed::new(1);
    let with_penalty = model(&adalora());
    let plain = backwards(&MlmObjective, &with_penalty, seed);
    let penalized = backwards(&AdapterObjective::new(MlmObjective), &with_penalty, seed);
    assert_eq!(plain.0, penalized.0);
    let expected = penalty(&with_penalty).unwrap().into_scalar::<f32>();
    // Matrices near zero are one rank after the other off by 1: ‖0 - I‖ = √3, half of it.
    assert!((expected - 0.5 * 3.0_f32.sqrt()).abs() < 0.02, "{expected}");
    let added = penalized.1[1] / plain.0.count as f32;
    assert_eq!((penalized.1.len(), penalized.1[0]), (2, plain.1[0]));
    assert!((added - expected).abs() < 1e-6, "{added} {expected}");
    // Of others there is none.
    let other = model(&AdapterConfig::Prompt(PromptConfig::new(2)));
    assert!(penalty(&other).is_none());
    assert_eq!(backwards(&AdapterObjective::new(MlmObjective), &other, seed).1.len(), 1);
}

#[test]
fn adapters_of_the_lowest_layers_are_left_out_by_chance() {
    let bottleneck = BottleneckConfig::new(4).with_init(isogloss_peft::BottleneckInit::Bert);
    let model = model(&AdapterConfig::Bottleneck(bottleneck));
    let plain = |below: usize| {
        let thinned = skip_layers(model.clone(), below);
        backwards(&MlmObjective, &thinned, Seed::new(0)).0
    };
    let possible = [plain(0), plain(1), plain(2)];
    assert!(possible[0] != possible[1] && possible[1] != possible[2]);
    let objective = AdapterObjective::new(MlmObjective).with_dropped_layers(2);
    let mut found = [0; 3];
    for seed in 0..30 {
        let (value, _) = backwards(&objective, &model, Seed::new(seed));
        let which = possible.iter().position(|other| *other == value).unwrap();
        found[which] += 1;
    }
    assert!(found.iter().all(|count| *count > 2), "{found:?}");
    // Nothing is lost: activated again, all are there.
    let names = adapters(&model).active;
    let again = activate(skip_layers(model.clone(), 3), &names).unwrap();
    assert_eq!(backwards(&MlmObjective, &again, Seed::new(0)).0, possible[0]);
    assert_eq!(adapters(&again), adapters(&model));
}

#[test]
fn what_stands_before_tokens_learns() {
    let _turn = turn();
    for (config, rate) in [
        (AdapterConfig::Prefix(PrefixConfig::new(2)), 5e-2),
        (AdapterConfig::Prefix(PrefixConfig::without_positions(2).with_projection(4)), 5e-2),
        (AdapterConfig::Prompt(PromptConfig::new(4)), 0.05),
    ] {
        let device = device().autodiff();
        let rate = LearningRateConfig::new(rate);
        let training = TrainingConfig::new(60).with_learning_rate(rate).with_validate_every(20);
        let task = |name: &str| -> Box<dyn Task<MaskedLanguageModel>> {
            Box::new(ObjectiveTask::new(name, MlmObjective, mlm(0.3)))
        };
        let trainer = Trainer::try_new(training, model(&config), vec![(task("mlm"), 1.0)], &device);
        let trainer = trainer.unwrap().with_validation(task("dev"), 8).unwrap();
        let run = trainer.run(&StopFlag::new(), &()).unwrap();
        let losses: Vec<f64> = run.validation.iter().map(|record| record.loss).collect();
        assert!(losses[2] < losses[0] - 0.002, "{config:?}: {losses:?}");
    }
}

/// How far any number of B moved in a step from zero.
fn moved(lora_up: Option<f64>, target: &str) -> Result<f32, TrainingError> {
    let device = device().autodiff();
    let config = AdapterConfig::Lora(LoraConfig::new(2).with_target(target));
    let mut factors = RateFactors::default();
    factors.lora_up = lora_up;
    let training = TrainingConfig::new(1)
        .with_learning_rate(LearningRateConfig::new(1e-3).with_decay(Decay::Constant))
        .with_rate_factors(factors);
    let task: Box<dyn Task<MaskedLanguageModel>> =
        Box::new(ObjectiveTask::new("mlm", MlmObjective, mlm(0.3)));
    let trainer = Trainer::try_new(training, model(&config), vec![(task, 1.0)], &device)?;
    let run = trainer.run(&StopFlag::new(), &())?;
    let report = adapters(&run.model);
    assert!(report.adapters[0].norm() > 0.0);
    let out = tempfile::tempdir().unwrap();
    let dir = out.path().join("it");
    save_adapter(&run.model, "it", &AdapterCard::default(), &dir).unwrap();
    let bytes = std::fs::read(dir.join("adapter_model.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let of_b = file.iter().filter(|(name, _)| name.ends_with("lora_B.weight"));
    let numbers = of_b.flat_map(|(_, view)| {
        let four = view.data().chunks_exact(4);
        four.map(|it| f32::from_le_bytes(it.try_into().unwrap()).abs()).collect::<Vec<_>>()
    });
    Ok(numbers.fold(0.0, f32::max))
}

#[test]
fn the_matrix_b_of_a_lora_learns_faster_where_that_is_asked_for() {
    let _turn = turn();
    let [plain, faster] = [None, Some(16.0)].map(|up| moved(up, ".*(query|value)").unwrap());
    // A first step of AdamW is one of the rate.
    assert!((faster / plain - 16.0).abs() < 0.01, "{plain} {faster}");
    // Not of a model without: that it would change nothing is an error.
    let device = device().autodiff();
    let config =
        TrainingConfig::new(1).with_rate_factors(RateFactors::default().with_lora_up(16.0));
    let task: Box<dyn Task<MaskedLanguageModel>> =
        Box::new(ObjectiveTask::new("mlm", MlmObjective, mlm(0.3)));
    let other = model(&AdapterConfig::Bottleneck(BottleneckConfig::new(4)));
    let error = Trainer::try_new(config, other, vec![(task, 1.0)], &device).unwrap_err();
    assert!(error.to_string().contains("LoRA that learns"), "{error}");
}
