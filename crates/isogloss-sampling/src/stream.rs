//! An endless, reproducible, resumable order of texts in many languages.

use isogloss_core::{LanguageTag, Seed};
use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::order::tijdeman;
use crate::permutation::Permutation;
use crate::{LanguageDistribution, LanguageOrder, StreamError};

/// Texts of one language, as far as sampling needs to know them.
pub trait TextSource {
    /// The language of the texts.
    fn language(&self) -> &LanguageTag;

    /// How many there are.
    fn text_count(&self) -> u64;
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
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
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
/// order that changes with each epoch.
///
/// The stream is a function of the seed: it holds a count for each language and nothing else, so
/// its [`state`](Self::state) is small and it goes on from there to the same draws.
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
    probabilities: Vec<f64>,
    cumulative: Vec<f64>,
    order: LanguageOrder,
    seed: Seed,
    draws: u64,
    counts: Vec<u64>,
}

#[derive(Clone, Debug)]
struct Source {
    language: LanguageTag,
    len: u64,
    seed: Seed,
    epoch: u64,
    permutation: Permutation,
}

/// Where a stream stands, and of what.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MixtureState {
    version: u32,
    seed: Seed,
    order: LanguageOrder,
    draws: u64,
    sources: Vec<SourceState>,
}

/// Where a stream stands in one language.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SourceState {
    language: LanguageTag,
    texts: u64,
    probability: f64,
    drawn: u64,
}

const VERSION: u32 = 1;

impl MixtureStream {
    /// A stream at its beginning. The languages of the sources must be those of the distribution,
    /// in its order.
    ///
    /// # Errors
    ///
    /// [`StreamError::Sources`] where they are not, [`StreamError::Empty`] for a source without
    /// text.
    pub fn try_new<S: TextSource>(
        distribution: &LanguageDistribution,
        sources: &[S],
        seed: Seed,
    ) -> Result<Self, StreamError> {
        let expected: Vec<_> = distribution.iter().collect();
        for index in 0..expected.len().max(sources.len()) {
            let found = sources.get(index).map(TextSource::language);
            let language = expected.get(index).map(|(language, _)| *language);
            if found != language {
                let name = |tag: Option<&LanguageTag>| {
                    tag.map_or_else(|| "absent".to_owned(), ToString::to_string)
                };
                let (found, expected) = (name(found), name(language));
                return Err(StreamError::Sources { index, found, expected });
            }
        }
        if let Some(empty) = sources.iter().find(|source| source.text_count() == 0) {
            return Err(StreamError::Empty { language: empty.language().clone() });
        }
        let source = |source: &S| {
            let seed = seed.derive("order").derive(source.language().as_str());
            let len = source.text_count();
            let permutation = Permutation::new(len, seed.at(0));
            Source { language: source.language().clone(), len, seed, epoch: 0, permutation }
        };
        let probabilities: Vec<f64> = expected.iter().map(|(_, q)| *q).collect();
        let cumulative = probabilities
            .iter()
            .scan(0.0, |sum, q| {
                *sum += q;
                Some(*sum)
            })
            .collect();
        Ok(Self {
            sources: sources.iter().map(source).collect(),
            counts: vec![0; probabilities.len()],
            probabilities,
            cumulative,
            order: LanguageOrder::default(),
            seed,
            draws: 0,
        })
    }

    /// Sets how the language is chosen.
    #[must_use]
    pub fn with_order(mut self, order: LanguageOrder) -> Self {
        self.order = order;
        self
    }

    /// The next draw; there always is one.
    pub fn next_draw(&mut self) -> Draw {
        let language = match self.order {
            LanguageOrder::Random => self.random_language(),
            LanguageOrder::LowDiscrepancy => {
                tijdeman(&self.probabilities, &self.counts, self.draws + 1)
            }
        };
        let source = &mut self.sources[language];
        let drawn = self.counts[language];
        let epoch = drawn / source.len;
        if epoch != source.epoch {
            source.epoch = epoch;
            source.permutation = Permutation::new(source.len, source.seed.at(epoch));
        }
        let index = source.permutation.at(drawn % source.len);
        let draw = Draw { language, index, epoch, draw: self.draws };
        self.counts[language] += 1;
        self.draws += 1;
        draw
    }

    fn random_language(&self) -> usize {
        let uniform: f64 = self.seed.derive("language").at(self.draws).rng().random();
        let chosen = self.cumulative.partition_point(|sum| *sum <= uniform);
        // The last sum may be rounded to just below 1.
        chosen.min(self.cumulative.len() - 1)
    }

    /// How many texts have been drawn of each language, in the order of the distribution.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Where the stream stands.
    pub fn state(&self) -> MixtureState {
        let source = |index: usize| SourceState {
            language: self.sources[index].language.clone(),
            texts: self.sources[index].len,
            probability: self.probabilities[index],
            drawn: self.counts[index],
        };
        MixtureState {
            version: VERSION,
            seed: self.seed,
            order: self.order,
            draws: self.draws,
            sources: (0..self.sources.len()).map(source).collect(),
        }
    }

    /// Goes to where a state was taken.
    ///
    /// # Errors
    ///
    /// [`StreamError::OtherStream`] with the first difference, where it was taken from a stream over
    /// other texts, with other probabilities, another seed or another order.
    pub fn restore(&mut self, state: &MixtureState) -> Result<(), StreamError> {
        let here = self.state();
        let differ = |field: &str, found: String, expected: String| {
            if found == expected {
                Ok(())
            } else {
                Err(StreamError::OtherStream { field: field.to_owned(), found, expected })
            }
        };
        differ("version", state.version.to_string(), here.version.to_string())?;
        differ("seed", state.seed.value().to_string(), here.seed.value().to_string())?;
        differ("order", format!("{:?}", state.order), format!("{:?}", here.order))?;
        let names = |state: &MixtureState| {
            let names: Vec<_> = state.sources.iter().map(|s| s.language.as_str()).collect();
            names.join(", ")
        };
        differ("languages", names(state), names(&here))?;
        for (found, expected) in state.sources.iter().zip(&here.sources) {
            let field = format!("texts of `{}`", expected.language);
            differ(&field, found.texts.to_string(), expected.texts.to_string())?;
        }
        for (found, expected) in state.sources.iter().zip(&here.sources) {
            // A text format may lose the last bit of a number.
            if (found.probability - expected.probability).abs() > 1e-12 {
                let field = format!("probability of `{}`", expected.language);
                differ(&field, found.probability.to_string(), expected.probability.to_string())?;
            }
        }
        let drawn: u64 = state.sources.iter().map(|source| source.drawn).sum();
        differ("draws", state.draws.to_string(), drawn.to_string())?;
        self.draws = state.draws;
        self.counts = state.sources.iter().map(|source| source.drawn).collect();
        for (source, drawn) in self.sources.iter_mut().zip(&self.counts) {
            source.epoch = drawn / source.len;
            source.permutation = Permutation::new(source.len, source.seed.at(source.epoch));
        }
        Ok(())
    }
}

impl Iterator for MixtureStream {
    type Item = Draw;

    fn next(&mut self) -> Option<Draw> {
        Some(self.next_draw())
    }
}
