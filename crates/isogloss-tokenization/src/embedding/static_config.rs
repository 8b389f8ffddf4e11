//! What static vectors to train.

use isogloss_core::{Progress, Seed};
use serde::{Deserialize, Serialize};

use super::static_training::{self, Vocabulary};
use super::{StaticVectors, StaticVectorsError};

/// What is predicted from what.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Architecture {
    /// A token from the mean of its neighbours.
    Cbow,
    /// Each neighbour from the token.
    SkipGram,
}

/// Static vectors of tokens to be trained by their neighbours in text, with character n-grams.
///
/// ```text
/// v(t) = mean of the row of t and the rows of its n-grams' buckets
/// loss = -ln σ(h · u(t)) - Σ_n ln σ(-h · u(n)),   n ~ count^0.5, not t
/// CBOW:      t is the token in the middle, h the mean of all rows of all its neighbours
/// skip-gram: t is each neighbour in turn, h = v(the token in the middle)
/// ```
///
/// The number of neighbours on each side is drawn from 1 to `window`. A token of frequency `f` is
/// kept with probability `√(sample/f) + sample/f`. The learning rate falls to zero in a line.
///
/// Training runs on one thread, and the vectors are a function of the corpus, this configuration
/// and its seed. Only rows that training touches are held: an untouched bucket's are computed from
/// the seed, so two million buckets cost nothing by themselves.
///
/// # Source
///
/// Bojanowski, Grave, Joulin and Mikolov (2017), "Enriching Word Vectors with Subword
/// Information", <https://aclanthology.org/Q17-1010>. Where the paper and `facebookresearch/fastText`
/// 0.9.2 differ the program is followed: the power 0.5, where word2vec has 0.75, the hash that
/// extends bytes by their sign, the gradient that is not divided among the rows. What is not
/// followed: a line's end is no token here (add one to the sequences if it should be), lines are
/// not cut after 1,024 tokens, and an epoch is one pass over the corpus.
///
/// # Examples
///
/// ```
/// use isogloss_core::Seed;
/// use isogloss_tokenization::embedding::{Architecture, StaticVectorsConfig};
///
/// let texts = ["ẹ káàárọ̀ o", "ẹ káàsán o", "ẹ káalẹ́ o"];
/// let corpus = || texts.iter().map(|text| text.split(' '));
/// let config = StaticVectorsConfig::new(Architecture::Cbow, Seed::new(7)).with_min_count(1);
/// let vectors = config.train(corpus, &())?;
/// assert_eq!(vectors.vector("káàsán").map(|vector| vector.len()), Some(100));
/// # Ok::<(), isogloss_tokenization::embedding::StaticVectorsError>(())
/// ```
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct StaticVectorsConfig {
    /// What is predicted from what.
    pub architecture: Architecture,
    /// Values of a vector. Default: 100.
    pub dim: usize,
    /// Passes over the corpus. Default: 5; FOCUS 3, WECHSEL 20.
    pub epochs: u32,
    /// Tokens that each is told apart from. Default: 5; FOCUS and WECHSEL 10.
    pub negatives: usize,
    /// Neighbours on each side, at most. Default: 5.
    pub window: usize,
    /// Rarer tokens have no row, and are passed over. Default: 5; FOCUS 10.
    pub min_count: u64,
    /// The learning rate at the beginning. Default: 0.05.
    pub learning_rate: f32,
    /// The frequency above which tokens are passed over at times, above 0; 1 keeps all.
    /// Default: 0.0001.
    pub sample: f64,
    /// The shortest character n-gram. Default: 3; WECHSEL 5.
    pub min_n: usize,
    /// The longest; 0 for none at all. Default: 6; WECHSEL 5.
    pub max_n: usize,
    /// How many buckets n-grams share. Default: 2,000,000.
    pub buckets: u32,
    /// Where random choices come from.
    pub seed: Seed,
}

impl StaticVectorsConfig {
    /// The defaults of fastText, which stand beside the fields.
    pub fn new(architecture: Architecture, seed: Seed) -> Self {
        Self {
            architecture,
            dim: 100,
            epochs: 5,
            negatives: 5,
            window: 5,
            min_count: 5,
            learning_rate: 0.05,
            sample: 1e-4,
            min_n: 3,
            max_n: 6,
            buckets: 2_000_000,
            seed,
        }
    }

    /// What `deepfocus` 1.0.1 trains over the tokens of the new language's tokenizer: CBOW, 3
    /// epochs, 10 negatives, a least count of 10. Its paper says 300 values, its code 100.
    pub fn focus(seed: Seed) -> Self {
        let fast_text = Self::new(Architecture::Cbow, seed);
        Self { epochs: 3, negatives: 10, min_count: 10, ..fast_text }
    }

    /// What `wechsel` 0.0.4 trains over words: CBOW, 20 epochs, 10 negatives, n-grams of 5.
    pub fn wechsel(seed: Seed) -> Self {
        let fast_text = Self::new(Architecture::Cbow, seed);
        Self { epochs: 20, negatives: 10, min_n: 5, max_n: 5, ..fast_text }
    }

    /// Sets the number of values of a vector.
    #[must_use]
    pub fn with_dim(mut self, dim: usize) -> Self {
        self.dim = dim;
        self
    }

    /// Sets the number of passes.
    #[must_use]
    pub fn with_epochs(mut self, epochs: u32) -> Self {
        self.epochs = epochs;
        self
    }

    /// Sets how many tokens each is told apart from.
    #[must_use]
    pub fn with_negatives(mut self, negatives: usize) -> Self {
        self.negatives = negatives;
        self
    }

    /// Sets how many neighbours count on each side, at most.
    #[must_use]
    pub fn with_window(mut self, window: usize) -> Self {
        self.window = window;
        self
    }

    /// Sets how often a token must occur.
    #[must_use]
    pub fn with_min_count(mut self, min_count: u64) -> Self {
        self.min_count = min_count;
        self
    }

    /// Sets the learning rate of the beginning.
    #[must_use]
    pub fn with_learning_rate(mut self, learning_rate: f32) -> Self {
        self.learning_rate = learning_rate;
        self
    }

    /// Sets the frequency above which tokens are passed over at times.
    #[must_use]
    pub fn with_sample(mut self, sample: f64) -> Self {
        self.sample = sample;
        self
    }

    /// Sets the lengths of character n-grams; `(0, 0)` for none.
    #[must_use]
    pub fn with_ngrams(mut self, min_n: usize, max_n: usize) -> Self {
        (self.min_n, self.max_n) = (min_n, max_n);
        self
    }

    /// Sets how many buckets n-grams share.
    #[must_use]
    pub fn with_buckets(mut self, buckets: u32) -> Self {
        self.buckets = buckets;
        self
    }

    /// Trains vectors of the tokens of a corpus.
    ///
    /// `corpus` is called once to count tokens and once in each epoch, and must give the same token
    /// sequences each time: lines of a file, cut as they are read. Nothing of it is kept but the
    /// distinct tokens.
    ///
    /// # Errors
    ///
    /// [`StaticVectorsError::Config`], [`StaticVectorsError::Vocabulary`],
    /// [`StaticVectorsError::CorpusChanged`], [`StaticVectorsError::Diverged`].
    pub fn train<C>(
        &self,
        corpus: impl Fn() -> C,
        progress: &dyn Progress,
    ) -> Result<StaticVectors, StaticVectorsError>
    where
        C: IntoIterator<Item: IntoIterator<Item: AsRef<str>>>,
    {
        self.check()?;
        let vocabulary = Vocabulary::count(corpus(), self)?;
        static_training::train(self, vocabulary, corpus, progress)
    }

    fn check(&self) -> Result<(), StaticVectorsError> {
        let fault = |field, found: String, expected| {
            Err(StaticVectorsError::Config { field, found, expected })
        };
        for (field, value) in [
            ("dim", self.dim),
            ("epochs", usize::try_from(self.epochs).unwrap_or(usize::MAX)),
            ("negatives", self.negatives),
            ("window", self.window),
        ] {
            if value == 0 {
                return fault(field, "0".to_owned(), "at least 1");
            }
        }
        if !(self.learning_rate > 0.0 && self.learning_rate.is_finite()) {
            return fault("learning_rate", self.learning_rate.to_string(), "above 0");
        }
        if !(self.sample > 0.0 && self.sample <= 1.0) {
            return fault("sample", self.sample.to_string(), "above 0 and at most 1");
        }
        if self.max_n > 0 && !(1..=self.max_n).contains(&self.min_n) {
            return fault("min_n", self.min_n.to_string(), "from 1 to `max_n`");
        }
        if self.max_n > 0 && self.buckets == 0 {
            return fault("buckets", "0".to_owned(), "at least 1 where there are n-grams");
        }
        Ok(())
    }
}
