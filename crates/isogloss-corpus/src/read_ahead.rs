//! Blocks that are read before they are asked for, on a thread of their own.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use isogloss_sampling::{StoppedStream, TextSource as _};

use crate::index::Block;
use crate::{CorpusReadError, TextIndex};

/// Blocks that wait to be taken, at most.
const BLOCKS: usize = 16;
/// Draws after which the thread says that it needed no block, so that it never is far ahead.
const DRAWS: u64 = 1 << 16;

/// A copy of a stream runs ahead of it and reads the blocks that it will need, in the order in which
/// it will need them.
#[derive(Debug)]
pub(crate) struct ReadAhead {
    // Both are there until it is dropped.
    blocks: Option<Receiver<Option<Wanted>>>,
    thread: Option<JoinHandle<()>>,
}

/// A language, the number of a block of its texts, and the block.
type Wanted = (usize, u64, Result<Block, CorpusReadError>);

impl ReadAhead {
    /// Begins where `stream` stands, with the blocks that are in memory, the oldest first. `None` where
    /// there is little to read, since all of it stays in memory, or no thread to be had.
    pub(crate) fn start(
        indices: &Arc<Vec<TextIndex>>,
        stream: &StoppedStream,
        in_memory: Vec<VecDeque<u64>>,
        window: usize,
    ) -> Option<Self> {
        let blocks = |index: &TextIndex| index.text_count().div_ceil(TextIndex::BLOCK);
        if indices.iter().all(|index| blocks(index) <= window as u64) {
            return None;
        }
        let (sender, receiver) = sync_channel(BLOCKS);
        let (indices, stream) = (Arc::clone(indices), stream.clone());
        let thread = thread::Builder::new()
            .name("read-ahead".to_owned())
            .spawn(move || read(&indices, stream, in_memory, window, &sender))
            .ok()?;
        Some(Self { blocks: Some(receiver), thread: Some(thread) })
    }

    /// The block that is needed next; `None` where the thread ended, or has another one, and it has to
    /// be read here.
    pub(crate) fn take(
        &self,
        language: usize,
        block: u64,
    ) -> Option<Result<Block, CorpusReadError>> {
        loop {
            if let Some((of, id, read)) = self.blocks.as_ref()?.recv().ok()? {
                return (of == language && id == block).then_some(read);
            }
        }
    }
}

impl Drop for ReadAhead {
    /// Waits for the thread, which holds the texts, and with them files that are to be deleted.
    fn drop(&mut self) {
        drop(self.blocks.take());
        if let Some(thread) = self.thread.take() {
            // What it might have panicked with is nobody's any more.
            drop(thread.join());
        }
    }
}

/// Ends with the stream, with a fault, or when nobody takes blocks any more.
fn read(
    indices: &[TextIndex],
    stream: StoppedStream,
    mut in_memory: Vec<VecDeque<u64>>,
    window: usize,
    sender: &SyncSender<Option<Wanted>>,
) {
    let mut without = 0;
    for draw in stream {
        let (own, block) = (&mut in_memory[draw.language], draw.index / TextIndex::BLOCK);
        let wanted = if own.contains(&block) {
            without += 1;
            if without < DRAWS {
                continue;
            }
            None
        } else {
            if own.len() == window {
                own.pop_front();
            }
            own.push_back(block);
            Some((draw.language, block, indices[draw.language].read_block(block)))
        };
        without = 0;
        let has_failed = matches!(wanted, Some((.., Err(_))));
        if sender.send(wanted).is_err() || has_failed {
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
    fn it_reads_what_the_stream_will_need_and_ends_when_nobody_takes_it() {
        let dir = tempfile::tempdir().unwrap();
        let (indices, mut stream) = stream(dir.path(), 100_000);
        let ahead = ReadAhead::start(&indices, &stream, vec![VecDeque::new()], 8).unwrap();
        let mut needed = Vec::new();
        while needed.len() < 30 {
            let block = stream.next().unwrap().index / TextIndex::BLOCK;
            if !needed.contains(&block) {
                needed.push(block);
                assert!(ahead.take(0, block).unwrap().unwrap().line(0).is_some(), "{block}");
            }
        }
        drop(ahead);
        assert_eq!(Arc::strong_count(&indices), 1, "the thread has ended");
    }

    #[test]
    fn what_stays_in_memory_needs_no_thread() {
        let dir = tempfile::tempdir().unwrap();
        let (indices, stream) = stream(dir.path(), 8 * TextIndex::BLOCK);
        assert!(ReadAhead::start(&indices, &stream, vec![VecDeque::new()], 8).is_none());
    }
}
