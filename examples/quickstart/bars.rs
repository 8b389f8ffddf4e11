//! Progress events as bars on a terminal, and as plain lines in a log.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{IsTerminal, stderr};

use indicatif::{ProgressBar, ProgressStyle};
use isogloss::core::{Progress, ProgressEvent};

/// Shows each task as a bar under the heading of the stage it belongs to.
pub(crate) struct Bars {
    stage: RefCell<String>,
    bars: RefCell<HashMap<String, ProgressBar>>,
    is_terminal: bool,
}

impl Bars {
    pub(crate) fn new() -> Self {
        Self {
            stage: RefCell::default(),
            bars: RefCell::default(),
            is_terminal: stderr().is_terminal(),
        }
    }

    /// Names what the next tasks are part of.
    pub(crate) fn stage(&self, name: impl Into<String>) {
        *self.stage.borrow_mut() = name.into();
    }

    fn label(&self, task: &str) -> String {
        match self.stage.borrow().as_str() {
            "" => task.to_owned(),
            stage => format!("{stage}: {task}"),
        }
    }
}

impl Progress for Bars {
    fn report(&self, event: ProgressEvent<'_>) {
        match event {
            ProgressEvent::Started { task, total, unit } => {
                let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
                let template = format!(
                    "  {{prefix:38}} [{{bar:28}}] {{pos}}/{{len}} {unit} {{elapsed}} {{msg}}"
                );
                if let Ok(style) = ProgressStyle::with_template(&template) {
                    bar.set_style(style.progress_chars("=> "));
                }
                bar.set_prefix(self.label(task));
                if !self.is_terminal {
                    let total = total.map_or_else(String::new, |total| format!(" {total} {unit}"));
                    eprintln!("  {} …{total}", self.label(task));
                }
                self.bars.borrow_mut().insert(task.to_owned(), bar);
            }
            ProgressEvent::Advanced { task, done, note } => {
                if let Some(bar) = self.bars.borrow().get(task) {
                    bar.set_position(done);
                    bar.set_message(note.to_owned());
                }
            }
            ProgressEvent::Finished { task } => {
                if let Some(bar) = self.bars.borrow_mut().remove(task) {
                    bar.finish();
                    if !self.is_terminal {
                        let seconds = bar.elapsed().as_secs_f64();
                        eprintln!("  {} done in {seconds:.1} s {}", self.label(task), bar.message());
                    }
                }
            }
            ProgressEvent::Warning { message } => eprintln!("  warning: {message}"),
            _ => {}
        }
    }
}
