//! Draws that are made, and blocks that are read, before they are asked for.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};

use isogloss_sampling::{Draw, StoppedStream, TextSource as _};

use crate::index::Block;
use crate::{CorpusReadError, TextIndex};

/// Threads that read, in turn: while one waits for a disk, others find lines.
const READERS: usize = 4;
/// Blocks of each that wait to be taken, at most.
const BLOCKS: usize = 4;
/// Draws of a batch, or as many as there are languages, since it holds something for each.
const DRAWS: usize = 1 << 13;
/// Batches that wait to be taken, at most: as many draws as there are lines in all blocks, or more.
const BATCHES: usize = 8;

/// Draws that were made at once.
#[derive(Debug)]
pub(crate) struct Batch {
    // Where the stream stood before them, and where it stands after them.
    before: StoppedStream,
    draws: Vec<Draw>,
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
        let draws = after.by_ref().take(most).collect();
        Self { before: self.after.clone(), draws, after }
    }

    pub(crate) fn draws(&self) -> &[Draw] {
        &self.draws
    }

    /// The stream after the first `taken` of the draws.
    pub(crate) fn stream_after(&self, taken: usize) -> StoppedStream {
        let mut stream = self.before.clone();
        if let Some(before) = taken.checked_sub(1) {
            stream.nth(before);
        }
        stream
    }
}

/// A stream runs ahead of whoever takes its draws on a thread of its own, and on others blocks are
/// read that the draws will need, in the order in which they will.
#[derive(Debug)]
pub(crate) struct ReadAhead {
    // There until it is dropped, as the blocks are.
    batches: Option<Receiver<Batch>>,
    // Of each reader, and how many blocks were taken of all.
    blocks: Vec<Receiver<(Place, Result<Block, CorpusReadError>)>>,
    taken: usize,
    threads: Vec<JoinHandle<()>>,
}

/// A language and the number of a block of its texts.
type Place = (usize, u64);

impl ReadAhead {
    /// Begins after a batch, with the blocks that are in memory, the oldest first. `None` where
    /// there is little to read, since all of it stays in memory, or no threads to be had.
    pub(crate) fn start(
        indices: &Arc<Vec<TextIndex>>,
        batch: &Batch,
        in_memory: Vec<VecDeque<u64>>,
        window: usize,
    ) -> Option<Self> {
        let blocks = |index: &TextIndex| index.text_count().div_ceil(TextIndex::BLOCK);
        if indices.iter().all(|index| blocks(index) <= window as u64) {
            return None;
        }
        let (batch_sender, batches) = sync_channel(BATCHES);
        let mut this =
            Self { batches: Some(batches), blocks: Vec::new(), taken: 0, threads: Vec::new() };
        let mut wanted = Vec::new();
        for _ in 0..READERS {
            // Bounded by the draws that the wanted blocks are for.
            let (place_sender, places) = channel();
            let (block_sender, blocks) = sync_channel(BLOCKS);
            let indices = Arc::clone(indices);
            this.spawn("read-ahead", move || read(&indices, &places, &block_sender))?;
            this.blocks.push(blocks);
            wanted.push(place_sender);
        }
        let start = Batch::start(batch.after.clone());
        this.spawn("draw-ahead", move || draw(start, in_memory, window, &batch_sender, &wanted))?;
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

    /// The block that is needed next; `None` where the thread ended, or has another one, and it has to
    /// be read here.
    pub(crate) fn take(
        &mut self,
        language: usize,
        block: u64,
    ) -> Option<Result<Block, CorpusReadError>> {
        let (place, read) = self.blocks[self.taken % READERS].recv().ok()?;
        self.taken += 1;
        (place == (language, block)).then_some(read)
    }
}

impl Drop for ReadAhead {
    /// Waits for the threads, which hold the texts, and with them files that are to be deleted.
    fn drop(&mut self) {
        self.batches = None;
        self.blocks.clear();
        for thread in self.threads.drain(..) {
            // What it might have panicked with is nobody's any more.
            drop(thread.join());
        }
    }
}

/// Ends with the stream, or when nobody takes batches any more.
fn draw(
    mut batch: Batch,
    mut in_memory: Vec<VecDeque<u64>>,
    window: usize,
    batches: &SyncSender<Batch>,
    wanted: &[Sender<Place>],
) {
    let mut readers = wanted.iter().cycle();
    loop {
        let following = batch.following();
        for draw in following.draws() {
            let (own, block) = (&mut in_memory[draw.language], draw.index / TextIndex::BLOCK);
            if !own.contains(&block) {
                if own.len() == window {
                    own.pop_front();
                }
                own.push_back(block);
                // Draws are still of use where blocks can no longer be read ahead.
                let _ = readers.next().map(|reader| reader.send((draw.language, block)));
            }
        }
        let is_last = following.draws().is_empty();
        batch = Batch::start(following.after.clone());
        if batches.send(following).is_err() || is_last {
            break;
        }
    }
}

/// Ends with what is wanted, with a fault, or when nobody takes blocks any more.
fn read(
    indices: &[TextIndex],
    wanted: &Receiver<Place>,
    blocks: &SyncSender<(Place, Result<Block, CorpusReadError>)>,
) {
    let mut buffer = Vec::new();
    for (language, block) in wanted {
        let read = indices[language].read_block(block, &mut buffer);
        let has_failed = read.is_err();
        if blocks.send(((language, block), read)).is_err() || has_failed {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use isogloss_core::Seed;
    use isogloss_sampling::{
        BlockShuffle, ExponentConfig, LanguageSizes, LanguageWeighting as _, MixtureStream,
        SizeUnit, StoppingRule,
    };

    use super::*;

    /// A stream over so many lines, in a file that is gone when it is dropped.
    fn stream(dir: &std::path::Path, lines: u64) -> (Arc<Vec<TextIndex>>, StoppedStream) {
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
        (Arc::new(indices), stream.until(StoppingRule::Budget(1 << 40)))
    }

    #[test]
    fn it_draws_and_reads_as_the_stream_does_and_ends_when_nobody_takes_it() {
        let dir = tempfile::tempdir().unwrap();
        let (indices, mut stream) = stream(dir.path(), 100_000);
        let start = Batch::start(stream.clone());
        let mut ahead = ReadAhead::start(&indices, &start, vec![VecDeque::new()], 8).unwrap();
        let mut needed = Vec::new();
        while needed.len() < 90 {
            let batch = ahead.next_batch().unwrap();
            for (place, draw) in batch.draws().iter().enumerate() {
                if place % 1_000 == 0 {
                    assert_eq!(batch.stream_after(place).state(), stream.state());
                }
                assert_eq!(stream.next().unwrap(), *draw);
                let block = draw.index / TextIndex::BLOCK;
                if !needed.contains(&block) {
                    needed.push(block);
                    assert!(
                        ahead.take(0, block).unwrap().unwrap().place_of(0).is_some(),
                        "{block}"
                    );
                }
            }
        }
        drop(ahead);
        assert_eq!(Arc::strong_count(&indices), 1, "the threads have ended");
    }

    #[test]
    fn what_stays_in_memory_needs_no_thread() {
        let dir = tempfile::tempdir().unwrap();
        let (indices, stream) = stream(dir.path(), 8 * TextIndex::BLOCK);
        let start = Batch::start(stream);
        assert!(ReadAhead::start(&indices, &start, vec![VecDeque::new()], 8).is_none());
    }
}
