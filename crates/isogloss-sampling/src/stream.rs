//! An endless, reproducible, resumable order of texts in many languages.

use std::ops::Range;

use isogloss_core::{LanguageTag, Seed};
use serde::{Deserialize, Serialize};

use crate::choice::LanguageDraws;
use crate::permutation::{BlockPermutation, BlockShuffle, Permutation, Window};
use crate::state::{MixtureState, SourceState};
use crate::{LanguageDistribution, LanguageOrder, Shard, StoppedStream, StoppingRule, StreamError};

/// Texts of one language, as far as sampling needs to know them.
pub trait TextSource {
    /// The language of the texts.
    fn language(&self) -> &LanguageTag;

    /// How many there are.
    fn text_count(&self) -> u64;

    /// A number that tells these texts from others, such as a hash of them, where there is one. A
    /// state that was taken over other texts is refused by it.
    fn fingerprint(&self) -> Option<u64> {
        None
    }
}

impl TextSource for (LanguageTag, u64) {
    fn language(&self) -> &LanguageTag {
        &self.0
    }

    fn text_count(&self) -> u64 {
        self.1
    }
}

/// One draw: which text of which language.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Draw {
    /// The language, by its place in the distribution.
    pub language: usize,
    /// The text, by its place in the source.
    pub index: u64,
    /// How often all texts of the language had been drawn before.
    pub epoch: u64,
    /// The number of this draw in the stream, counted from 0.
    pub draw: u64,
}

/// Draws texts for as long as it is asked to.
///
/// The language comes from the distribution, by chance or in the order of least discrepancy
/// ([`LanguageOrder`]). Within a language every text is drawn once before any is drawn again, in an
/// order that changes with each epoch. fairseq draws a language that is raised above its share
/// *with* replacement, so that one pass in its size misses a text in e, and shows others twice.
///
/// A probability is that of drawing a *text*. Where sizes count characters or tokens and texts differ
/// in length from language to language, [`SamplingPlan::in_unit`](crate::SamplingPlan::in_unit) gives
/// the distribution to draw texts by.
///
/// The stream is a function of the seed: it holds a few counts for each language and nothing else,
/// so its [`state`](Self::state) is small and it goes on from there to the same draws. It does the
/// same on every platform.
///
/// # Examples
///
/// ```
/// use isogloss_core::Seed;
/// use isogloss_sampling::{
///     ExponentConfig, LanguageSizes, LanguageWeighting, MixtureStream, SizeUnit,
/// };
///
/// let sources = [("en".parse()?, 900), ("yo".parse()?, 100)];
/// let sizes = LanguageSizes::try_new(SizeUnit::Sentences, sources.clone())?;
/// let distribution = ExponentConfig::new().distribution(&sizes)?;
/// let mut stream = MixtureStream::try_new(&distribution, &sources, Seed::new(1))?;
///
/// let state = stream.state();
/// let draws: Vec<_> = stream.by_ref().take(1_000).collect();
/// stream.restore(&state)?;
/// assert!(stream.take(1_000).eq(draws));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct MixtureStream {
    // Invariant: one source for each probability, in the same order, none of them empty.
    sources: Vec<Source>,
    // As the stream was made, and as it was last weighted.
    probabilities: Vec<f64>,
    weights: Vec<f64>,
    order: LanguageOrder,
    shuffle: Option<BlockShuffle>,
    shard: Shard,
    seed: Seed,
    languages: LanguageDraws,
    draws: u64,
    counts: Vec<u64>,
    // The counts when the weights last changed: the order of least discrepancy begins anew there.
    settled: Vec<u64>,
}

#[derive(Clone, Debug)]
struct Source {
    language: LanguageTag,
    len: u64,
    fingerprint: Option<u64>,
    seed: Seed,
    epoch: u64,
    // Draws of the language before this epoch.
    before: u64,
    order: TextOrder,
}

#[derive(Clone, Debug)]
enum TextOrder {
    Everywhere(Permutation),
    Near(BlockPermutation),
}

impl TextOrder {
    fn new(len: u64, shuffle: Option<BlockShuffle>, seed: Seed) -> Self {
        match shuffle {
            None => Self::Everywhere(Permutation::new(len, seed)),
            Some(shuffle) => Self::Near(BlockPermutation::new(len, shuffle, seed)),
        }
    }

    fn at(&mut self, place: u64) -> u64 {
        match self {
            Self::Everywhere(order) => order.at(place),
            Self::Near(order) => order.at(place),
        }
    }
}

/// A draw whose text has not been looked up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct LanguageDraw {
    /// The language, by its place in the distribution.
    pub language: usize,
    /// Draws of the language before this one.
    pub drawn: u64,
    /// The number of this draw in the stream, counted from 0.
    pub draw: u64,
}

impl LanguageDraw {
    /// The draw of a text, by its place in the source, after so many epochs of the language.
    pub fn of_text(self, index: u64, epoch: u64) -> Draw {
        Draw { language: self.language, index, epoch, draw: self.draw }
    }
}

impl MixtureStream {
    /// A stream at its beginning. The languages of the sources must be those of the distribution,
    /// in its order.
    ///
    /// # Errors
    ///
    /// [`StreamError::Sources`] where they are not, [`StreamError::Empty`] for a source without
    /// text, [`StreamError::TooLarge`] for one of more than 2^56 texts.
    pub fn try_new<S: TextSource>(
        distribution: &LanguageDistribution,
        sources: &[S],
        seed: Seed,
    ) -> Result<Self, StreamError> {
        let found = sources.iter().map(TextSource::language);
        distribution.check_order(found)?;
        if let Some(empty) = sources.iter().find(|source| source.text_count() == 0) {
            return Err(StreamError::Empty { language: empty.language().clone() });
        }
        let most = MixtureState::MOST_DRAWS;
        if let Some(large) = sources.iter().find(|source| source.text_count() > most) {
            let (language, found) = (large.language().clone(), large.text_count());
            return Err(StreamError::TooLarge { language, found });
        }
        let source = |source: &S| {
            let seed = seed.derive("order").derive(source.language().as_str());
            let len = source.text_count();
            Source {
                language: source.language().clone(),
                len,
                fingerprint: source.fingerprint(),
                seed,
                epoch: 0,
                before: 0,
                order: TextOrder::new(len, None, seed.at(0)),
            }
        };
        let probabilities: Vec<f64> = distribution.iter().map(|(_, q)| q).collect();
        let order = LanguageOrder::default();
        Ok(Self {
            sources: sources.iter().map(source).collect(),
            languages: LanguageDraws::new(distribution, order, seed),
            counts: vec![0; probabilities.len()],
            settled: vec![0; probabilities.len()],
            weights: probabilities.clone(),
            probabilities,
            order,
            shuffle: None,
            shard: Shard::WHOLE,
            seed,
            draws: 0,
        })
    }

    /// Sets how the language is chosen. Default: [`LanguageOrder::Random`].
    #[must_use]
    pub fn with_order(mut self, order: LanguageOrder) -> Self {
        self.order = order;
        self.resettle();
        self
    }

    /// Keeps texts near that are drawn one after another, for files that are not in memory: of each
    /// language only [`BlockShuffle::window`] blocks are gone through at a time. Default: every text
    /// may follow every other.
    ///
    /// # Errors
    ///
    /// [`StreamError::Shuffle`] for a block or window of 0.
    pub fn with_block_shuffle(mut self, shuffle: BlockShuffle) -> Result<Self, StreamError> {
        if shuffle.block == 0 || shuffle.window == 0 {
            return Err(StreamError::Shuffle { shuffle });
        }
        self.shuffle = Some(shuffle);
        self.seek();
        Ok(self)
    }

    /// Draws one worker's part of the stream from here on. Default: all of it.
    ///
    /// Workers that have drawn equally often have the same [`state`](Self::state), which any number
    /// of workers can go on from: nothing is lost and nothing is drawn twice.
    #[must_use]
    pub fn with_shard(mut self, shard: Shard) -> Self {
        self.shard = shard;
        self
    }

    /// Ends the stream by a rule.
    pub fn until(self, rule: StoppingRule) -> StoppedStream {
        StoppedStream::new(self, rule)
    }

    /// The next draw; there always is one.
    pub fn next_draw(&mut self) -> Draw {
        for _ in 0..self.shard.index() {
            self.step();
        }
        let own = self.step();
        for _ in self.shard.index() + 1..self.shard.count() {
            self.step();
        }
        self.resolve(own)
    }

    /// Goes one draw further, whoever's it is.
    pub(crate) fn step(&mut self) -> LanguageDraw {
        let language = self.languages.next_language();
        let step = LanguageDraw { language, drawn: self.counts[language], draw: self.draws };
        self.counts[language] += 1;
        self.draws += 1;
        step
    }

    /// Looks up the text of a step.
    pub(crate) fn resolve(&mut self, step: LanguageDraw) -> Draw {
        let source = &mut self.sources[step.language];
        // Nearly always it is of the present epoch; a division takes as long as the rest.
        if step.drawn.wrapping_sub(source.before) >= source.len {
            source.turn_to(step.drawn / source.len, self.shuffle);
        }
        let index = source.order.at(step.drawn - source.before);
        step.of_text(index, source.epoch)
    }

    /// The window in which the text of a draw is, where texts are kept near: what a reader needs to know to have them
    /// in memory. `None` without [`with_block_shuffle`](Self::with_block_shuffle), and for a language that the stream does
    /// not have.
    pub fn window_of(&self, draw: LanguageDraw) -> Option<TextWindow> {
        let source = self.sources.get(draw.language)?;
        let (epoch, place) = (draw.drawn / source.len, draw.drawn % source.len);
        let order = BlockPermutation::new(source.len, self.shuffle?, source.seed.at(epoch));
        Some(TextWindow {
            language: draw.language,
            epoch,
            before: epoch * source.len,
            window: order.window_of(place),
        })
    }

    /// Draws by other probabilities from here on: what a schedule or a
    /// [`Doremi`](crate::Doremi) asks for while training runs. Epochs go on where they are.
    ///
    /// # Errors
    ///
    /// [`StreamError::Sources`] where the languages are not those of the stream, in their order.
    pub fn reweight(&mut self, distribution: &LanguageDistribution) -> Result<(), StreamError> {
        distribution.check_order(self.sources.iter().map(|source| &source.language))?;
        self.set_weights(distribution.iter().map(|(_, q)| q).collect());
        Ok(())
    }

    /// Leaves a language out from here on; the others share its draws.
    pub(crate) fn leave_out(&mut self, language: usize) {
        let mut weights = self.weights.clone();
        weights[language] = 0.0;
        let left: f64 = weights.iter().sum();
        if left > 0.0 {
            for weight in &mut weights {
                *weight /= left;
            }
            self.set_weights(weights);
        }
    }

    fn set_weights(&mut self, weights: Vec<f64>) {
        self.weights = weights;
        self.settled.clone_from(&self.counts);
        self.resettle();
    }

    /// Takes up the order of languages at the present counts.
    fn resettle(&mut self) {
        let since = self.counts.iter().zip(&self.settled).map(|(now, then)| now - then);
        let (weights, since) = (&self.weights, since.collect::<Vec<_>>());
        self.languages = LanguageDraws::resumed(weights, self.order, self.seed, self.draws, &since);
    }

    /// Takes up the order of texts at the present counts.
    fn seek(&mut self) {
        for (source, drawn) in self.sources.iter_mut().zip(&self.counts) {
            source.turn_to(drawn / source.len, self.shuffle);
        }
    }

    pub(crate) fn shard(&self) -> Shard {
        self.shard
    }

    /// How many texts have been drawn by all workers.
    pub(crate) fn draws(&self) -> u64 {
        self.draws
    }

    /// Whether every text of a language has been drawn exactly once.
    pub(crate) fn is_at_end_of_first_epoch(&self, language: usize) -> bool {
        self.counts[language] == self.sources[language].len
    }

    /// How many texts the sources have, in the order of the distribution.
    pub fn text_counts(&self) -> impl ExactSizeIterator<Item = u64> {
        self.sources.iter().map(|source| source.len)
    }

    /// Refuses sources of texts that are not those the stream draws: in their order, their languages,
    /// their numbers, and their content where both sides know it.
    ///
    /// # Errors
    ///
    /// [`StreamError::OtherStream`] with the first difference.
    pub fn check_sources<S: TextSource>(&self, sources: &[S]) -> Result<(), StreamError> {
        let own = self.state();
        if sources.len() != own.sources.len() {
            let field = "number of languages".to_owned();
            let (found, expected) = (own.sources.len().to_string(), sources.len().to_string());
            return Err(StreamError::OtherStream { field, found, expected });
        }
        let mut theirs = own.clone();
        for (state, source) in theirs.sources.iter_mut().zip(sources) {
            state.language = source.language().clone();
            state.texts = source.text_count();
            if state.fingerprint.is_some() && source.fingerprint().is_some() {
                state.fingerprint = source.fingerprint();
            }
        }
        own.check_against(&theirs)
    }

    /// How many texts have been drawn of each language by all workers, in the order of the
    /// distribution.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Where the stream stands.
    pub fn state(&self) -> MixtureState {
        let source = |index: usize| {
            let source = &self.sources[index];
            let is_as_made = self.weights == self.probabilities;
            SourceState {
                language: source.language.clone(),
                texts: source.len,
                fingerprint: source.fingerprint,
                probability: self.probabilities[index],
                weight: (!is_as_made).then(|| self.weights[index].to_bits()),
                drawn: self.counts[index],
                settled: self.settled[index],
            }
        };
        MixtureState {
            version: MixtureState::VERSION,
            seed: self.seed,
            order: self.order,
            shuffle: self.shuffle,
            draws: self.draws,
            sources: (0..self.sources.len()).map(source).collect(),
        }
    }

    /// Goes to where a state was taken, by this worker or another.
    ///
    /// # Errors
    ///
    /// [`StreamError::OtherStream`] with the first difference, where it was taken from a stream over
    /// other texts, with other probabilities, another seed, order or shuffle.
    pub fn restore(&mut self, state: &MixtureState) -> Result<(), StreamError> {
        state.check_against(&self.state())?;
        self.draws = state.draws;
        self.counts = state.sources.iter().map(|source| source.drawn).collect();
        self.settled = state.sources.iter().map(|source| source.settled).collect();
        let weight =
            |(source, made): (&SourceState, &f64)| source.weight.map_or(*made, f64::from_bits);
        self.weights = state.sources.iter().zip(&self.probabilities).map(weight).collect();
        self.resettle();
        self.seek();
        Ok(())
    }
}

/// Blocks of texts of one language that are drawn before any other of its blocks.
#[derive(Clone, Debug)]
pub struct TextWindow {
    language: usize,
    epoch: u64,
    before: u64,
    window: Window,
}

impl TextWindow {
    /// The language, by its place in the distribution.
    pub fn language(&self) -> usize {
        self.language
    }

    /// How often all texts of the language had been drawn before.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The draws that are in it, by how many of the language were before them.
    pub fn draws(&self) -> Range<u64> {
        self.before + self.window.places.start..self.before + self.window.places.end
    }

    /// The first text of each block; all have the same number of texts, but the last may have fewer.
    pub fn blocks(&self) -> &[u64] {
        &self.window.blocks
    }

    /// For each of the draws, in order: the block, by its place among [`blocks`](Self::blocks), and the text in it.
    pub fn texts(&self) -> impl ExactSizeIterator<Item = (usize, u64)> {
        let Range { start, end } = self.window.places;
        // No more than memory holds.
        (0..usize::try_from(end - start).unwrap_or(usize::MAX))
            .map(|place| self.window.at(place as u64))
    }
}

impl Source {
    fn turn_to(&mut self, epoch: u64, shuffle: Option<BlockShuffle>) {
        (self.epoch, self.before) = (epoch, epoch * self.len);
        self.order = TextOrder::new(self.len, shuffle, self.seed.at(epoch));
    }
}

impl Iterator for MixtureStream {
    type Item = Draw;

    fn next(&mut self) -> Option<Draw> {
        Some(self.next_draw())
    }
}
