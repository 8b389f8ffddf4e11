//! What a run will cost, and what it took.

use std::cell::Cell;
use std::fs;
use std::time::{Duration, Instant};

use isogloss::core::{Progress, ProgressEvent};
use isogloss::training::{Footprint, RunPlan, StopFlag};

/// How long steps are tried.
const TRIED: Duration = Duration::from_secs(10);
/// The first steps make what later ones use again.
const WARM: u64 = 2;

/// A plan with the speed of this machine.
pub(crate) struct Cost {
    pub(crate) plan: RunPlan,
    pub(crate) steps: u64,
    pub(crate) seconds_per_step: f64,
    pub(crate) watts: f64,
    pub(crate) grams_per_kwh: f64,
}

/// Counts steps, and ends the run when it was tried for long enough.
pub(crate) struct Trial<'a> {
    stop: &'a StopFlag,
    began: Instant,
    warm: Cell<Option<(u64, Instant)>>,
    last: Cell<(u64, Instant)>,
}

impl<'a> Trial<'a> {
    pub(crate) fn new(stop: &'a StopFlag) -> Self {
        let now = Instant::now();
        Self { stop, began: now, warm: Cell::new(None), last: Cell::new((0, now)) }
    }

    /// The seconds of a step, once it is warm.
    pub(crate) fn seconds_per_step(&self) -> f64 {
        let (done, at) = self.last.get();
        let (from, since) = match self.warm.get() {
            Some(warm) if warm.0 < done => warm,
            _ => (0, self.began),
        };
        (at - since).as_secs_f64() / (done - from).max(1) as f64
    }
}

impl Progress for Trial<'_> {
    fn report(&self, event: ProgressEvent<'_>) {
        let ProgressEvent::Advanced { done, .. } = event else { return };
        let now = Instant::now();
        if done == WARM {
            self.warm.set(Some((done, now)));
        }
        self.last.set((done, now));
        if now - self.began > TRIED {
            self.stop.stop();
        }
    }
}

impl Cost {
    pub(crate) fn hours(&self) -> f64 {
        self.steps as f64 * self.seconds_per_step / 3_600.0
    }

    fn footprint(&self, hours: f64) -> Footprint {
        Footprint::new(hours, self.watts, 1.0, self.grams_per_kwh)
    }

    /// The plan as rows: what, and how much.
    pub(crate) fn rows(&self) -> Vec<[String; 2]> {
        let RunPlan { parameters, trained, flops, bytes, .. } = self.plan;
        let Footprint { kilowatt_hours, kilograms, .. } = self.footprint(self.hours());
        let row = |what: &str, much: String| [what.to_owned(), much];
        vec![
            row("parameters", format!("{parameters}, {trained} of them trained")),
            row("updates", self.steps.to_string()),
            row(
                "an update",
                format!(
                    "{:.2} s, {:.1} GFLOP, {:.1} GFLOP/s",
                    self.seconds_per_step,
                    flops / 1e9,
                    flops / 1e9 / self.seconds_per_step
                ),
            ),
            row(
                "peak memory",
                format!("{:.0} MiB beside the ids of the texts", bytes / 1_048_576.0),
            ),
            row("time", hours(self.hours())),
            row("energy", format!("{kilowatt_hours:.3} kWh at {} W", self.watts)),
            row("CO2e", format!("{kilograms:.3} kg at {} g/kWh", self.grams_per_kwh)),
        ]
    }

    /// What the steps that were taken took, beside what was planned.
    pub(crate) fn compared(&self, steps: u64, seconds: f64) -> Vec<[String; 3]> {
        let planned = steps as f64 * self.seconds_per_step / 3_600.0;
        let took = seconds / 3_600.0;
        let (before, after) = (self.footprint(planned), self.footprint(took));
        let memory = peak_mib().map_or_else(
            || "not known here".to_owned(),
            |mib| format!("{mib:.0} MiB, the program with all it holds"),
        );
        vec![
            [format!("time of {steps} updates"), hours(planned), hours(took)],
            ["peak memory".to_owned(), format!("{:.0} MiB", self.plan.bytes / 1_048_576.0), memory],
            [
                "energy".to_owned(),
                format!("{:.3} kWh", before.kilowatt_hours),
                format!("{:.3} kWh", after.kilowatt_hours),
            ],
            [
                "CO2e".to_owned(),
                format!("{:.3} kg", before.kilograms),
                format!("{:.3} kg", after.kilograms),
            ],
        ]
    }
}

fn hours(hours: f64) -> String {
    if hours < 1.0 / 60.0 {
        format!("{:.0} s", hours * 3_600.0)
    } else if hours < 1.0 {
        format!("{:.1} min", hours * 60.0)
    } else {
        format!("{hours:.1} h")
    }
}

/// The most memory that this process has held, where the system says so.
fn peak_mib() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? / 1_024.0)
}
