//! Runs that are cut short and resumed give what an uninterrupted run gives, to the last bit.

use std::path::Path;
use std::process::Command;

use isogloss_core::{Progress, ProgressEvent, Seed};
use isogloss_testing::device;
use isogloss_training::{
    AveragingConfig, LearningRateConfig, Outcome, StopFlag, Task, TrainedRun, Trainer,
    TrainingConfig, TrainingError,
};
use proptest::prelude::*;
use rand::RngExt;

use crate::regression::{Regression, Sums, bits, turn};

const STEPS: u64 = 12;
/// Where the child process of a test puts its checkpoints, and at which batch it is gone.
const CHILD: [&str; 2] = ["ISOGLOSS_TEST_CHILD_DIR", "ISOGLOSS_TEST_CHILD_BATCH"];
/// How often a run is killed.
const KILLS: u64 = 20;

fn config(steps: u64) -> TrainingConfig {
    let rate = LearningRateConfig::new(1e-2).with_warmup_steps(4);
    TrainingConfig::new(steps)
        .with_learning_rate(rate)
        .with_accumulation(2)
        .with_checkpoint_every(5)
        .with_validate_every(3)
        .with_record_every(5)
        .with_unfreeze_every(3)
        .with_averaging(AveragingConfig::new(0.5).with_every(2))
        .with_seed(Seed::new(3))
}

fn trainer(dir: &Path, second: Sums) -> Result<(Trainer<Regression>, u64), TrainingError> {
    trainer_of(STEPS, dir, second)
}

fn trainer_of(
    steps: u64,
    dir: &Path,
    second: Sums,
) -> Result<(Trainer<Regression>, u64), TrainingError> {
    let device = device().autodiff();
    let tasks: Vec<(Box<dyn Task<Regression>>, f64)> =
        vec![(Box::new(Sums::new("first", 4)), 2.0), (Box::new(second), 1.0)];
    Trainer::try_new(config(steps), Regression::new(0.3, &device), tasks, &device)?
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
pub(crate) struct StopAfter(pub(crate) u64, pub(crate) StopFlag);

impl Progress for StopAfter {
    fn report(&self, event: ProgressEvent<'_>) {
        if let ProgressEvent::Advanced { done, .. } = event
            && done == self.0
        {
            self.1.stop();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn a_run_stopped_at_any_step_resumes_to_the_same_bits(cut in 1..STEPS) {
        if isogloss_testing::slack() > 1.0 {
            // On CUDA, sums depend on timing.
            return Ok(());
        }
        let _turn = turn();
        let whole = uninterrupted();
        let dir = tempfile::tempdir()?;
        let flag = StopFlag::new();
        let stop = StopAfter(cut, flag.clone());
        let (first, from) = trainer(dir.path(), Sums::new("second", 3))?;
        prop_assert_eq!(from, 0);
        let half = first.run(&flag, &stop)?;
        prop_assert_eq!((half.outcome, half.steps), (Outcome::Interrupted, cut));
        let (second, from) = trainer(dir.path(), Sums::new("second", 3))?;
        prop_assert_eq!(from, cut);
        let resumed = second.run(&StopFlag::new(), &())?;
        prop_assert_eq!(bits(&resumed.model), bits(&whole.model));
        prop_assert_eq!(bits(&resumed.averaged.unwrap()), bits(&whole.averaged.unwrap()));
        prop_assert_eq!(resumed.history, whole.history);
        prop_assert_eq!(resumed.validation, whole.validation);
        let (best, expected) = (resumed.best.unwrap(), whole.best.unwrap());
        prop_assert_eq!((best.step, bits(&best.model)), (expected.step, bits(&expected.model)));
    }
}

/// The child of the test below: it is gone amid a step. Run by itself it does nothing.
#[test]
fn child_that_is_killed() {
    let [Ok(dir), Ok(batch)] = CHILD.map(std::env::var) else { return };
    let mut second = Sums::new("second", 3);
    second.aborts_at = Some(batch.parse().unwrap());
    let (trainer, _) = trainer_of(6 * KILLS, Path::new(&dir), second).unwrap();
    trainer.run(&StopFlag::new(), &()).unwrap();
}

#[test]
fn a_run_that_is_killed_twenty_times_comes_to_the_same_bits() {
    if isogloss_testing::slack() > 1.0 {
        // On CUDA, sums depend on timing.
        return;
    }
    let _turn = turn();
    let dir = tempfile::tempdir().unwrap();
    let mut rng = Seed::new(7).rng();
    for kill in 0..KILLS {
        // Of every six steps two are of the second task, with two batches each.
        let batch = 4 * kill + rng.random_range(1..=4);
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "resume::child_that_is_killed", "--test-threads=1"])
            .envs([(CHILD[0], dir.path().as_os_str()), (CHILD[1], batch.to_string().as_ref())])
            .output()
            .unwrap()
            .status;
        assert!(!status.success(), "the child was to be killed at batch {batch}");
    }
    let (trainer, from) = trainer_of(6 * KILLS, dir.path(), Sums::new("second", 3)).unwrap();
    assert!((6 * KILLS - 12..6 * KILLS).contains(&from), "{from}");
    let resumed = trainer.run(&StopFlag::new(), &()).unwrap();
    let whole = tempfile::tempdir().unwrap();
    let (trainer, _) = trainer_of(6 * KILLS, whole.path(), Sums::new("second", 3)).unwrap();
    let whole = trainer.run(&StopFlag::new(), &()).unwrap();
    assert_eq!(bits(&resumed.model), bits(&whole.model));
    assert_eq!(resumed.history, whole.history);
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_torn_checkpoint_is_named_and_the_one_before_it_goes_on() {
    let _turn = turn();
    let whole = uninterrupted();
    let dir = tempfile::tempdir().unwrap();
    let (first, _) = trainer(dir.path(), Sums::new("second", 3)).unwrap();
    first.run(&StopFlag::new(), &()).unwrap();
    let newest = dir.path().join("step-0000000012");
    let files = names(&newest);
    assert!(files.len() >= 4, "{files:?}");
    for file in files {
        let path = newest.join(file);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let error = trainer(dir.path(), Sums::new("second", 3)).err().unwrap().to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
        std::fs::write(&path, bytes).unwrap();
    }
    // What is torn is for its owner to remove, and nothing else is touched.
    assert_eq!(names(dir.path()), ["step-0000000009", "step-0000000010", "step-0000000012"]);
    std::fs::remove_dir_all(newest).unwrap();
    let (second, from) = trainer(dir.path(), Sums::new("second", 3)).unwrap();
    assert_eq!(from, 10);
    let resumed = second.run(&StopFlag::new(), &()).unwrap();
    if isogloss_testing::slack() <= 1.0 {
        assert_eq!(bits(&resumed.model), bits(&whole.model));
    }
}

#[cfg(unix)]
#[test]
fn a_disk_without_room_leaves_the_last_checkpoint() {
    let _turn = turn();
    let dir = tempfile::tempdir().unwrap();
    let flag = StopFlag::new();
    let (first, _) = trainer_of(6 * KILLS, dir.path(), Sums::new("second", 3)).unwrap();
    first.run(&flag, &StopAfter(7, flag.clone())).unwrap();
    let before = names(dir.path());
    assert_eq!(before.last().unwrap(), "step-0000000007");
    // No file may have a byte, and whoever writes one is told so.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "resume::child_that_is_killed", "--test-threads=1"])
        .envs([(CHILD[0], dir.path().as_os_str()), (CHILD[1], "1000000".as_ref())])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && said.contains("cannot write to"), "{said}");
    assert_eq!(names(dir.path()), before);
    let (second, from) = trainer_of(6 * KILLS, dir.path(), Sums::new("second", 3)).unwrap();
    assert_eq!(from, 7);
    let resumed = second.run(&StopFlag::new(), &()).unwrap();
    let whole = tempfile::tempdir().unwrap();
    let (trainer, _) = trainer_of(6 * KILLS, whole.path(), Sums::new("second", 3)).unwrap();
    let whole = trainer.run(&StopFlag::new(), &()).unwrap();
    if isogloss_testing::slack() <= 1.0 {
        assert_eq!(bits(&resumed.model), bits(&whole.model));
    }
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
        other(config(STEPS).with_seed(Seed::new(4)), "second"),
        format!(
            "{}: `config.seed` is 3 there and 4 here (a resumed run keeps its configuration)",
            state.display()
        ),
    );
    assert!(
        other(config(STEPS), "third").contains("`tasks` is first (0.6667), second (0.3333) there")
    );
}

#[test]
fn old_checkpoints_go_and_the_newest_two_stay_with_the_best_of_each() {
    let _turn = turn();
    let dir = tempfile::tempdir().unwrap();
    let (trainer, _) = trainer(dir.path(), Sums::new("second", 3)).unwrap();
    trainer.run(&StopFlag::new(), &()).unwrap();
    assert_eq!(names(dir.path()), ["step-0000000009", "step-0000000010", "step-0000000012"]);
}
