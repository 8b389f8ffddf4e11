//! Independent pieces of work on all cores, with a bar.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use isogloss::core::{Progress, ProgressEvent};
use isogloss_examples::{Bars, Outcome};

/// What `each` makes of `0..count`, in order; the first error that comes ends it.
pub(crate) fn on_all_cores<T: Send>(
    bars: &Bars,
    [task, unit]: [&str; 2],
    count: usize,
    each: impl Fn(usize) -> Outcome<T> + Sync,
) -> Outcome<Vec<T>> {
    let (stage, next) = (bars.stage("measuring"), AtomicUsize::new(0));
    stage.report(ProgressEvent::Started { task, total: Some(count as u64), unit });
    let mut found: Vec<Option<T>> = (0..count).map(|_| None).collect();
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        let threads = thread::available_parallelism().map_or(1, usize::from).min(count);
        for _ in 0..threads {
            let (sender, next, each) = (sender.clone(), &next, &each);
            scope.spawn(move || {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    // Nobody listens any more after an error.
                    if place >= count || sender.send((place, each(place))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for (done, (place, value)) in (1..).zip(receiver) {
            found[place] = Some(value?);
            stage.report(ProgressEvent::Advanced { task, done, note: "" });
        }
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
    })?;
    stage.report(ProgressEvent::Finished { task });
    Ok(found.into_iter().flatten().collect())
}
