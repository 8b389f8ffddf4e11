//! The training loop.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::Device;
use isogloss_core::{LanguageTag, Progress, ProgressEvent};
use isogloss_tokenization::{FairnessGate, FairnessReport};

use crate::averaging::Averaged;
use crate::checkpoint::{self, RunState};
use crate::gradients::clipped;
use crate::groups::{self, Rule};
use crate::metrics::{MetricsLog, StepRecord, Watch};
use crate::mixture::Mixture;
use crate::replicas::{self, Computed, Replica, Share, Terms};
use crate::tables::Tables;
#[cfg(feature = "tensorboard")]
use crate::tensorboard::EventFile;
use crate::validation::{Best, HeldOut, best};
use crate::{
    LossRecord, Outcome, StepHook, StopFlag, Task, TrainedRun, TrainingConfig, TrainingError,
};

/// Trains a model on a weighted mixture of tasks, and writes checkpoints it can resume from.
///
/// Each step takes its batches from one task. Which one follows from the weights alone: the task
/// that is furthest behind its share is next, so that after `t` steps each has had its share to
/// within one step for two tasks, and nearly so for more.
///
/// A run that is interrupted at any step and resumed gives the bits of an uninterrupted one (on a
/// device whose sums do not depend on timing, such as Flex): a checkpoint holds the model with its
/// parameter ids, the optimizer's moments, the place of every data stream, and the step. The
/// learning rate and dropout's random numbers are functions of the step and need no state.
///
/// # Examples
///
/// See the front page of the crate.
pub struct Trainer<M> {
    // Invariant: the configuration was checked; there is a task and a trainable parameter.
    config: TrainingConfig,
    model: M,
    optimizer: ModuleOptimizer,
    tables: Tables,
    averaged: Option<Averaged<M>>,
    /// How each parameter is updated, by its id.
    rules: BTreeMap<u64, Rule>,
    tasks: Mixture<M>,
    device: Device,
    /// The devices that compute a share of each step, beside the run's own.
    others: Vec<Device>,
    replicas: Vec<Replica<M>>,
    checkpoints: Option<PathBuf>,
    metrics: Option<PathBuf>,
    #[cfg(feature = "tensorboard")]
    event_files: Option<PathBuf>,
    watchers: Vec<Box<dyn Watch>>,
    hooks: Vec<Box<dyn StepHook<M>>>,
    step: u64,
    history: Vec<LossRecord>,
    held_out: Vec<HeldOut<M>>,
    validation: Vec<LossRecord>,
    best: Option<Best<M>>,
}

impl<M: Module> Trainer<M> {
    /// Makes a trainer for a model whose parameters are on `device`, an autodiff one.
    ///
    /// Parameters that do not require gradients stay as they are and get no optimizer state.
    ///
    /// # Errors
    ///
    /// [`TrainingError::Config`] for a field out of its range or a weight that is not above 0,
    /// [`TrainingError::Nothing`] without a task or a trainable parameter.
    pub fn try_new(
        config: TrainingConfig,
        model: M,
        tasks: Vec<(Box<dyn Task<M>>, f64)>,
        device: &Device,
    ) -> Result<Self, TrainingError> {
        config.check()?;
        let tasks = Mixture::try_new(tasks)?;
        let rules = groups::rules(&model, &config.rate_factors);
        if rules.is_empty() {
            return Err(TrainingError::Nothing { what: "trainable parameter" });
        }
        if config.rate_factors.lora_up.is_some() && !groups::has_lora(&model) {
            return Err(TrainingError::Nothing { what: "LoRA that learns, for `lora_up`" });
        }
        Ok(Self {
            optimizer: groups::optimizer(config.optimizer, &rules),
            tables: Tables::default(),
            averaged: config.averaging.map(|averaging| Averaged::new(averaging, &model)),
            rules,
            config,
            model,
            tasks,
            device: device.clone(),
            others: Vec::new(),
            replicas: Vec::new(),
            checkpoints: None,
            metrics: None,
            #[cfg(feature = "tensorboard")]
            event_files: None,
            watchers: Vec::new(),
            hooks: Vec::new(),
            step: 0,
            history: Vec::new(),
            held_out: Vec::new(),
            validation: Vec::new(),
            best: None,
        })
    }

    /// Measures the loss of a task on its first `batches` batches, every
    /// [`validate_every`](TrainingConfig::validate_every) steps and at the end; nothing is learned
    /// from it, and it changes nothing of the run. With several, their mean says which step was
    /// best.
    ///
    /// # Errors
    ///
    /// [`TrainingError::Config`] for no batch.
    pub fn with_validation(
        mut self,
        task: Box<dyn Task<M>>,
        batches: usize,
    ) -> Result<Self, TrainingError> {
        if batches == 0 {
            let (found, expected) = ("0 batches".to_owned(), "at least 1");
            return Err(TrainingError::Config { field: "validation", found, expected });
        }
        self.held_out.push(HeldOut::new(task, batches));
        Ok(self)
    }

    /// Lets more devices compute, each with a copy of the model: batch `i` of a step is computed on device
    /// `i mod n`, of which the run's own is the first, and gradients are brought to that one. A step is what it is on one
    /// device with as much [accumulation](TrainingConfig::accumulation), dropout included where devices draw the same
    /// numbers; sums may be rounded in another order. Held-out losses are computed on the run's own device.
    ///
    /// What a step sends to each device and back is what learns, in 32 bits.
    ///
    /// The run's own device may be among them, and more than once: each time one thread more computes on it, with the same
    /// parameters and gradients of its own, so that one may use the cores while the other cannot. Such a run draws the same numbers each time where dropout is that of `isogloss_kernels`, on Flex.
    ///
    /// # Errors
    ///
    /// [`TrainingError::Config`] where another device is there twice, one is no autodiff one, or there are more devices
    /// than batches in a step.
    pub fn with_devices(mut self, others: &[Device]) -> Result<Self, TrainingError> {
        replicas::check(&self.device, others, self.config.accumulation)?;
        self.others = others.to_vec();
        Ok(self)
    }

    /// Lets nothing be trained on a vocabulary that fails a language by the limits of `gate`.
    /// `languages` are those that the run draws: each has to be measured by everything that has a
    /// limit, so that a language is not let through because nobody looked. A gate without limits lets
    /// everything through.
    ///
    /// # Errors
    ///
    /// [`TrainingError::Vocabulary`] with every language of the report that the vocabulary fails,
    /// [`TrainingError::Unmeasured`] with those of the run that were not measured.
    pub fn with_vocabulary_gate<'a>(
        self,
        gate: &FairnessGate,
        report: &FairnessReport,
        languages: impl IntoIterator<Item = &'a LanguageTag>,
    ) -> Result<Self, TrainingError> {
        if *gate == FairnessGate::default() {
            return Ok(self);
        }
        let without_premium = gate.check(report)?;
        let is_unmeasured = |language: &&LanguageTag| {
            report.row(language).is_none() || without_premium.contains(language)
        };
        let unmeasured: Vec<LanguageTag> =
            languages.into_iter().filter(is_unmeasured).cloned().collect();
        if unmeasured.is_empty() { Ok(self) } else { Err(TrainingError::Unmeasured { unmeasured }) }
    }

    /// Writes checkpoints into directories `step-…` under `dir`, and at the end of the run.
    #[must_use]
    pub fn with_checkpoints(mut self, dir: impl Into<PathBuf>) -> Self {
        self.checkpoints = Some(dir.into());
        self
    }

    /// Writes a line of JSON for each step and each held-out loss into a file while the run goes on: `step`, `split`
    /// (`train` or `dev`), `task`, `loss` and `targets`, and of a step `learning_rate` and `gradient_norm`, before
    /// it is clipped. A run that goes on keeps the lines up to its checkpoint; another one begins the file anew.
    #[must_use]
    pub fn with_metrics(mut self, path: impl Into<PathBuf>) -> Self {
        self.metrics = Some(path.into());
        self
    }

    /// Writes event files of TensorBoard into a directory while the run goes on: `loss/train/TASK`, `learning_rate` and
    /// `gradient_norm`, before it is clipped, of each step, and `loss/dev/TASK` of held-out losses. A run that goes on
    /// begins another file, and what earlier ones have beyond its checkpoint is not shown any more, in some versions of
    /// TensorBoard once it was written again; another run wants a directory of its own.
    #[cfg(feature = "tensorboard")]
    #[must_use]
    pub fn with_tensorboard(mut self, dir: impl Into<PathBuf>) -> Self {
        self.event_files = Some(dir.into());
        self
    }

    /// Shows somebody the numbers of each step and of held-out losses while the run goes on.
    #[must_use]
    pub fn with_watcher(mut self, watcher: Box<dyn Watch>) -> Self {
        self.watchers.push(watcher);
        self
    }

    /// Does something to the model at each step, beside the optimizer.
    #[must_use]
    pub fn with_hook(mut self, hook: Box<dyn StepHook<M>>) -> Self {
        self.hooks.push(hook);
        self
    }

    /// Goes on from the newest checkpoint, where there is one; says from which step.
    ///
    /// # Errors
    ///
    /// [`TrainingError::OtherRun`] where the checkpoint is of another configuration or other data,
    /// [`TrainingError::Checkpoint`] or [`TrainingError::Read`] where it cannot be read.
    pub fn resume(mut self) -> Result<(Self, u64), TrainingError> {
        let newest = match &self.checkpoints {
            Some(dir) => checkpoint::newest(dir)?,
            None => None,
        };
        let Some(dir) = newest else { return Ok((self, 0)) };
        let state = checkpoint::read_state(
            &dir,
            &self.config,
            &self.tasks.records(),
            &self.held_out_names(),
        )?;
        let state_file = dir.join(checkpoint::STATE_FILE);
        self.validation = state.validation.into_iter().map(Into::into).collect();
        self.best = match best(&self.validation) {
            Some((step, loss)) => {
                let at = checkpoint::at_step(dir.parent().unwrap_or(&dir), step);
                let mut model = if self.averaged.is_some() {
                    checkpoint::read_average(&at, self.model.valid())?.train()
                } else {
                    checkpoint::read_model(&at, self.model.clone())?
                };
                for hook in &mut self.hooks {
                    model = loaded(hook.as_mut(), model, &at)?;
                }
                Some(Best { step, loss, model })
            }
            None => None,
        };
        if let Some(averaged) = &mut self.averaged {
            averaged.model = checkpoint::read_average(&dir, self.model.valid())?;
            averaged.times = state.averaged.unwrap_or_default();
        }
        self.model = checkpoint::read_model(&dir, self.model)?;
        for hook in &mut self.hooks {
            self.model = loaded(hook.as_mut(), self.model, &dir)?;
        }
        // The model has the ids of the checkpoint now.
        self.rules = groups::rules(&self.model, &self.config.rate_factors);
        if state.parameters != checkpoint::parameter_fingerprint(&self.model, &self.rules) {
            return Err(TrainingError::Checkpoint {
                path: state_file,
                fault: "trainable parameters differ from those of the model, expected the same \
                        ones frozen"
                    .to_owned(),
            });
        }
        let optimizer = groups::optimizer(self.config.optimizer, &self.rules);
        self.optimizer = checkpoint::read_optimizer(&dir, optimizer)?;
        self.tables = checkpoint::read_tables(&dir, &self.model, state.whole_tables)?;
        self.tasks
            .restore(state.tasks)
            .map_err(|fault| TrainingError::Checkpoint { path: state_file, fault })?;
        self.step = state.step;
        self.history = state.history.into_iter().map(Into::into).collect();
        Ok((self, state.step))
    }

    /// Takes the steps that are left.
    ///
    /// # Errors
    ///
    /// [`TrainingError::NotFinite`] where a loss or gradient is not a number: no update is made
    /// from it and checkpoints stay. [`TrainingError::Device`] for a device beside the run's own that failed.
    /// [`TrainingError::Batch`], [`TrainingError::Read`] and [`TrainingError::Write`] as they occur.
    pub fn run(
        mut self,
        stop: &StopFlag,
        progress: &dyn Progress,
    ) -> Result<TrainedRun<M>, TrainingError> {
        const TASK: &str = "training";
        let total = Some(self.config.steps);
        progress.report(ProgressEvent::Started { task: TASK, total, unit: "steps" });
        let mut outcome = Outcome::Finished;
        if let Some(path) = &self.metrics {
            self.watchers.push(Box::new(MetricsLog::open(path, self.step)?));
        }
        #[cfg(feature = "tensorboard")]
        if let Some(dir) = &self.event_files {
            self.watchers.push(Box::new(EventFile::open(dir, self.step)?));
        }
        self = self.thaw();
        let replica = |device| Replica::new(&self.model, device, &self.device);
        self.replicas = self.others.iter().map(replica).collect();
        while self.step < self.config.steps {
            if stop.is_raised() {
                outcome = Outcome::Interrupted;
                break;
            }
            if self.is_out_of_patience() {
                outcome = Outcome::Converged;
                break;
            }
            let (next, mut note) = self.take_step()?;
            self = next;
            let is_last = self.step == self.config.steps;
            let step = self.step;
            let is_due = |every: Option<u64>| every.is_some_and(|every| step.is_multiple_of(every));
            let (validates, saves) =
                (is_due(self.config.validate_every), is_due(self.config.checkpoint_every));
            let averages = is_due(self.config.averaging.map(|averaging| averaging.every));
            if validates || saves || is_last || averages {
                self = self.catch_up();
            }
            if averages {
                self = self.average();
            }
            if is_due(self.config.unfreeze_every) {
                self = self.thaw();
            }
            let is_best = (validates || is_last) && self.validate(&mut note)?;
            if (saves || is_best) && !is_last {
                self.write_checkpoint()?;
            }
            progress.report(ProgressEvent::Advanced { task: TASK, done: self.step, note: &note });
        }
        self = self.catch_up();
        self.write_checkpoint()?;
        progress.report(ProgressEvent::Finished { task: TASK });
        let Self { model, averaged, rules, step: steps, history, validation, best, .. } = self;
        let averaged = averaged.map(|averaged| averaged.model.train());
        let model = groups::thawed(model, &rules, 1, 0);
        Ok(TrainedRun { model, averaged, outcome, steps, history, validation, best })
    }

    /// Lets learn what learns at the next step.
    fn thaw(mut self) -> Self {
        if let Some(every) = self.config.unfreeze_every {
            self.model = groups::thawed(self.model, &self.rules, self.step + 1, every);
        }
        self
    }

    /// Takes the parameters into their moving average.
    fn average(mut self) -> Self {
        let is_trained = |id| self.rules.contains_key(&id);
        self.averaged = self.averaged.map(|averaged| averaged.update(&self.model, is_trained));
        self
    }

    /// Makes the model what it is: rows that no batch has read wait for their weight decay.
    fn catch_up(mut self) -> Self {
        self.model = self.tables.caught_up(self.model);
        self
    }

    /// Measures what is held out; says whether the model was never better.
    fn validate(&mut self, note: &mut String) -> Result<bool, TrainingError> {
        if self.held_out.is_empty() {
            return Ok(false);
        }
        let averaged = self.averaged.as_ref().map(|averaged| averaged.model.clone());
        let (model, device) = (averaged, self.device.clone().inner());
        let model = model.unwrap_or_else(|| self.model.valid());
        let mut notes = vec![std::mem::take(note)];
        for held_out in &mut self.held_out {
            let record = held_out.measure(self.step, &model, &device)?;
            notes.push(format!("held-out {} {:.3}", record.task, record.loss));
            for watcher in &mut self.watchers {
                watcher.held_out(&record)?;
            }
            self.validation.push(record);
        }
        *note = notes.join("  ");
        match best(&self.validation) {
            Some((step, loss)) if step == self.step => {
                let model = match &self.averaged {
                    Some(_) => model.train(),
                    None => groups::thawed(self.model.clone(), &self.rules, 1, 0),
                };
                self.best = Some(Best { step, loss, model });
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Whether as many validations as the configuration has patience for were no better than one before.
    fn is_out_of_patience(&self) -> bool {
        let (Some(patience), Some((best, _))) = (self.config.patience, best(&self.validation))
        else {
            return false;
        };
        let since = self.validation.chunk_by(|a, b| a.step == b.step);
        since.filter(|records| records[0].step > best).count() as u64 >= patience
    }

    fn held_out_names(&self) -> Vec<String> {
        self.held_out.iter().map(HeldOut::name).collect()
    }

    /// One update; also says, for a person, how it went.
    fn take_step(mut self) -> Result<(Self, String), TrainingError> {
        let step = self.step + 1;
        // Dropout depends on the step alone, so the generator's state is not part of a checkpoint.
        let seed = self.config.seed.derive("dropout").at(step);

        let weighted = self.tasks.furthest_behind(step);
        let mut shares: Vec<Share<M>> = Vec::new();
        shares.resize_with(1 + self.replicas.len(), Vec::new);
        for place in 0..self.config.accumulation {
            let of = place % shares.len();
            let device = of.checked_sub(1).map_or(&self.device, |of| &self.replicas[of].device);
            shares[of].push((place as u64, weighted.task.next_batch(device)?));
        }
        let terms = Terms {
            updates: self.tables.updates(),
            recomputes: self.config.recompute_layers,
            seed,
        };
        let (main, rules) = ((&self.model, &self.device), &self.rules);
        let is_trained = |id| rules.contains_key(&id);
        let computed = replicas::computed(main, &mut self.replicas, shares, &terms, &is_trained);
        let Computed { losses, gradients } = computed.map_err(|failure| TrainingError::Device {
            step,
            device: failure.device,
            reason: failure.reason,
            checkpoint: self.checkpoints.as_deref().and_then(newest_or_none),
        })?;
        let targets: u64 = losses.iter().map(|(_, loss)| loss.count as u64).sum();
        let sum: f64 = losses.iter().map(|(_, loss)| loss.sum).sum();
        let mut note = String::new();
        if targets > 0 {
            let mean = sum / targets as f64;
            let not_finite = |what, found| TrainingError::NotFinite {
                step,
                task: weighted.task.name().to_owned(),
                what,
                found,
                checkpoint: self.checkpoints.as_deref().and_then(newest_or_none),
            };
            if !mean.is_finite() {
                return Err(not_finite("loss", mean));
            }
            let gradients = gradients.settled(&self.model, &mut self.tables);
            let scale = 1.0 / targets as f64;
            let norm = gradients.norm(&self.model, scale);
            if !norm.is_finite() {
                return Err(not_finite("gradient norm", norm));
            }
            note = format!("{} {mean:.3}", weighted.task.name());
            weighted.note(sum, targets);
            let scale = clipped(scale, norm, self.config.max_grad_norm);
            let rate = self.config.learning_rate.at(step, self.config.steps);
            let task = weighted.task.name().to_owned();
            let record = StepRecord {
                loss: LossRecord { step, task, loss: mean, targets },
                learning_rate: rate,
                gradient_norm: norm,
            };
            for watcher in &mut self.watchers {
                watcher.step(&record)?;
            }
            let gradients = gradients.scale_whole(&self.model, scale);
            for hook in &mut self.hooks {
                hook.before(&self.model, &gradients.whole);
            }
            self.model = self.optimizer.step(rate, self.model, gradients.whole);
            let step_of = |table: u64| {
                let rule = self.rules.get(&table).copied().unwrap_or_default();
                let (settings, rate) = rule.of(self.config.optimizer, rate);
                settings.step(rate)
            };
            self.model = self.tables.step(self.model, &gradients.rows, scale, &step_of);
            for hook in &mut self.hooks {
                self.model = hook.after(self.model, step);
            }
        }
        weighted.steps += 1;
        self.step = step;
        if step.is_multiple_of(self.config.record_every) || step == self.config.steps {
            self.history.extend(self.tasks.take_losses(step));
        }
        Ok((self, note))
    }

    fn write_checkpoint(&self) -> Result<(), TrainingError> {
        let Some(dir) = &self.checkpoints else { return Ok(()) };
        let state = RunState {
            version: checkpoint::VERSION,
            step: self.step,
            config: self.config.clone(),
            tasks: self.tasks.records(),
            parameters: checkpoint::parameter_fingerprint(&self.model, &self.rules),
            history: self.history.iter().map(Into::into).collect(),
            held_out: self.held_out_names(),
            validation: self.validation.iter().map(Into::into).collect(),
            averaged: self.averaged.as_ref().map(|averaged| averaged.times),
            whole_tables: self.tables.whole(),
        };
        let average = self.averaged.as_ref().map(|averaged| &averaged.model);
        let parts = checkpoint::Parts {
            model: &self.model,
            average,
            optimizer: &self.optimizer,
            tables: &self.tables,
            hooks: &self.hooks,
        };
        checkpoint::write(dir, &state, &parts)?;
        let best_by = |step| {
            let end = self.validation.partition_point(|record| record.step <= step);
            best(&self.validation[..end]).map(|(step, _)| step)
        };
        checkpoint::remove_old(dir, self.config.keep_checkpoints, best_by)
    }
}

impl<M> fmt::Debug for Trainer<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trainer")
            .field("config", &self.config)
            .field("tasks", &self.tasks.names())
            .field("step", &self.step)
            .finish_non_exhaustive()
    }
}

fn loaded<M>(hook: &mut dyn StepHook<M>, model: M, dir: &Path) -> Result<M, TrainingError> {
    let path = dir.to_owned();
    hook.load(model, dir).map_err(|fault| TrainingError::Checkpoint { path, fault })
}

/// The newest checkpoint, for an error that is about something else.
fn newest_or_none(dir: &Path) -> Option<PathBuf> {
    checkpoint::newest(dir).ok().flatten()
}
