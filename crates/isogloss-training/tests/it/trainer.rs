//! The loop: what it learns, what it refuses, what it reports.

use std::collections::BTreeMap;
#[cfg(feature = "tensorboard")]
use std::path::PathBuf;

use burn::module::Module;
use burn::tensor::Device;
use isogloss_core::LanguageTag;
use isogloss_testing::device;
use isogloss_tokenization::{Algorithm, FairnessGate, FairnessReport, VocabularyConfig};
use isogloss_training::{
    AdamWSettings, AveragingConfig, Decay, DrawnBatch, LearningRateConfig, Outcome, RateFactors,
    StopFlag, Task, Trainer, TrainingConfig, TrainingError,
};
use isogloss_transformer::LossSum;

use crate::regression::{Regression, Sums, bits, turn};

fn config(steps: u64) -> TrainingConfig {
    TrainingConfig::new(steps).with_learning_rate(LearningRateConfig::new(2e-2))
}

fn tasks(tasks: Vec<(Sums, f64)>) -> Vec<(Box<dyn Task<Regression>>, f64)> {
    tasks.into_iter().map(|(task, weight)| (Box::new(task) as Box<_>, weight)).collect()
}

#[test]
fn a_model_learns_and_its_history_shows_it() {
    let _turn = turn();
    let device = device().autodiff();
    let model = Regression::new(0.0, &device);
    let run =
        Trainer::try_new(config(200), model, tasks(vec![(Sums::new("sum", 32), 1.0)]), &device)
            .unwrap()
            .run(&StopFlag::new(), &())
            .unwrap();
    assert_eq!((run.outcome, run.steps, run.history.len()), (Outcome::Finished, 200, 10));
    let (first, last) = (&run.history[0], &run.history[9]);
    assert!(last.loss < 0.05 * first.loss, "{} -> {}", first.loss, last.loss);
    assert_eq!((last.step, last.task.as_str(), last.targets), (200, "sum", 20 * 32));
}

#[test]
fn a_table_is_trained_the_same_by_rows_and_as_a_whole() {
    let _turn = turn();
    let device = device().autodiff();
    let run = |by_rows: [bool; 2]| {
        let [mut a, mut b] = [Sums::new("a", 3), Sums::new("b", 2)];
        (a.by_rows, b.by_rows) = (by_rows[0], by_rows[1]);
        // So long that rows take their decay in between, and clipped in most steps.
        let mut config = config(90).with_accumulation(2);
        config.max_grad_norm = Some(0.5);
        let config = config.with_optimizer(AdamWSettings::default().with_weight_decay(0.1));
        let tasks = tasks(vec![(a, 2.0), (b, 1.0)]);
        let trainer = Trainer::try_new(config, Regression::new(0.0, &device), tasks, &device);
        trainer.unwrap().run(&StopFlag::new(), &()).unwrap()
    };
    let whole = bits(&run([false, false]).model);
    // By rows in one task and as a whole in the other: whichever comes first decides.
    for by_rows in [[true, true], [true, false], [false, true]] {
        let run = bits(&run(by_rows).model);
        for (a, b) in run.iter().zip(&whole).map(|(a, b)| (f32::from_bits(*a), f32::from_bits(*b)))
        {
            assert!((a - b).abs() < 2e-4, "{a}, expected {b}, by rows {by_rows:?}");
        }
    }
}

#[test]
fn validation_measures_the_same_batches_and_changes_nothing() {
    let _turn = turn();
    let device = device().autodiff();
    let trainer = || {
        let tasks = tasks(vec![(Sums::new("sum", 16), 1.0)]);
        let config = config(30).with_validate_every(10);
        Trainer::try_new(config, Regression::new(0.3, &device), tasks, &device).unwrap()
    };
    let held_out = || Box::new(Sums::new("held-out", 8));
    let plain = trainer().run(&StopFlag::new(), &()).unwrap();
    assert!(plain.validation.is_empty() && plain.best.is_none());
    let validated = trainer().with_validation(held_out(), 3).unwrap();
    let validated = validated.with_validation(held_out(), 3).unwrap();
    let validated = validated.run(&StopFlag::new(), &()).unwrap();
    assert_eq!(bits(&validated.model), bits(&plain.model));
    // Two tasks of the same batches have the same losses, at every step.
    let records = &validated.validation;
    assert_eq!(records.iter().map(|r| r.step).collect::<Vec<_>>(), [10, 10, 20, 20, 30, 30]);
    assert!(records.iter().all(|record| record.targets == 24));
    for pair in records.chunks(2) {
        assert_eq!(pair[0].loss.to_bits(), pair[1].loss.to_bits());
    }
    let least = records.iter().map(|r| r.loss).fold(f64::INFINITY, f64::min);
    let best = validated.best.unwrap();
    assert_eq!(best.loss.to_bits(), least.to_bits());
    // The model that is given as the best is the one that was measured.
    let mut task = Sums::new("held-out", 8);
    let model = best.model.valid();
    let sum: f64 = (0..3)
        .map(|_| {
            let loss = task.next_batch(&device.clone().inner()).unwrap().loss(&model);
            f64::from(loss.sum.into_scalar::<f32>())
        })
        .sum();
    assert_eq!((sum / 24.0).to_bits(), best.loss.to_bits());
    let none = trainer().with_validation(held_out(), 0).unwrap_err();
    assert!(none.to_string().contains("validation"), "{none}");
}

#[test]
fn a_run_that_gets_no_better_ends_and_stays_ended() {
    let _turn = turn();
    let device = device().autodiff();
    let dir = tempfile::tempdir().unwrap();
    let trainer = || {
        // A rate at which nothing is learned any more.
        let rate = LearningRateConfig::new(1e-30);
        let config = TrainingConfig::new(100).with_learning_rate(rate);
        let config = config.with_validate_every(5).with_patience(3);
        let tasks = tasks(vec![(Sums::new("sum", 16), 1.0)]);
        Trainer::try_new(config, Regression::new(0.3, &device), tasks, &device)
            .unwrap()
            .with_validation(Box::new(Sums::new("held-out", 8)), 3)
            .unwrap()
            .with_checkpoints(dir.path())
    };
    let run = trainer().run(&StopFlag::new(), &()).unwrap();
    // The first is the best, and three more are not better.
    assert_eq!((run.outcome, run.steps), (Outcome::Converged, 20));
    assert_eq!(run.best.unwrap().step, 5);
    let (resumed, from) = trainer().resume().unwrap();
    assert_eq!(from, 20);
    let resumed = resumed.run(&StopFlag::new(), &()).unwrap();
    assert_eq!((resumed.outcome, resumed.steps), (Outcome::Converged, 20));
    for config in [
        TrainingConfig::new(1).with_patience(0),
        TrainingConfig::new(1).with_rate_factors(RateFactors::default().with_layer_decay(1.5)),
        TrainingConfig::new(1).with_rate_factors(RateFactors::default().with_lora_up(0.0)),
    ] {
        let tasks = tasks(vec![(Sums::new("sum", 16), 1.0)]);
        let refused = Trainer::try_new(config, Regression::new(0.0, &device), tasks, &device);
        assert!(refused.unwrap_err().to_string().contains("expected a"));
    }
}

#[test]
fn layers_learn_from_the_top_down() {
    let _turn = turn();
    let device = device().autodiff();
    let part =
        |model: &Regression| [bits(&model.embeddings), bits(&model.layers), bits(&model.down)];
    let before = part(&Regression::new(0.0, &device));
    let run = |steps| {
        // A rate that falls would be 0 at the last step.
        let rate = LearningRateConfig::new(2e-2).with_decay(Decay::Constant);
        let config = config(steps).with_learning_rate(rate).with_unfreeze_every(4);
        let tasks = tasks(vec![(Sums::new("sum", 16), 1.0)]);
        let model = Regression::new(0.0, &device);
        Trainer::try_new(config, model, tasks, &device).unwrap().run(&StopFlag::new(), &()).unwrap()
    };
    for (steps, learned) in [
        (4, [false, false, true]),
        (5, [false, true, true]),
        (8, [false, true, true]),
        (9, [true, true, true]),
    ] {
        let model = run(steps).model;
        let after = part(&model);
        let found: Vec<bool> = (0..3).map(|part| before[part] != after[part]).collect();
        assert_eq!(found, learned, "after {steps} steps");
        // What a run leaves is as trainable as what it was given.
        assert!(model.embeddings.weight.is_require_grad());
    }
}

#[test]
fn a_line_for_each_step_is_written_while_the_run_goes_on() {
    let _turn = turn();
    let device = device().autodiff();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("metrics.jsonl");
    let trainer = || {
        let tasks = tasks(vec![(Sums::new("sum", 16), 1.0)]);
        let config = config(6).with_validate_every(3).with_checkpoint_every(3);
        Trainer::try_new(config, Regression::new(0.0, &device), tasks, &device)
            .unwrap()
            .with_validation(Box::new(Sums::new("held-out", 8)), 1)
            .unwrap()
            .with_checkpoints(dir.path().join("checkpoints"))
            .with_metrics(&path)
    };
    let run = trainer().run(&StopFlag::new(), &()).unwrap();
    let written = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<serde_json::Value> =
        written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |split: &str| lines.iter().filter(|line| line["split"] == split).collect::<Vec<_>>();
    let steps: Vec<u64> = of("train").iter().map(|line| line["step"].as_u64().unwrap()).collect();
    assert_eq!(steps, [1, 2, 3, 4, 5, 6]);
    let (last, held) = (of("train")[5], of("dev"));
    assert!(last["learning_rate"] == 0.0 && last["gradient_norm"].as_f64().unwrap() > 0.0);
    assert_eq!(last["targets"], 16);
    assert_eq!(held.len(), 2);
    assert!((held[1]["loss"].as_f64().unwrap() - run.validation[1].loss).abs() < 1e-9);
    // As if it had been killed amid the fifth step.
    std::fs::remove_dir_all(dir.path().join("checkpoints/step-0000000006")).unwrap();
    let cut = written.find("{\"step\":5").unwrap();
    // … in a character of more than one byte.
    let torn = [&written.as_bytes()[..cut + 20], &"ọ".as_bytes()[..1]].concat();
    std::fs::write(&path, torn).unwrap();
    let (resumed, from) = trainer().resume().unwrap();
    assert_eq!(from, 3);
    resumed.run(&StopFlag::new(), &()).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), written);
}

#[cfg(feature = "tensorboard")]
#[test]
fn an_event_file_is_written_by_each_part_of_a_run() {
    let _turn = turn();
    let device = device().autodiff();
    let dir = tempfile::tempdir().unwrap();
    let events = dir.path().join("events");
    let trainer = |steps| {
        let tasks = tasks(vec![(Sums::new("sum", 16), 1.0)]);
        let config = config(steps).with_validate_every(3).with_checkpoint_every(3);
        Trainer::try_new(config, Regression::new(0.0, &device), tasks, &device)
            .unwrap()
            .with_validation(Box::new(Sums::new("held-out", 8)), 1)
            .unwrap()
            .with_checkpoints(dir.path().join("checkpoints"))
            .with_tensorboard(&events)
    };
    // The bytes of records: a length, its check, an event, its check.
    let of_file = |path: PathBuf| {
        let (bytes, mut at, mut records) = (std::fs::read(path).unwrap(), 0, Vec::new());
        while at < bytes.len() {
            let length = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
            let end = at + 12 + usize::try_from(length).unwrap();
            records.push(bytes[at + 12..end].to_vec());
            at = end + 4;
        }
        records
    };
    let files = || {
        let listed = std::fs::read_dir(&events).unwrap();
        let mut files: Vec<PathBuf> = listed.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files.into_iter().map(of_file).collect::<Vec<_>>()
    };
    let holds =
        |record: &[u8], text: &str| record.windows(text.len()).any(|part| part == text.as_bytes());
    trainer(6).run(&StopFlag::new(), &()).unwrap();
    let first = files();
    // A version, a start, six steps and two held-out losses.
    assert_eq!(first.iter().map(Vec::len).collect::<Vec<_>>(), [10]);
    let count = |text| first[0].iter().filter(|record| holds(record, text)).count();
    let counts = [count("loss/train/sum"), count("gradient_norm"), count("loss/dev/held-out")];
    assert_eq!(counts, [6, 6, 2]);
    std::fs::remove_dir_all(dir.path().join("checkpoints/step-0000000006")).unwrap();
    let (resumed, from) = trainer(6).resume().unwrap();
    resumed.run(&StopFlag::new(), &()).unwrap();
    let both = files();
    assert_eq!((from, both.len()), (3, 2));
    let second = both.iter().find(|file| **file != first[0]).unwrap();
    // Three steps and one held-out loss; the session starts at step 4, the second field of its event.
    assert_eq!(second.len(), 6);
    assert_eq!(second[1][9..11], [0x10, 4]);
}

#[test]
fn held_out_losses_are_of_the_moving_average() {
    let _turn = turn();
    let device = device().autodiff();
    let run = |averaging: Option<AveragingConfig>| {
        let mut config = config(30).with_validate_every(10);
        config.averaging = averaging;
        let tasks = tasks(vec![(Sums::new("sum", 16), 1.0)]);
        Trainer::try_new(config, Regression::new(0.0, &device), tasks, &device)
            .unwrap()
            .with_validation(Box::new(Sums::new("held-out", 8)), 3)
            .unwrap()
            .run(&StopFlag::new(), &())
            .unwrap()
    };
    let (plain, averaged) = (run(None), run(Some(AveragingConfig::new(0.9))));
    // It is beside the run and has no part in it.
    assert_eq!(bits(&plain.model), bits(&averaged.model));
    assert!(plain.averaged.is_none());
    let average = averaged.averaged.unwrap();
    assert_ne!(bits(&average), bits(&averaged.model));
    let mut task = Sums::new("held-out", 8);
    let model = average.valid();
    let loss = |task: &mut Sums| task.next_batch(&device.clone().inner()).unwrap().loss(&model).sum;
    let sum: f64 = (0..3).map(|_| f64::from(loss(&mut task).into_scalar::<f32>())).sum();
    let last = averaged.validation.last().unwrap();
    assert_eq!((last.step, last.loss.to_bits()), (30, (sum / 24.0).to_bits()));
    assert_ne!(last.loss.to_bits(), plain.validation.last().unwrap().loss.to_bits());
}

#[test]
fn a_vocabulary_that_fails_a_language_trains_nothing() {
    let _turn = turn();
    let device = device().autodiff();
    let trainer = || {
        let tasks = tasks(vec![(Sums::new("sum", 16), 1.0)]);
        Trainer::try_new(config(1), Regression::new(0.3, &device), tasks, &device).unwrap()
    };
    let tag = |code: &str| code.parse::<LanguageTag>().unwrap();
    let (en, yo, am) = (tag("en"), tag("yo"), tag("am"));
    let texts = BTreeMap::from([
        (en.clone(), vec!["good morning to you".to_owned()]),
        (yo.clone(), vec!["ẹ káàárọ̀ o".to_owned()]),
        (am.clone(), vec!["እንደምን አደርክ".to_owned()]),
    ]);
    // Nothing but English was learned from, and bytes spell the rest.
    let vocabulary = VocabularyConfig::new(Algorithm::Unigram, 300)
        .with_byte_fallback()
        .train(&texts[&en], &())
        .unwrap();
    let report = FairnessReport::measure(&vocabulary, &texts).unwrap();
    let bytes = FairnessGate { max_bytes: Some(0.1), ..FairnessGate::default() };
    let fault = trainer().with_vocabulary_gate(&bytes, &report, [&en]).err().unwrap().to_string();
    assert!(
        fault.contains("yo-Latn (byte rate") && fault.contains("am-Ethi (byte rate"),
        "{fault}"
    );
    assert!(!fault.contains("en-Latn ("), "{fault}");

    let unknown = FairnessGate { max_unknown: Some(0.0), ..FairnessGate::default() };
    let run = trainer().with_vocabulary_gate(&unknown, &report, [&en, &yo, &am]).unwrap();
    assert_eq!(run.run(&StopFlag::new(), &()).unwrap().steps, 1);
    // What nobody measured is not let through: here a language, there its premium.
    let zu = tag("zu");
    let fault = trainer().with_vocabulary_gate(&unknown, &report, [&en, &zu]).err().unwrap();
    assert!(fault.to_string().contains("costs zu-Latn,"), "{fault}");
    let pairs = BTreeMap::from([(yo.clone(), [texts[&en].clone(), texts[&yo].clone()])]);
    let report = report.with_premiums(&vocabulary, &en, &pairs).unwrap();
    let premium = FairnessGate { max_premium: Some(100.0), ..FairnessGate::default() };
    assert!(trainer().with_vocabulary_gate(&premium, &report, [&en, &yo]).is_ok());
    let fault = trainer().with_vocabulary_gate(&premium, &report, [&am]).err().unwrap();
    assert!(fault.to_string().contains("costs am-Ethi,"), "{fault}");
}

#[test]
fn two_half_batches_make_the_step_of_a_whole_one() {
    // The halves hold 8 rows each and the whole the same 16, so the gradients are equal up to the
    // order of a sum: 1e-5 absolute on weights below 1.
    struct Halves(Sums, usize);
    struct Together(Vec<Box<dyn DrawnBatch<Regression>>>);
    impl DrawnBatch<Regression> for Together {
        fn loss(&self, model: &Regression) -> LossSum {
            let losses = self.0.iter().map(|half| half.loss(model));
            let both = losses.reduce(|a, b| LossSum::new(a.sum + b.sum, a.count + b.count));
            both.unwrap()
        }
    }
    impl Task<Regression> for Halves {
        fn name(&self) -> &'static str {
            "halves"
        }
        fn next_batch(
            &mut self,
            device: &Device,
        ) -> Result<Box<dyn DrawnBatch<Regression>>, TrainingError> {
            let halves = (0..self.1).map(|_| self.0.next_batch(device));
            Ok(Box::new(Together(halves.collect::<Result<_, _>>()?)))
        }
        fn state(&self) -> serde_json::Value {
            self.0.state()
        }
        fn restore(&mut self, state: serde_json::Value) -> Result<(), String> {
            self.0.restore(state)
        }
    }
    let _turn = turn();
    let device = device().autodiff();
    let train = |together: usize, accumulation: usize| {
        let task: Box<dyn Task<Regression>> = Box::new(Halves(Sums::new("sum", 8), together));
        let run = Trainer::try_new(
            config(3).with_accumulation(accumulation),
            Regression::new(0.0, &device),
            vec![(task, 1.0)],
            &device,
        );
        run.unwrap().run(&StopFlag::new(), &()).unwrap().model
    };
    let (whole, halves) = (bits(&train(2, 1)), bits(&train(1, 2)));
    for (whole, halves) in whole.into_iter().zip(halves) {
        let (whole, halves) = (f32::from_bits(whole), f32::from_bits(halves));
        assert!((whole - halves).abs() < 1e-5, "{whole} {halves}");
    }
}

#[test]
fn tasks_take_their_shares_of_the_steps() {
    let _turn = turn();
    let device = device().autodiff();
    let mixture = vec![(Sums::new("often", 2), 3.0), (Sums::new("seldom", 2), 1.0)];
    let run = Trainer::try_new(
        config(8).with_record_every(1),
        Regression::new(0.0, &device),
        tasks(mixture),
        &device,
    );
    let run = run.unwrap().run(&StopFlag::new(), &()).unwrap();
    let order: Vec<_> = run.history.iter().map(|record| record.task.as_str()).collect();
    assert_eq!(order.iter().filter(|task| **task == "often").count(), 6, "{order:?}");
    assert_eq!(order[..4].iter().filter(|task| **task == "seldom").count(), 1, "{order:?}");
}

#[test]
fn frozen_parameters_stay_and_a_model_without_others_is_refused() {
    let _turn = turn();
    let device = device().autodiff();
    let frozen = Regression::new(0.0, &device).freeze();
    let error = Trainer::try_new(config(1), frozen, tasks(vec![(Sums::new("s", 2), 1.0)]), &device);
    assert_eq!(error.unwrap_err().to_string(), "no trainable parameter, expected at least one");
}

#[test]
fn a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_good_checkpoint() {
    let _turn = turn();
    let dir = tempfile::tempdir().unwrap();
    let device = device().autodiff();
    let mut task = Sums::new("sum", 4);
    task.breaks_at = Some(8);
    let run = Trainer::try_new(
        config(20).with_checkpoint_every(5),
        Regression::new(0.1, &device),
        tasks(vec![(task, 1.0)]),
        &device,
    );
    let error = run.unwrap().with_checkpoints(dir.path()).run(&StopFlag::new(), &()).unwrap_err();
    let checkpoint = dir.path().join("step-0000000005");
    assert_eq!(
        error.to_string(),
        format!(
            "step 8: loss of `sum` is NaN, expected a finite number (the last good checkpoint is \
             {})",
            checkpoint.display()
        ),
    );
    assert!(checkpoint.join("model.bpk").is_file());
}

#[test]
fn a_field_out_of_its_range_is_named() {
    let _turn = turn();
    let device = device().autodiff();
    let message = |config: TrainingConfig| {
        let tasks = tasks(vec![(Sums::new("sum", 4), 1.0)]);
        Trainer::try_new(config, Regression::new(0.0, &device), tasks, &device)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(message(config(1).with_accumulation(0)), "`accumulation` is 0, expected at least 1");
    assert_eq!(
        message(config(1).with_optimizer(AdamWSettings::default().with_weight_decay(-1.0))),
        "`optimizer.weight_decay` is -1, expected at least 0",
    );
    let rate = LearningRateConfig::new(1e-3).with_warmup_steps(9);
    assert_eq!(
        message(TrainingConfig::new(8).with_learning_rate(rate)),
        "`learning_rate.warmup_steps` is 9, expected no more than `steps`",
    );
}
