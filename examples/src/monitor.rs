//! How a run is watched: bars and lines, or a dashboard on the whole terminal.

use std::path::Path;

use isogloss::burn::module::Module;
use isogloss::core::{Progress, ProgressEvent};
use isogloss::training::{StopFlag, Trainer};

use crate::Stage;
#[cfg(feature = "dashboard")]
use crate::dashboard::Dashboard;

/// The options of a program that trains, for who looks at its numbers.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct NumbersArgs {
    /// Write event files of TensorBoard into OUT/tensorboard, too
    #[cfg(feature = "tensorboard")]
    #[arg(long)]
    tensorboard: bool,
}

impl NumbersArgs {
    /// Writes the numbers of a run into files under a directory while it goes on.
    #[must_use]
    pub fn written<M: Module>(self, trainer: Trainer<M>, out: &Path) -> Trainer<M> {
        let trainer = trainer.with_metrics(out.join("metrics.jsonl"));
        #[cfg(feature = "tensorboard")]
        if self.tensorboard {
            return trainer.with_tensorboard(out.join("tensorboard"));
        }
        trainer
    }
}

/// Shows how a run goes: Burn's dashboard, where it is compiled in and the output is a terminal, a bar otherwise.
#[derive(Debug)]
pub struct Monitor<'a> {
    stage: Stage<'a>,
    #[cfg(feature = "dashboard")]
    dashboard: Option<Dashboard>,
}

impl<'a> Monitor<'a> {
    /// The bar of a stage, or a dashboard, at which somebody can raise the flag.
    #[cfg_attr(not(feature = "dashboard"), expect(unused_variables, reason = "the dashboard's"))]
    pub fn new(stage: Stage<'a>, stop: &StopFlag) -> Self {
        Self {
            #[cfg(feature = "dashboard")]
            dashboard: Dashboard::on_terminal(stop),
            stage,
        }
    }

    /// Lets it see the numbers of a run.
    #[must_use]
    pub fn watching<M: Module>(&self, trainer: Trainer<M>) -> Trainer<M> {
        #[cfg(feature = "dashboard")]
        if let Some(dashboard) = &self.dashboard {
            return trainer.with_watcher(Box::new(dashboard.clone()));
        }
        trainer
    }
}

impl Progress for Monitor<'_> {
    fn report(&self, event: ProgressEvent<'_>) {
        #[cfg(feature = "dashboard")]
        if let Some(dashboard) = &self.dashboard {
            dashboard.report(event);
            return;
        }
        self.stage.report(event);
    }
}
