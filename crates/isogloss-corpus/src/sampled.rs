//! Texts in the order in which a mixture draws them.

use std::collections::VecDeque;
use std::sync::Arc;

use isogloss_core::LanguageTag;
use isogloss_sampling::{
    BlockShuffle, Draw, MixtureState, MixtureStream, StoppedStream, StoppingRule, StreamError,
    TextSource as _,
};

use crate::index::Block;
use crate::read_ahead::ReadAhead;
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
/// Of each language a window of blocks of 1,024 lines is in memory and shuffled; a block is read
/// once in an epoch, by a thread that runs at most 17 blocks ahead. So memory does not grow with the
/// corpus, reading stays sequential, and whoever takes the texts seldom waits for it.
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
    stream: StoppedStream,
    window: usize,
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
        let window = usize::try_from(Self::WINDOW).unwrap_or(usize::MAX);
        Ok(Self {
            shelves: indices.iter().map(|_| VecDeque::new()).collect(),
            indices: Arc::new(indices),
            stream: stream.with_block_shuffle(shuffle)?.until(rule),
            window,
            ahead: Ahead::NotStarted,
        })
    }

    /// The next text and its draw, borrowed until the one after; `None` at the end.
    ///
    /// # Errors
    ///
    /// [`CorpusReadError::Changed`] for a file that is not what it was, [`CorpusReadError::Io`].
    pub fn next_text(&mut self) -> Result<Option<(Draw, &str)>, CorpusReadError> {
        if matches!(self.ahead, Ahead::NotStarted) {
            let of_shelf =
                |shelf: &VecDeque<(u64, Block)>| shelf.iter().map(|(id, _)| *id).collect();
            let in_memory = self.shelves.iter().map(of_shelf).collect();
            let ahead = ReadAhead::start(&self.indices, &self.stream, in_memory, self.window);
            self.ahead = Ahead::Started(ahead);
        }
        let Some(draw) = self.stream.next() else { return Ok(None) };
        let text = self.text(draw.language, draw.index)?;
        Ok(Some((draw, text)))
    }

    fn text(&mut self, language: usize, text: u64) -> Result<&str, CorpusReadError> {
        let (block, index) = (text / TextIndex::BLOCK, &self.indices[language]);
        let shelf = &mut self.shelves[language];
        let at = if let Some(at) = shelf.iter().position(|(id, _)| *id == block) {
            at
        } else {
            let read = match &self.ahead {
                Ahead::Started(Some(ahead)) => ahead.take(language, block),
                _ => None,
            };
            let read = read.unwrap_or_else(|| index.read_block(block))?;
            // Blocks of an earlier window are done with when those of the next are asked for.
            if shelf.len() == self.window {
                shelf.pop_front();
            }
            shelf.push_back((block, read));
            shelf.len() - 1
        };
        let place = usize::try_from(text % TextIndex::BLOCK).unwrap_or(usize::MAX);
        let changed = || CorpusReadError::Changed { path: index.file_of_block(block).to_owned() };
        shelf[at].1.line(place).ok_or_else(changed)
    }

    /// Where the stream stands. The state of the texts is that of the stream: a count for each
    /// language.
    pub fn state(&self) -> MixtureState {
        self.stream.state()
    }

    /// Goes to where a state was taken.
    ///
    /// # Errors
    ///
    /// [`StreamError::OtherStream`] with the first difference, other texts among them.
    pub fn restore(&mut self, state: &MixtureState) -> Result<(), StreamError> {
        self.ahead = Ahead::NotStarted;
        self.stream.restore(state)
    }

    /// How many texts have been drawn of each language, in the order of the distribution.
    pub fn counts(&self) -> &[u64] {
        self.stream.stream().counts()
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
