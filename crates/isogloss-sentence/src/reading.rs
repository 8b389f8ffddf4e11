//! Batches side by side.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use isogloss_core::{Progress, ProgressEvent};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::batching::batches;
use crate::long_text::Row;
use crate::{EncodeConfig, SentenceError};

/// Reads rows in batches by `read`, which gives each row a vector of `dim` numbers; several batches at
/// the same time. Returns the vectors in the order of the rows. `[rows, dim]`
pub(crate) fn read_rows(
    rows: &[Row],
    dim: usize,
    config: &EncodeConfig,
    progress: &dyn Progress,
    read: impl Fn(&[&Row]) -> Result<Vec<f32>, SentenceError> + Sync,
) -> Result<Vec<f32>, SentenceError> {
    let task = "encoding";
    let total = Some(rows.len() as u64);
    progress.report(ProgressEvent::Started { task, total, unit: "sentences" });
    let lengths: Vec<usize> = rows.iter().map(|row| row.ids.len()).collect();
    let batches = batches(&lengths, config.batch_tokens);
    let mut vectors = vec![0.0; rows.len() * dim];
    let mut done = 0;
    let (next, (sender, receiver)) = (AtomicUsize::new(0), mpsc::channel());
    let read_all = |sender: mpsc::Sender<_>| {
        while let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
            let rows: Vec<&Row> = batch.iter().map(|&row| &rows[row]).collect();
            // Nobody listens any more after an error.
            if sender.send((batch, read(&rows))).is_err() {
                return;
            }
        }
    };
    let threads = config.threads.clamp(1, batches.len().max(1));
    let pools = pools(threads)?;
    thread::scope(|scope| {
        for pool in &pools {
            let sender = sender.clone();
            scope.spawn(|| pool.install(|| read_all(sender)));
        }
        drop(sender);
        for (batch, found) in receiver {
            for (row, vector) in batch.iter().zip(found?.chunks_exact(dim)) {
                vectors[row * dim..(row + 1) * dim].copy_from_slice(vector);
            }
            done += batch.len() as u64;
            progress.report(ProgressEvent::Advanced { task, done, note: "" });
        }
        Ok::<_, SentenceError>(())
    })?;
    progress.report(ProgressEvent::Finished { task });
    Ok(vectors)
}

/// As many pools as batches are read at once, which share the cores: what a batch computes then waits for
/// none of the others.
fn pools(count: usize) -> Result<Vec<ThreadPool>, SentenceError> {
    let threads = (rayon::current_num_threads() / count).max(1);
    let pool = |_| ThreadPoolBuilder::new().num_threads(threads).build();
    (0..count).map(pool).collect::<Result<_, _>>().map_err(SentenceError::Threads)
}
