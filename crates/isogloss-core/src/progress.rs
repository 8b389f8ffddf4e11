//! Progress as events, so that a library never prints and a program shows what it likes.

/// Something that happened in a long piece of work.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum ProgressEvent<'a> {
    /// Work began.
    Started {
        /// What is being done, e.g. `pre-training`; the same text names it in later events.
        task: &'a str,
        /// How many units there are, where that is known.
        total: Option<u64>,
        /// What is counted, in the plural, e.g. `steps`.
        unit: &'a str,
    },
    /// Some of it is done.
    Advanced {
        /// The task that advanced.
        task: &'a str,
        /// Units done since it started.
        done: u64,
        /// What a person watching would like to know, e.g. `loss 3.21`; may be empty.
        note: &'a str,
    },
    /// All of it is done.
    Finished {
        /// The task that ended.
        task: &'a str,
    },
    /// Something a person should see, which did not stop the work.
    Warning {
        /// One sentence.
        message: &'a str,
    },
}

/// Where progress is shown: a bar, a log, a window.
///
/// `()` shows nothing.
pub trait Progress {
    /// Takes note of an event. It is called from the thread that does the work.
    fn report(&self, event: ProgressEvent<'_>);
}

impl Progress for () {
    fn report(&self, _event: ProgressEvent<'_>) {}
}
