//! Runs that are cut short and resumed give what an uninterrupted run gives, to the last bit.

use std::cell::RefCell;
use std::path::Path;
use std::process::Command;

use isogloss_core::{Progress, ProgressEvent, Seed};
use isogloss_testing::device;
use isogloss_training::{
    LearningRateConfig, Outcome, StopFlag, Task, TrainedRun, Trainer, TrainingConfig, TrainingError,
};
use proptest::prelude::*;

use crate::regression::{Regression, Sums, bits, turn};

const STEPS: u64 = 12;
/// Where the child process of a test puts its checkpoints.
const CHILD_DIR: &str = "ISOGLOSS_TEST_CHILD_DIR";

fn config() -> TrainingConfig {
    let rate = LearningRateConfig::new(1e-2).with_warmup_steps(4);
    TrainingConfig::new(STEPS)
        .with_learning_rate(rate)
        .with_accumulation(2)
        .with_checkpoint_every(5)
        .with_validate_every(3)
        .with_record_every(5)
        .with_seed(Seed::new(3))
}

fn trainer(dir: &Path, second: Sums) -> Result<(Trainer<Regression>, u64), TrainingError> {
    let device = device().autodiff();
    let tasks: Vec<(Box<dyn Task<Regression>>, f64)> =
        vec![(Box::new(Sums::new("first", 4)), 2.0), (Box::new(second), 1.0)];
    Trainer::try_new(config(), Regression::new(0.3, &device), tasks, &device)?
        .with_validation(Box::new(Sums::new("held-out", 4)), 2)?
        .with_checkpoints(dir)
        .resume()
}

fn uninterrupted() -> TrainedRun<Regression> {
    let dir = tempfile::tempdir().unwrap();
    let (trainer, _) = trainer(dir.path(), Sums::new("second", 3)).unwrap();
    trainer.run(&StopFlag::new(), &()).unwrap()
}

/// Raises the flag when a step is done.
struct StopAfter(u64, StopFlag, RefCell<u64>);

impl Progress for StopAfter {
    fn report(&self, event: ProgressEvent<'_>) {
        if let ProgressEvent::Advanced { done, .. } = event {
            *self.2.borrow_mut() = done;
            if done == self.0 {
                self.1.stop();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn a_run_stopped_at_any_step_resumes_to_the_same_bits(cut in 1..STEPS) {
        let _turn = turn();
        let whole = uninterrupted();
        let dir = tempfile::tempdir()?;
        let flag = StopFlag::new();
        let stop = StopAfter(cut, flag.clone(), RefCell::new(0));
        let (first, from) = trainer(dir.path(), Sums::new("second", 3))?;
        prop_assert_eq!(from, 0);
        let half = first.run(&flag, &stop)?;
        prop_assert_eq!((half.outcome, half.steps), (Outcome::Interrupted, cut));
        let (second, from) = trainer(dir.path(), Sums::new("second", 3))?;
        prop_assert_eq!(from, cut);
        let resumed = second.run(&StopFlag::new(), &())?;
        prop_assert_eq!(bits(&resumed.model), bits(&whole.model));
        prop_assert_eq!(resumed.history, whole.history);
        prop_assert_eq!(resumed.validation, whole.validation);
        let (best, expected) = (resumed.best.unwrap(), whole.best.unwrap());
        prop_assert_eq!((best.step, bits(&best.model)), (expected.step, bits(&expected.model)));
    }
}

/// The child of the test below: it is gone in the middle of step 8. Run by itself it does nothing.
#[test]
fn child_that_is_killed() {
    let Ok(dir) = std::env::var(CHILD_DIR) else { return };
    let mut second = Sums::new("second", 3);
    // Two batches a step, every third step: the sixth batch is in step 8 or 9.
    second.aborts_at = Some(6);
    let (trainer, _) = trainer(Path::new(&dir), second).unwrap();
    trainer.run(&StopFlag::new(), &()).unwrap();
}

#[test]
fn a_killed_run_resumes_from_its_last_checkpoint_to_the_same_bits() {
    let _turn = turn();
    let dir = tempfile::tempdir().unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "resume::child_that_is_killed", "--test-threads=1"])
        .env(CHILD_DIR, dir.path())
        .output()
        .unwrap()
        .status;
    assert!(!status.success(), "the child was to be killed");
    let (trainer, from) = trainer(dir.path(), Sums::new("second", 3)).unwrap();
    assert!((5..8).contains(&from), "{from}");
    let resumed = trainer.run(&StopFlag::new(), &()).unwrap();
    let whole = uninterrupted();
    assert_eq!(bits(&resumed.model), bits(&whole.model));
    assert_eq!(resumed.history, whole.history);
}

#[test]
fn a_checkpoint_of_another_run_is_refused_by_the_field_that_differs() {
    let _turn = turn();
    let dir = tempfile::tempdir().unwrap();
    let (first, _) = trainer(dir.path(), Sums::new("second", 3)).unwrap();
    first.run(&StopFlag::new(), &()).unwrap();
    let device = device().autodiff();
    let other = |config: TrainingConfig, name| {
        let tasks: Vec<(Box<dyn Task<Regression>>, f64)> =
            vec![(Box::new(Sums::new("first", 4)), 2.0), (Box::new(Sums::new(name, 3)), 1.0)];
        Trainer::try_new(config, Regression::new(0.3, &device), tasks, &device)
            .unwrap()
            .with_validation(Box::new(Sums::new("held-out", 4)), 2)
            .unwrap()
            .with_checkpoints(dir.path())
            .resume()
            .unwrap_err()
            .to_string()
    };
    let state = dir.path().join("step-0000000012/state.json");
    assert_eq!(
        other(config().with_seed(Seed::new(4)), "second"),
        format!(
            "{}: `config.seed` is 3 there and 4 here (a resumed run keeps its configuration)",
            state.display()
        ),
    );
    assert!(other(config(), "third").contains("`tasks` is first (0.6667), second (0.3333) there"));
}

#[test]
fn old_checkpoints_go_and_the_newest_two_stay() {
    let _turn = turn();
    let dir = tempfile::tempdir().unwrap();
    let (trainer, _) = trainer(dir.path(), Sums::new("second", 3)).unwrap();
    trainer.run(&StopFlag::new(), &()).unwrap();
    let mut names: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["step-0000000010", "step-0000000012"]);
}
