//! When a stream ends.

use serde::{Deserialize, Serialize};

use crate::{Draw, LanguageDraw, MixtureState, MixtureStream, StreamError};

/// When a stream ends.
///
/// The first three are those of `datasets.interleave_datasets`, by its names. What each leaves out
/// or repeats is in the stream's [`counts`](MixtureStream::counts).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StoppingRule {
    /// With the last text of the first language that runs out. Texts of the others are left.
    FirstExhausted,
    /// When every text has been drawn at least once; a language that runs out begins again.
    AllExhausted,
    /// When every text has been drawn exactly once: a language that runs out is left out, and the
    /// others share its draws.
    AllExhaustedWithoutReplacement,
    /// After so many draws by all workers.
    Budget(u64),
}

/// A [`MixtureStream`] that ends by a [`StoppingRule`].
///
/// # Examples
///
/// ```
/// use isogloss_core::Seed;
/// use isogloss_sampling::{
///     ExponentConfig, LanguageSizes, LanguageWeighting, MixtureStream, SizeUnit, StoppingRule,
/// };
///
/// let sources = [("en".parse()?, 90), ("yo".parse()?, 10)];
/// let sizes = LanguageSizes::try_new(SizeUnit::Sentences, sources.clone())?;
/// let distribution = ExponentConfig::new().distribution(&sizes)?;
/// let stream = MixtureStream::try_new(&distribution, &sources, Seed::new(1))?;
/// let once = stream.until(StoppingRule::AllExhaustedWithoutReplacement);
/// assert_eq!(once.count(), 100);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct StoppedStream {
    stream: MixtureStream,
    rule: StoppingRule,
    // Languages of which texts are left that were never drawn.
    unfinished: usize,
    finished_one: bool,
}

impl StoppedStream {
    pub(crate) fn new(stream: MixtureStream, rule: StoppingRule) -> Self {
        let mut this = Self { stream, rule, unfinished: 0, finished_one: false };
        this.recount();
        this
    }

    fn recount(&mut self) {
        let counts = self.stream.counts().iter().zip(self.stream.text_counts());
        self.unfinished = counts.filter(|(drawn, texts)| *drawn < texts).count();
        self.finished_one = self.unfinished < self.stream.counts().len();
    }

    fn is_over(&self) -> bool {
        match self.rule {
            StoppingRule::FirstExhausted => self.finished_one,
            StoppingRule::AllExhausted | StoppingRule::AllExhaustedWithoutReplacement => {
                self.unfinished == 0
            }
            StoppingRule::Budget(draws) => self.stream.draws() >= draws,
        }
    }

    /// The stream, which would go on.
    pub fn stream(&self) -> &MixtureStream {
        &self.stream
    }

    /// Where the stream stands.
    pub fn state(&self) -> MixtureState {
        self.stream.state()
    }

    /// Goes to where a state was taken, as [`MixtureStream::restore`] does.
    ///
    /// # Errors
    ///
    /// [`StreamError::OtherStream`] with the first difference.
    pub fn restore(&mut self, state: &MixtureState) -> Result<(), StreamError> {
        self.stream.restore(state)?;
        self.recount();
        Ok(())
    }
}

impl StoppedStream {
    /// The next draw, of which the text is not looked up.
    pub fn next_language(&mut self) -> Option<LanguageDraw> {
        let shard = self.stream.shard();
        let mut own = None;
        for worker in 0..shard.count() {
            if self.is_over() {
                break;
            }
            let step = self.stream.step();
            if worker == shard.index() {
                own = Some(step);
            }
            if self.stream.is_at_end_of_first_epoch(step.language) {
                self.unfinished -= 1;
                self.finished_one = true;
                if self.rule == StoppingRule::AllExhaustedWithoutReplacement {
                    self.stream.leave_out(step.language);
                }
            }
        }
        own
    }
}

impl Iterator for StoppedStream {
    type Item = Draw;

    fn next(&mut self) -> Option<Draw> {
        self.next_language().map(|draw| self.stream.resolve(draw))
    }
}
