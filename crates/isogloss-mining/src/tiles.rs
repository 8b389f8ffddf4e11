//! Work that is cut into tiles and shared among threads.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use isogloss_core::{Progress, ProgressEvent};

/// How products are cut up, and how many threads share them: never a part of the result.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tiling {
    /// The most rows of a tile.
    pub(crate) rows: usize,
    /// The most columns of a tile.
    pub(crate) columns: usize,
    /// The threads, of which the one that asks is the first.
    pub(crate) threads: usize,
}

impl Default for Tiling {
    fn default() -> Self {
        // Four megabytes of products: large enough that packing the vectors costs little, small enough
        // to be read again from the cache.
        let threads = thread::available_parallelism().map_or(1, usize::from);
        Self { rows: 1024, columns: 1024, threads }
    }
}

impl Tiling {
    /// Tiles of all pairs of so many rows and columns, smaller where there are too few for all threads.
    pub(crate) fn of(rows: usize, columns: usize) -> Self {
        let mut tiling = Self::default();
        let Self { rows: most, threads, .. } = tiling;
        // A few for each, so that none waits long for the last.
        let few = if threads == 1 { 1 } else { 4 * threads };
        let enough = |side: &usize| rows.div_ceil(*side) * columns.div_ceil(*side) >= few;
        let side = (0..3).map(|halvings| most >> halvings).find(enough).unwrap_or(most >> 3);
        (tiling.rows, tiling.columns) = (side, side);
        tiling
    }

    /// Does `work` on all items, with a workspace for each thread, and reports after each item that
    /// the calling thread did.
    pub(crate) fn run<I: Sync, W>(
        &self,
        items: &[I],
        progress: &mut dyn FnMut(u64),
        workspace: impl Fn() -> W + Sync,
        work: impl Fn(&mut W, &I) + Sync,
    ) {
        let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let share = |progress: &mut dyn FnMut(u64)| {
            let mut space = workspace();
            while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                work(&mut space, item);
                progress(done.fetch_add(1, Ordering::Relaxed) as u64 + 1);
            }
        };
        thread::scope(|scope| {
            for _ in 1..self.threads.min(items.len()) {
                scope.spawn(|| share(&mut |_| ()));
            }
            share(progress);
        });
    }
}

/// Some rows and some columns, of which all products are computed at once.
#[derive(Clone, Debug)]
pub(crate) struct Tile {
    pub(crate) rows: Range<usize>,
    pub(crate) columns: Range<usize>,
}

/// Cuts `0..len` into ranges of `most` or a little fewer, all of nearly one length.
pub(crate) fn ranges(len: usize, most: usize) -> impl Iterator<Item = Range<usize>> + Clone {
    let count = len.div_ceil(most);
    (0..count).map(move |i| i * len / count..(i + 1) * len / count)
}

/// Cuts `[rows, columns]` into tiles, in the order of rows.
pub(crate) fn tiles(rows: usize, columns: usize, tiling: Tiling) -> Vec<Tile> {
    let columns = ranges(columns, tiling.columns);
    ranges(rows, tiling.rows)
        .flat_map(|rows| columns.clone().map(move |columns| Tile { rows: rows.clone(), columns }))
        .collect()
}

/// Reports a task from its start to its end while `work` says how much is done.
pub(crate) fn with_progress<R>(
    progress: &dyn Progress,
    (task, unit): (&str, &str),
    total: u64,
    work: impl FnOnce(&mut dyn FnMut(u64)) -> R,
) -> R {
    progress.report(ProgressEvent::Started { task, total: Some(total), unit });
    let result = work(&mut |done| {
        progress.report(ProgressEvent::Advanced { task, done, note: "" });
    });
    progress.report(ProgressEvent::Finished { task });
    result
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn ranges_are_of_nearly_one_length_and_leave_nothing_out() {
        assert_eq!(ranges(0, 4).count(), 0);
        assert_eq!(ranges(4, 4).next(), Some(0..4));
        assert_eq!(ranges(9, 4).collect::<Vec<_>>(), [0..3, 3..6, 6..9]);
        assert_eq!(ranges(11, 4).collect::<Vec<_>>(), [0..3, 3..7, 7..11]);
    }

    #[test]
    fn small_sets_have_tiles_for_all_threads() {
        let Tiling { rows, columns, threads } =
            Tiling::of(20_000, 20_000 * Tiling::default().threads);
        assert_eq!((rows, columns), (1024, 1024));
        let found = tiles(512, 512, Tiling::of(512, 512)).len();
        assert!(found >= threads.min(16), "{found} tiles");
    }

    #[test]
    fn each_item_is_done_once_on_any_number_of_threads() {
        for threads in [0, 1, 3, 200] {
            let (items, tiling) =
                ((0..100).collect::<Vec<u32>>(), Tiling { threads, rows: 1, columns: 1 });
            let done = Mutex::new(Vec::new());
            let mut reported = Vec::new();
            tiling.run(
                &items,
                &mut |n| reported.push(n),
                || (),
                |(), item| {
                    done.lock().unwrap().push(*item);
                },
            );
            let mut done = done.into_inner().unwrap();
            done.sort_unstable();
            assert_eq!(done, items, "{threads} threads");
            assert!(reported.is_sorted() && reported.iter().all(|n| *n <= 100));
        }
    }
}
