//! Draws that are made, and windows that are read, before they are asked for.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};

use isogloss_sampling::{LanguageDraw, StoppedStream, TextWindow};

use crate::CorpusReadError;
use crate::window::{OpenWindow, WindowReader};

/// Threads that read, in turn: while one waits for a disk, others find lines and put them in order.
const READERS: usize = 4;
/// Windows of each that wait to be taken, at most.
const WINDOWS: usize = 1;
/// Draws of a batch, or as many as there are languages, since it holds something for each.
const DRAWS: usize = 1 << 15;
/// Batches that wait to be taken, at most: so many draws ahead that a disk is told of a few dozen windows.
const BATCHES: usize = 8;

/// Draws that were made at once.
#[derive(Debug)]
pub(crate) struct Batch {
    // Where the stream stood before them, and where it stands after them.
    before: StoppedStream,
    draws: Vec<LanguageDraw>,
    after: StoppedStream,
}

impl Batch {
    /// No draws yet.
    pub(crate) fn start(stream: StoppedStream) -> Self {
        Self { before: stream.clone(), draws: Vec::new(), after: stream }
    }

    /// The draws that follow; none at the end of the stream.
    pub(crate) fn following(&self) -> Self {
        let mut after = self.after.clone();
        let most = DRAWS.max(after.stream().counts().len());
        let draws = std::iter::from_fn(|| after.next_language()).take(most).collect();
        Self { before: self.after.clone(), draws, after }
    }

    pub(crate) fn draws(&self) -> &[LanguageDraw] {
        &self.draws
    }

    /// The window that a draw is in.
    pub(crate) fn window_of(&self, draw: LanguageDraw) -> Option<TextWindow> {
        self.after.stream().window_of(draw)
    }

    /// The stream after the first `taken` of the draws.
    pub(crate) fn stream_after(&self, taken: usize) -> StoppedStream {
        let mut stream = self.before.clone();
        for _ in 0..taken {
            stream.next_language();
        }
        stream
    }
}

/// A window, by its language and its draws, and what was read of it.
type ReadWindow = ((usize, Range<u64>), Result<OpenWindow, CorpusReadError>);

fn name(window: &TextWindow) -> (usize, Range<u64>) {
    (window.language(), window.draws())
}

/// A stream runs ahead of whoever takes its draws on a thread of its own, and on others windows are
/// read that the draws will need, in the order in which they will.
#[derive(Debug)]
pub(crate) struct ReadAhead {
    // There until it is dropped, as the windows are.
    batches: Option<Receiver<Batch>>,
    // Of each reader, and how many windows were taken of all; none after a fault.
    windows: Vec<Receiver<ReadWindow>>,
    taken: usize,
    threads: Vec<JoinHandle<()>>,
}

impl ReadAhead {
    /// Begins after a batch, where the draws of some windows are in memory. `None` where there is little to read, since
    /// all languages are in memory as a whole, or no threads to be had.
    pub(crate) fn start(
        reader: &WindowReader,
        batch: &Batch,
        in_memory: Vec<Range<u64>>,
        most_blocks: u64,
    ) -> Option<Self> {
        if reader.indices().iter().all(|index| index.block_count() <= most_blocks) {
            return None;
        }
        let (batch_sender, batches) = sync_channel(BATCHES);
        let mut this =
            Self { batches: Some(batches), windows: Vec::new(), taken: 0, threads: Vec::new() };
        let mut wanted = Vec::new();
        for _ in 0..READERS {
            // Bounded by the draws that the wanted windows are for.
            let (wanted_sender, places) = channel();
            let (window_sender, windows) = sync_channel(WINDOWS);
            let reader = reader.clone();
            this.spawn("read-ahead", move || read(reader, &places, &window_sender))?;
            this.windows.push(windows);
            wanted.push(wanted_sender);
        }
        let start = Batch::start(batch.after.clone());
        this.spawn("draw-ahead", move || draw(start, in_memory, &batch_sender, &wanted))?;
        Some(this)
    }

    fn spawn(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> Option<()> {
        self.threads.push(thread::Builder::new().name(name.to_owned()).spawn(run).ok()?);
        Some(())
    }

    /// The next draws; `None` where the thread ended.
    pub(crate) fn next_batch(&self) -> Option<Batch> {
        self.batches.as_ref()?.recv().ok()
    }

    /// The window that is needed next; `None` where it is not read ahead and has to be read here, as all are after a
    /// fault: whoever goes on then asks for the same window again, which is no longer the next one.
    pub(crate) fn take(
        &mut self,
        window: &TextWindow,
    ) -> Option<Result<OpenWindow, CorpusReadError>> {
        if !is_read_ahead(window) {
            return None;
        }
        let read = self.windows.get(self.taken % READERS)?.recv();
        self.taken += 1;
        match read {
            Ok((found, Ok(open))) if found == name(window) => Some(Ok(open)),
            other => {
                // The readers end, as nobody takes their windows.
                self.windows.clear();
                other.ok().filter(|(found, _)| *found == name(window)).map(|(_, read)| read)
            }
        }
    }
}

impl Drop for ReadAhead {
    /// Waits for the threads, which hold the texts, and with them files that are to be deleted.
    fn drop(&mut self) {
        self.batches = None;
        self.windows.clear();
        for thread in self.threads.drain(..) {
            // What it might have panicked with is nobody's any more.
            drop(thread.join());
        }
    }
}

/// Whether a window is worth the way from one thread to another: one of a few texts, as of a small language that is
/// drawn again and again, is put in order sooner than it is handed over.
fn is_read_ahead(window: &TextWindow) -> bool {
    window.texts().len() >= 256
}

/// Ends with the stream, or when nobody takes batches any more.
fn draw(
    mut batch: Batch,
    mut in_memory: Vec<Range<u64>>,
    batches: &SyncSender<Batch>,
    wanted: &[Sender<TextWindow>],
) {
    let mut readers = wanted.iter().cycle();
    loop {
        let following = batch.following();
        for draw in following.draws() {
            let own = &mut in_memory[draw.language];
            if !own.contains(&draw.drawn)
                && let Some(window) = following.window_of(*draw)
            {
                *own = window.draws();
                if is_read_ahead(&window)
                    && let Some(reader) = readers.next()
                {
                    // Draws are still of use where windows can no longer be read ahead.
                    let _ = reader.send(window);
                }
            }
        }
        let is_last = following.draws().is_empty();
        batch = Batch::start(following.after.clone());
        if batches.send(following).is_err() || is_last {
            break;
        }
    }
}

/// Ends with what is wanted, with a fault, or when nobody takes windows any more.
fn read(mut reader: WindowReader, wanted: &Receiver<TextWindow>, windows: &SyncSender<ReadWindow>) {
    // What is wanted later is announced before what is wanted now is read.
    let mut announced = VecDeque::new();
    while let Some(window) = announced.pop_front().or_else(|| wanted.recv().ok()) {
        for later in wanted.try_iter() {
            reader.announce(&later);
            announced.push_back(later);
        }
        let read = reader.open(&window);
        let has_failed = read.is_err();
        if windows.send((name(&window), read)).is_err() || has_failed {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use isogloss_core::Seed;
    use isogloss_sampling::{
        BlockShuffle, ExponentConfig, LanguageSizes, LanguageWeighting as _, MixtureStream,
        SizeUnit, StoppingRule, TextSource as _,
    };

    use super::*;
    use crate::TextIndex;

    /// A stream over so many lines, in a file that is gone when it is dropped.
    fn stream(dir: &Path, lines: u64) -> (WindowReader, StoppedStream) {
        let path = dir.join(format!("{lines}.txt"));
        fs::write(&path, "il\u{e9}\n".repeat(usize::try_from(lines).unwrap())).unwrap();
        let mut index = TextIndex::new("yo".parse().unwrap());
        index.push_file(&path).unwrap();
        let indices = vec![index];
        let sizes = [(indices[0].language().clone(), lines)];
        let sizes = LanguageSizes::try_new(SizeUnit::Sentences, sizes).unwrap();
        let distribution = ExponentConfig::new().distribution(&sizes).unwrap();
        let stream = MixtureStream::try_new(&distribution, &indices, Seed::new(1)).unwrap();
        let shuffle = BlockShuffle { block: TextIndex::BLOCK, window: 8 };
        let stream = stream.with_block_shuffle(shuffle).unwrap();
        (WindowReader::new(indices), stream.until(StoppingRule::Budget(1 << 40)))
    }

    fn no_window() -> Vec<Range<u64>> {
        std::iter::once(0..0).collect()
    }

    #[test]
    fn it_draws_and_reads_as_the_stream_does_and_ends_when_nobody_takes_it() {
        let dir = tempfile::tempdir().unwrap();
        let (reader, mut stream) = stream(dir.path(), 100_000);
        let start = Batch::start(stream.clone());
        let mut ahead = ReadAhead::start(&reader, &start, no_window(), 8).unwrap();
        let mut open: Option<OpenWindow> = None;
        let mut opened = 0;
        // Into the second epoch.
        while opened < 15 {
            let batch = ahead.next_batch().unwrap();
            for (place, draw) in batch.draws().iter().enumerate() {
                if place % 1_000 == 0 {
                    assert_eq!(batch.stream_after(place).state(), stream.state());
                }
                if open.as_ref().is_none_or(|window| !window.draws().contains(&draw.drawn)) {
                    let window = batch.window_of(*draw).unwrap();
                    open = Some(ahead.take(&window).unwrap().unwrap());
                    opened += 1;
                }
                let (window, expected) = (open.as_ref().unwrap(), stream.next().unwrap());
                let (index, text) = window.text_of(*draw).unwrap();
                assert_eq!(draw.of_text(index, window.epoch), expected);
                assert_eq!(text, "il\u{e9}");
            }
        }
        drop((ahead, open));
        assert_eq!(reader.holders(), 1, "the threads have ended");
    }

    #[test]
    fn what_stays_in_memory_needs_no_thread() {
        let dir = tempfile::tempdir().unwrap();
        let (reader, stream) = stream(dir.path(), 8 * TextIndex::BLOCK);
        let start = Batch::start(stream);
        assert!(ReadAhead::start(&reader, &start, no_window(), 8).is_none());
    }
}
