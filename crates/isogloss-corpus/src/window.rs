//! Windows of texts in memory, in the order in which they are drawn.

use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use isogloss_sampling::{LanguageDraw, TextWindow};

use crate::line_buffer::{KeptLines, LineBuffer};
use crate::{CorpusReadError, TextIndex};

/// Texts that are looked for together.
const GROUP: usize = 64;

/// The texts of a window, one after the other as they are drawn.
///
/// Whoever takes them goes through memory from its beginning to its end, which a processor foresees: out of their
/// order in the file he would wait for each.
#[derive(Debug)]
pub(crate) struct OpenWindow {
    pub(crate) epoch: u64,
    draws: Range<u64>,
    texts: OrderedTexts,
}

#[derive(Debug, Default)]
struct OrderedTexts {
    text: String,
    // For each text where it ends, and which it is.
    ends: Vec<(usize, u64)>,
}

impl OrderedTexts {
    /// Forgets all texts, and has room for others. The memory of a far larger window is given back, or each language
    /// would have that of the largest in time.
    fn make_room(&mut self, bytes: usize, texts: usize) {
        self.text.clear();
        self.text.shrink_to(2 * bytes);
        self.text.reserve(bytes);
        self.ends.clear();
        self.ends.shrink_to(2 * texts);
        self.ends.reserve(texts);
    }
}

impl OpenWindow {
    /// The draws of the language that are in it.
    pub(crate) fn draws(&self) -> &Range<u64> {
        &self.draws
    }

    /// The text of a draw, and which it is, where it is in the window.
    #[inline]
    pub(crate) fn text_of(&self, draw: LanguageDraw) -> Option<(u64, &str)> {
        let place = usize::try_from(draw.drawn.checked_sub(self.draws.start)?).ok()?;
        let (end, index) = *self.texts.ends.get(place)?;
        let start = if place == 0 { 0 } else { self.texts.ends[place - 1].0 };
        Some((index, &self.texts.text[start..end]))
    }
}

/// Reads windows of several languages.
#[derive(Debug)]
pub(crate) struct WindowReader {
    indices: Arc<Vec<TextIndex>>,
    // The lines of languages that are in memory as a whole, which every epoch shuffles anew.
    whole: Arc<Vec<OnceLock<KeptLines>>>,
    // The memory of windows that are done with, since that of the system costs more than filling it.
    spare: Arc<Mutex<Vec<OrderedTexts>>>,
    buffer: LineBuffer,
}

impl Clone for WindowReader {
    fn clone(&self) -> Self {
        Self {
            indices: Arc::clone(&self.indices),
            whole: Arc::clone(&self.whole),
            spare: Arc::clone(&self.spare),
            buffer: LineBuffer::default(),
        }
    }
}

impl WindowReader {
    pub(crate) fn new(indices: Vec<TextIndex>) -> Self {
        let whole = indices.iter().map(|_| OnceLock::new()).collect();
        Self {
            indices: Arc::new(indices),
            whole: Arc::new(whole),
            spare: Arc::default(),
            buffer: LineBuffer::default(),
        }
    }

    pub(crate) fn indices(&self) -> &[TextIndex] {
        &self.indices
    }

    /// Takes back the memory of a window.
    pub(crate) fn close(&self, window: OpenWindow) {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(window.texts);
    }

    /// The texts of a language are not those that were indexed.
    pub(crate) fn changed(&self, language: usize) -> CorpusReadError {
        changed(&self.indices[language])
    }

    /// How many readers share the texts.
    #[cfg(test)]
    pub(crate) fn holders(&self) -> usize {
        Arc::strong_count(&self.indices)
    }

    /// Tells the system what a window will read.
    pub(crate) fn announce(&self, window: &TextWindow) {
        let index = &self.indices[window.language()];
        if self.whole[window.language()].get().is_none() {
            index.announce(window.blocks().iter().map(|first| first / TextIndex::BLOCK));
        }
    }

    /// Reads the texts of a window, where they are not in memory, and puts them in their order.
    pub(crate) fn open(&mut self, window: &TextWindow) -> Result<OpenWindow, CorpusReadError> {
        let Self { indices, whole, spare, buffer } = self;
        let (language, firsts) = (window.language(), window.blocks());
        let (source, whole) = (&indices[language], &whole[language]);
        let is_whole = firsts.len() as u64 == source.block_count();
        let lines = if let Some(lines) = whole.get() {
            lines.as_lines()
        } else if is_whole {
            let lines = source.read_blocks(0..source.block_count(), buffer)?;
            // Another thread may do the same at this time; the first one's stay.
            whole.get_or_init(|| lines.to_kept()).as_lines()
        } else {
            let blocks = firsts.iter().map(|first| first / TextIndex::BLOCK);
            source.read_blocks(blocks, buffer)?
        };
        let spare = spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut texts = spare.unwrap_or_default();
        texts.make_room(lines.bytes(), window.texts().len());
        let mut order = window.texts().map(|(block, text)| {
            let index = firsts[block] + text;
            let line = if is_whole { index } else { block as u64 * TextIndex::BLOCK + text };
            (line, index)
        });
        let (mut numbers, mut group) = (Vec::with_capacity(GROUP), Vec::with_capacity(GROUP));
        loop {
            // One by one, each would wait for its number, its place and its first byte; in loops of their own, a
            // processor looks for several at once.
            numbers.extend(order.by_ref().take(GROUP));
            group.extend(numbers.iter().map(|(line, _)| lines.get(*line)));
            if numbers.is_empty() {
                break;
            }
            for ((_, index), text) in numbers.drain(..).zip(group.drain(..)) {
                let Some(text) = text else { return Err(changed(source)) };
                texts.text.push_str(text);
                texts.ends.push((texts.text.len(), index));
            }
        }
        Ok(OpenWindow { epoch: window.epoch(), draws: window.draws(), texts })
    }
}

fn changed(texts: &TextIndex) -> CorpusReadError {
    CorpusReadError::Changed { path: texts.file_of_block(0).to_owned() }
}
