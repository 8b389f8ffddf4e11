//! Windows of texts in memory, in the order in which they are drawn.

use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use isogloss_sampling::{LanguageDraw, TextWindow};

use crate::index::LinesInMemory;
use crate::{CorpusReadError, TextIndex};

/// Where a text is, and which it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    place: (usize, usize),
    pub(crate) index: u64,
}

/// The texts of a window.
#[derive(Debug)]
pub(crate) struct OpenWindow {
    language: usize,
    pub(crate) epoch: u64,
    draws: Range<u64>,
    lines: Arc<LinesInMemory>,
    // In the order of the draws, so that whoever takes texts goes through them from first to last.
    places: Vec<Place>,
}

impl OpenWindow {
    /// The draws of the language that are in it.
    pub(crate) fn draws(&self) -> &Range<u64> {
        &self.draws
    }

    /// Whether it is the window of this language that begins with this draw.
    pub(crate) fn is(&self, language: usize, draws: &Range<u64>) -> bool {
        self.language == language && self.draws == *draws
    }

    /// The text of a draw, where it is in the window.
    pub(crate) fn place_of(&self, draw: LanguageDraw) -> Option<Place> {
        let place = draw.drawn.checked_sub(self.draws.start)?;
        self.places.get(usize::try_from(place).ok()?).copied()
    }

    pub(crate) fn text_at(&self, place: Place) -> &str {
        self.lines.text_at(place.place)
    }
}

/// Reads windows of several languages.
#[derive(Debug)]
pub(crate) struct WindowReader {
    indices: Arc<Vec<TextIndex>>,
    // The lines of languages that are in memory as a whole, which every epoch shuffles anew.
    whole: Arc<Vec<OnceLock<Arc<LinesInMemory>>>>,
    // The memory of windows that are done with, since that of the system costs more than filling it.
    spare: Arc<Mutex<Spare>>,
    buffer: Vec<u8>,
}

/// Memory that is used again.
#[derive(Debug, Default)]
struct Spare {
    lines: Vec<LinesInMemory>,
    places: Vec<Vec<Place>>,
}

impl Clone for WindowReader {
    fn clone(&self) -> Self {
        Self {
            indices: Arc::clone(&self.indices),
            whole: Arc::clone(&self.whole),
            spare: Arc::clone(&self.spare),
            buffer: Vec::new(),
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
            buffer: Vec::new(),
        }
    }

    pub(crate) fn indices(&self) -> &[TextIndex] {
        &self.indices
    }

    /// Takes back the memory of a window.
    pub(crate) fn close(&self, window: OpenWindow) {
        let OpenWindow { lines, places, .. } = window;
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        spare.places.push(places);
        // What is in memory as a whole stays there.
        spare.lines.extend(Arc::try_unwrap(lines));
    }

    /// The texts of a language are not those that were indexed.
    pub(crate) fn changed(&self, language: usize) -> CorpusReadError {
        CorpusReadError::Changed { path: self.indices[language].file_of_block(0).to_owned() }
    }

    /// How many readers share the texts.
    #[cfg(test)]
    pub(crate) fn holders(&self) -> usize {
        Arc::strong_count(&self.indices)
    }

    /// Reads the texts of a window, where they are not in memory, and puts them in their order.
    pub(crate) fn open(&mut self, window: &TextWindow) -> Result<OpenWindow, CorpusReadError> {
        let Self { indices, whole, spare, buffer } = self;
        let (language, firsts) = (window.language(), window.blocks());
        let index = &indices[language];
        let spare = || spare.lock().unwrap_or_else(PoisonError::into_inner);
        let mut read = |blocks: &mut dyn Iterator<Item = u64>| {
            let mut lines = spare().lines.pop().unwrap_or_default();
            lines.clear();
            for block in blocks {
                index.read_block(block, &mut lines, buffer)?;
            }
            Ok::<_, CorpusReadError>(Arc::new(lines))
        };
        let is_whole = firsts.len() as u64 == index.block_count();
        let lines = match whole[language].get() {
            Some(lines) => Arc::clone(lines),
            // Another thread may do the same at this time; the first one's stay.
            None if is_whole => {
                let lines = read(&mut (0..index.block_count()))?;
                Arc::clone(whole[language].get_or_init(|| lines))
            }
            None => read(&mut firsts.iter().map(|first| first / TextIndex::BLOCK))?,
        };
        let texts = window.texts();
        let count = texts.len();
        let mut places = spare().places.pop().unwrap_or_default();
        places.clear();
        places.extend(texts.map_while(|(block, text)| {
            let index = firsts[block] + text;
            let line = if is_whole { index } else { block as u64 * TextIndex::BLOCK + text };
            Some(Place { place: lines.place_of(line)?, index })
        }));
        if places.len() != count {
            return Err(self.changed(language));
        }
        let (epoch, draws) = (window.epoch(), window.draws());
        Ok(OpenWindow { language, epoch, draws, lines, places })
    }
}
