//! Progress events as bars on a terminal, and as plain lines in a log.
#![expect(clippy::print_stderr, reason = "a bar is shown to a person")]

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{IsTerminal, stderr};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use isogloss::core::{Progress, ProgressEvent};

/// Bars of several stages, which may run at the same time.
#[derive(Debug)]
pub struct Bars {
    all: MultiProgress,
    is_terminal: bool,
}

/// Shows the tasks of one stage, each as a bar.
#[derive(Debug)]
pub struct Stage<'a> {
    bars: &'a Bars,
    name: &'a str,
    open: RefCell<HashMap<String, ProgressBar>>,
}

impl Default for Bars {
    /// On the standard error, so that what a program prints stays apart.
    fn default() -> Self {
        Self { all: MultiProgress::new(), is_terminal: stderr().is_terminal() }
    }
}

impl Bars {
    /// The bars of what `name` says.
    pub fn stage<'a>(&'a self, name: &'a str) -> Stage<'a> {
        Stage { bars: self, name, open: RefCell::default() }
    }

    /// A line for a person, above the bars.
    pub fn line(&self, text: &str) {
        // Above the bars, where there are any.
        if self.all.println(text).is_err() || !self.is_terminal {
            eprintln!("{text}");
        }
    }
}

impl Progress for Stage<'_> {
    fn report(&self, event: ProgressEvent<'_>) {
        let label = |task: &str| format!("{}: {task}", self.name);
        match event {
            ProgressEvent::Started { task, total, unit } => {
                let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
                let bar = self.bars.all.add(bar);
                let template = format!(
                    "   {{prefix:34}} [{{bar:24}}] {{pos}}/{{len}} {unit} {{elapsed}} {{msg}}"
                );
                if let Ok(style) = ProgressStyle::with_template(&template) {
                    bar.set_style(style.progress_chars("=> "));
                }
                bar.set_prefix(label(task));
                self.open.borrow_mut().insert(task.to_owned(), bar);
            }
            ProgressEvent::Advanced { task, done, note } => {
                if let Some(bar) = self.open.borrow().get(task) {
                    bar.set_position(done);
                    bar.set_message(note.to_owned());
                }
            }
            ProgressEvent::Finished { task } => {
                if let Some(bar) = self.open.borrow_mut().remove(task) {
                    bar.finish_and_clear();
                    let (seconds, note) = (bar.elapsed().as_secs_f64(), bar.message());
                    self.bars.line(&format!("   {}: {seconds:.1} s  {note}", label(task)));
                }
            }
            ProgressEvent::Warning { message } => self.bars.line(&format!("   warning: {message}")),
            _ => {}
        }
    }
}
