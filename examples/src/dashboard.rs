//! A run on the whole terminal, with its curves: Burn's own dashboard.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;
use std::io::{IsTerminal as _, stdout};
use std::rc::Rc;
use std::sync::Arc;

use isogloss::burn::train::Interrupter;
use isogloss::burn::train::logger::TrainingProgressLogger as _;
use isogloss::burn::train::metric::{
    MetricDefinition, MetricEntry, MetricId, NumericAttributes, NumericEntry, SerializedEntry,
};
use isogloss::burn::train::renderer::tui::TuiMetricsRendererWrapper;
use isogloss::burn::train::renderer::{
    MetricState, MetricsRenderer as _, MetricsRendererTraining as _,
};
use isogloss::core::{Progress, ProgressEvent};
use isogloss::training::{LossRecord, StepRecord, StopFlag, TrainingError, Watch};

/// Losses, learning rate and gradient norm as curves; `q` asks the run to end.
#[derive(Clone)]
pub(crate) struct Dashboard(Rc<RefCell<Shown>>);

struct Shown {
    renderer: TuiMetricsRendererWrapper,
    interrupter: Interrupter,
    stop: StopFlag,
    known: HashSet<String>,
}

impl Dashboard {
    /// One, where the output is a terminal.
    pub(crate) fn on_terminal(stop: &StopFlag) -> Option<Self> {
        if !stdout().is_terminal() {
            return None;
        }
        let interrupter = Interrupter::new();
        let renderer = TuiMetricsRendererWrapper::new(interrupter.clone(), None);
        let (stop, known) = (stop.clone(), HashSet::new());
        Some(Self(Rc::new(RefCell::new(Shown { renderer, interrupter, stop, known }))))
    }
}

impl Shown {
    /// A point of a curve.
    fn point(&mut self, name: &str, value: f64, is_held_out: bool) {
        let id = MetricId::new(Arc::new(name.to_owned()));
        if self.known.insert(name.to_owned()) {
            let attributes = NumericAttributes { unit: None, higher_is_better: false }.into();
            self.renderer.register_metric(MetricDefinition {
                metric_id: id.clone(),
                name: Arc::new(name.to_owned()),
                description: None,
                attributes,
            });
        }
        let entry =
            MetricEntry::new(id, SerializedEntry::new(format!("{value:.4e}"), value.to_string()));
        let state = MetricState::Numeric(entry, Some(NumericEntry::Value(value)));
        if is_held_out {
            self.renderer.update_valid(state);
        } else {
            self.renderer.update_train(state);
        }
    }
}

impl Watch for Dashboard {
    fn step(&mut self, record: &StepRecord) -> Result<(), TrainingError> {
        let mut shown = self.0.borrow_mut();
        shown.point(&format!("loss {}", record.loss.task), record.loss.loss, false);
        shown.point("learning rate", record.learning_rate, false);
        shown.point("gradient norm", record.gradient_norm, false);
        Ok(())
    }

    fn held_out(&mut self, record: &LossRecord) -> Result<(), TrainingError> {
        self.0.borrow_mut().point(&format!("loss {}", record.task), record.loss, true);
        Ok(())
    }
}

impl Progress for Dashboard {
    fn report(&self, event: ProgressEvent<'_>) {
        let mut shown = self.0.borrow_mut();
        let whole = |steps: u64| usize::try_from(steps).unwrap_or(usize::MAX);
        match event {
            ProgressEvent::Started { task, total, .. } => {
                let total = whole(total.unwrap_or(0));
                shown.renderer.start(1, 1, Some(total), Some(task));
                shown.renderer.start_split("train", total);
            }
            ProgressEvent::Advanced { done, .. } => {
                shown.renderer.update_split(whole(done));
                if shown.interrupter.should_stop() {
                    shown.stop.stop();
                }
            }
            ProgressEvent::Finished { .. } => shown.renderer.end_split(),
            _ => {}
        }
    }
}

impl fmt::Debug for Dashboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dashboard")
    }
}
