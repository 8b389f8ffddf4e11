//! Texts in the order in which a mixture draws them.

use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::Arc;

use isogloss_core::LanguageTag;
use isogloss_sampling::{
    BlockShuffle, Draw, MixtureState, MixtureStream, StoppedStream, StoppingRule, StreamError,
    TextSource as _,
};

use crate::index::Block;
use crate::read_ahead::{Batch, ReadAhead};
use crate::{CorpusReadError, TextIndex};

/// Texts that are looked for together, at most.
const GROUP: usize = 256;

/// A text that was drawn.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SampledText {
    /// The language it is in.
    pub language: LanguageTag,
    /// The segment.
    pub text: String,
    /// Which draw it was, of which text.
    pub draw: Draw,
}

/// The texts of several languages, mixed by a distribution and read from their files as they are
/// drawn, until a rule ends it.
///
/// Of each language a window of blocks of 1,024 lines is in memory and shuffled; a block is read
/// once in an epoch, by threads that draw and read at most 20 blocks ahead. So memory does not grow
/// with the corpus, reading stays sequential, and whoever takes the texts seldom waits for it.
///
/// # Examples
///
/// ```
/// use isogloss_core::Seed;
/// use isogloss_corpus::{CorpusWriter, Manifest, SampledTexts, Split};
/// use isogloss_governance::{Policy, Purpose, Terms};
/// use isogloss_sampling::{
///     ExponentConfig, LanguageSizes, LanguageWeighting, MixtureStream, SizeUnit, StoppingRule,
///     TextSource,
/// };
///
/// let dir = tempfile::tempdir()?;
/// let mut writer = CorpusWriter::new(dir.path());
/// let terms = Terms::new("CC0-1.0");
/// writer.text("yo", "yo".parse()?, &["ilé", "omi"], &terms, Split::Train)?;
/// writer.text("sw", "sw".parse()?, &["nyumba", "maji", "jicho"], &terms, Split::Train)?;
/// let manifest = Manifest::open(&writer.finish()?)?;
///
/// let policy = Policy::on("2026-11-23".parse()?);
/// let (indices, _) = manifest.index_texts(Some(Split::Train), Purpose::Train, policy)?;
/// let sizes = indices.iter().map(|index| (index.language().clone(), index.text_count()));
/// let sizes = LanguageSizes::try_new(SizeUnit::Sentences, sizes)?;
/// let distribution = ExponentConfig::new().distribution(&sizes)?;
/// let stream = MixtureStream::try_new(&distribution, &indices, Seed::new(1))?;
/// let texts = SampledTexts::try_new(indices, stream, StoppingRule::Budget(100))?;
/// let yoruba = texts.filter(|text| matches!(text, Ok(text) if text.language.language() == "yo"));
/// assert!((30..70).contains(&yoruba.count()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SampledTexts {
    indices: Arc<Vec<TextIndex>>,
    // For each language the blocks that are in memory, the oldest first.
    shelves: Vec<VecDeque<(u64, Block)>>,
    window: usize,
    batch: Batch,
    // How many draws of the batch were taken.
    taken: usize,
    ahead: Ahead,
    gathered: Gathered,
    // What blocks are read into here, where nobody reads ahead.
    buffer: Vec<u8>,
}

/// Where the texts of the draws that follow are, all in memory.
#[derive(Debug, Default)]
struct Gathered {
    // The language, the place of the block on its shelf, and that of the text in the block.
    places: Vec<(usize, usize, (usize, usize))>,
    // How many were taken.
    taken: usize,
}

#[derive(Debug)]
enum Ahead {
    NotStarted,
    Started(Option<ReadAhead>),
}

impl SampledTexts {
    /// How many blocks of a language are in memory and shuffled: 8,192 lines.
    pub const WINDOW: u64 = 8;

    /// Reads the texts of `indices` in the order of a stream over them, until a rule ends it. The
    /// stream shuffles within windows of [`WINDOW`](Self::WINDOW) blocks from then on.
    ///
    /// # Errors
    ///
    /// [`StreamError::OtherStream`] where the stream is not one over these texts.
    pub fn try_new(
        indices: Vec<TextIndex>,
        stream: MixtureStream,
        rule: StoppingRule,
    ) -> Result<Self, StreamError> {
        let shuffle = BlockShuffle { block: TextIndex::BLOCK, window: Self::WINDOW };
        stream.check_sources(&indices)?;
        let window = usize::try_from(Self::WINDOW).unwrap_or(usize::MAX);
        Ok(Self {
            shelves: indices.iter().map(|_| VecDeque::new()).collect(),
            indices: Arc::new(indices),
            batch: Batch::start(stream.with_block_shuffle(shuffle)?.until(rule)),
            taken: 0,
            window,
            ahead: Ahead::NotStarted,
            gathered: Gathered::default(),
            buffer: Vec::new(),
        })
    }

    /// The next text and its draw, borrowed until the one after; `None` at the end.
    ///
    /// # Errors
    ///
    /// [`CorpusReadError::Changed`] for a file that is not what it was, [`CorpusReadError::Io`].
    pub fn next_text(&mut self) -> Result<Option<(Draw, &str)>, CorpusReadError> {
        if self.taken == self.batch.draws().len() {
            (self.batch, self.taken) = (self.next_batch(), 0);
        }
        let Some(draw) = self.batch.draws().get(self.taken).copied() else { return Ok(None) };
        let place = self.taken;
        self.taken += 1;
        if self.gathered.taken == self.gathered.places.len() {
            self.gather(place)?;
        }
        let index = &self.indices[draw.language];
        let changed = || CorpusReadError::Changed {
            path: index.file_of_block(draw.index / TextIndex::BLOCK).to_owned(),
        };
        let place = self.gathered.places.get(self.gathered.taken).copied();
        let (language, shelf, line) = place.ok_or_else(changed)?;
        self.gathered.taken += 1;
        Ok(Some((draw, self.shelves[language][shelf].1.text_at(line))))
    }

    fn next_batch(&mut self) -> Batch {
        if matches!(self.ahead, Ahead::NotStarted) {
            let of_shelf =
                |shelf: &VecDeque<(u64, Block)>| shelf.iter().map(|(id, _)| *id).collect();
            let in_memory = self.shelves.iter().map(of_shelf).collect();
            let ahead = ReadAhead::start(&self.indices, &self.batch, in_memory, self.window);
            self.ahead = Ahead::Started(ahead);
        }
        let ahead = match &self.ahead {
            Ahead::Started(Some(ahead)) => ahead.next_batch(),
            _ => None,
        };
        ahead.unwrap_or_else(|| self.batch.following())
    }

    /// Finds the texts of a draw and of those after it that need no other block.
    ///
    /// One by one, each would wait for memory, for the place of the text and then for the text; in
    /// these two loops a processor looks for several at once.
    fn gather(&mut self, from: usize) -> Result<(), CorpusReadError> {
        let next = self.batch.draws()[from];
        self.shelve(next.language, next.index / TextIndex::BLOCK)?;
        let draws = self.batch.draws()[from..].iter().take(GROUP);
        let shelves = &self.shelves;
        let places = draws.map_while(|draw| {
            let (block, shelf) = (draw.index / TextIndex::BLOCK, &shelves[draw.language]);
            let place = shelf.iter().position(|(id, _)| *id == block)?;
            Some((draw.language, place, shelf[place].1.place_of(draw.index % TextIndex::BLOCK)?))
        });
        self.gathered.places.clear();
        self.gathered.places.extend(places);
        self.gathered.taken = 0;
        for (language, shelf, line) in &self.gathered.places {
            // Its first and last bytes are looked at, so that they are near when it is asked for.
            black_box(shelves[*language][*shelf].1.text_at(*line));
        }
        Ok(())
    }

    /// Has the block in memory.
    fn shelve(&mut self, language: usize, block: u64) -> Result<(), CorpusReadError> {
        let shelf = &mut self.shelves[language];
        if shelf.iter().any(|(id, _)| *id == block) {
            return Ok(());
        }
        let read = match &mut self.ahead {
            Ahead::Started(Some(ahead)) => ahead.take(language, block),
            _ => None,
        };
        let read =
            read.unwrap_or_else(|| self.indices[language].read_block(block, &mut self.buffer))?;
        // Blocks of an earlier window are done with when those of the next are asked for.
        if shelf.len() == self.window {
            shelf.pop_front();
        }
        shelf.push_back((block, read));
        Ok(())
    }

    /// Where the stream stands. The state of the texts is that of the stream: a count for each
    /// language.
    pub fn state(&self) -> MixtureState {
        self.stream().state()
    }

    /// Goes to where a state was taken.
    ///
    /// # Errors
    ///
    /// [`StreamError::OtherStream`] with the first difference, other texts among them.
    pub fn restore(&mut self, state: &MixtureState) -> Result<(), StreamError> {
        let mut stream = self.stream();
        stream.restore(state)?;
        (self.batch, self.taken, self.ahead) = (Batch::start(stream), 0, Ahead::NotStarted);
        self.gathered = Gathered::default();
        Ok(())
    }

    /// How many texts have been drawn of each language, in the order of the distribution.
    pub fn counts(&self) -> Vec<u64> {
        self.stream().stream().counts().to_vec()
    }

    /// The stream where it stands.
    fn stream(&self) -> StoppedStream {
        self.batch.stream_after(self.taken)
    }
}

impl Iterator for SampledTexts {
    type Item = Result<SampledText, CorpusReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (draw, text) = match self.next_text() {
            Ok(drawn) => drawn.map(|(draw, text)| (draw, text.to_owned()))?,
            Err(error) => return Some(Err(error)),
        };
        let language = self.indices[draw.language].language().clone();
        Some(Ok(SampledText { language, text, draw }))
    }
}
