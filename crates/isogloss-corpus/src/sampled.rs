//! Texts in the order in which a mixture draws them.

use isogloss_core::LanguageTag;
use isogloss_sampling::{
    BlockShuffle, Draw, LanguageDraw, MixtureState, MixtureStream, StoppedStream, StoppingRule,
    StreamError, TextSource as _,
};

use crate::read_ahead::{Batch, ReadAhead};
use crate::window::{OpenWindow, WindowReader};
use crate::{CorpusReadError, TextIndex};

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
/// Of each language a window of eight blocks of 1,024 lines is in memory and shuffled; a block is read
/// once in an epoch, by threads that draw and read at most eight windows ahead. So memory does not grow
/// with the corpus, reading stays sequential, and whoever takes the texts seldom waits for it. Where a window
/// holds all texts of a language, they are read once and stay in memory, as they are in their files beside the
/// order in which they are drawn.
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
    reader: WindowReader,
    // For each language the window that is in memory.
    windows: Vec<Option<OpenWindow>>,
    batch: Batch,
    // How many draws of the batch were taken.
    taken: usize,
    ahead: Ahead,
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
        Ok(Self {
            windows: indices.iter().map(|_| None).collect(),
            reader: WindowReader::new(indices),
            batch: Batch::start(stream.with_block_shuffle(shuffle)?.until(rule)),
            taken: 0,
            ahead: Ahead::NotStarted,
        })
    }

    /// The next text and its draw, borrowed until the one after; `None` at the end.
    ///
    /// # Errors
    ///
    /// [`CorpusReadError::Changed`] for a file that is not what it was, [`CorpusReadError::Io`]. Where a block cannot be
    /// read, neither can the other texts of its window: whoever goes on gets the same fault for each of them, and
    /// every time it is tried anew.
    pub fn next_text(&mut self) -> Result<Option<(Draw, &str)>, CorpusReadError> {
        if self.taken == self.batch.draws().len() {
            (self.batch, self.taken) = (self.next_batch(), 0);
        }
        let Some(draw) = self.batch.draws().get(self.taken).copied() else { return Ok(None) };
        self.taken += 1;
        let is_open = |window: &OpenWindow| window.draws().contains(&draw.drawn);
        if !self.windows[draw.language].as_ref().is_some_and(is_open) {
            self.open_window(draw)?;
        }
        let window = self.windows[draw.language].as_ref();
        let found = window.and_then(|window| {
            let (index, text) = window.text_of(draw)?;
            Some((draw.of_text(index, window.epoch), text))
        });
        found.ok_or_else(|| self.reader.changed(draw.language)).map(Some)
    }

    fn next_batch(&mut self) -> Batch {
        if matches!(self.ahead, Ahead::NotStarted) {
            let draws = |window: &Option<OpenWindow>| {
                window.as_ref().map_or(0..0, |window| window.draws().clone())
            };
            let in_memory = self.windows.iter().map(draws).collect();
            let ahead = ReadAhead::start(&self.reader, &self.batch, in_memory, Self::WINDOW);
            self.ahead = Ahead::Started(ahead);
        }
        let ahead = match &self.ahead {
            Ahead::Started(Some(ahead)) => ahead.next_batch(),
            _ => None,
        };
        ahead.unwrap_or_else(|| self.batch.following())
    }

    /// Has the window of a draw in memory.
    fn open_window(&mut self, draw: LanguageDraw) -> Result<(), CorpusReadError> {
        let own = &mut self.windows[draw.language];
        if let Some(window) = own.take() {
            self.reader.close(window);
        }
        let window = self.batch.window_of(draw);
        let window = window.ok_or_else(|| self.reader.changed(draw.language))?;
        let read = match &mut self.ahead {
            Ahead::Started(Some(ahead)) => ahead.take(&window),
            _ => None,
        };
        *own = Some(read.unwrap_or_else(|| self.reader.open(&window))?);
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
        let language = self.reader.indices()[draw.language].language().clone();
        Some(Ok(SampledText { language, text, draw }))
    }
}
