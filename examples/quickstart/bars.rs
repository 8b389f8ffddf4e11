//! Progress events as bars on a terminal, and as plain lines in a log.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{IsTerminal, stderr};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use isogloss::core::{Progress, ProgressEvent};

/// Bars of several stages, which may run at the same time.
pub(crate) struct Bars {
    all: MultiProgress,
    is_terminal: bool,
}

/// Shows the tasks of one stage, each as a bar.
pub(crate) struct Stage<'a> {
    bars: &'a Bars,
    name: &'a str,
    open: RefCell<HashMap<String, ProgressBar>>,
}

impl Bars {
    pub(crate) fn new() -> Self {
        Self { all: MultiProgress::new(), is_terminal: stderr().is_terminal() }
    }

    /// The bars of what `name` says.
    pub(crate) fn stage<'a>(&'a self, name: &'a str) -> Stage<'a> {
        Stage { bars: self, name, open: RefCell::default() }
    }

    fn line(&self, text: &str) {
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
