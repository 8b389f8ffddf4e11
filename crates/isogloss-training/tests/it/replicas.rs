//! Several devices: each computes a share of a step, and the step is that of one device.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::module::{Module as _, ParamGroup};
use burn::tensor::distributed::{
    DistributedConfig, DistributedContext, ReduceOperation, all_reduce,
};
use burn::tensor::{Device, Tensor};
use isogloss_core::Seed;
use isogloss_testing::{assert_close, device, is_flex, other_device, slack};
use isogloss_training::{
    DrawnBatch, LearningRateConfig, ObjectiveTask, StopFlag, Task, TrainedRun, Trainer,
    TrainingConfig, TrainingError,
};
use isogloss_transformer::{LossSum, MaskedLanguageModel, MlmObjective};

use crate::batches::{framing, mlm};
use crate::regression::{Regression, Sums, bits, turn};
use crate::resume::StopAfter;

fn config(steps: u64, accumulation: usize) -> TrainingConfig {
    TrainingConfig::new(steps)
        .with_learning_rate(LearningRateConfig::new(1e-2))
        .with_accumulation(accumulation)
        .with_record_every(1)
}

/// Where the tests were built with one device alone, a second thread on it.
fn second() -> Device {
    other_device().unwrap_or_else(device).autodiff()
}

/// A run of the little regression, on the device under test and on `others`.
fn regression(config: TrainingConfig, task: Sums, others: &[Device]) -> TrainedRun<Regression> {
    let device = device().autodiff();
    let task: Box<dyn Task<Regression>> = Box::new(task);
    let trainer =
        Trainer::try_new(config, Regression::new(0.0, &device), vec![(task, 1.0)], &device);
    trainer.unwrap().with_devices(others).unwrap().run(&StopFlag::new(), &()).unwrap()
}

/// That two runs were the same, up to the order of sums: 1e-4 in parameters and in losses.
fn assert_same<M: burn::module::Module>(one: &TrainedRun<M>, other: &TrainedRun<M>) {
    assert_eq!(one.history.len(), other.history.len());
    for (one, other) in one.history.iter().zip(&other.history) {
        assert!((one.loss - other.loss).abs() < 1e-4 * f64::from(slack()), "{one:?} {other:?}");
    }
    let parameters =
        |run: &TrainedRun<M>| bits(&run.model).into_iter().map(f32::from_bits).collect::<Vec<_>>();
    assert_close(&parameters(one), &parameters(other), 1e-4);
}

#[test]
fn two_devices_take_the_steps_of_one() {
    let _turn = turn();
    let other = [second()];
    // Three batches for two devices, of a table by rows and as a whole; layers that begin to learn later.
    for (accumulation, by_rows, unfreeze) in [(2, true, None), (3, false, None), (2, true, Some(4))]
    {
        let run = |others: &[Device]| {
            let mut config = config(40, accumulation);
            config.unfreeze_every = unfreeze;
            regression(config, Sums { by_rows, ..Sums::new("sum", 6) }, others)
        };
        let (one, two) = (run(&[]), run(&other));
        let loss = |steps: &[isogloss_training::LossRecord]| -> f64 {
            steps.iter().map(|step| step.loss).sum()
        };
        assert!(loss(&one.history[30..]) < 0.5 * loss(&one.history[..10]));
        assert_same(&one, &two);
    }
}

#[test]
fn an_encoder_is_trained_on_two_devices_as_on_one() {
    let _turn = turn();
    let device = device().autodiff();
    let run = |others: &[Device], recompute: bool| {
        let encoder = framing().encoder.with_dropout(0.0).with_n_layers(2);
        let model = MaskedLanguageModel::try_init(&encoder, &device, Seed::new(4)).unwrap();
        let frozen = ParamGroup::from_regex(r"layers\.0\.").unwrap();
        let task: Box<dyn Task<MaskedLanguageModel>> =
            Box::new(ObjectiveTask::new("mlm", MlmObjective, mlm(0.15)));
        let config = config(6, 4).with_recompute_layers(recompute);
        let model = model.freeze_group(frozen);
        let trainer = Trainer::try_new(config, model, vec![(task, 1.0)], &device).unwrap();
        trainer.with_devices(others).unwrap().run(&StopFlag::new(), &()).unwrap()
    };
    let one = run(&[], false);
    for recompute in [false, true] {
        assert_same(&one, &run(&[second()], recompute));
    }
}

#[test]
fn threads_on_one_device_draw_what_one_would() {
    // Each batch has its own dropout, and its gradients are added in the same order.
    let _turn = turn();
    if !is_flex(&device()) {
        return;
    }
    let device = device().autodiff();
    let run = |others: &[Device], recompute: bool| {
        let encoder = framing().encoder.with_dropout(0.3).with_n_layers(2);
        let model = MaskedLanguageModel::try_init(&encoder, &device, Seed::new(4)).unwrap();
        let task: Box<dyn Task<MaskedLanguageModel>> =
            Box::new(ObjectiveTask::new("mlm", MlmObjective, mlm(0.15)));
        let config = config(8, 2).with_recompute_layers(recompute);
        let trainer = Trainer::try_new(config, model, vec![(task, 1.0)], &device).unwrap();
        let run = trainer.with_devices(others).unwrap().run(&StopFlag::new(), &()).unwrap();
        bits(&run.model)
    };
    for recompute in [false, true] {
        let one = run(&[], recompute);
        for _ in 0..3 {
            assert_eq!(one, run(std::slice::from_ref(&device), recompute));
        }
    }
}

#[test]
fn a_run_on_two_devices_goes_on_on_one() {
    // What a checkpoint holds does not depend on the devices.
    let _turn = turn();
    let device = device().autodiff();
    let other = [second()];
    let whole = regression(config(8, 2), Sums::new("sum", 6), &[]);
    let dir = tempfile::tempdir().unwrap();
    let trainer = || {
        let task: Box<dyn Task<Regression>> = Box::new(Sums::new("sum", 6));
        let config = config(8, 2).with_checkpoint_every(2);
        let model = Regression::new(0.0, &device);
        let trainer = Trainer::try_new(config, model, vec![(task, 1.0)], &device).unwrap();
        trainer.with_checkpoints(dir.path()).resume().unwrap()
    };
    let stop = StopFlag::new();
    let (first, _) = trainer();
    let first =
        first.with_devices(&other).unwrap().run(&stop, &StopAfter(4, stop.clone())).unwrap();
    assert_eq!(first.steps, 4);
    let (second, from) = trainer();
    assert_eq!(from, 4);
    assert_same(&whole, &second.run(&StopFlag::new(), &()).unwrap());
}

#[test]
fn devices_that_cannot_share_a_step_are_refused() {
    let _turn = turn();
    let (own, other) = (device().autodiff(), second());
    let trainer = |accumulation| {
        let task: Box<dyn Task<Regression>> = Box::new(Sums::new("sum", 6));
        let model = Regression::new(0.0, &own);
        Trainer::try_new(config(1, accumulation), model, vec![(task, 1.0)], &own).unwrap()
    };
    let cases = [
        (2, vec![other.clone().inner()], "autodiff"),
        (1, vec![other.clone()], "2 for 1 batches a step"),
    ];
    if other != own {
        let fault = trainer(3).with_devices(&[other.clone(), other]).unwrap_err().to_string();
        assert!(fault.contains("twice"), "{fault}");
    }
    for (accumulation, others, part) in cases {
        let fault = trainer(accumulation).with_devices(&others).unwrap_err().to_string();
        assert!(fault.contains(part), "{fault}");
    }
}

#[test]
fn a_device_that_fails_is_named() {
    /// Every batch but the first fails.
    struct Fails(Sums);
    struct Failing;
    impl DrawnBatch<Regression> for Failing {
        fn loss(&self, _: &Regression) -> LossSum {
            panic!("the line is dead")
        }
    }
    impl Task<Regression> for Fails {
        fn name(&self) -> &'static str {
            "fails"
        }
        fn next_batch(
            &mut self,
            device: &Device,
        ) -> Result<Box<dyn DrawnBatch<Regression>>, TrainingError> {
            let batch = self.0.next_batch(device)?;
            Ok(if self.0.drawn == 1 { batch } else { Box::new(Failing) })
        }
        fn state(&self) -> serde_json::Value {
            self.0.state()
        }
        fn restore(&mut self, state: serde_json::Value) -> Result<(), String> {
            self.0.restore(state)
        }
    }
    let _turn = turn();
    let own = device().autodiff();
    // One, and two at the same time.
    for others in [vec![second()], vec![second(), own.clone()]] {
        let task: Box<dyn Task<Regression>> = Box::new(Fails(Sums::new("sum", 6)));
        let (model, config) = (Regression::new(0.0, &own), config(1, 1 + others.len()));
        let trainer = Trainer::try_new(config, model, vec![(task, 1.0)], &own).unwrap();
        let run = trainer.with_devices(&others).unwrap().run(&StopFlag::new(), &());
        let fault = run.unwrap_err().to_string();
        assert!(fault.starts_with("step 1: ") && fault.contains("the line is dead"), "{fault}");
    }
}

#[test]
fn processors_have_no_collectives() {
    // Why gradients are brought to one device: when this fails, Burn has learned to reduce on CPUs, and its own
    // way can take the place of ours.
    let device = Device::flex();
    let reduced = catch_unwind(AssertUnwindSafe(|| {
        let devices = vec![device.clone()];
        let config = DistributedConfig { all_reduce_op: ReduceOperation::Mean };
        let _context = DistributedContext::init(devices.clone(), config);
        let ones = Tensor::<1>::ones([4], &device);
        all_reduce(ones, ReduceOperation::Mean, devices).resolve().into_data()
    }));
    assert!(reduced.is_err());
}
