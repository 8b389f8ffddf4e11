//! Blocks that are read before they are asked for, on a thread of their own.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

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
    blocks: Receiver<Option<Wanted>>,
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
        thread::Builder::new()
            .name("read-ahead".to_owned())
            .spawn(move || read(&indices, stream, in_memory, window, &sender))
            .ok()?;
        Some(Self { blocks: receiver })
    }

    /// The block that is needed next; `None` where the thread ended, or has another one, and it has to
    /// be read here.
    pub(crate) fn take(
        &self,
        language: usize,
        block: u64,
    ) -> Option<Result<Block, CorpusReadError>> {
        loop {
            if let Some((of, id, read)) = self.blocks.recv().ok()? {
                return (of == language && id == block).then_some(read);
            }
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
